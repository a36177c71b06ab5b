"""Avatars on their way into the store: seen in-world, or asked for by a key that is unknown."""

from typing import NamedTuple

from n2k_fcgi.model.avatar import Source

MOST_GRIDS_BY_ONE = 8
"""Grids that one token, or all who have none together, can bring: the room for others must not be used up by one."""


class Observation(NamedTuple):
    """An avatar as it was seen, to be recorded."""

    key: bytes
    name: str
    canonical: str
    grid: str
    source: Source
    refuse_conflict: bool
    """Whether a name that is another key's on that grid stays there."""
    grids_left: int | None = None
    """Set for a grid that nobody knows: how many such may be there at most."""
    brought_by: str = ""
    """Who would bring that grid: a token's id, '' for who has none. One of them brings MOST_GRIDS_BY_ONE at the most."""


class Asked(NamedTuple):
    """A key that nobody knows, and the grid it was asked for on."""

    key: bytes
    grid: str
