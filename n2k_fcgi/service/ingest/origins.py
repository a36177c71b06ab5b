"""Numbering the origins (grid and dump time) of a generation under construction."""

from n2k_fcgi.errors import TooManyGrids
from n2k_fcgi.store.lmdb.codec import MAX_ORIGINS, Origin

EXACT_ORIGINS = 200
"""Beyond this many, a new time of a known grid takes the nearest number of that grid; the rest is for further grids."""


class OriginTable:
    """Gives each origin its number, the dump's own being 0."""

    def __init__(self, own: Origin) -> None:
        self.origins = [own]
        self._numbers = {own: 0}
        self._previous: list[Origin] = []
        self._translated: dict[int, int] = {}

    def number(self, origin: Origin) -> int:
        """The number of *origin*; only origins that some row asks for get one. Raises TooManyGrids."""
        known = self._numbers.get(origin)
        if known is None:
            known = self._numbers[origin] = self._new(origin)
        return known

    def _new(self, origin: Origin) -> int:
        if len(self.origins) >= EXACT_ORIGINS:
            near = [n for n, other in enumerate(self.origins) if other.grid == origin.grid and n > 0]
            if near:
                return min(near, key=lambda n: abs(self.origins[n].as_of - origin.as_of))
        if len(self.origins) >= MAX_ORIGINS:
            raise TooManyGrids(limit=MAX_ORIGINS)
        self.origins.append(origin)
        return len(self.origins) - 1

    def translate_from(self, previous: list[Origin]) -> None:
        """Prepare ``translated``: the origins of the previous generation."""
        self._previous = previous
        self._translated = {}

    def translated(self, old: int) -> int:
        """The number here of the previous generation's number *old*."""
        number = self._translated.get(old)
        if number is None:
            number = self._translated[old] = self.number(self._previous[old])
        return number

    def grid(self, number: int) -> str:
        """The grid of a number."""
        return self.origins[number].grid

    def as_of(self, number: int) -> int:
        """The time of a number."""
        return self.origins[number].as_of
