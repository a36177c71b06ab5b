"""Keys that were asked about and nobody knows: a bounded, deduplicated queue for whoever can name them.

``p`` + key + grid -> when it was first asked for, and when a resolver last found nobody behind it (0: never), unix seconds: who
is nobody on one grid may be somebody on another. ``mpending`` -> how many there are.
"""

import struct
from collections.abc import Iterable

import lmdb

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.store.base import Asked
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, PENDING_KEY
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from n2k_fcgi.store.lmdb.writable import with_prefix

NOBODY_FOR = 7 * 86_400
"""Seconds that a key which a resolver found to be nobody's is not asked about again."""

_ROW = struct.Struct("<qq")
_COUNT = CAPTURE_META + b"pending"


class Pending:
    """Implements ``store.base.PendingStore``. *most*: keys that are kept; later ones are not taken."""

    def __init__(self, file: VolatileFile, most: int) -> None:
        self._file = file
        self._most = most

    def add(self, keys: Iterable[bytes], grid: str, now: int) -> int:
        """Queue those of *keys*, asked for on *grid*, that are not there, as many as there is room for; give how many."""
        wanted = [key + grid.encode() for key in dict.fromkeys(keys)]
        if not self._missing(wanted, now):  # no write for what is asked again and again
            return 0

        def change(transaction: lmdb.Transaction) -> int:
            count = _count(transaction)
            if count + len(wanted) > self._most:
                count -= _drop_nobodies(transaction)
            added = 0
            for key in wanted:
                row = transaction.get(PENDING_KEY + key)
                if not _is_wanted(row, now) or (row is None and count >= self._most):
                    continue
                transaction.put(PENDING_KEY + key, _ROW.pack(now, 0))
                count += row is None
                added += 1
            _put_count(transaction, count)
            return added

        return self._file.write(change)

    def _missing(self, keys: list[bytes], now: int) -> bool:
        with self._file.read() as transaction:
            return any(_is_wanted(transaction.get(PENDING_KEY + key), now) for key in keys)

    def waiting(self) -> list[Asked]:
        """The keys to name, the one that waits longest first."""
        with self._file.read() as transaction:
            rows = [(*_ROW.unpack(value), which) for which, value in with_prefix(transaction, PENDING_KEY)]
        return [_asked(which) for first, nobody_at, which in sorted(rows) if not nobody_at]

    def drop(self, keys: Iterable[bytes]) -> int:
        """Take keys out, on whatever grid: they have a name now, or must not have one. Give how many were there."""
        known = list(keys)
        with self._file.read() as transaction:
            if not _rows_of(transaction, known):
                return 0

        def change(transaction: lmdb.Transaction) -> int:
            dropped = sum(transaction.delete(db_key) for db_key in _rows_of(transaction, known))
            _put_count(transaction, _count(transaction) - dropped)
            return dropped

        return self._file.write(change)

    def nobody(self, keys: Iterable[bytes], grid: str, now: int) -> int:
        """Note that a resolver found nobody on *grid* behind these of the queue; give how many."""
        known = [PENDING_KEY + key + grid.encode() for key in keys]

        def change(transaction: lmdb.Transaction) -> int:
            noted = 0
            for db_key in known:
                row = transaction.get(db_key)
                if row is not None:
                    transaction.put(db_key, _ROW.pack(_ROW.unpack(row)[0], now))
                    noted += 1
            return noted

        return self._file.write(change)


def _asked(which: bytes) -> Asked:
    return Asked(which[:KEY_BYTES], which[KEY_BYTES:].decode())


def _rows_of(transaction: lmdb.Transaction, keys: list[bytes]) -> list[bytes]:
    """The db_keys of these keys, whatever the grid."""
    return [PENDING_KEY + key + grid for key in keys for grid, _ in with_prefix(transaction, PENDING_KEY + key)]


def _is_wanted(row: bytes | memoryview | None, now: int) -> bool:
    """Not in the queue, or there as nobody's for so long that it may be somebody's by now."""
    if row is None:
        return True
    nobody_at: int = _ROW.unpack(row)[1]
    return 0 < nobody_at < now - NOBODY_FOR


def _drop_nobodies(transaction: lmdb.Transaction) -> int:
    doomed = [key for key, value in with_prefix(transaction, PENDING_KEY) if _ROW.unpack(value)[1]]
    return sum(transaction.delete(PENDING_KEY + key) for key in doomed)


def _count(transaction: lmdb.Transaction) -> int:
    return int.from_bytes(transaction.get(_COUNT, b""), "little")


def _put_count(transaction: lmdb.Transaction, count: int) -> None:
    transaction.put(_COUNT, count.to_bytes(8, "little"))
