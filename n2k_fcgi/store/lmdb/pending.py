"""Pending keys: a bounded queue without duplicates, for resolvers.

``p`` + key + grid -> when it was first asked for, when a resolver last marked it as unknown on that grid (0: never), both in
Unix seconds, and a digest of the asker. ``mpending`` -> how many there are.
"""

from __future__ import annotations

import struct

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.observations import Asked, Queued
from n2k_fcgi.named import NamedTuple
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, PENDING_KEY
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import lmdb

    from n2k_fcgi.store.lmdb.volatile import VolatileFile

UNKNOWN_FOR = 7 * 86_400
"""Seconds in which a key that was marked as unknown is not queued again."""

WAITS_FOR = 30 * 86_400
"""Seconds after which a full queue drops a key that no resolver named."""

_ROW = struct.Struct("<qq4s")
_COUNT = CAPTURE_META + b"pending"


class Pending:
    """Implements ``store.base.PendingStore``. *most*: how many keys are kept."""

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
            shares = _Shares.of(transaction, now) if count + len(wanted) > self._most else None
            for key in wanted:
                db_key = PENDING_KEY + key + grid.encode()
                row = transaction.get(db_key)
                if not _is_wanted(row, now):
                    continue
                if row is None and shares is not None:
                    if not shares.make_space(transaction, mine, self._most):
                        break
                    shares.add(mine, db_key)
                transaction.put(db_key, _ROW.pack(now, 0, mine))
                count += row is None
                added += 1
            _put_count(transaction, count if shares is None else shares.count)
            return added

        return self._file.write(change)

    def waiting(self) -> list[Asked]:
        """Return the keys to name, the one that waits longest first."""
        with self._file.read() as transaction:
            rows = [(*_read(value)[:2], which) for which, value in with_prefix(transaction, PENDING_KEY)]
        return [_asked(which) for first, unknown_at, which in sorted(rows) if not unknown_at]

    def queued(self, key: bytes) -> list[Queued]:
        """See ``store.base.PendingStore``."""
        with self._file.read() as transaction:
            rows = [(grid.decode(), _read(value)) for grid, value in with_prefix(transaction, PENDING_KEY + key)]
        return [Queued(key, grid, row.first, row.unknown_at) for grid, row in rows]

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
    """Whether the key is not queued, or was marked as unknown so long ago that it may be known by now (or in the future)."""
    if row is None:
        return True
    unknown_at = _read(row).unknown_at
    return unknown_at != 0 and not now - UNKNOWN_FOR <= unknown_at <= now


class _Row(NamedTuple):
    first: int
    unknown_at: int
    asker: bytes


def _read(value: bytes | memoryview) -> _Row:
    return _Row._make(_ROW.unpack(value))


class _Shares:
    """The keys of each asker in a full queue, within one write transaction."""

    def __init__(self, waiting: dict[bytes, list[bytes]], count: int) -> None:
        self._waiting = waiting  # by asker: db_keys, the oldest last
        self.count = count

    @classmethod
    def of(cls, transaction: lmdb.Transaction, now: int) -> _Shares:
        """Drop the keys that were marked as unknown and those that wait for too long; divide what is left."""
        rows = sorted(
            ((_read(value), PENDING_KEY + which) for which, value in with_prefix(transaction, PENDING_KEY)), reverse=True
        )
        waiting: dict[bytes, list[bytes]] = {}
        for row, db_key in rows:
            if row.unknown_at or not now - WAITS_FOR <= row.first <= now:
                transaction.delete(db_key)
            else:
                waiting.setdefault(row.asker, []).append(db_key)
        return cls(waiting, sum(map(len, waiting.values())))

    def make_space(self, transaction: lmdb.Transaction, asker: bytes, most: int) -> bool:
        """Make space for one more key of *asker*; False if the largest share is not larger than *asker*'s would be."""
        if self.count < most:
            return True
        largest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting[largest]) <= len(self._waiting.get(asker, ())) + 1:
            return False
        transaction.delete(self._waiting[largest].pop())
        self.count -= 1
        return True

    def add(self, asker: bytes, db_key: bytes) -> None:
        """Count one more key of *asker*, the latest."""
        self._waiting.setdefault(asker, []).insert(0, db_key)
        self.count += 1


def _count(transaction: lmdb.Transaction) -> int:
    return int.from_bytes(transaction.get(_COUNT, b""), "little")


def _put_count(transaction: lmdb.Transaction, count: int) -> None:
    transaction.put(_COUNT, count.to_bytes(8, "little"))
