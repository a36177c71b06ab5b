"""Tokens: made here, shown once, kept as a digest.

A token reads ``n2k_<id>_<secret>``. The secret has 256 random bits, so one SHA-256 is enough to keep it (a slow hash
guards guessable passwords, not this).
"""

import os
import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from n2k_fcgi.errors import NoSuchToken, TokenNeeded, TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store.base import TokenStore

_TOKEN = re.compile(r"n2k_([0-9a-f]{12})_([0-9a-f]{64})")


class NewToken(NamedTuple):
    """A token with its text, which is not kept anywhere."""

    token: Token
    text: str


def create_token(
    store: TokenStore, scopes: Iterable[Scope], grid: str | None = None, *, rate: int | None = None, note: str = ""
) -> NewToken:
    """Make and store a token for *scopes*, for registrations on *grid* only when one is given.

    *rate*: writes a minute, where it is not to be what others have. *note*: what it is for, shown in lists.
    """
    name, secret = os.urandom(6).hex(), os.urandom(32).hex()
    token = Token(name, _digest(secret), tuple(map(str, scopes)), grid, int(time.time()), False, rate, note)
    store.add(token)
    return NewToken(token, f"n2k_{name}_{secret}")


def revoke_token(store: TokenStore, name: str) -> bool:
    """Make the token with the id *name* worthless from the next request on; False: it was already. Raises NoSuchToken."""
    token = store.revoke(name) if re.fullmatch(r"[0-9a-f]{12}", name) else None
    if token is None:
        raise NoSuchToken(id=name)
    return not token.revoked


def verify_token(store: TokenStore, text: str, scope: Scope) -> Token:
    """The token behind *text*. Raises TokenNeeded when there is none, TokenNotEnough when it lacks *scope*."""
    import hmac

    match = _TOKEN.fullmatch(text.strip())
    token = store.find(match[1]) if match else None
    secret = match[2] if match else ""
    # Compared even when there is no such token: the time must not tell which ids exist.
    same = hmac.compare_digest(_digest(secret), token.digest if token else bytes(32))
    if token is None or not same or token.revoked:
        raise TokenNeeded
    if scope not in token.scopes and Scope.ADMIN not in token.scopes:
        raise TokenNotEnough(why=f"it lacks the scope '{scope}'")
    return token


def token_id(text: str) -> str:
    """What *text* says is its id; '' when it is no token at all."""
    match = _TOKEN.fullmatch(text.strip())
    return match[1] if match else ""


def refuse_other_grid(token: Token | None, grid: str) -> None:
    """Raise TokenNotEnough when *token* is bound to another grid; None: none was needed."""
    if token is not None and token.grid is not None and token.grid.casefold() != grid.casefold():
        raise TokenNotEnough(why=f"it is for the grid {token.grid!r} only")


def own_grid(token: Token, grids: Grids) -> str | None:
    """The grid that *token* is bound to as labels are spelled now, which may not be known when it was made; None: to none."""
    return None if token.grid is None else grids.parse(token.grid)


def _digest(secret: str) -> bytes:
    import hashlib

    return hashlib.sha256(secret.encode()).digest()
