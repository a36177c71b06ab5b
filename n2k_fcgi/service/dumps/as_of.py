"""The time for which a dump speaks: the first of the times that are said of it and can be believed, else now.

A time that is too late does harm: what is registered today would lose against the dump, and so would the next dump.
"""

import time
from collections.abc import Iterable
from typing import NamedTuple

from n2k_fcgi.errors import FutureTime

SECOND_LIFE_BEGAN = 1_041_379_200
"""2003-01-01, unix seconds. No dump is older: an earlier time is how clocks and archives say that they know none."""

FILE, GZ, ZIP, ZIP_LOCAL = "the file's time", "the gz's time", "the zip's time", "the zip's local time"
LAST_MODIFIED, GIVEN = "Last-Modified", "--as-of"


class Clue(NamedTuple):
    """A time that is said of a dump."""

    source: str
    """Who says it: FILE, GZ, ZIP, ZIP_LOCAL or LAST_MODIFIED."""
    seconds: int
    """Unix seconds."""


class AsOf(NamedTuple):
    """The time that is used, and why."""

    seconds: int
    """Unix seconds, never later than now."""
    why: str
    is_doubted: bool = False
    """It is now, because what is said of the dump cannot be."""


def settle(given: int | None, clues: Iterable[Clue], now: int) -> AsOf:
    """The time *given* by the user, else the first of *clues* that can be believed, else *now*; all in unix seconds.

    Raises FutureTime for a *given* one that is later than now.
    """
    if given is not None:
        refuse_future(given, now)
        return AsOf(given, GIVEN)
    doubts = ""
    for source, seconds in clues:
        said = f"{source} is {iso(seconds)}"
        if seconds > now:
            return AsOf(now, f"now: {said}, which is still to come", is_doubted=True)
        if seconds >= SECOND_LIFE_BEGAN:
            return AsOf(seconds, source + doubts)
        doubts = doubts or f": {said}, before Second Life began"
    return AsOf(now, "now" + (doubts or ": it says no time"), is_doubted=bool(doubts))


def refuse_future(given: int | None, now: int) -> None:
    """Raise FutureTime when the user gave a time that is later than *now*."""
    if given is not None and given > now:
        raise FutureTime(given=iso(given), now=iso(now))


def iso(seconds: int) -> str:
    """Unix seconds as people read them, UTC."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (OSError, OverflowError, ValueError):  # a file's time may be any number
        return f"{seconds} s"
