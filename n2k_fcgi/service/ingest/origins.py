"""Numbering the origins (grid and dump time) of a generation under construction."""

import time

from n2k_fcgi.errors import TooManyGrids
from n2k_fcgi.store.lmdb.codec import MAX_ORIGINS, Origin

EXACT_ORIGINS = 200
"""Beyond this many, a new time of a known grid takes the nearest number of that grid; the rest is for further grids."""


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


class Carried:
    """What becomes of the previous generation's origin numbers in the new one."""

    def __init__(self, origins: OriginTable, previous: list[Origin], replaced_grid: str | None) -> None:
        own = origins.origins[0]
        previous = [origins.believed(origin) for origin in previous]
        self.numbers = _Numbers(origins, previous, replaced_grid)
        """Old number -> new one; None: rows of it are dropped (``--replace``)."""
        self.confirmed = frozenset(
            old for old, origin in enumerate(previous) if origin.grid == own.grid and origin.as_of <= own.as_of
        )
        """Old numbers whose rows a row of the dump confirms or renames, being of its grid and no later."""


class _Numbers(dict[int, "int | None"]):
    """Numbers are given when a row first asks, so that origins without rows go."""

    def __init__(self, origins: OriginTable, previous: list[Origin], replaced_grid: str | None) -> None:
        super().__init__()
        self._origins = origins
        self._previous = previous
        self._replaced_grid = replaced_grid

    def __missing__(self, old: int) -> int | None:
        origin = self._previous[old]
        number = None if origin.grid == self._replaced_grid else self._origins.number(origin)
        self[old] = number
        return number
