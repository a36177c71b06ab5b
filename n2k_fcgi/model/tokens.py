"""Tokens, as they are stored."""

from typing import NamedTuple


class Token(NamedTuple):
    """The right to write, without its secret."""

    id: str
    digest: bytes
    """SHA-256 of the secret."""
    scopes: tuple[str, ...]
    grid: str | None
    created: int
    revoked: bool
    rate: int | None = None
    """Writes a minute; None: as the setting ``token_limit`` says."""
    note: str = ""
    """What its owner made it for."""
