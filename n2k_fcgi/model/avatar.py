"""Values about avatars that the layers exchange. All are frozen."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from n2k_fcgi.model.choices import Provenance


class Avatar(NamedTuple):
    """One name of one avatar on one grid, as a store knows it."""

    key: bytes
    """16 bytes; ``model.keys.format_key`` gives the text."""
    name: str
    """The spelling that was imported or registered; '' from an index that holds only keys."""
    grid: str
    seen: int
    """Unix seconds: when the capture was last seen, or the time of the dump (its ``as-of``)."""
    provenance: Provenance
    former: bool = False
    """Whether the key has another name now."""


class Source(NamedTuple):
    """Where a capture came from, by its X-SecondLife-* headers: forgeable, recorded, never trusted."""

    object_key: str = ""
    owner_key: str = ""
    region: str = ""
    grid: str = ""
    """X-SecondLife-Shard as it was sent; the capture's own grid may differ (``grid=``, a visitor)."""


class Capture(NamedTuple):
    """An avatar that was seen in-world and registered, as it is stored."""

    key: bytes
    name: str
    grid: str
    first_seen: int
    last_seen: int
    times_seen: int
    source: Source


class StoredCapture(NamedTuple):
    """A capture and its former names."""

    capture: Capture
    former: list[tuple[str, int]]
    """(spelling, when it was last seen), oldest first."""


class Conflict(NamedTuple):
    """A name that was offered for a second key on one grid; nothing was changed."""

    name: str
    grid: str
    holder: bytes
    """The key that keeps the name."""
    key: bytes
    """The key for which it was refused."""
    first_seen: int
    last_seen: int
    times_seen: int
    provenance: Provenance
    """Whether a registration or an import offered the name."""
