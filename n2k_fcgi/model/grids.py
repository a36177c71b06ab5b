"""Grids: the worlds whose avatars we keep. A grid's label is our word for it; its shard is what its simulators send.

X-SecondLife-Shard does not identify a grid outside Second Life: OpenSimulator sends ``OpenSim`` unless its owner set
another word, so an owner may say here which of his grids that word means.
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


def parse_grid(text: str, known: tuple[str, ...] = ()) -> str:
    """Read the name of a grid; one of *known* in any case is given in its known spelling, others in lower case.

    Second Life's two grids have one spelling whatever *known* says: the rule that their names never pass on hangs on it.

    Raises BadGrid when it is empty, longer than GRID_BYTES in UTF-8, or not printable.
    """
    if text == PRODUCTION:  # nearly always
        return PRODUCTION
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


def grid_of_shard(shard: str, grids: tuple[Grid, ...]) -> str:
    """The label of the grid whose simulators send *shard*. Raises BadGrid as ``parse_grid`` does.

    Second Life's two words are Second Life's, whatever an owner wrote.
    """
    if shard == PRODUCTION:  # nearly always
        return PRODUCTION
    folded = shard.strip().casefold()
    if folded not in (PRODUCTION.casefold(), TESTING.casefold()):
        for grid in grids:
            if grid.shard.casefold() == folded:
                return grid.label
    return parse_grid(shard, tuple(grid.label for grid in grids))
