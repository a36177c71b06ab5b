"""Grids: the worlds whose avatars are stored, and which of them a request or a command means.

A grid's label is its name here; its shard is what its simulators send. X-SecondLife-Shard does not identify a grid outside
Second Life: OpenSimulator sends ``OpenSim`` unless its owner changed it. The setting ``grids`` says which grid a shard means.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadGrid
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

PRODUCTION = "Production"
"""Second Life's main grid, Agni: the one where a name never passes to another account."""

TESTING = "Testing"
"""Second Life's beta grid, Aditi."""

GRID_BYTES = 63


class Grid(NamedTuple):
    """A grid of the setting ``grids``."""

    label: str
    """Its name in answers and on disk."""
    shard: str
    """Its value of X-SecondLife-Shard, compared without case."""

    def __str__(self) -> str:
        return self.label if self.label == self.shard else f"{self.label}={self.shard}"


class Wanted(NamedTuple):
    """The grid of a lookup or a registration. A visitor's name overrides it: ``ParsedName.on``."""

    grid: str | None = None
    """Its label; None: no grid was named."""
    strict: bool = False
    """True if the caller named it: only its avatars are answers. False: its avatars are preferred."""


class Grids(NamedTuple):
    """The grids of the settings, and the one place that decides which grid is meant."""

    known: tuple[Grid, ...] = (Grid(PRODUCTION, PRODUCTION), Grid(TESTING, TESTING))
    default: str = PRODUCTION
    """The label of the grid of requests that name no grid."""
    most_new: int = 64
    """The limit on grids that registrations create, beside the known ones and those of dumps."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the known grids."""
        return tuple(grid.label for grid in self.known)

    def is_established(self, grid: str, imported: Container[str]) -> bool:
        """Whether *grid*, a label, exists without registrations: in the settings, or in *imported*, those of a generation."""
        return grid in self.labels or grid in imported

    def parse(self, text: str) -> str:
        """Return the label that *text* means. Raises BadGrid, as ``parse_grid`` does."""
        return PRODUCTION if text == PRODUCTION else parse_grid(text, self.labels)

    def of_shard(self, shard: str) -> str:
        """Return the label of the grid whose simulators send *shard*. Raises BadGrid.

        Second Life's two shards always mean Second Life, whatever the settings say.
        """
        folded = shard.strip().casefold()
        if folded not in (PRODUCTION.casefold(), TESTING.casefold()):
            for grid in self.known:
                if grid.shard.casefold() == folded:
                    return grid.label
        return self.parse(shard)

    def wanted(self, named: str | None, shard: str = "") -> Wanted:
        """Return the grid that a caller *named* (or None), else the one of *shard* (or '' without one). Raises BadGrid."""
        if named is not None:
            return Wanted(self.parse(named), True)
        if shard == PRODUCTION:  # the common case
            return _PRODUCTION
        return Wanted(self.of_shard(shard)) if shard else _ANY

    def one(self, wanted: Wanted) -> str:
        """Return the label of the one grid of a registration or a list: *wanted*, else the default."""
        return wanted.grid or self.default


_ANY, _PRODUCTION = Wanted(), Wanted(PRODUCTION)


def parse_grid(text: str, known: tuple[str, ...] = ()) -> str:
    """Return the label of a grid: in the spelling of *known*, compared without case, else in lower case.

    Second Life's two grids have one spelling, whatever *known* says: the rule that their names never pass on depends on it.

    Raises BadGrid if it is empty, longer than GRID_BYTES in UTF-8, or not printable.
    """
    grid = text if has_controls(text) else text.strip()
    folded = grid.casefold()
    for label in (PRODUCTION, TESTING, *known):
        if label.casefold() == folded:
            return label
    if not grid:
        raise BadGrid(grid=text, why="it is empty")
    if not grid.isprintable():
        raise BadGrid(grid=text, why="it has characters that cannot be shown")
    if len(folded.encode()) > GRID_BYTES:
        raise BadGrid(grid=text, why=f"at most {GRID_BYTES} bytes")
    return folded


def has_controls(text: str) -> bool:
    """Whether *text* has control characters. Python takes some of them for white space, but no typed name has one."""
    return not text.isprintable() and any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" for c in text)
