"""What the merges of all indexes with the previous generation share."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from n2k_fcgi.model.origins import Origin, OriginTable
from n2k_fcgi.store.lmdb.building.data_file import DataFile
from n2k_fcgi.store.lmdb.building.runs import Range
from n2k_fcgi.store.lmdb.building.stretches import Stretch, aligned
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.ration import spend


class Merging(NamedTuple):
    """The new generation, and what it is made from beside the new rows."""

    data: DataFile
    origins: OriginTable
    previous: Generation | None
    replaced_grid: str | None
    """Its avatars that are not among the new rows are dropped."""
    range_rows: int
    """The most stored rows that are held in memory."""

    def stretches(self, ranges: Iterable[Range], database: bytes) -> Iterator[Stretch]:
        """Yield new rows beside those of *previous*; between two stretches its pages are released when there are many."""
        for stretch in aligned(ranges, self.previous, database, self.range_rows):
            yield stretch
            if self.previous is not None:
                self.previous.trim()
                spend()

    def carried(self, *, dropping: str | None = None, former: bool = False) -> "Carried":
        """Return the new numbers of the previous origins, or of those of *former* names.

        Rows of the grid *dropping* have none.
        """
        if self.previous is None:
            return Carried(self.origins, [], dropping)
        return Carried(self.origins, self.previous.former_origins if former else self.previous.origins, dropping)


class Carried:
    """The previous generation's origin numbers in the new one."""

    def __init__(self, origins: OriginTable, previous: list[Origin], replaced_grid: str | None) -> None:
        own = origins.origins[0]
        previous = [origins.believed(origin) for origin in previous]
        self.numbers = _Numbers(origins, previous, replaced_grid)
        """Old number -> new one; None: its rows are dropped."""
        self.confirmed = frozenset(
            old for old, origin in enumerate(previous) if origin.grid == own.grid and origin.as_of <= own.as_of
        )
        """Old numbers of the dump's own grid and no later: a row of the dump confirms or renames their rows."""


class _Numbers(dict[int, "int | None"]):
    """A number is assigned when a row first needs it, so that origins without rows are dropped."""

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
