"""Reading the lines that ``store.counts`` writes. What is not such a line is dropped: torn, hostile, of another version."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from n2k_fcgi.model.choices import Front
from n2k_fcgi.model.statistics import DAY, HOUR, HOURS_KEPT, Family, Worker
from n2k_fcgi.store.counts import LONGEST_LINE

MOST = 2**53
"""Of a count: what JSON carries exactly everywhere."""

_NAME = re.compile(r"[a-z]+\.[!-<>-~]{1,250}")
_FAMILIES = frozenset(map(str, Family))
_FRONTS = frozenset(map(str, Front))


class Line(NamedTuple):
    """One line."""

    worker: Worker
    """``seen`` is when it was written."""
    counts: dict[str, int]


def parse(data: bytes, now: int) -> list[Line]:
    """Return the lines in *data*; those of a time that is not kept, or that is to come, are dropped."""
    found = (_line(text, now) for text in data.split(b"\n") if text)
    return [line for line in found if line is not None]


def _line(data: bytes, now: int) -> Line | None:
    length, _, body = data.partition(b":")
    if not length.isdigit() or len(data) > LONGEST_LINE or int(length) != len(body) or not body.isascii():
        return None
    words = body.decode("ascii").split(" ")
    numbers = [_number(word) for word in words[:1] + words[2:6]]
    if len(words) < 6 or words[1] not in _FRONTS or None in numbers:
        return None
    seen, pid, started, memory, answers = (number or 0 for number in numbers)
    if not now - HOURS_KEPT * HOUR < seen <= now + DAY:
        return None
    counts: dict[str, int] = {}
    for word in words[6:]:
        name, _, text = word.rpartition("=")
        count = _number(text)
        if count is None or not _NAME.fullmatch(name) or name.partition(".")[0] not in _FAMILIES:
            return None
        name = unquote(name)
        counts[name] = counts.get(name, 0) + count
    return Line(Worker(words[1], pid, started, seen, memory, answers), counts)


def _number(text: str) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) <= 16:
        number = int(text)
        return number if number <= MOST else None
    return None
