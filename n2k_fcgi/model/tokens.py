"""Tokens, as they are stored."""

from typing import NamedTuple


class Token(NamedTuple):
    """A token without its secret."""

    id: str
    digest: bytes
    """SHA-256 of the secret."""
    scopes: tuple[str, ...]
    grid: str | None
    created: int
    revoked: bool
    rate: int | None = None
    """Writes per minute, instead of the setting ``token_limit``; None: the setting."""
    note: str = ""
    """The purpose, in the owner's words."""
