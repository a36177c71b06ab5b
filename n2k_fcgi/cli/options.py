"""Types and options that several commands use."""

import contextlib
import os
import re
import signal
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from typing import Any

import click

from n2k_fcgi.cli.standard_streams import as_typed
from n2k_fcgi.config import RATE, Settings
from n2k_fcgi.store import ration


class When(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A time: ``2026-11-21``, ``2026-11-21T06:40:00Z`` (UTC), or unix seconds. Converts to unix seconds."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See the class."""
        text = str(value)
        if re.fullmatch(r"[0-9]{6,12}", text):
            return int(text)
        for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"):
            try:
                return timegm(time.strptime(text, form))
            except ValueError:
                continue
        return self.fail(f"{text!r} is not a time: use 2026-11-21, 2026-11-21T06:40:00Z (UTC) or unix seconds", param, ctx)


class Size(click.ParamType):  # type: ignore[type-arg]
    """Bytes as the settings spell them, such as 512K or 8M. *parse*: from ``config.values``."""

    name = "size"

    def __init__(self, parse: Callable[[str], int]) -> None:
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See the class."""
        try:
            return self._parse(str(value))
        except ValueError as problem:
            return self.fail(f"must be {problem}, not {value!r}", param, ctx)


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """Text that *parse*, from ``config.values``, checks and completes, such as an address."""

    name = "text"

    def __init__(self, parse: Callable[[str], str]) -> None:
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See the class."""
        try:
            return self._parse(str(value))
        except ValueError as problem:
            return self.fail(f"must be {problem}, not {value!r}", param, ctx)


class Words(click.ParamType):  # type: ignore[type-arg]
    """A name or other typed text: UTF-8 where the locale is ASCII."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See the class."""
        return as_typed(str(value))


class Note(Words):
    """One line of text, stored as a note."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See the class."""
        note = as_typed(str(value)).strip()
        if not note.isprintable() or len(note) > NOTE_CHARACTERS:
            self.fail(f"a note is one line of at most {NOTE_CHARACTERS} characters", param, ctx)
        return note


NOTE_CHARACTERS = 60


def be_nice(nice: int) -> None:
    """Run at low priority, and clean up at SIGTERM as at Ctrl-C.

    Linux derives the I/O priority from it (ioprio_set(2)).
    """
    with contextlib.suppress(OSError):
        os.nice(nice)

    def stop(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)


nice = click.option(
    "--nice", type=click.IntRange(0, 19), default=10, show_default=True, help="Niceness: CPU priority to give up."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
grid = click.option("--grid", type=Words(), metavar="G", help="The grid, such as Production or OpenSim.")
replace = click.option("--replace", is_flag=True, help="Remove avatars of this grid that the dump does not have.")
max_bad = click.option("--max-bad", type=click.FloatRange(0, 100), help="Refuse the dump above this percentage of bad lines.")
max_bytes = click.option("--max-bytes", type=click.IntRange(1), help="Refuse the dump above this many unpacked bytes.")
jobs = click.option(
    "--jobs",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="Above 1, and without --io: a thread or program unpacks and a second process sorts. 1: one process, one thread.",
)
io = click.option(
    "--io",
    type=Size(RATE),
    metavar="RATE",
    help="Read and write at most so many bytes per second, such as 1M; 0: no limit (default: the setting 'io').",
)


@contextlib.contextmanager
def rationed(io: int | None, jobs: int, settings: Settings) -> Iterator[int]:
    """Have the ration of ``--io`` inside of the block; yield the jobs: with a ration one, for the kernel counts by process.

    Raises TrafficNotCounted.
    """
    rate = settings.io if io is None else io
    with ration.rationed(rate):
        yield 1 if rate else jobs
