"""Sealed positions: where a page of a search ends among hidden names.

Random bytes, the position encrypted with them and the secret of this directory, and a keyed digest of both. The same position
looks different each time, so that comparing two reveals nothing. Lengths are multiples of STEP bytes.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from n2k_fcgi.errors import BadRequest

SEALED = "@"
"""The first character of such a cursor, and of no canonical name: an @ separates a visitor's name and grid."""

STEP = 96
_NONCE = _TAG = 16
_LONGEST = 1024
"""Characters that are read."""


def seal(position: bytes, secret: bytes) -> str:
    """Return *position*, which has no NUL, as a text for URLs."""
    nonce = os.urandom(_NONCE)
    hidden = _mixed(position + bytes(-len(position) % STEP), nonce, secret)
    return SEALED + urlsafe_b64encode(nonce + hidden + _tag(nonce + hidden, secret)).decode()


def unseal(text: str, secret: bytes) -> bytes:
    """Return the position in *text*. Raises BadRequest if it was not sealed with this secret."""
    import hmac  # late: only pages after the first have a cursor

    raw = _decoded(text)
    nonce, hidden, tag = raw[:_NONCE], raw[_NONCE:-_TAG], raw[-_TAG:]
    if not secret or not hidden or not hmac.compare_digest(_tag(nonce + hidden, secret), tag):
        raise BadRequest(why="this cursor is not of this server: start again without one")
    return _mixed(hidden, nonce, secret).rstrip(b"\0")


def _decoded(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text[len(SEALED) : _LONGEST].encode())
    except ValueError:  # UnicodeEncodeError and binascii.Error are subclasses
        return b""


def _mixed(data: bytes, nonce: bytes, secret: bytes) -> bytes:
    """Return *data* with a stream of pseudo-random bytes added by xor; applied twice, it is *data*."""
    import hashlib  # late: few workers see such a cursor

    blocks = (
        hashlib.blake2b(nonce + bytes([number]), key=secret, person=b"n2k cursor").digest()
        for number in range(len(data) // 64 + 1)
    )
    return bytes(one ^ other for one, other in zip(data, b"".join(blocks), strict=False))


def _tag(data: bytes, secret: bytes) -> bytes:
    import hashlib  # late: most answers have no cursor

    return hashlib.blake2b(data, key=secret, person=b"n2k cursor tag", digest_size=_TAG).digest()
