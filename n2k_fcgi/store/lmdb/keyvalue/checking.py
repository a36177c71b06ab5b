"""The consistency check of a namespace: one pass over its rows, in memory that does not grow with them."""

from collections.abc import Callable, Iterator
from itertools import islice

import lmdb

from n2k_fcgi.errors import BadEntryKey, N2KError, NoMemory
from n2k_fcgi.model.keyvalue.entry import parse_entry_key, type_of
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.empty_file import FORMAT_DB_KEY
from n2k_fcgi.store.lmdb.keyvalue import overlays
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    COUNTERS,
    DROPPED,
    EXPIRY,
    EXPIRY_OF,
    LIVE,
    LOG,
    NUMBER,
    PARKED,
    REPLACED,
    REQUEST,
    REQUEST_AGE,
    SEQUENCE,
    TERMS,
    TOMBSTONE,
    VALUE,
    VALUE_OF,
    Buffer,
    Counters,
    applied_at,
    expiry_key,
    number_of,
    prefixes_of,
    size_of,
    unpack_change,
    unpack_counters,
    unpack_entry,
    unpack_parked,
    unpack_terms,
)
from n2k_fcgi.store.lmdb.keyvalue.state import State

SINGLE_ROWS = (COUNTERS, LIVE, TERMS, REPLACED, FORMAT_DB_KEY)

MOST_PROBLEMS = 100
"""Of a namespace, that are reported: they are collected, so that no transaction waits for the reader of the lines."""


def problems_of(file: NamespaceFile) -> list[str]:
    """Check a namespace, changing nothing; return one line per problem. None shows a key or a value.

    Raises NoMemory.
    """
    found = []
    try:
        lock_problem = file.lock_problem()
        if lock_problem:
            found.append(lock_problem)
        with file.read() as transaction:
            found += islice(Check(transaction).lines(), MOST_PROBLEMS)
            State(transaction, file.dataset)  # raises if the live dataset cannot be read
    except NoMemory:  # says nothing about the file
        raise
    except N2KError as error:
        found.append(str(error))
    return found


class Check:
    """The check of one state."""

    def __init__(self, transaction: lmdb.Transaction) -> None:
        self._transaction = transaction
        self._found = Counters()
        self._overlays: dict[int, list[int]] = {}
        """Keys and bytes of each."""
        self._parked: dict[int, list[int]] = {}
        """The same, as they were noted of those that are not live."""
        self._expiring = self._expiries = self._ages = 0
        self._kinds: dict[bytes, tuple[str, Callable[[bytes, Buffer], str | None]]] = {
            DROPPED: ("dropped overlay", self._dropped_overlay),
            EXPIRY: ("expiry", lambda rest, row: self._expiry(0, row)),
            EXPIRY_OF: ("expiry", lambda rest, row: self._expiry(int.from_bytes(rest[:2], "big"), row)),
            LOG: ("change", self._change),
            PARKED: ("overlay", self._overlay),
            REQUEST: ("request", self._request),
            REQUEST_AGE: ("age of a request", self._age),
            SEQUENCE: ("sequence", self._sequence),
            VALUE: ("entry", lambda rest, row: self._entry(0, rest, row)),
            VALUE_OF: ("entry", lambda rest, row: self._entry(int.from_bytes(rest[:2], "big"), rest[2:], row)),
        }

    def lines(self) -> Iterator[str]:
        """Yield what is wrong."""
        try:
            self._stored = unpack_counters(self._transaction.get(COUNTERS))
            unpack_terms(self._transaction.get(TERMS))
            self._live = State(self._transaction).live
            self._dropped = set(overlays.dropped(self._transaction))
        except BadValue as error:
            yield str(error)
            return
        for db_key, row in self._transaction.cursor():
            problem = self._problem(bytes(db_key), row)
            if problem:
                yield problem
        yield from self._wrong_totals()

    def _problem(self, db_key: bytes, row: Buffer) -> str | None:
        kind, rest = db_key[:1], db_key[1:]
        if kind not in self._kinds:
            return None if db_key in SINGLE_ROWS else f"a row of an unknown kind: {kind!r}"
        name, read = self._kinds[kind]
        try:
            problem = read(rest, row)
        except (BadValue, BadEntryKey, UnicodeDecodeError) as error:
            problem = str(error)
        return f"{name}: {problem}" if problem else None

    def _entry(self, overlay: int, key: bytes, row: Buffer) -> str | None:
        if overlay in self._dropped:  # rows are left, some in one of the two indexes only
            return None
        totals = self._overlays.setdefault(overlay, [0, 0])
        if row == TOMBSTONE:
            return None
        totals[0] += 1
        totals[1] += size_of(key, row)
        entry = unpack_entry(key, row)
        parse_entry_key(key.decode())
        if entry.version > self._stored.version or entry.id > self._stored.last_id:
            return f"version {entry.version} or id {entry.id} is after the last"
        if type_of(entry.value, entry.type) is not entry.type:
            return f"version {entry.version} is not {entry.type}"
        if entry.expires:
            self._expiring += 1
            size = self._transaction.get(expiry_key(entry.expires, key, prefixes_of(overlay).expiry))
            if size is None or number_of(size) != size_of(key, row):
                return f"version {entry.version} expires, which the index does not have"
        return None

    def _expiry(self, overlay: int, row: Buffer) -> str | None:
        self._expiries += overlay not in self._dropped
        number_of(row)
        return None

    def _dropped_overlay(self, number: bytes, row: Buffer) -> str | None:
        overlay = int.from_bytes(number, "big")
        return f"number {overlay} is live" if overlay == self._live.overlay else None

    def _overlay(self, name: bytes, row: Buffer) -> str | None:
        overlay, _, *totals, _ = unpack_parked(row)
        is_taken = overlay in self._parked or overlay in self._dropped or overlay == self._live.overlay
        self._parked[overlay] = totals
        return f"number {overlay} has two owners" if is_taken else None

    def _change(self, version: bytes, row: Buffer) -> str | None:
        self._found.changes += 1
        change = unpack_change(LOG + version, row)
        if change.version > self._stored.version:  # some from before a flush or a swap may be left, below the floor
            return f"version {change.version} is outside of the log"
        return None

    def _request(self, digest: bytes, row: Buffer) -> str | None:
        self._found.requests += 1
        applied_at(row)
        age = bytes(row[: NUMBER.size]) + digest
        return None if self._transaction.get(REQUEST_AGE + age) is not None else "it has no age"

    def _age(self, rest: bytes, row: Buffer) -> str | None:
        self._ages += 1
        return None

    def _sequence(self, name: bytes, row: Buffer) -> str | None:
        self._found.sequences += 1
        number_of(row)
        return None

    def _wrong_totals(self) -> Iterator[str]:
        stored, found = self._stored, self._found
        found.keys, found.bytes = self._overlays.pop(self._live.overlay, (0, 0))
        for overlay in sorted(self._overlays.keys() | self._parked):
            totals, noted = self._overlays.get(overlay, [0, 0]), self._parked.get(overlay)
            if totals != noted:
                yield f"overlay {overlay} has {totals[0]} keys and {totals[1]} bytes, {noted or 'none'} were noted"
        for name in ("keys", "bytes", "changes", "requests", "sequences"):
            if getattr(stored, name) != getattr(found, name):
                yield f"{getattr(found, name)} {name}, the counters say {getattr(stored, name)}"
        if self._expiries != self._expiring:
            yield f"{self._expiries} rows in the index of expiry, {self._expiring} entries expire"
        if self._ages != found.requests:
            yield f"{self._ages} ages of requests, {found.requests} requests"
