"""The values that travel between the layers. All are frozen."""

from typing import NamedTuple


class Avatar(NamedTuple):
    """One name of one avatar on one grid, as a store knows it."""

    key: bytes
    """16 bytes; ``model.keys.format_key`` gives the text."""
    name: str
    """The spelling that was imported or seen; '' from an index that only knows keys."""
    grid: str
    seen: int
    """Unix seconds: when the capture was last seen, or the time of the dump (its ``as-of``)."""
    origin: str
    """``dump`` or ``capture``."""
    former: bool = False
    """The key answers with another name by now."""


class Source(NamedTuple):
    """Who told us: taken from X-SecondLife-* headers, forgeable, recorded and never trusted."""

    object_key: str = ""
    owner_key: str = ""
    region: str = ""
    grid: str = ""
    """X-SecondLife-Shard as it was sent; the capture's own grid may be another (``grid=``, a visitor)."""


class Capture(NamedTuple):
    """One live observation of an avatar in-world, as it is stored."""

    key: bytes
    name: str
    grid: str
    first_seen: int
    last_seen: int
    times_seen: int
    source: Source


class StoredCapture(NamedTuple):
    """A capture with the names it had before."""

    capture: Capture
    former: list[tuple[str, int]]
    """(spelling, last seen so), oldest first."""


class Conflict(NamedTuple):
    """A name that was offered for another key than the one it belongs to; nothing was changed."""

    name: str
    grid: str
    holder: bytes
    """The key that keeps the name."""
    key: bytes
    """The key that was refused."""
    first_seen: int
    last_seen: int
    times_seen: int
    origin: str
    """``capture``: a registration; ``dump``: an import."""
