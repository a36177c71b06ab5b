"""Names of generations: the time when they were made, sortable."""

import calendar
import re
import time
from collections.abc import Sequence

_SECONDS = "%Y%m%dT%H%M%S"
_STAMP = re.compile(r"(\d{8}T\d{6})\.(\d{3})Z[px]*$")
"""A time, and a letter for each purge."""


def stamp(now: float, existing: Sequence[str]) -> str:
    """Name a generation that is made *now* (unix seconds): later than all *existing* ones, also if the clock was set back.

    Then it is the next millisecond: names do not grow, however many imports it takes for the clock to pass the latest.
    """
    name = _named(int(now * 1000))
    latest = max(existing, default="")
    if name > latest:
        return name
    known = _STAMP.match(latest)
    if known is None:  # a person's name for it
        return latest + "x"
    return _named(calendar.timegm(time.strptime(known[1], _SECONDS)) * 1000 + int(known[2]) + 1)


def _named(milliseconds: int) -> str:
    return time.strftime(_SECONDS, time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"
