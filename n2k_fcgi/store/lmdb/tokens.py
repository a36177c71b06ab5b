"""Tokens, without their secrets, in the file of the captures.

``t`` + id -> JSON.
"""

from __future__ import annotations

from functools import lru_cache

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import TokenExists
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.json_text import parsed
from n2k_fcgi.store.lmdb.layout import TOKEN
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    import lmdb

    from n2k_fcgi.store.lmdb.writable import WritableFile


class Tokens:
    """The tokens of one data directory. Implements ``store.base.TokenStore``."""

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    def find(self, token_id: str) -> Token | None:
        """Return the token, revoked or not."""
        with self._file.read() as transaction:
            value = transaction.get(TOKEN + token_id.encode())
            return None if value is None else _unpack(token_id, bytes(value))

    def add(self, token: Token) -> None:
        """Store a token. Raises TokenExists if there is one with its id: that stays as it is."""

        def change(transaction: lmdb.Transaction) -> bool:
            return bool(transaction.put(TOKEN + token.id.encode(), _pack(token), overwrite=False))

        if not self._file.write(change):
            raise TokenExists(id=token.id)

    def revoke(self, token_id: str) -> Token | None:
        """Mark a token as revoked; return it as it was before, None when there is no such token."""

        def change(transaction: lmdb.Transaction) -> Token | None:
            value = transaction.get(TOKEN + token_id.encode())
            if value is None:
                return None
            token = _unpack(token_id, bytes(value))
            transaction.put(TOKEN + token_id.encode(), _pack(token._replace(revoked=True)))
            return token

        return self._file.write(change)

    def tokens(self) -> list[Token]:
        """Return all tokens, the oldest first."""
        with self._file.read() as transaction:
            found = [_unpack(token_id.decode(), value) for token_id, value in with_prefix(transaction, TOKEN)]
        return sorted(found, key=lambda token: (token.created, token.id))


def cleaned_token(token_id: str, value: bytes, without: Callable[[str], str]) -> bytes:
    """The row of a token with each text that may name anybody replaced by the result of *without*."""
    return _pack(cleaned(_unpack(token_id, value), without))


def _pack(token: Token) -> bytes:
    row: dict[str, object] = {
        "digest": token.digest.hex(),
        "scopes": token.scopes,
        "grid": token.grid,
        "created": token.created,
        "revoked": token.revoked,
        "rate": token.rate,
        "note": token.note,
    }
    if token.namespace is not None:
        row |= {"namespace": token.namespace, "read_only": token.read_only}
    import json  # late: reading needs none

    return json.dumps(row).encode()


@lru_cache(maxsize=64)  # by the bytes of the row: a read of the key-value service verifies a token each time
def _unpack(token_id: str, value: bytes) -> Token:
    try:
        row = parsed(value.decode())
        digest, scopes = bytes.fromhex(row["digest"]), tuple(row["scopes"])
        rate, note = row.get("rate"), row.get("note", "")  # format 1 had neither
        namespace, read_only = row.get("namespace"), row.get("read_only", False)
        token = Token(token_id, digest, scopes, row["grid"], row["created"], row["revoked"], rate, note)
        return token._replace(namespace=namespace, read_only=read_only)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadValue("a token cannot be read") from None
