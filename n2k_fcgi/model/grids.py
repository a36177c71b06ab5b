"""Grids: the worlds whose avatars we store, and which of them a request or a command means.

A grid's label is our word for it; its shard is what its simulators send. X-SecondLife-Shard does not identify a grid outside
Second Life: OpenSimulator sends ``OpenSim`` unless its owner set another word, so a setting says which grid that word means.
"""

import re
from typing import NamedTuple

from n2k_fcgi.errors import BadGrid

PRODUCTION = "Production"
"""Second Life's main grid, Agni: the one where a name never passes to another account."""

TESTING = "Testing"
"""Second Life's beta grid, Aditi."""

GRID_BYTES = 63

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""White space to some, at the edges too; never a part of a name that somebody typed."""


class Grid(NamedTuple):
    """A grid that the owner knows."""

    label: str
    """As answers show it and stores keep it."""
    shard: str
    """The value of X-SecondLife-Shard that means it, compared in any case."""

    def __str__(self) -> str:
        return self.label if self.label == self.shard else f"{self.label}={self.shard}"


class Wanted(NamedTuple):
    """The grid that a question or a registration is about. A visitor's name overrides it: ``ParsedName.on``."""

    grid: str | None = None
    """Its label; None: no grid was named."""
    strict: bool = False
    """The caller named it, and wants no avatar of another one. False: one of this grid is preferred."""


class Grids(NamedTuple):
    """The grids of the settings, and the one place that reads which grid is meant."""

    known: tuple[Grid, ...] = (Grid(PRODUCTION, PRODUCTION), Grid(TESTING, TESTING))
    default: str = PRODUCTION
    """The label of the grid that is meant when none is named."""
    most_new: int = 64
    """How many grids registrations may create, beside the known ones and those of dumps."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the known grids."""
        return tuple(grid.label for grid in self.known)

    def parse(self, text: str) -> str:
        """The label that *text* means. Raises BadGrid, as ``parse_grid`` does."""
        return PRODUCTION if text == PRODUCTION else parse_grid(text, self.labels)

    def of_shard(self, shard: str) -> str:
        """The label of the grid whose simulators send *shard*. Raises BadGrid.

        Second Life's two words are Second Life's, whatever the settings say.
        """
        if shard == PRODUCTION:  # nearly always
            return PRODUCTION
        folded = shard.strip().casefold()
        if folded not in (PRODUCTION.casefold(), TESTING.casefold()):
            for grid in self.known:
                if grid.shard.casefold() == folded:
                    return grid.label
        return self.parse(shard)

    def wanted(self, named: str | None, shard: str = "") -> Wanted:
        """The grid that a caller named (None: none), else the one whose simulator sent *shard* ('': none). Raises BadGrid."""
        if named is not None:
            return Wanted(self.parse(named), True)
        return Wanted(self.of_shard(shard)) if shard else _ANY

    def one(self, wanted: Wanted) -> str:
        """The label of the one grid that is meant, for what is about one only: a registration, a list."""
        return wanted.grid or self.default


_ANY = Wanted()


def parse_grid(text: str, known: tuple[str, ...] = ()) -> str:
    """Read the label of a grid; one of *known* in any case is returned in its known spelling, others in lower case.

    Second Life's two grids have one spelling whatever *known* says: the rule that their names never pass on depends on it.

    Raises BadGrid when it is empty, longer than GRID_BYTES in UTF-8, or not printable.
    """
    grid = text if CONTROLS.search(text) else text.strip()
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
