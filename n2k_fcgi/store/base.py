"""What the service needs of a store. Another engine implements these and nothing above changes.

A store returns values (``Avatar``, ``Capture``, ``Token``), never buffers of its engine: they outlive the transaction.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from n2k_fcgi.model.avatar import Avatar, Capture, Source


class AvatarIndex(Protocol):
    """One source of avatars: a generation, or the captures."""

    def by_name(self, canonical: str) -> list[Avatar]:
        """All avatars that are or were called so, the winner of each grid first, former names last."""
        ...

    def by_key(self, key: bytes) -> list[Avatar]:
        """The current name of the key on each grid that knows it."""
        ...


class GenerationView(AvatarIndex, Protocol):
    """One immutable generation, held open for a request."""

    @property
    def name(self) -> str:
        """Its stamp, which ``X-N2K-Generation`` shows."""
        ...


class GenerationStore(Protocol):
    """The published generations; one of them is current."""

    def current(self) -> GenerationView | None:
        """The live generation; None when nothing was imported yet. Valid until the next call."""
        ...


class CaptureStore(AvatarIndex, Protocol):
    """Avatars seen in-world, acknowledged only once they are on the disk."""

    def record(
        self, key: bytes, name: str, canonical: str, grid: str, source: Source, now: int, *, refuse_conflict: bool
    ) -> Capture:
        """Store one observation, findable in both directions when this returns.

        Raises NameTaken, with nothing changed, when *refuse_conflict* and the name is another key's on that grid.
        """
        ...

    def captures(self) -> Iterator[Capture]:
        """All of them, in key order."""
        ...


class Token(NamedTuple):
    """The right to write, without its secret."""

    id: str
    digest: bytes
    """SHA-256 of the secret."""
    scopes: tuple[str, ...]
    grid: str | None
    created: int
    revoked: bool


class TokenStore(Protocol):
    """Tokens by their id."""

    def find(self, token_id: str) -> Token | None:
        """The token, revoked or not."""
        ...

    def add(self, token: Token) -> None:
        """Store a new one, or replace it."""
        ...

    def tokens(self) -> list[Token]:
        """All, oldest first."""
        ...


class Manifest(NamedTuple):
    """What a generation says of itself; ``manifest.json`` beside its data."""

    name: str
    format: int
    created: int
    """Unix seconds, as are all times."""
    source: str
    """The dump's file name, '-' for standard input."""
    sha256: str
    """Of the dump as it was read, still packed."""
    as_of: int
    grid: str
    """The grid of the dump's rows that name none themselves."""
    dump_rows: int
    """Good rows of the dump."""
    rows: int
    """Avatars: current names of keys on grids."""
    names: int
    """Distinct canonical names among them."""
    keys: int
    """Distinct keys among them."""
    former: int
    """Former names that still answer."""
    added: int
    changed: int
    removed: int
    unchanged: int
    refused: int
    """Bad lines."""
    conflicts: int
    """Names that came with more than one key on one grid."""
    bytes: int
    """Size of the data file: a file of another size is not opened."""
    seconds: float
