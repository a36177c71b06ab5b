"""Changing entries inside one write transaction: versions, the log, the index of expiry, and the counters."""

import lmdb

from n2k_fcgi.errors import QuotaReached
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import NEW_ID, Operation
from n2k_fcgi.store.keyvalue import Kind, Result, Space, Terms
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    COUNTERS,
    EXPIRY,
    FLUSHED,
    LOG,
    NEVER_FLUSHED,
    NUMBER,
    VALUE,
    Flushed,
    expiry_key,
    number_of,
    pack_change,
    pack_counters,
    pack_entry,
    pack_flushed,
    unpack_entry,
    version_of,
)
from n2k_fcgi.store.lmdb.keyvalue.state import State

MOST_TRIMMED = 100
"""Records that a write removes from the log beyond those that it adds: a lowered limit takes effect step by step."""

LONGER_BY = 100
"""Records by which a log of 10,000 and more may be longer than it should be, one of 1,000 by 10. They are removed together, so
that only one write in a hundred changes the first page of the log, too."""

MOST_COUNTED = 1000
"""Expired entries whose size a write subtracts from the space that it reports: the work of a write is bounded."""


LOOKED_AT_PER_SWEPT = 5
"""Rows among which a write looks for what a flush has left, for each expired entry that it would remove."""


