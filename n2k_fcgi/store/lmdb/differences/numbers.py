"""Numbers of origins: what they mean in the base, in the live generation, in the dump, and in the new differences.

Rows of the base that a dump confirms take its time without being written: in the differences' own table the number that
most current names of the dump's grid have in the base, the *bulk* number, means the new dump. Rows that the dump does not
have are written, with their own time. Former names are never renewed, so their numbers have a table of their own.
"""

from functools import cached_property

from n2k_fcgi.errors import TooManyGrids
from n2k_fcgi.model.origins import MAX_ORIGINS, Origin, OriginTable
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generation_file import GenerationFile

MOST_EXTRA = 40
"""Origins that differences may add to those of their base; above, a whole generation is built, which has only used ones.

With those of a base, at most ``model.origins.EXACT_ORIGINS`` and a few grids, they stay below MAX_ORIGINS.
"""


class Numbers:
    """Translates numbers. A number without a word before it is one of the import's table, *origins*."""

    def __init__(self, live: Generation, base: GenerationFile, origins: OriginTable) -> None:
        self._live = live
        self._origins = origins
        own = origins.origins[0]
        counts = base.sizes["origins"]
        of_grid = [number for number, origin in enumerate(base.origins) if origin.grid == own.grid]
        self.bulk: int | None = max(of_grid, key=counts.__getitem__, default=None)
        """The base's number of most current names of the dump's grid; None: it has none."""
        self.bulk_rows: int = 0 if self.bulk is None else counts[self.bulk]
        """How many these are."""
        self.is_older = self.bulk is not None and own.as_of < live.origins[self.bulk].as_of
        """Whether the dump is older than the names that it confirms."""
        self.renews = False
        """Whether the bulk number means the new dump; set before the first use of what follows."""
        self._count = len(base.origins)
        self._current: dict[int, int] = {}
        self._former: dict[int, int] = {}
        self._packed: dict[int, int] = {}
        self._packed_former: dict[int, int] = {}
        self.extra: list[Origin] = []
        """Origins that the differences add to the base's."""

    def grid_of_live(self, number: int) -> str:
        """Return the grid of a live number."""
        return self._live.origins[number].grid

    def before(self, number: int) -> int:
        """Return the number of a live current name, with the time that it had."""
        known = self._current.get(number)
        if known is None:
            known = self._current[number] = self._origins.number(self._live.origins[number])
        return known

    def now(self, number: int) -> int:
        """Return the number of a current name of the live generation or the base which nothing is written for."""
        return 0 if self.renews and number == self.bulk else self.before(number)

    def former(self, number: int) -> int:
        """Return the number of a former name of the live generation or the base."""
        known = self._former.get(number)
        if known is None:
            known = self._former[number] = self._origins.number(self._live.former_origins[number])
        return known

    def packed(self, number: int) -> int:
        """Return the number of a current name in the differences."""
        known = self._packed.get(number)
        if known is None:
            known = self._packed[number] = self._found(self._origins.origins[number], self._of_base)
        return known

    def packed_former(self, number: int) -> int:
        """Return the number of a former name in the differences."""
        known = self._packed_former.get(number)
        if known is None:
            origin = self._origins.origins[number]
            known = self._packed_former[number] = self._found(origin, self._live.former_origins[: self._count])
        return known

    @cached_property
    def _of_base(self) -> list[Origin]:
        """What the base's numbers of current names mean in the differences."""
        own = self._origins.origins[0]
        return [own if self.renews and n == self.bulk else self._live.origins[n] for n in range(self._count)]

    def _found(self, origin: Origin, known: list[Origin]) -> int:
        """Return the number that means *origin* in the differences. Raises TooManyGrids."""
        known = known + self.extra
        if origin in known:
            return known.index(origin)
        if len(known) < MAX_ORIGINS:
            self.extra.append(origin)
            return len(known)
        near = [number for number, other in enumerate(known) if other.grid == origin.grid]
        if not near:
            raise TooManyGrids(limit=MAX_ORIGINS)
        return min(near, key=lambda number: abs(known[number].as_of - origin.as_of))

    @property
    def are_many(self) -> bool:
        """Whether a whole generation is due, because the table is nearly full."""
        return len(self.extra) > MOST_EXTRA or self._count + len(self.extra) >= MAX_ORIGINS

    def table(self) -> list[Origin]:
        """The differences' origins of current names."""
        return self._of_base + self.extra

    def former_table(self) -> list[Origin]:
        """The differences' origins of former names."""
        return self._live.former_origins[: self._count] + self.extra
