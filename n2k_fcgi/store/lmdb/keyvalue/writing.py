"""Changing entries inside one write transaction: versions, the log, the index of expiry, and the counters."""

from typing import TYPE_CHECKING

import lmdb

from n2k_fcgi.errors import QuotaReached
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import NEW_ID, Operation
from n2k_fcgi.store.keyvalue import Kind, Range, Result, Space, Terms
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.keyvalue import overlays
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    COUNTERS,
    LIVE,
    LOG,
    NUMBER,
    TOMBSTONE,
    Live,
    expiry_key,
    number_of,
    pack_change,
    pack_counters,
    pack_entry,
    pack_live,
    unpack_entry,
)
from n2k_fcgi.store.lmdb.keyvalue.state import MOST_COUNTED, State

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.keyvalue.datasets import LiveDataset

MOST_TRIMMED = 100
"""Records that a write removes from the log beyond those that it adds: a lowered limit takes effect step by step."""

LONGER_BY = 100
"""Records by which a log of 10,000 and more may be longer than it should be, one of 1,000 by 10. They are removed together, so
that only one write in a hundred changes the first page of the log, too."""


ROWS_PER_SWEPT = 5
"""Rows of dropped overlays that a write removes for each expired entry that it would remove: they lie side by side."""


class Writing:
    """One write transaction of a namespace. Call ``finish`` at its end."""

    def __init__(
        self, transaction: lmdb.Transaction, now: int, most_changes: int, datasets: "LiveDataset | None" = None
    ) -> None:
        self.transaction = transaction
        self._datasets = datasets
        self.state = State(transaction, datasets)
        self.counters = self.state.counters()
        self.now = now
        self._grown_keys = self._grown_bytes = 0  # by operations, not by sweeping
        self._most_changes = most_changes
        self._row = pack_counters(self.counters)
        self._added = 0
        self._may_be_expired = True
        if self.state.live.is_flushed(now):
            self.flush()

    def apply(self, operation: Operation, terms: Terms | None = None) -> Result:
        """Do one operation. Raises its error, before any change of its own; with *terms* QuotaReached, too."""
        present = self._present(operation.key)
        entry = operation.applied(present, self.now)
        if entry is present:
            assert entry is not None  # an operation on a missing entry stores one or raises
            return Result(entry, False, entry.version)
        if entry is None:
            assert present is not None  # as above
            self._remove(present)
            return Result(None, False, self._log(Kind.DELETE, operation.key))
        if terms is not None:
            self._refuse_growth(entry, present, terms)
        key, value, _, expires, flags, kind, number = entry
        if number == NEW_ID:
            number = self.counters.last_id + 1
        if number > self.counters.last_id:
            self.counters.last_id = number
        entry = Entry(key, value, self._log(Kind.PUT, key), expires, flags, kind, number)
        self._store(entry, present)
        return Result(entry, present is None, entry.version)

    def sweep(self, limit: int) -> int:
        """Remove up to *limit* expired entries, and rows of dropped overlays; return how many entries expired."""
        overlays.sweep(self.transaction, limit * ROWS_PER_SWEPT)
        prefix = self.state.prefixes.expiry
        for swept in range(limit):
            cursor = self.transaction.cursor()
            db_key = bytes(cursor.key()) if cursor.set_range(prefix) else b""
            if not prefix <= db_key < expiry_key(self.now + 1, b"", prefix):
                self._may_be_expired = False
                return swept
            self._expire(db_key[len(prefix) + NUMBER.size :], db_key, number_of(cursor.value()))
        return limit

    def flush(self) -> None:
        """Let all entries be gone, and the log begin anew with one record. Their rows are removed by later writes."""
        live = self.state.live
        overlays.drop(self.transaction, live.overlay)
        self.counters.keys = self.counters.bytes = 0
        self.counters.floor = self._log(Kind.FLUSH, b"")
        overlay = overlays.free_number(self.transaction, preferred=live.overlay)
        self.set_live(live._replace(overlay=overlay, emptied=bool(live.name), flush_at=0))

    def flush_after(self, after: int) -> int:
        """``flush`` in so many milliseconds, in the place of another that is to come; return the last version."""
        if after > 0:
            self.set_live(self.state.live._replace(flush_at=self.now + after))
        else:
            self.flush()
        return self.counters.version

    def count(self) -> int:
        """Return how many keys there are; of what has expired, MOST_COUNTED entries at most are left out.

        Below a dataset the work is that of a look at each row of the overlay.
        """
        if self.state.live.name:
            return self.state.count(Range(), self.now)[0]
        return self.counters.keys - self.state.expired(self.now, most=MOST_COUNTED)[0]

    def set_live(self, live: Live) -> None:
        """Store which dataset and which overlay are live, and go on with them."""
        if live != self.state.live:
            self.transaction.put(LIVE, pack_live(live))
            self.state = State(self.transaction, self._datasets)

    def next_version(self) -> int:
        """Take a version, which never repeats whatever the clock does."""
        self.counters.version = version = max(self.counters.version + 1, self.now * 1000)
        return version

    def space(self, terms: Terms) -> Space:
        """Return how full it is, after the changes; of what has expired, MOST_COUNTED entries at most are left out."""
        expired, lost = self.state.expired(self.now, most=MOST_COUNTED) if self._may_be_expired else (0, 0)
        return Space(self.counters.bytes - lost, terms.quota, self.counters.keys - expired, terms.most_keys)

    def _refuse_growth(self, entry: Entry, present: Entry | None, terms: Terms) -> None:
        """Raise QuotaReached if *entry* in the place of *present* makes it larger than it may be."""
        is_new = present is None or self.state.is_below(present)
        keys = 1 if is_new else 0
        size = len(entry.value) + (len(entry.key) if present is None or is_new else -len(present.value))
        free_bytes, free_keys = terms.quota - self.counters.bytes, terms.most_keys - self.counters.keys
        if size > max(0, free_bytes) or keys > max(0, free_keys):
            raise QuotaReached(free_bytes=max(0, free_bytes), free_keys=max(0, free_keys))

    def refuse_beyond(self, terms: Terms) -> None:
        """Raise QuotaReached if the operations made it larger than it may be. What makes it smaller is always accepted."""
        free_bytes = terms.quota - self.counters.bytes
        free_keys = terms.most_keys - self.counters.keys
        if (free_bytes < 0 < self._grown_bytes) or (free_keys < 0 < self._grown_keys):
            before = max(0, free_bytes + self._grown_bytes), max(0, free_keys + self._grown_keys)
            raise QuotaReached(free_bytes=before[0], free_keys=before[1])

    def finish(self) -> None:
        """Trim the log and store the counters. Without changes LMDB has nothing to commit, nor to sync."""
        self._trim()
        row = pack_counters(self.counters)
        if row != self._row:
            self.transaction.put(COUNTERS, row)

    def _present(self, key: bytes) -> Entry | None:
        row = self.transaction.get(self.state.prefixes.values + key)
        if row is None:
            return self.state.entry_below(key, self.now)
        if row == TOMBSTONE:
            return None
        entry = unpack_entry(key, row)
        if entry.is_live(self.now):
            return entry
        self._expire(key, self._expiry_key(entry), len(key) + len(entry.value))
        return None

    def _store(self, entry: Entry, before: Entry | None) -> None:
        key = entry.key
        size = len(key) + len(entry.value)
        if before is None or self.state.is_below(before):
            self._count(1, size)
        else:
            self._count(0, len(entry.value) - len(before.value))
            if before.expires and before.expires != entry.expires:
                self.transaction.delete(self._expiry_key(before))
        if entry.expires:
            self.transaction.put(self._expiry_key(entry), NUMBER.pack(size))
        self.transaction.put(self.state.prefixes.values + key, pack_entry(entry))

    def _remove(self, entry: Entry) -> None:
        self._remove_row(entry.key)
        if self.state.is_below(entry):
            return
        if entry.expires:
            self.transaction.delete(self._expiry_key(entry))
        self._count(-1, -len(entry.key) - len(entry.value))

    def _remove_row(self, key: bytes) -> None:
        """Remove a value; where the dataset has one for *key*, it must not appear in its place."""
        db_key = self.state.prefixes.values + key
        if self.state.hides(key):
            self.transaction.put(db_key, TOMBSTONE)
        else:
            self.transaction.delete(db_key)

    def _expiry_key(self, entry: Entry) -> bytes:
        return expiry_key(entry.expires, entry.key, self.state.prefixes.expiry)

    def _count(self, keys: int, size: int) -> None:
        self.counters.keys += keys
        self.counters.bytes += size
        self._grown_keys += keys
        self._grown_bytes += size

    def _expire(self, key: bytes, index_key: bytes, size: int) -> None:
        self._remove_row(key)
        self.transaction.delete(index_key)
        self.counters.keys -= 1
        self.counters.bytes -= size
        self._log(Kind.EXPIRE, key)

    def _log(self, kind: Kind, key: bytes) -> int:
        """Append a record; return its version."""
        version = self.next_version()
        self.counters.changes += 1
        self._added += 1
        self.transaction.put(LOG + NUMBER.pack(version), pack_change(kind, key))
        return version

    def _trim(self) -> None:
        counters = self.counters
        surplus = counters.changes - self._most_changes
        if surplus <= min(LONGER_BY, self._most_changes // 100):
            return
        count = min(surplus, self._added + MOST_TRIMMED)
        cursor = self.transaction.cursor()
        cursor.set_range(LOG)
        for _ in range(count):
            db_key = cursor.key()
            if db_key[:1] != LOG:
                raise BadValue("the log has fewer changes than the counters say")
            counters.floor = max(counters.floor, number_of(db_key[1:]))
            cursor.delete()
        counters.changes -= count
