"""Input of the store: avatars seen in-world, and pending keys."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from n2k_fcgi.model.avatar import Source

MOST_GRIDS_BY_ONE = 8
"""Grids that one token, or all callers without a token together, may create: one caller must not use up the limit."""


class Observation(NamedTuple):
    """An avatar that was seen, to be stored."""

    key: bytes
    name: str
    canonical: str
    grid: str
    source: Source
    refuse_conflict: bool
    """Whether to refuse a name that belongs to another key on that grid."""
    grids_left: int | None = None
    """For an unknown grid: the limit on the number of such grids; else None."""
    brought_by: str = ""
    """For an unknown grid: the id of the token that creates it, '' without a token. Each creates at most MOST_GRIDS_BY_ONE."""


class Queued(NamedTuple):
    """A pending key, as it is stored."""

    key: bytes
    grid: str
    asked: int
    """Unix seconds: when it was first asked for."""
    unknown: int
    """When a resolver last reported that the grid has no such avatar; 0: never."""


class Asked(NamedTuple):
    """A pending key, and the grid for which it was asked."""

    key: bytes
    grid: str
