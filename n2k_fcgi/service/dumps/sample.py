"""Invented avatars in W-Hat's format, for trials and tests: rows and seed determine every byte.

Each row is computed from its number, so that memory does not grow with the rows and any order can be streamed. Of 20 rows
13 are ``X Resident``, 5 legacy names that share a first name, and 2 single words. Names and keys are unique by
construction: both are one-to-one functions of the row's number.
"""

import json
from collections.abc import Iterable, Iterator
from heapq import merge
from math import gcd
from random import Random
from typing import NamedTuple

from n2k_fcgi.model.grids import PRODUCTION

MAX_ROWS = 900_000_000
"""There are 60**5 first names, and 20 rows use 16 of them."""


class SampleRow(NamedTuple):
    """One invented avatar."""

    name: str
    key: str
    grid: str
    seen: int
    """Unix seconds at the start of a day; in JSON lines only."""


WELL_KNOWN = (
    SampleRow("Governor Linden", "3d6181b0-6a4b-97ef-18d8-722652995cf1", PRODUCTION, 1_767_225_600),
    SampleRow("Masakazu Kojima", "a27b84f0-2757-4176-9579-43a181d4a5a0", PRODUCTION, 1_767_225_600),
    SampleRow("Username Resident", "3223a4e4-01c6-44f8-9aa1-df790e02aa93", PRODUCTION, 1_767_225_600),
)
"""In every sample, by name; examples look them up. No invented name can be one: it has a v or z, or begins with a vowel."""

# A syllable ends with its only vowel, so none is a prefix of another, and words of five sort as their syllables do.
_ONSETS = ("b", "br", "d", "f", "g", "k", "l", "m", "n", "r", "s", "t")
_SYLLABLES = sorted(onset + vowel for onset in _ONSETS for vowel in "aeiou")
_PAIRS = [first + second for first in _SYLLABLES for second in _SYLLABLES]
_CAPITAL_PAIRS = [pair.capitalize() for pair in _PAIRS]
_FIRST_NAMES = len(_SYLLABLES) ** 5

# Of 20 rows: which of their 16 first names each has, and what follows it; _LEGACY: the band of the last name.
_ROWS, _WORDS = 20, 16
_WORD_OF = (0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_SINGLE = frozenset({2, 14})
_LEGACY = {5: 0, 6: 1, 7: 2, 8: 3, 9: 4}
_BAND = len(_CAPITAL_PAIRS) // len(_LEGACY)
_OTHER_GRID = (17, "OpenSim")

_KEY_BITS = 120
"""Those of a UUID without version and variant."""
_KEY_MASK = (1 << _KEY_BITS) - 1
_DAY = 86_400
_FIRST_DAY = 1_577_836_800 // _DAY
_DAYS = 2000


class Sample:
    """One sample, determined by *rows* (their number, WELL_KNOWN included) and *seed*."""

    def __init__(self, rows: int, seed: int) -> None:
        # Only getrandbits and randrange: all versions of Python agree on them.
        random = Random(seed)
        self._well_known = WELL_KNOWN[:rows]
        self._invented = rows - len(self._well_known)
        self._stride = _FIRST_NAMES // (-(-max(self._invented, 1) // _ROWS) * _WORDS)
        self._first, self._second, self._scatter = (random.getrandbits(_KEY_BITS) | 1 for _ in range(3))
        self._step, self._start = 1, 0
        if self._invented > 2:
            self._start = random.randrange(self._invented)
            while gcd(self._step, self._invented) > 1 or self._step == 1:
                self._step = random.randrange(1, self._invented)

    def by_name(self) -> Iterator[SampleRow]:
        """Yield all rows in the order of their names."""
        return merge(self._well_known, map(self._row, range(self._invented)))

    def shuffled(self) -> Iterator[SampleRow]:
        """Yield the same rows unordered, WELL_KNOWN first."""
        yield from self._well_known
        for number in range(self._invented):
            yield self._row((self._start + number * self._step) % self._invented)

    def _row(self, number: int) -> SampleRow:
        mixed = self._mixed(number)
        group, place = divmod(number, _ROWS)
        grid = PRODUCTION if place != _OTHER_GRID[0] else _OTHER_GRID[1]
        name = self._name(group, place, mixed)
        return SampleRow(name, _key(mixed), grid, (_FIRST_DAY + mixed % _DAYS) * _DAY)

    def _mixed(self, number: int) -> int:
        """Scatter 120-bit numbers one to one: odd factors and an invertible shift."""
        mixed = number * self._first + self._second & _KEY_MASK
        mixed ^= mixed >> 67
        return mixed * self._second & _KEY_MASK

    def _name(self, group: int, place: int, mixed: int) -> str:
        number = group * _WORDS + _WORD_OF[place]
        word = _first_name(number * self._stride + (number * self._scatter >> 60) % self._stride)
        if place in _SINGLE:
            return word
        band = _LEGACY.get(place)
        if band is not None:
            return f"{word} {_CAPITAL_PAIRS[band * _BAND + mixed % _BAND]}"
        return f"{word} Resident" if mixed >> 60 & 3 else f"{word}{(mixed >> 64) % 1000} Resident"


def _first_name(number: int) -> str:
    start, rest = divmod(number, len(_SYLLABLES) ** 3)
    middle, end = divmod(rest, len(_SYLLABLES))
    return _CAPITAL_PAIRS[start] + _PAIRS[middle] + _SYLLABLES[end]


def _key(mixed: int) -> str:
    digits = f"{mixed:030x}"
    variant = "89ab"[mixed & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{variant}{digits[15:18]}-{digits[18:]}"


def csv_lines(rows: Iterable[SampleRow]) -> Iterator[bytes]:
    """Yield W-Hat's format: ``uuid,First Last``."""
    return (f"{row.key},{row.name}\n".encode() for row in rows)


def json_lines(rows: Iterable[SampleRow]) -> Iterator[bytes]:
    """Yield our own format, one object per line."""
    for row in rows:
        fields = {"key": row.key, "name": row.name, "grid": row.grid, "seen": row.seen}
        yield json.dumps(fields).encode() + b"\n"