class Writing:
    """One write transaction of a namespace. Call ``finish`` at its end."""

    def __init__(self, transaction: lmdb.Transaction, now: int, most_changes: int) -> None:
        self.transaction = transaction
        self.state = State(transaction)
        self.counters = self.state.counters()
        self.now = now
        self._grown_keys = self._grown_bytes = 0  # by operations, not by sweeping
        self._most_changes = most_changes
        self._row = pack_counters(self.counters)
        self._added = 0
        self._may_be_expired = True
        self._flushed = self.state.flushed()
        if self._flushed.at and now >= self._flushed.at:
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
        if entry.id == NEW_ID:
            entry = entry._replace(id=self.counters.last_id + 1)
        self.counters.last_id = max(self.counters.last_id, entry.id)
        entry = entry._replace(version=self._log(Kind.PUT, operation.key))
        self._store(entry, present)
        return Result(entry, present is None, entry.version)

    def sweep(self, limit: int) -> int:
        """Remove up to *limit* expired entries, and some of what a flush has left; return how many entries expired."""
        self.sweep_flushed(limit * LOOKED_AT_PER_SWEPT)
        floor = self._flushed.floor
        swept = 0
        for _ in range(limit):
            cursor = self.transaction.cursor()
            db_key = bytes(cursor.key()) if cursor.set_range(EXPIRY) else b""
            if not EXPIRY <= db_key < expiry_key(self.now + 1, b""):
                self._may_be_expired = False
                break
            key = db_key[1 + NUMBER.size :]
            row = self.transaction.get(VALUE + key) if floor else None
            if row is not None and version_of(row) <= floor:
                self._remove_flushed(key, db_key)
            else:
                self._expire(key, db_key, number_of(cursor.value()))
                swept += 1
        return swept

    def flush(self) -> int:
        """Let all entries be gone, and the log begin anew with one record; return how many keys there were.

        Their rows are removed by later writes. Of what has expired, MOST_COUNTED entries at most are left out of the count.
        """
        expired, _ = self.state.expired(self.now, most=MOST_COUNTED)
        count = self.counters.keys - expired
        self.counters.keys = self.counters.bytes = 0
        self.counters.floor = self._log(Kind.FLUSH, b"")
        self._note_flushed(Flushed(self.counters.floor))
        return count

    def flush_at(self, moment: int) -> None:
        """Let a ``flush`` happen at *moment*, in Unix milliseconds, in the place of another that is to come."""
        self._note_flushed(self._flushed._replace(at=moment))

    @property
    def has_flushed_rows(self) -> bool:
        """Whether rows are left of what a flush removed."""
        return self._flushed.floor > 0

    def space(self, terms: Terms) -> Space:
        """Return how full it is, after the changes; of what has expired, MOST_COUNTED entries at most are left out."""
        expired, lost = self.state.expired(self.now, most=MOST_COUNTED) if self._may_be_expired else (0, 0)
        return Space(self.counters.bytes - lost, terms.quota, self.counters.keys - expired, terms.most_keys)

    def _refuse_growth(self, entry: Entry, present: Entry | None, terms: Terms) -> None:
        """Raise QuotaReached if *entry* in the place of *present* makes it larger than it may be."""
        keys = 1 if present is None else 0
        size = len(entry.value) + (len(entry.key) if present is None else -len(present.value))
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

    def sweep_flushed(self, looks: int) -> None:
        """Remove rows that a flush has left, among the next *looks* rows of entries."""
        flushed = self._flushed
        if not flushed.floor:
            return
        dead = []
        cursor = self.transaction.cursor()
        more = cursor.set_range(VALUE + flushed.swept_to)
        key = flushed.swept_to
        for _ in range(looks):
            db_key = bytes(cursor.key()) if more else b""
            if db_key[:1] != VALUE:
                self._note_flushed(Flushed(at=flushed.at))
                break
            key = db_key[1:]
            entry = unpack_entry(key, cursor.value(), value=False)
            if entry.version <= flushed.floor:
                dead.append(entry)
            more = cursor.next()
        else:
            self._note_flushed(flushed._replace(swept_to=key))
        for entry in dead:
            self._remove_flushed(entry.key, expiry_key(entry.expires, entry.key) if entry.expires else b"")

    def _note_flushed(self, flushed: Flushed) -> None:
        self._flushed = flushed
        if flushed == NEVER_FLUSHED:
            self.transaction.delete(FLUSHED)
        else:
            self.transaction.put(FLUSHED, pack_flushed(flushed))

    def _remove_flushed(self, key: bytes, index_key: bytes) -> None:
        """Remove the rows of an entry that is counted no more."""
        self.transaction.delete(VALUE + key)
        if index_key:
            self.transaction.delete(index_key)

    def finish(self) -> None:
        """Trim the log and store the counters. Without changes LMDB has nothing to commit, nor to sync."""
        self._trim()
        row = pack_counters(self.counters)
        if row != self._row:
            self.transaction.put(COUNTERS, row)

    def _present(self, key: bytes) -> Entry | None:
        row = self.transaction.get(VALUE + key)
        if row is None:
            return None
        entry = unpack_entry(key, row)
        if entry.version <= self._flushed.floor:
            self._remove_flushed(key, expiry_key(entry.expires, key) if entry.expires else b"")
            return None
        if entry.is_live(self.now):
            return entry
        self._expire(key, expiry_key(entry.expires, key), len(key) + len(entry.value))
        return None

    def _store(self, entry: Entry, before: Entry | None) -> None:
        key = entry.key
        size = len(key) + len(entry.value)
        if before is None:
            self._count(1, size)
        else:
            self._count(0, len(entry.value) - len(before.value))
            if before.expires and before.expires != entry.expires:
                self.transaction.delete(expiry_key(before.expires, key))
        if entry.expires:
            self.transaction.put(expiry_key(entry.expires, key), NUMBER.pack(size))
        self.transaction.put(VALUE + key, pack_entry(entry))

    def _remove(self, entry: Entry) -> None:
        self.transaction.delete(VALUE + entry.key)
        if entry.expires:
            self.transaction.delete(expiry_key(entry.expires, entry.key))
        self._count(-1, -len(entry.key) - len(entry.value))

    def _count(self, keys: int, size: int) -> None:
        self.counters.keys += keys
        self.counters.bytes += size
        self._grown_keys += keys
        self._grown_bytes += size

    def _expire(self, key: bytes, index_key: bytes, size: int) -> None:
        self.transaction.delete(VALUE + key)
        self.transaction.delete(index_key)
        self.counters.keys -= 1
        self.counters.bytes -= size
        self._log(Kind.EXPIRE, key)

    def _log(self, kind: Kind, key: bytes) -> int:
        """Append a record; return its version, which never repeats whatever the clock does."""
        counters = self.counters
        counters.version = version = max(counters.version + 1, self.now * 1000)
        counters.changes += 1
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
