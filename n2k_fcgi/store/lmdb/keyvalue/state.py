"""Reading a namespace: one state, of one transaction."""

from collections.abc import Iterator, Sequence

import lmdb

from n2k_fcgi.errors import ChangesGone
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.store.keyvalue import Change, Changes, Kind, Page, Range, Space, Terms
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    AFTER_VALUES,
    COUNTERS,
    EVERY_VERSION,
    EXPIRY,
    FLUSHED,
    LOG,
    NUMBER,
    SEQUENCE,
    TERMS,
    VALUE,
    Buffer,
    Counters,
    Flushed,
    expiry_key,
    is_live,
    number_of,
    size_of,
    unpack_change,
    unpack_counters,
    unpack_entry,
    unpack_flushed,
    unpack_terms,
    version_of,
)
from n2k_fcgi.store.lmdb.writable import with_prefix

MOST_SKIPPED = 1000
"""Expired rows that one page passes over."""


class State:
    """Implements ``store.keyvalue.SpaceReader`` in a transaction of the caller's."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction

    def get(self, key: bytes, now: int) -> Entry | None:
        """Return the entry of *key*."""
        row = self._transaction.get(VALUE + key)
        if row is None:
            return None
        entry = unpack_entry(key, row)
        return entry if entry.is_live(now) and entry.version > self.floor(now) else None

    def get_many(self, keys: Sequence[bytes], now: int) -> list[Entry | None]:
        """Return the entries of *keys*, in order."""
        return [self.get(key, now) for key in keys]

    def flushed(self) -> Flushed:
        """Return what flushes have left to do."""
        return unpack_flushed(self._transaction.get(FLUSHED))

    def floor(self, now: int) -> int:
        """Return the version up to which entries are gone."""
        row = self._transaction.get(FLUSHED)
        return 0 if row is None else unpack_flushed(row).floor_at(now)

    def scan(
        self, wanted: Range, now: int, *, limit: int, values: bool, reverse: bool = False, max_bytes: int | None = None
    ) -> Page:
        """See ``store.keyvalue.SpaceReader``."""
        entries: list[Entry] = []
        size = skipped = 0
        last = None
        floor = self.floor(now)
        for key, row in self._rows(wanted, reverse=reverse):
            if len(entries) >= limit or skipped >= MOST_SKIPPED:
                return Page(entries, last)
            if is_live(row, now, floor):
                size += size_of(key, row) if values else len(key)
                if max_bytes is not None and size > max_bytes and entries:
                    return Page(entries, last)
                entries.append(unpack_entry(key, row, value=values))
            else:
                skipped += 1
            last = key
        return Page(entries, None)

    def count(self, wanted: Range, now: int) -> tuple[int, int]:
        """Return how many keys there are, and bytes of keys and values."""
        floor = self.floor(now)
        if floor == EVERY_VERSION:
            return 0, 0
        if wanted == Range():
            counters = self.counters()
            expired, lost = self.expired(now)
            return counters.keys - expired, counters.bytes - lost
        keys = size = 0
        for key, row in self._rows(wanted):
            if is_live(row, now, floor):
                keys += 1
                size += size_of(key, row)
        return keys, size

    def changes(self, since: int, limit: int) -> Changes:
        """Return what happened after the version *since* (0: from the beginning). Raises ChangesGone."""
        counters = self.counters()
        if 0 < since < counters.floor:
            raise ChangesGone(since=since, first=counters.floor, last=counters.version)
        cursor = self._transaction.cursor()
        # Rows from before a flush may still be there, below the floor.
        more = cursor.set_range(LOG + NUMBER.pack(max(since, counters.floor))) and cursor.key()[:1] == LOG
        is_known = since == counters.floor
        if more and since and unpack_change(*cursor.item()).version == since:
            is_known = True
            more = cursor.next() and cursor.key()[:1] == LOG
        elif more and not since and unpack_change(*cursor.item()).kind is Kind.FLUSH:
            is_known = True  # all that happened to an empty namespace
        if not is_known:  # before the log, or a version of a file that was replaced by this one
            raise ChangesGone(since=since, first=counters.floor, last=counters.version)
        found: list[Change] = []
        while more and len(found) < limit:
            found.append(unpack_change(*cursor.item()))
            more = cursor.next() and cursor.key()[:1] == LOG
        return Changes(found, found[-1].version if found else since, more)

    def space(self, now: int) -> Space:
        """Return how full it is, what has expired left out."""
        terms = self.terms()
        keys, used = self.count(Range(), now)
        return Space(used, terms.quota, keys, terms.most_keys)

    def terms(self) -> Terms:
        """Return what the owner set."""
        return unpack_terms(self._transaction.get(TERMS))

    def version(self) -> int:
        """Return the last version that was given."""
        return self.counters().version

    def sequences(self) -> dict[bytes, int]:
        """Return all sequences, each with the number that it leases next."""
        return {bytes(name): number_of(row) for name, row in with_prefix(self._transaction, SEQUENCE)}

    def next_number(self, name: bytes) -> int:
        """Return the number that a sequence leases next; 1 before its first lease."""
        row = self._transaction.get(SEQUENCE + name)
        return 1 if row is None else number_of(row)

    def counters(self) -> Counters:
        """Return the counters."""
        return unpack_counters(self._transaction.get(COUNTERS))

    def expired(self, now: int, *, most: int | None = None) -> tuple[int, int]:
        """Return how many keys have expired and are not swept, and their bytes; of the *most* that are looked at.

        What a flush has removed is not counted.
        """
        keys = size = seen = 0
        floor = self.floor(now)
        cursor = self._transaction.cursor()
        if cursor.set_range(EXPIRY):
            end = expiry_key(now + 1, b"")
            for db_key, row in cursor.iternext(keys=True, values=True):
                name = bytes(db_key)
                if name >= end or seen == most:
                    break
                seen += 1
                if not floor or self._is_above(floor, name[1 + NUMBER.size :]):
                    keys += 1
                    size += number_of(row)
        return keys, size

    def _is_above(self, floor: int, key: bytes) -> bool:
        row = self._transaction.get(VALUE + key)
        return row is not None and version_of(row) > floor

    def _rows(self, wanted: Range, *, reverse: bool = False) -> Iterator[tuple[bytes, Buffer]]:
        """Yield (key, row) of a range."""
        low = VALUE + wanted.start
        high = AFTER_VALUES if wanted.end is None else VALUE + wanted.end
        cursor = self._transaction.cursor()
        if reverse:
            is_there = cursor.prev() if cursor.set_range(high) else cursor.last()
            rows = cursor.iterprev(keys=True, values=True)
        else:
            is_there = cursor.set_range(low)
            rows = cursor.iternext(keys=True, values=True)
        if is_there:
            for db_key, row in rows:
                name = bytes(db_key)
                if not low <= name < high:
                    return
                yield name[1:], row
