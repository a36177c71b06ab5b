"""Origins: where the rows of a generation come from, each stored once and numbered.

A row holds the number of its origin in one byte: the grid and time of ten million rows take ten megabytes per index.
"""

from __future__ import annotations

import time

from n2k_fcgi.errors import TooManyGrids
from n2k_fcgi.named import NamedTuple

MAX_ORIGINS = 255

EXACT_ORIGINS = 200
"""From this number on, a new time of a known grid gets the nearest origin of that grid; the other numbers are for new grids."""


class Origin(NamedTuple):
    """The grid of rows, and the time (Unix seconds) that their dump describes."""

    grid: str
    as_of: int


class OriginTable:
    """Numbers origins; the dump's own is 0. A time in the future counts as now."""

    def __init__(self, own: Origin) -> None:
        self.origins = [own]
        self._now = int(time.time())
        self._numbers = {own: 0}

    def number(self, origin: Origin) -> int:
        """Return the number of *origin*, assigned at first use. Raise TooManyGrids."""
        known = self._numbers.get(origin)
        if known is None:
            known = self._numbers[origin] = self._new(origin)
        return known

    def number_of_row(self, grid: str | None, seen: int | None) -> int:
        """Return the number for a row of the dump; a *grid* or time *seen* that it does not state is the dump's."""
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
        """Return the grid of a number."""
        return self.origins[number].grid

    def as_of(self, number: int) -> int:
        """Return the time of a number."""
        return self.origins[number].as_of

    def believed(self, origin: Origin) -> Origin:
        """Return *origin*, of the previous generation; a time in the future (of a wrong clock) becomes the dump's."""
        return origin if origin.as_of <= self._now else origin._replace(as_of=self.origins[0].as_of)
