"""Grids: the worlds whose avatars we keep. The name of a grid is what its simulators send as X-SecondLife-Shard."""

from n2k_fcgi.errors import BadGrid

PRODUCTION = "Production"
"""Second Life's main grid, Agni: the one where a name never passes to another account."""

TESTING = "Testing"
"""Second Life's beta grid, Aditi."""

GRID_BYTES = 63


def parse_grid(text: str, known: tuple[str, ...] = ()) -> str:
    """Read the name of a grid; one of *known* in any case is given in its known spelling, others in lower case.

    Second Life's two grids have one spelling whatever *known* says: the rule that their names never pass on hangs on it.

    Raises BadGrid when it is empty, longer than GRID_BYTES in UTF-8, or not printable.
    """
    if text == PRODUCTION:  # nearly always
        return PRODUCTION
    grid = text.strip()
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
