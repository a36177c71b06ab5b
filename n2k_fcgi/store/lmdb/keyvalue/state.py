"""Reading a namespace: one state, of one transaction, and the dataset below it."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import lmdb

from n2k_fcgi.errors import ChangesGone
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.store.keyvalue import Change, Changes, Kind, Page, Range, Space, Terms
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    COUNTERS,
    LIVE,
    LOG,
    NUMBER,
    PLAIN_PREFIXES,
    SEQUENCE,
    TERMS,
    TOMBSTONE,
    Buffer,
    Counters,
    Live,
    Prefixes,
    expiry_key,
    is_live,
    number_of,
    prefixes_of,
    size_of,
    unpack_change,
    unpack_counters,
    unpack_entry,
    unpack_live,
    unpack_terms,
)
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.keyvalue.datasets import LiveDataset

MOST_SKIPPED = 1000
"""Rows of expired and deleted keys that one page passes over."""

MOST_COUNTED = 1000
"""Expired entries whose size is subtracted from the space that is reported: this work is bounded."""

NO_DATASET = Live()


@lru_cache(64)
def _read_live(row: bytes) -> tuple[Live, Prefixes]:
    """Return what is live, and the prefixes of its overlay: the same for every read between two swaps."""
    live = unpack_live(row)
    return live, prefixes_of(live.overlay)


class State:
    """Implements ``store.keyvalue.SpaceReader`` in a transaction of the caller's.

    *datasets*: opens the dataset that is live in it, which stays open as long as this object is there. Without it only what
    no dataset has can be read: counters, log, terms, sequences.
    """

    __slots__ = ("_base", "_transaction", "live", "prefixes")

    def __init__(self, transaction: lmdb.Transaction, datasets: "LiveDataset | None" = None) -> None:
        self._transaction = transaction
        row = transaction.get(LIVE)
        self.live, self.prefixes = (NO_DATASET, PLAIN_PREFIXES) if row is None else _read_live(bytes(row))
        """Its dataset, and the prefixes of its overlay."""
        self._base = None if datasets is None or row is None else datasets.of(self.live)

    def get(self, key: bytes, now: int) -> Entry | None:
        """Return the entry of *key*."""
        return None if self.live.is_flushed(now) else self._entry(key, self._transaction.get(self.prefixes.values + key), now)

    def _entry(self, key: bytes, row: Buffer | None, now: int) -> Entry | None:
        """The entry of a *row* of the overlay, or of the dataset if it has none."""
        if row is None:
            return self.entry_below(key, now)
        if row == TOMBSTONE:
            return None
        entry = unpack_entry(key, row)
        return entry if not entry.expires or now < entry.expires else None

    def entry_below(self, key: bytes, now: int) -> Entry | None:
        """Return the entry that the dataset has for *key*, whatever the overlay has."""
        entry = None if self._base is None else self._base.rows.get(key, now)
        return entry and entry._replace(version=self.live.version)

    def hides(self, key: bytes) -> bool:
        """Whether a row of the overlay for *key* hides one of the dataset, expired or not."""
        return self._base is not None and self._base.rows.has(key)

    def is_below(self, entry: Entry) -> bool:
        """Whether *entry* is the dataset's: no other has the version of the swap."""
        return self._base is not None and entry.version == self.live.version

    def has(self, key: bytes) -> bool:
        """Whether there is a row for *key*, expired or not."""
        return self._transaction.get(self.prefixes.values + key) is not None

    def get_many(self, keys: Sequence[bytes], now: int) -> list[Entry | None]:
        """Return the entries of *keys*, in order."""
        if self.live.is_flushed(now):
            return [None] * len(keys)
        find, values, entry = self._transaction.get, self.prefixes.values, self._entry
        return [entry(key, find(values + key), now) for key in keys]

    def scan(
        self, wanted: Range, now: int, *, limit: int, values: bool, reverse: bool = False, max_bytes: int | None = None
    ) -> Page:
        """See ``store.keyvalue.SpaceReader``."""
        entries: list[Entry] = []
        if self.live.is_flushed(now):
            return Page(entries, None)
        size = skipped = 0
        last = None
        for key, row in self._rows(wanted, reverse=reverse):
            if len(entries) >= limit or skipped >= MOST_SKIPPED:
                return Page(entries, last)
            if row != TOMBSTONE and is_live(row, now):
                size += size_of(key, row) if values else len(key)
                if max_bytes is not None and size > max_bytes and entries:
                    return Page(entries, last)
                entry = unpack_entry(key, row, value=values)
                entries.append(entry if entry.version else entry._replace(version=self.live.version))
            else:
                skipped += 1
            last = key
        return Page(entries, None)

    def count(self, wanted: Range, now: int) -> tuple[int, int]:
        """Return how many keys there are, and bytes of keys and values."""
        if self.live.is_flushed(now):
            return 0, 0
        if wanted == Range():
            keys, size = self._stored(now)
            return self._with_dataset(keys, size, now) if self._base else (keys, size)
        keys = size = 0
        for key, row in self._rows(wanted):
            if row != TOMBSTONE and is_live(row, now):
                keys += 1
                size += size_of(key, row)
        return keys, size

    def _stored(self, now: int, *, most: int | None = None) -> tuple[int, int]:
        """Return how many keys are stored here, and their bytes; *most*: expired ones that are left out, None: all."""
        if self.live.is_flushed(now):
            return 0, 0
        counters = self.counters()
        expired, lost = self.expired(now, most=most)
        return counters.keys - expired, counters.bytes - lost

    def _with_dataset(self, keys: int, size: int, now: int) -> tuple[int, int]:
        """Add what the dataset has and the overlay does not hide: the work is that of a look at each row of the overlay."""
        assert self._base is not None
        below = self._base.rows
        more, longer = below.count(Range(), now)
        keys, size = keys + more, size + longer
        for key, _ in self._own_rows(Range()):
            hidden = below.get(key, now)
            if hidden is not None:
                keys -= 1
                size -= len(key) + len(hidden.value)
        return keys, size

    def changes(self, since: int, limit: int) -> Changes:
        """Return what happened after the version *since* (0: from the beginning). Raises ChangesGone."""
        counters = self.counters()
        cursor = self._transaction.cursor()
        # Rows from before a flush or a swap may still be there, below the floor.
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
        """Return how full the live overlay is; of what has expired, MOST_COUNTED entries at most are left out."""
        terms = self.terms()
        keys, used = self._stored(now, most=MOST_COUNTED)
        return Space(used, terms.quota, keys, terms.most_keys)

    def terms(self) -> Terms:
        """Return what the owner set."""
        return unpack_terms(self._transaction.get(TERMS))

    def dataset(self) -> str:
        """Return the name of the live dataset; '': none."""
        return self.live.name

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
        """Return how many keys have expired and are not swept, and their bytes; of *most* keys."""
        keys = size = 0
        cursor = self._transaction.cursor()
        if cursor.set_range(self.prefixes.expiry):
            end = expiry_key(now + 1, b"", self.prefixes.expiry)
            for db_key, row in cursor.iternext(keys=True, values=True):
                if bytes(db_key) >= end or keys == most:
                    break
                keys += 1
                size += number_of(row)
        return keys, size

    def _rows(self, wanted: Range, *, reverse: bool = False) -> Iterator[tuple[bytes, Buffer]]:
        """Yield (key, row) of a range: of the overlay, or else of the dataset. A tombstone hides the dataset's."""
        own = self._own_rows(wanted, reverse=reverse)
        if self._base is None:
            return own
        both = merge(own, self._base.rows._own_rows(wanted, reverse=reverse), key=_KEY, reverse=reverse)
        return (next(rows) for _, rows in groupby(both, _KEY))  # of two with one key the overlay's comes first

    def _own_rows(self, wanted: Range, *, reverse: bool = False) -> Iterator[tuple[bytes, Buffer]]:
        values, after, _ = self.prefixes
        low = values + wanted.start
        high = after if wanted.end is None else values + wanted.end
        cursor = self._transaction.cursor()
        if reverse:
            is_there = cursor.prev() if cursor.set_range(high) else cursor.last()
            rows = cursor.iterprev(keys=True, values=True)
        else:
            is_there = cursor.set_range(low)
            rows = cursor.iternext(keys=True, values=True)
        if is_there:
            skipped = len(values)
            for db_key, row in rows:
                name = bytes(db_key)
                if not low <= name < high:
                    return
                yield name[skipped:], row


_KEY = itemgetter(0)
