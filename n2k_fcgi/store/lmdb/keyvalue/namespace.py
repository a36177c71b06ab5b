"""One namespace: every call is one transaction."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import lmdb

from n2k_fcgi.errors import BadRequest, BatchRefused, BatchTooLarge, N2KError, QuotaReached, StillSweeping
from n2k_fcgi.model.choices import Later
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Flush, Operation, Put, Restore
from n2k_fcgi.store.keyvalue import Applied, Changes, Holding, Page, Range, Result, Space, Terms
from n2k_fcgi.store.lmdb.keyvalue import overlays, replacing
from n2k_fcgi.store.lmdb.keyvalue.copying import copied
from n2k_fcgi.store.lmdb.keyvalue.file import NamespaceFile
from n2k_fcgi.store.lmdb.keyvalue.requests import digest_of, earlier_results, remember
from n2k_fcgi.store.lmdb.keyvalue.rows import TERMS, pack_terms
from n2k_fcgi.store.lmdb.keyvalue.sequences import leased
from n2k_fcgi.store.lmdb.keyvalue.state import State
from n2k_fcgi.store.lmdb.keyvalue.swapping import drop_parked, swap
from n2k_fcgi.store.lmdb.keyvalue.writing import Writing

SWEPT_BY_A_WRITE = 20
"""Expired entries that each write removes. One of more operations removes as many as it has: rows go faster than they come."""
SWEPT_IN_HOUSEKEEPING = 500
"""The same for a worker between two requests."""
SWEPT_FOR_SPACE = 1000
"""The same for each transaction of a write that the quota would refuse."""
MOST_SWEEPS = 20
"""Such transactions of one write: 0.3 seconds. A worker answers no other request meanwhile."""

MOST_WORKED_ON = 8 * 1024 * 1024
"""Bytes of present values that the operations of a batch read, extend or touch: they are in memory at once, JSON is parsed
after each change, and the file grows by all of them. A body of 100 KB could ask for 1,000 times the largest value."""

T = TypeVar("T")


class Namespace:
    """Implements ``store.keyvalue.NamespaceStore``."""

    def __init__(self, file: NamespaceFile, most_changes: int) -> None:
        self.file = file
        self._most_changes = most_changes

    # --- reading -----------------------------------------------------------------------------------------------------

    def get(self, key: bytes, now: int) -> Entry | None:
        """Return the entry of *key*."""
        with self.file.read() as transaction:
            return self._state(transaction).get(key, now)

    def get_many(self, keys: Sequence[bytes], now: int) -> list[Entry | None]:
        """Return the entries of *keys*, in order, all of one state."""
        with self.file.read() as transaction:
            return self._state(transaction).get_many(keys, now)

    def scan(
        self, wanted: Range, now: int, *, limit: int, values: bool, reverse: bool = False, max_bytes: int | None = None
    ) -> Page:
        """See ``store.keyvalue.SpaceReader``."""
        with self.file.read() as transaction:
            return self._state(transaction).scan(wanted, now, limit=limit, values=values, reverse=reverse, max_bytes=max_bytes)

    def count(self, wanted: Range, now: int) -> tuple[int, int]:
        """Return how many keys there are, and bytes of keys and values."""
        with self.file.read() as transaction:
            return self._state(transaction).count(wanted, now)

    def changes(self, since: int, limit: int) -> Changes:
        """Return what happened after the version *since*. Raises ChangesGone."""
        with self.file.read() as transaction:
            return State(transaction).changes(since, limit)

    def space(self, now: int) -> Space:
        """Return how full it is, what has expired left out; also if the live dataset cannot be read, which is not counted."""
        with self.file.read() as transaction:
            return State(transaction).space(now)

    def terms(self) -> Terms:
        """Return what the owner set."""
        with self.file.read() as transaction:
            return State(transaction).terms()

    def version(self) -> int:
        """Return the last version that was given."""
        with self.file.read() as transaction:
            return State(transaction).version()

    def sequences(self) -> dict[bytes, int]:
        """Return all sequences, each with the number that it leases next."""
        with self.file.read() as transaction:
            return State(transaction).sequences()

    def dataset(self) -> str:
        """Return the name of the live dataset; '': none."""
        with self.file.read() as transaction:
            return State(transaction).dataset()

    @contextmanager
    def snapshot(self) -> Iterator[State]:
        """See ``store.keyvalue.NamespaceStore``. Raises SnapshotLost."""
        with self.file.held() as transaction:
            yield self._state(transaction)

    def holdings(self) -> Iterator[Holding]:
        """See ``store.keyvalue.NamespaceStore``."""
        from n2k_fcgi.store.lmdb.keyvalue.holdings import holdings  # late: for one command

        return holdings(self.file)

    @contextmanager
    def copy(self, target: Path | None = None) -> Iterator[State]:
        """See ``store.keyvalue.NamespaceStore``."""
        with copied(self.file, target) as transaction:
            yield self._state(transaction)

    # --- writing -----------------------------------------------------------------------------------------------------

    def apply(self, operations: Sequence[Operation], now: int, *, request: str = "") -> Applied:
        """See ``store.keyvalue.NamespaceStore``."""
        digest = digest_of(request, operations) if request else b""
        for _ in range(MOST_SWEEPS):
            try:
                return self._write(now, lambda writing: _applied(writing, operations, digest))
            except QuotaReached:
                if not self.sweep(now, SWEPT_FOR_SPACE):
                    raise
        raise StillSweeping

    def apply_each(self, operations: Sequence[Operation | Flush], now: int) -> list[Result | N2KError]:
        """See ``store.keyvalue.NamespaceStore``."""
        for _ in range(MOST_SWEEPS):
            try:
                return self._write(now, lambda writing: _each_applied(writing, operations, may_sweep=True))
            except QuotaReached:
                self.sweep(now, SWEPT_FOR_SPACE)
        return self._write(now, lambda writing: _each_applied(writing, operations, may_sweep=False))

    def sequence(self, name: bytes, count: int) -> int:
        """Lease *count* numbers that nobody got or will get; return the first."""
        if not count:
            with self.file.read() as transaction:
                return State(transaction).next_number(name)
        return self.file.write(lambda transaction: leased(transaction, name, count))

    def set_terms(self, terms: Terms) -> None:
        """Store what the owner set."""
        self.file.write(lambda transaction: transaction.put(TERMS, pack_terms(terms)))

    def sweep(self, now: int, limit: int) -> int:
        """Remove up to *limit* expired entries, noted in the log; return how many."""
        return self._write(now, lambda writing: writing.sweep(limit)) if self._has_more_to_sweep(now) else 0

    def sweep_if_idle(self, now: int) -> None:
        """Sweep some of what has expired, unless another process writes: the next write does it."""
        if self._has_more_to_sweep(now) and not self.file.is_busy():
            self._write(now, lambda writing: writing.sweep(SWEPT_IN_HOUSEKEEPING))

    def _has_more_to_sweep(self, now: int) -> bool:
        """Whether something has expired, an overlay was dropped, or a flush is due; else a write would be in vain."""
        with self.file.read() as transaction:
            state = State(transaction)
            return state.live.is_flushed(now) or state.expired(now, most=1)[0] > 0 or bool(overlays.dropped(transaction))

    def flush(self, now: int) -> int:
        """See ``store.keyvalue.NamespaceStore``."""

        def flushed(writing: Writing) -> int:
            count = writing.count()
            writing.sweep(SWEPT_BY_A_WRITE)
            writing.flush()
            return count

        return self._write(now, flushed)

    def use(self, dataset: str, now: int, later: Later = Later.KEPT, *, max_value: int | None = None) -> int:
        """See ``store.keyvalue.NamespaceStore``."""
        with self.file.dataset.all.kept(dataset) if dataset else nullcontext() as found:
            if found and max_value is not None and found.largest > max_value:
                raise BadRequest(why=f"the dataset has a value of {found.largest} bytes, and kv_max_value is {max_value}")
            return self._write(now, lambda writing: swap(writing, found, later), is_readable=False)

    def later_writes(self) -> dict[str, int]:
        """See ``store.keyvalue.NamespaceStore``."""
        with self.file.read() as transaction:
            return {name: each.keys for name, each in overlays.parked(transaction)}

    def forget_later(self, dataset: str) -> bool:
        """See ``store.keyvalue.NamespaceStore``."""
        return self._write(0, lambda writing: drop_parked(writing, dataset), is_readable=False)

    def compact(self, *, keep_log: bool = True) -> tuple[int, int]:
        """See ``store.keyvalue.NamespaceStore``."""
        while self._write(0, _swept_of_dropped, is_readable=False):
            pass
        return replacing.compact(self.file, keep_log=keep_log)

    def _state(self, transaction: lmdb.Transaction) -> State:
        return State(transaction, self.file.dataset)

    def _write(self, now: int, change: Callable[[Writing], T], *, is_readable: bool = True) -> T:
        """Run *change* in a transaction. Not *is_readable*: also if the live dataset cannot be read."""

        def changed(transaction: lmdb.Transaction) -> T:
            writing = Writing(transaction, now, self._most_changes, self.file.dataset if is_readable else None)
            result = change(writing)
            writing.finish()
            return result

        return self.file.write(changed)


def _swept_of_dropped(writing: Writing) -> bool:
    """Remove some rows of dropped overlays; return whether more may be there."""
    overlays.sweep(writing.transaction, SWEPT_FOR_SPACE)
    return bool(overlays.dropped(writing.transaction))


def _applied(writing: Writing, operations: Sequence[Operation], digest: bytes) -> Applied:
    terms = writing.state.terms()
    if digest:
        earlier = earlier_results(writing, digest, operations)
        if earlier is not None:
            return Applied(earlier, writing.space(terms), repeated=True)
    writing.sweep(max(SWEPT_BY_A_WRITE, len(operations)))
    results = [writing.apply(operations[0])] if len(operations) == 1 else _all_applied(writing, operations)
    writing.refuse_beyond(terms)
    if digest:
        remember(writing, digest, operations, results)
    return Applied(results, writing.space(terms))


def _each_applied(writing: Writing, operations: Sequence[Operation | Flush], *, may_sweep: bool) -> list[Result | N2KError]:
    """*may_sweep*: raise QuotaReached if sweeping may make room."""
    terms = writing.state.terms()
    writing.sweep(max(SWEPT_BY_A_WRITE, len(operations)))
    results: list[Result | N2KError] = []
    for operation in operations:
        try:
            if isinstance(operation, Flush):
                results.append(Result(None, False, writing.flush_after(operation.after)))
            else:
                results.append(writing.apply(operation, terms))
        except QuotaReached as error:
            if may_sweep and writing.state.expired(writing.now, most=1)[0]:
                raise
            results.append(error)
        except N2KError as error:
            results.append(error)
    return results


def _all_applied(writing: Writing, operations: Sequence[Operation]) -> list[Result]:
    results, failures = [], []
    worked_on = 0
    for index, operation in enumerate(operations):
        try:
            result = writing.apply(operation)
        except N2KError as error:
            failures.append((index, error))
            continue
        results.append(result)
        if result.entry and not isinstance(operation, (Put, Restore)):  # they bring the value along
            worked_on += len(result.entry.value)
            if worked_on > MOST_WORKED_ON and index:
                raise BatchTooLarge(limit=MOST_WORKED_ON)
    if failures:
        raise BatchRefused(failures=failures)
    return results
