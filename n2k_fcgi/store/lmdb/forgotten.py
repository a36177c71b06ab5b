"""Who asked to be forgotten, kept in captures.mdb as keyed digests: nobody can read names or keys out of them.

``f`` + digest (16 bytes) -> JSON: when first, and the digests that were made together, so that undoing one undoes all. The
secret lies beside them (``mforgotten``): a digest tells nothing to who does not have this very file, and who has it can
only try names and keys one by one.
"""

import json
import os
from collections.abc import Iterable, Iterator

import lmdb

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.store.base import HiddenSet
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, FORGOTTEN, PURGED_KEY, SECRET_KEY, UNDONE_KEY
from n2k_fcgi.store.lmdb.writable import Moment, WritableFile, with_prefix

DIGEST_BYTES = 16
_SECRET_BYTES = 32
_SECRET = CAPTURE_META + SECRET_KEY
_UNDONE = CAPTURE_META + UNDONE_KEY
_PURGED = CAPTURE_META + PURGED_KEY


class Hidden:
    """A copy of all digests at one *moment* of the file, for work on many rows."""

    def __init__(self, secret: bytes, digests: frozenset[bytes], moment: Moment) -> None:
        self.moment = moment
        self._secret = secret
        self._digests = digests

    def __bool__(self) -> bool:
        return bool(self._digests)

    def hides(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this avatar, or whoever has this name, asked to be forgotten."""
        digests = self._digests
        return _of_key(self._secret, key) in digests or _of_name(self._secret, grid, canonical) in digests


class Forgotten:
    """Implements ``store.base.ForgottenStore`` over the file behind the captures."""

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    def shown(self, avatars: list[Avatar], canonical: str) -> list[Avatar]:
        """Those of *avatars*, all called *canonical*, that nobody asked to forget."""
        with self._file.read() as transaction:
            secret = transaction.get(_SECRET)
            if secret is None:  # nobody ever asked
                return avatars
            return [a for a in avatars if not _hides(transaction, bytes(secret), a.key, a.grid, canonical)]

    def is_hidden(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this avatar, or whoever has this name, asked to be forgotten."""
        with self._file.read() as transaction:
            secret = transaction.get(_SECRET)
            return secret is not None and _hides(transaction, bytes(secret), key, grid, canonical)

    def is_key_hidden(self, key: bytes) -> bool:
        """Whether the avatar with *key* asked to be forgotten."""
        with self._file.read() as transaction:
            secret = transaction.get(_SECRET)
            return secret is not None and _has(transaction, _of_key(bytes(secret), key))

    def hidden(self, before: HiddenSet | None = None) -> HiddenSet:
        """All of them, as they are now; *before* itself, which this gave earlier, when nothing was written since."""
        with self._file.read() as transaction:
            moment = self._file.moment(transaction)
            if isinstance(before, Hidden) and before.moment == moment:
                return before
            secret = transaction.get(_SECRET)
            digests = frozenset(digest for digest, _ in with_prefix(transaction, FORGOTTEN))
            return Hidden(bytes(secret or b""), digests, moment)

    def count(self) -> int:
        """How many requests to be forgotten are in force."""
        with self._file.read() as transaction:
            return len({tuple(sorted(json.loads(value)["all"])) for _, value in with_prefix(transaction, FORGOTTEN)})

    def forget(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int) -> None:
        """Hide *keys* and *names*, (grid, canonical), together, from every process's next look on; on the disk then."""
        fresh, keys, names = os.urandom(_SECRET_BYTES), list(keys), list(names)

        def change(transaction: lmdb.Transaction) -> None:
            secret = bytes(transaction.get(_SECRET) or fresh)
            transaction.put(_SECRET, secret, overwrite=False)
            digests = {_of_key(secret, key) for key in keys} | {_of_name(secret, *name) for name in names}
            when = now
            for first, known in _together(transaction, digests):  # asked for again, perhaps under another name
                digests |= known
                when = min(when, first)
            row = json.dumps({"when": when, "all": sorted(digest.hex() for digest in digests)}).encode()
            for digest in digests:
                transaction.put(FORGOTTEN + digest, row)

        self._file.write(change)

    def undo(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int) -> int | None:
        """Show again what was hidden together with any of these; give when that was asked for first, None: nothing was."""
        keys, names = list(keys), list(names)

        def change(transaction: lmdb.Transaction) -> int | None:
            secret = bytes(transaction.get(_SECRET) or b"")
            asked = {_of_key(secret, key) for key in keys} | {_of_name(secret, *name) for name in names}
            groups = list(_together(transaction, asked))
            if not groups:
                return None
            for _, known in groups:
                for digest in known:
                    transaction.delete(FORGOTTEN + digest)
            _put_time(transaction, _UNDONE, now)
            return min(first for first, _ in groups)

        return self._file.write(change)

    def undone(self) -> int:
        """When somebody was last shown again; 0: never. What was imported before that may lack rows of theirs."""
        return self._time(_UNDONE)

    def note_purge(self, now: int) -> None:
        """Remember that a purge takes rows out from now on."""
        self._file.write(lambda transaction: _put_time(transaction, _PURGED, now))

    def purged(self) -> int:
        """When a purge last began; 0: never."""
        return self._time(_PURGED)

    def _time(self, db_key: bytes) -> int:
        with self._file.read() as transaction:
            return int(transaction.get(db_key) or 0)


def _put_time(transaction: lmdb.Transaction, db_key: bytes, now: int) -> None:
    transaction.put(db_key, str(now).encode())


def _hides(transaction: lmdb.Transaction, secret: bytes, key: bytes, grid: str, canonical: str) -> bool:
    return _has(transaction, _of_key(secret, key)) or _has(transaction, _of_name(secret, grid, canonical))


def _has(transaction: lmdb.Transaction, digest: bytes) -> bool:
    return transaction.get(FORGOTTEN + digest) is not None


def _together(transaction: lmdb.Transaction, digests: set[bytes]) -> Iterator[tuple[int, set[bytes]]]:
    """The groups that any of *digests* is in, each with the time when it was asked for first."""
    for digest in sorted(digests):
        value = transaction.get(FORGOTTEN + digest)
        if value is not None:
            row = json.loads(bytes(value))
            yield row["when"], {bytes.fromhex(text) for text in row["all"]}


def _of_key(secret: bytes, key: bytes) -> bytes:
    return _digest(secret, b"k" + key)


def _of_name(secret: bytes, grid: str, canonical: str) -> bytes:
    return _digest(secret, b"n%b\0%b" % (grid.encode(), canonical.encode()))


def _digest(secret: bytes, data: bytes) -> bytes:
    import hashlib  # late: OpenSSL takes 4 MB, and most directories have nobody to hide

    return hashlib.blake2b(data, key=secret, digest_size=DIGEST_BYTES).digest()
