"""Progress of a download, in one line of a terminal; nothing elsewhere."""

import sys
import time
from typing import Any

import click

EVERY = 0.2
"""Seconds between two updates of the line."""

_MB = 1_000_000


class DownloadLine:
    """Shows a download's progress on standard error, when that is a terminal and not *hidden*."""

    def __init__(self, *, hidden: bool) -> None:
        self._shown = not hidden and sys.stderr.isatty()
        self._next = 0.0

    def __enter__(self) -> "DownloadLine":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._next:
            click.echo(err=True)

    def show(self, done: int, total: int | None) -> None:
        """Rewrite the line: *done* of *total* bytes (None: unknown) have arrived."""
        if not self._shown or (time.monotonic() < self._next and done != total):
            return
        self._next = time.monotonic() + EVERY
        whole = f" of {total / _MB:,.1f}" if total is not None else ""
        click.echo(f"\rdownload: {done / _MB:,.1f}{whole} MB", err=True, nl=False)
