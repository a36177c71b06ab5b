"""Progress of an import: on a terminal a bar with rows per second and time left, elsewhere a line per minute."""

import math
import sys
import time
from itertools import repeat
from typing import Any

import click

from n2k_fcgi.errors import counted
from n2k_fcgi.model.choices import Phase
from n2k_fcgi.service.ingest.report import Progress

READING_SHARE = 2 / 3
"""Share of the work that is reading the dump, to estimate the time left; the rest is writing the indexes."""

_STEPS = 3000

LINE_EVERY = 60.0
"""Seconds between two lines where there is no terminal."""


class ProgressBar:
    """Shows an import's progress on standard error. *size*: packed bytes of the dump, None for a pipe."""

    def __init__(self, size: int | None, *, hidden: bool) -> None:
        self._size = size
        self._started = time.monotonic()
        self._now = Progress(Phase.READING, 0, size, 0)
        self._place = 0
        stderr = sys.stderr
        self._bar: Any = None if hidden or not stderr.isatty() else self._make(stderr)
        self._next_line = math.inf if hidden else self._started + LINE_EVERY

    def __enter__(self) -> "ProgressBar":
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        if self._bar is not None:
            self._bar.__exit__(*details)

    def show(self, progress: Progress) -> None:
        """Update the bar, or write a line when one is due."""
        self._now = progress
        if self._bar is None:
            if time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + LINE_EVERY
                click.echo(f"import: {self._rate(None)}", err=True)
            return
        place = self._place_of(progress)
        self._bar.update(max(place - self._place, 0), progress)
        self._place = max(place, self._place)

    def _make(self, stderr: Any) -> Any:
        known = self._size is not None
        return click.progressbar(
            iterable=None if known else repeat(None),
            length=_STEPS if known else None,
            label="import",
            item_show_func=self._rate,
            file=stderr,
        )

    def _place_of(self, progress: Progress) -> int:
        share = progress.done / progress.total if progress.total else 0.0
        if progress.phase is Phase.READING:
            return int(_STEPS * READING_SHARE * share)
        return int(_STEPS * (READING_SHARE + (1 - READING_SHARE) * share))

    def _rate(self, _: object) -> str:
        rate = self._now.rows / max(time.monotonic() - self._started, 0.001)
        return f"{self._now.phase}: {counted(self._now.rows, 'row', ',')}, {rate:,.0f} rows/s"
