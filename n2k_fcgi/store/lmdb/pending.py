"""Keys that were asked about and nobody knows: a bounded, deduplicated queue for whoever can name them.

``p`` + key + grid -> when it was first asked for, and when a resolver last found nobody behind it (0: never), unix seconds, and
a digest of who asked: who is nobody on one grid may be somebody on another. ``mpending`` -> how many there are.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import lmdb

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.observations import Asked
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, PENDING_KEY
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from n2k_fcgi.store.lmdb.writable import with_prefix

NOBODY_FOR = 7 * 86_400
"""Seconds that a key which a resolver found to be nobody's is not asked about again."""

WAITS_FOR = 30 * 86_400
"""Seconds after which a key that nobody named makes room for others."""

_ROW = struct.Struct("<qq4s")
_COUNT = CAPTURE_META + b"pending"


class Pending:
    """Implements ``store.base.PendingStore``. *most*: keys that are kept; later ones are not taken."""

    def __init__(self, file: VolatileFile, most: int) -> None:
        self._file = file
        self._most = most

    def unqueued(self, keys: Sequence[bytes], grid: str, now: int) -> list[bytes]:
        """See ``store.base.PendingStore``."""
        with self._file.read() as transaction:
            return [key for key in keys if _is_wanted(transaction.get(PENDING_KEY + key + grid.encode()), now)]

    def add(self, keys: Iterable[bytes], grid: str, now: int, asker: str = "") -> int:
        """See ``store.base.PendingStore``."""
        from hashlib import blake2b  # late: a worker that only answers lookups needs none

        wanted = list(dict.fromkeys(keys))
        mine = blake2b(asker.encode(), digest_size=4).digest()

        def change(transaction: lmdb.Transaction) -> int:
            count, added = _count(transaction), 0
            room = _Room.of(transaction, now) if count + len(wanted) > self._most else None
            for key in wanted:
                db_key = PENDING_KEY + key + grid.encode()
                row = transaction.get(db_key)
                if not _is_wanted(row, now):
                    continue
                if row is None and room is not None:
                    if not room.make(transaction, mine, self._most):
                        break
                    room.taken(mine, db_key)
                transaction.put(db_key, _ROW.pack(now, 0, mine))
                count += row is None
                added += 1
            _put_count(transaction, count if room is None else room.count)
            return added

        return self._file.write(change)

    def waiting(self) -> list[Asked]:
        """The keys to name, the one that waits longest first."""
        with self._file.read() as transaction:
            rows = [(*_read(value)[:2], which) for which, value in with_prefix(transaction, PENDING_KEY)]
        return [_asked(which) for first, nobody_at, which in sorted(rows) if not nobody_at]

    def drop(self, keys: Iterable[bytes], *, only: str | None = None, spare: str | None = None) -> int:
        """Remove *keys* on any grid, or on *only*, or on all but *spare*; return how many entries were removed."""
        known = list(dict.fromkeys(keys))

        def found(transaction: lmdb.Transaction) -> list[bytes]:
            rows = ((key, grid.decode()) for key in known for grid, _ in with_prefix(transaction, PENDING_KEY + key))
            return [PENDING_KEY + key + grid.encode() for key, grid in rows if only in (None, grid) and grid != spare]

        with self._file.read() as transaction:  # most keys were never asked for: no write for them
            if not found(transaction):
                return 0

        def change(transaction: lmdb.Transaction) -> int:
            dropped = sum(transaction.delete(db_key) for db_key in found(transaction))
            _put_count(transaction, _count(transaction) - dropped)
            return dropped

        return self._file.write(change)

    def mark_unknown(self, keys: Iterable[bytes], grid: str, now: int) -> int:
        """See ``store.base.PendingStore``."""
        known = [PENDING_KEY + key + grid.encode() for key in keys]

        def change(transaction: lmdb.Transaction) -> int:
            noted = 0
            for db_key in known:
                row = transaction.get(db_key)
                if row is not None:
                    first, _, asker = _read(row)
                    transaction.put(db_key, _ROW.pack(first, now, asker))
                    noted += 1
            return noted

        return self._file.write(change)


def _asked(which: bytes) -> Asked:
    return Asked(which[:KEY_BYTES], which[KEY_BYTES:].decode())


def _is_wanted(row: bytes | memoryview | None, now: int) -> bool:
    """Not in the queue, or there as nobody's for so long that it may be somebody's by now (or since what is still to come)."""
    if row is None:
        return True
    nobody_at = _read(row).nobody_at
    return nobody_at != 0 and not now - NOBODY_FOR <= nobody_at <= now


class _Row(NamedTuple):
    first: int
    nobody_at: int
    asker: bytes


def _read(value: bytes | memoryview) -> _Row:
    return _Row._make(_ROW.unpack(value))


class _Room:
    """Who has how much of a full queue, within one write transaction."""

    def __init__(self, waiting: dict[bytes, list[bytes]], count: int) -> None:
        self._waiting = waiting  # by asker: db_keys, the oldest last
        self.count = count

    @classmethod
    def of(cls, transaction: lmdb.Transaction, now: int) -> "_Room":
        """Drop what is nobody's and what waits for too long, and see what is left."""
        rows = sorted(
            ((_read(value), PENDING_KEY + which) for which, value in with_prefix(transaction, PENDING_KEY)), reverse=True
        )
        waiting: dict[bytes, list[bytes]] = {}
        for row, db_key in rows:
            if row.nobody_at or not now - WAITS_FOR <= row.first <= now:
                transaction.delete(db_key)
            else:
                waiting.setdefault(row.asker, []).append(db_key)
        return cls(waiting, sum(map(len, waiting.values())))

    def make(self, transaction: lmdb.Transaction, asker: bytes, most: int) -> bool:
        """Room for one more of *asker*, of *most* in all: from whoever has most, unless that is no more than he would have."""
        if self.count < most:
            return True
        largest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting[largest]) <= len(self._waiting.get(asker, ())) + 1:
            return False
        transaction.delete(self._waiting[largest].pop())
        self.count -= 1
        return True

    def taken(self, asker: bytes, db_key: bytes) -> None:
        """*asker* has one more, the latest."""
        self._waiting.setdefault(asker, []).insert(0, db_key)
        self.count += 1


def _count(transaction: lmdb.Transaction) -> int:
    return int.from_bytes(transaction.get(_COUNT, b""), "little")


def _put_count(transaction: lmdb.Transaction, count: int) -> None:
    transaction.put(_COUNT, count.to_bytes(8, "little"))
