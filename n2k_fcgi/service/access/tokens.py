"""Tokens: created here, shown once, stored as a digest.

A token reads ``n2k_<id>_<secret>``. The secret has 256 random bits, so one SHA-256 protects it (slow hashes
are for passwords that can be guessed).
"""

from __future__ import annotations

import os
import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NoSuchToken, TokenNeeded, TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from n2k_fcgi.model.grids import Grids
    from n2k_fcgi.store.base import TokenStore


ID_BYTES = 6
"""Of a token's id, which is no secret, and is written in hexadecimal digits."""


class NewToken(NamedTuple):
    """A token with its text, which is not stored anywhere."""

    token: Token
    text: str


def create_token(
    store: TokenStore,
    scopes: Iterable[Scope],
    grid: str | None = None,
    *,
    rate: int | None = None,
    note: str = "",
    namespace: str | None = None,
    read_only: bool = False,
    name: str = "",
) -> NewToken:
    """Create and store a token for *scopes*, bound to *grid* if that is given.

    *rate*: writes per minute, instead of the setting ``token_limit``. *note*: its purpose, shown in lists. *namespace*: of
    the scope ``keyvalue``, which must exist; *read_only*: whether the token may only read it. *name*: its id, '' for a
    random one. Raises TokenExists if there is one with this id.
    """
    name, secret = name or os.urandom(ID_BYTES).hex(), os.urandom(32).hex()
    token = Token(
        name,
        _digest(secret),
        tuple(map(str, scopes)),
        grid,
        created=time.time(),
        revoked=False,
        rate=rate,
        note=note,
        namespace=namespace,
        read_only=read_only,
    )
    store.add(token)
    return NewToken(token, f"n2k_{name}_{secret}")


def revoke_token(store: TokenStore, name: str) -> bool:
    """Revoke the token with the id *name* from the next request on; return False if it was revoked. Raises NoSuchToken."""
    token = store.revoke(name) if is_token_id(name) else None
    if token is None:
        raise NoSuchToken(id=name)
    return not token.revoked


def verify_token(store: TokenStore, text: str, scope: Scope, *others: Scope) -> Token:
    """Return the token of *text*. Raises TokenNeeded for an invalid one, TokenNotEnough without *scope* and all of *others*."""
    import hmac  # late: lookups need no token

    name, secret = _parts(text)
    token = store.find(name) if name else None
    # Compared also without a stored token: the time must not reveal which ids exist.
    same = hmac.compare_digest(_digest(secret), token.digest if token else bytes(32))
    if token is None or not same or token.revoked:
        raise TokenNeeded
    if not {scope, *others, Scope.ADMIN}.intersection(token.scopes):
        raise TokenNotEnough(why=f"it lacks the scope '{scope}'")
    return token


def verify_for_namespace(store: TokenStore, text: str, namespace: str) -> Token:
    """Return the token of *text*, which may use *namespace*. Raises TokenNeeded, TokenNotEnough."""
    token = verify_token(store, text, Scope.KEYVALUE)
    if Scope.ADMIN not in token.scopes and token.namespace != namespace:
        raise TokenNotEnough(why=f"it is not for the namespace {namespace!r}")
    return token


def token_id(text: str) -> str:
    """Return the id in *text*; '' if it is not a token."""
    return _parts(text)[0]


def is_token_id(text: str) -> bool:
    """Whether *text* is written as an id; perhaps of no token."""
    return _is_hex(text, 2 * ID_BYTES)


def _parts(text: str) -> tuple[str, str]:
    """Id and secret of *text*; '' twice if it is not a token."""
    mark, _, rest = text.strip().partition("_")
    name, _, secret = rest.partition("_")
    return (name, secret) if mark == "n2k" and is_token_id(name) and _is_hex(secret, 64) else ("", "")


def _is_hex(text: str, digits: int) -> bool:
    return len(text) == digits and not text.strip("0123456789abcdef")


def refuse_other_grid(token: Token | None, grid: str) -> None:
    """Raise TokenNotEnough if *token* is bound to another grid; None: no token was needed."""
    if token is not None and token.grid is not None and token.grid.casefold() != grid.casefold():
        raise TokenNotEnough(why=f"it is for the grid {token.grid!r} only")


def own_grid(token: Token, grids: Grids) -> str | None:
    """Return the grid that *token* is bound to, in the spelling of today's settings; None if it is not bound."""
    return None if token.grid is None else grids.parse(token.grid)


def _digest(secret: str) -> bytes:
    import hashlib  # late: as above

    return hashlib.sha256(secret.encode()).digest()
