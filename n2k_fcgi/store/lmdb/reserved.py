"""Reserved names, in captures.mdb: in Second Life a name never passes to another key, also when its capture was dropped.

``r`` + digest of the canonical name -> the digests, 16 bytes each, of the keys that have or had it. All are keyed with 32
random bytes in the same file (``mreserved``): no name or key can be read from them. It is another secret than that of
tombstones, which lookups ask for.
"""

from __future__ import annotations

import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, RESERVED, RESERVED_KEY
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    import lmdb

    from n2k_fcgi.store.lmdb.writable import WritableFile

DIGEST_BYTES = 16
_SECRET_BYTES = 32
_SECRET = CAPTURE_META + RESERVED_KEY


def secret_of(file: WritableFile) -> bytes:
    """Return the key of the digests, made at the first call. Raises StoreBusy, StoreFull."""
    fresh = os.urandom(_SECRET_BYTES)

    def change(transaction: lmdb.Transaction) -> bytes:
        transaction.put(_SECRET, fresh, overwrite=False)
        return bytes(transaction.get(_SECRET) or fresh)

    return file.get(_SECRET) or file.write(change)


def row_of(secret: bytes, key: bytes, canonical: str) -> tuple[bytes, bytes]:
    """Return db_key and value that reserve a name for *key*."""
    return RESERVED + _digest(secret, b"n" + canonical.encode()), _digest(secret, b"k" + key)


def add(transaction: lmdb.Transaction, db_key: bytes, keys: bytes) -> None:
    """Reserve a name for more keys, which are digests, one behind the other."""
    known = split(bytes(transaction.get(db_key) or b""))
    transaction.put(db_key, b"".join([*known, *(digest for digest in split(keys) if digest not in known)]))


def release(transaction: lmdb.Transaction, keys: Iterable[bytes]) -> None:
    """Reserve nothing any longer for *keys*; what is reserved for others stays so."""
    secret = transaction.get(_SECRET)
    if secret is None:
        return
    secret = bytes(secret)
    gone = {row_of(secret, key, "")[1] for key in keys}
    for digest, value in list(with_prefix(transaction, RESERVED)) if gone else ():
        left = [other for other in split(value) if other not in gone]
        if not left:
            transaction.delete(RESERVED + digest)
        elif len(left) < len(split(value)):
            transaction.put(RESERVED + digest, b"".join(left))


def is_for_others(transaction: lmdb.Transaction, key: bytes, canonical: str) -> bool:
    """Whether a name of Second Life is reserved, and not for *key*."""
    secret = transaction.get(_SECRET)
    if secret is None:
        return False
    db_key, mine = row_of(bytes(secret), key, canonical)
    keys = transaction.get(db_key)
    return keys is not None and mine not in split(bytes(keys))


def reserved_for(file: WritableFile, key: bytes, canonical: str) -> tuple[bool, bool]:
    """Return whether a name is reserved, and whether for *key*."""
    secret = file.get(_SECRET)
    if secret is None:
        return False, False
    db_key, mine = row_of(secret, key, canonical)
    keys = file.get(db_key)
    return keys is not None, keys is not None and mine in split(keys)


def count_reserved(file: WritableFile, key: bytes) -> int:
    """Count the names that are reserved for *key*."""
    secret = file.get(_SECRET)
    if secret is None:
        return 0
    _, mine = row_of(secret, key, "")
    with file.read() as transaction:
        return sum(mine in split(keys) for _, keys in with_prefix(transaction, RESERVED))


def split(keys: bytes) -> list[bytes]:
    """The digests in a value."""
    return [keys[at : at + DIGEST_BYTES] for at in range(0, len(keys), DIGEST_BYTES)]


def _digest(secret: bytes, data: bytes) -> bytes:
    import hashlib  # late: OpenSSL takes 4 MB, and most stores have no reserved names

    return hashlib.blake2b(data, key=secret, digest_size=DIGEST_BYTES).digest()
