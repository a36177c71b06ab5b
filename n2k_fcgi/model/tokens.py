"""Tokens, as they are stored."""

from __future__ import annotations

from n2k_fcgi.named import NamedTuple


class Token(NamedTuple):
    """A token without its secret."""

    id: str
    digest: bytes
    """SHA-256 of the secret."""
    scopes: tuple[str, ...]
    grid: str | None
    created: float
    """Unix seconds; whole ones in tokens that older versions made."""
    revoked: bool
    rate: int | None = None
    """Writes per minute, instead of the setting ``token_limit``; None: the setting."""
    note: str = ""
    """The purpose, in the owner's words."""
    namespace: str | None = None
    """Of the key-value service; a token with the scope ``keyvalue`` has one."""
    read_only: bool = False
    """Whether it may only read the namespace."""
