"""Lists cut to what the caller keeps: a script loses all beyond 2,048 bytes without notice, in mid-line."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.db import HEADERS
from n2k_fcgi.web.json_bodies import JSON, Body, encoded
from n2k_fcgi.web.requests import LARGEST_BODY
from n2k_fcgi.web.responses import TEXT, Answer

MOST_BYTES = 1 << 20
"""Of keys and values in one answer, which a worker holds in memory."""

End = Callable[[int], Body]
"""The other fields of an object, after so many items of its list."""


def lines(found: Sequence[bytes], cursor: Callable[[int], str], room: int | None) -> Answer:
    """Return as many lines as fit *room* bytes (None: all); *cursor*: for the header, after so many of them.

    Raises BadRequest if not even the first one fits.
    """
    count = _at_least_one(found, _fitting(found, room, lambda count: 0))
    following = cursor(count)
    headers = (*HEADERS, ("X-KV-Cursor", following)) if following else HEADERS
    return Answer(200, b"\n".join(found[:count]), TEXT, headers)


def array(name: str, items: Sequence[bytes], end: End, room: int | None) -> Answer:
    """Return one object with as many of *items*, each JSON, as fit. Raises BadRequest if not even the first one fits."""
    count = _at_least_one(items, _fitting(items, room, lambda count: len(as_object(name, (), end(count)))))
    return Answer(200, as_object(name, items[:count], end(count)), JSON, HEADERS)


def perhaps_empty(name: str, items: Sequence[bytes], end: End, room: int | None, *, status: int = 200) -> Answer:
    """The same about what was done already: the answer is an empty list if not even the first one fits."""
    count = _fitting(items, room, lambda count: len(as_object(name, (), end(count))))
    return Answer(status, as_object(name, items[:count], end(count)), JSON, HEADERS)


def as_object(name: str, items: Sequence[bytes], end: Body) -> bytes:
    """Return one object on one line: a list, and the fields of *end*."""
    return b'{"%s":[%s]%s%s' % (name.encode(), b",".join(items), b"," if end else b"", encoded(end)[1:])


def _fitting(items: Sequence[bytes], room: int | None, around: Callable[[int], int]) -> int:
    """Return how many of *items*, with one byte between two, fit *room* bytes (None: all); *around*: bytes of the rest."""
    if room is None or not items:
        return len(items)
    sizes = list(accumulate(len(item) + 1 for item in items))
    count = bisect_right(sizes, room + 1)
    while count and sizes[count - 1] - 1 + around(count) > room:
        count -= 1
    return count


def _at_least_one(items: Sequence[bytes], count: int) -> int:
    if items and not count:
        raise BadRequest(why=f"not even the first one fits, give a larger max_bytes (up to {LARGEST_BODY:,})")
    return count
