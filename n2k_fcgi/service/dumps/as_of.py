"""The time that a dump describes: the first stated one that is plausible, else now.

A time in the future does harm: what is registered today would lose against the dump, and so would the next dump.
"""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from n2k_fcgi.errors import FutureTime
from n2k_fcgi.model.dates import iso

SECOND_LIFE_BEGAN = 1_041_379_200
"""2003-01-01, unix seconds. No dump is older: clocks and archives have an earlier time if they know none."""


class Stated(Enum):
    """Where the time of a dump is stated. The value is its text in reports, which JSON has too."""

    GIVEN = "--as-of"
    ZIP = "the zip's time"
    ZIP_LOCAL = "the zip's local time"
    GZ = "the gz's time"
    LAST_MODIFIED = "Last-Modified"
    FILE = "the file's time"


class Clue(NamedTuple):
    """A time that is stated for a dump."""

    source: Stated
    seconds: int
    """Unix seconds."""


class AsOf(NamedTuple):
    """The time that is used, and why."""

    seconds: int
    """Unix seconds, never later than now."""
    why: str
    is_doubted: bool = False
    """It is now, because the stated time is impossible."""


def settle(given: int | None, clues: Iterable[Clue], now: int) -> AsOf:
    """Return the time *given* by the user, else the first plausible one of *clues*, else *now*; all in unix seconds.

    Raises FutureTime if the *given* one is later than now.
    """
    if given is not None:
        refuse_future(given, now)
        return AsOf(given, Stated.GIVEN.value)
    doubts = ""
    for source, seconds in clues:
        said = f"{source.value} is {iso(seconds)}"
        if seconds > now:
            return AsOf(now, f"now: {said}, in the future", is_doubted=True)
        if seconds >= SECOND_LIFE_BEGAN:
            return AsOf(seconds, source.value + doubts)
        doubts = doubts or f": {said}, before Second Life began"
    return AsOf(now, "now" + (doubts or ": no time is stated"), is_doubted=bool(doubts))


def refuse_future(given: int | None, now: int) -> None:
    """Raise FutureTime if the user gave a time later than *now*."""
    if given is not None and given > now:
        raise FutureTime(given=iso(given), now=iso(now))
