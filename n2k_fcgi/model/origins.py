"""Origins: where rows of a generation come from, each written down once and numbered.

A row names its origin with one byte: ten million rows then know their grid and their age for ten megabytes an index.
"""

import time
from typing import NamedTuple

from n2k_fcgi.errors import TooManyGrids

MAX_ORIGINS = 255

EXACT_ORIGINS = 200
"""Beyond this many, a new time of a known grid takes the nearest number of that grid; the rest is for further grids."""


class Origin(NamedTuple):
    """Where rows come from: the grid, and the time (unix seconds) that the dump describes."""

    grid: str
    as_of: int


class OriginTable:
    """Gives each origin its number, the dump's own being 0. Nobody was seen later than now, whatever a row says."""

    def __init__(self, own: Origin) -> None:
        self.origins = [own]
        self._now = int(time.time())
        self._numbers = {own: 0}

    def number(self, origin: Origin) -> int:
        """The number of *origin*; only origins that some row asks for get one. Raises TooManyGrids."""
        known = self._numbers.get(origin)
        if known is None:
            known = self._numbers[origin] = self._new(origin)
        return known

    def number_of_row(self, grid: str | None, seen: int | None) -> int:
        """The number for a row of the dump that says its *grid* or when it was *seen*, or leaves that to the dump."""
        if grid is None and seen is None:
            return 0
        own = self.origins[0]
        return self.number(Origin(grid or own.grid, min(seen or own.as_of, self._now)))

    def _new(self, origin: Origin) -> int:
        if len(self.origins) >= EXACT_ORIGINS:
            near = [n for n, other in enumerate(self.origins) if other.grid == origin.grid and n > 0]
            if near:
                return min(near, key=lambda n: abs(self.origins[n].as_of - origin.as_of))
        if len(self.origins) >= MAX_ORIGINS:
            raise TooManyGrids(limit=MAX_ORIGINS)
        self.origins.append(origin)
        return len(self.origins) - 1

    def grid(self, number: int) -> str:
        """The grid of a number."""
        return self.origins[number].grid

    def as_of(self, number: int) -> int:
        """The time of a number."""
        return self.origins[number].as_of

    def believed(self, origin: Origin) -> Origin:
        """An *origin* of the generation before. A time still to come (of a wrong clock) is taken for this dump's."""
        return origin if origin.as_of <= self._now else origin._replace(as_of=self.origins[0].as_of)
