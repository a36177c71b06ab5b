"""One namespace, as callers use it: reads take keys as text, limits are checked, times are the clock's.

The web area, the memcached server, the commands and the Python API all work on this class.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from n2k_fcgi import logs
from n2k_fcgi.errors import (
    BadRequest,
    BatchRefused,
    ConditionFailed,
    N2KError,
    NoSuchEntry,
    NotANumber,
    NumberTooLarge,
    ReadOnly,
    ValueTooLarge,
)
from n2k_fcgi.model.choices import Later
from n2k_fcgi.model.keyvalue.entry import NO_DATASET, Entry, ValueType, parse_dataset, parse_entry_key, type_of
from n2k_fcgi.model.keyvalue.operations import (
    LEAST,
    MOST,
    Append,
    AssignId,
    Count,
    Flush,
    Increment,
    Operation,
    Put,
    Restore,
)
from n2k_fcgi.store.keyvalue import (
    Applied,
    Changes,
    NamespaceStore,
    Page,
    Range,
    Result,
    Space,
    SpaceReader,
    Terms,
)

MOST_OPERATIONS = 1000
"""In one batch."""
MOST_LISTED = 1000
"""Keys in one page, changes in one answer."""
MOST_LEASED = 1_000_000
"""Numbers of one call of ``sequence``."""
MOST_TTL = 100 * 366 * 24 * 3600 * 1000
"""Milliseconds: a hundred years."""
MOST_FLAGS = 2**32 - 1

REFUSALS = (ConditionFailed, NoSuchEntry, NotANumber, NumberTooLarge, ValueTooLarge)
"""Errors of one operation, as opposed to those of the namespace or the store."""

_UNDONE = Result(None, False, 0)
"""In the place of a result that is not there yet."""

Clock = Callable[[], int]


def milliseconds() -> int:
    """The time now, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Reader:
    """What can be read of one state of a namespace, or of the present one."""

    def __init__(self, store: SpaceReader, clock: Clock = milliseconds) -> None:
        self._reader = store
        self._clock = clock

    @property
    def now(self) -> int:
        """The time of the clock, in Unix milliseconds."""
        return self._clock()

    def get(self, key: str) -> Entry | None:
        """Return the entry of *key*; None: there is none. Raises BadEntryKey."""
        return self._reader.get(parse_entry_key(key), self._clock())

    def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return the entries of *keys*, all of one state. Raises BadEntryKey."""
        return self._reader.get_many(list(map(parse_entry_key, keys)), self._clock())

    def entries(self, keys: Sequence[bytes]) -> list[Entry | None]:
        """``get_many`` of keys that are in the form of ``parse_entry_key`` already."""
        return self._reader.get_many(keys, self._clock())

    def page(
        self,
        wanted: Range,
        *,
        after: bytes | None = None,
        limit: int = MOST_LISTED,
        values: bool = False,
        reverse: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        """Return the entries of a range that come after the key *after* in the direction of the scan."""
        if after is not None:
            wanted = wanted.within(Range(b"", after) if reverse else Range(after + b"\0"))
        now = self._clock()
        return self._reader.scan(
            wanted, now, limit=min(limit, MOST_LISTED), values=values, reverse=reverse, max_bytes=max_bytes
        )

    def scan(self, wanted: Range = Range(), *, values: bool = True, reverse: bool = False) -> Iterator[Entry]:  # noqa: B008
        """Yield all entries of a range, page by page; across writes, each key that stays is there once."""
        after = None
        while True:
            page = self.page(wanted, after=after, values=values, reverse=reverse, max_bytes=1 << 20)
            yield from page.entries
            after = page.more_after
            if after is None:
                return

    def count(self, wanted: Range = Range()) -> tuple[int, int]:  # noqa: B008
        """Return how many keys there are, and their bytes with values."""
        return self._reader.count(wanted, self._clock())

    def changes(self, since: int = 0, limit: int = MOST_LISTED) -> Changes:
        """Return what happened after the version *since*, in order. Raises ChangesGone, BadRequest."""
        if not (0 <= since <= MOST and limit > 0):
            raise BadRequest(why="since is a version, and a limit is at least 1")
        return self._reader.changes(since, min(limit, MOST_LISTED))

    def space(self) -> Space:
        """Return how full it is."""
        return self._reader.space(self._clock())

    def terms(self) -> Terms:
        """Return what the owner set."""
        return self._reader.terms()

    def dataset(self) -> str:
        """Return the name of the live dataset, or 'none'."""
        return self._reader.dataset() or NO_DATASET

    def version(self) -> int:
        """Return the last version that was given: changes after it are changes from now on."""
        return self._reader.version()

    def sequences(self) -> dict[bytes, int]:
        """Return the names of all sequences, each with the number that it leases next."""
        return self._reader.sequences()


class KeyValueSpace(Reader):
    """One namespace. *max_value*: bytes. *read_only*: every write raises ReadOnly."""

    def __init__(self, store: NamespaceStore, *, max_value: int, read_only: bool = False, clock: Clock = milliseconds) -> None:
        super().__init__(store, clock)
        self._store = store
        self._max_value = max_value
        self._read_only = read_only

    @property
    def max_value(self) -> int:
        """The bytes that a value may have."""
        return self._max_value

    def sequence(self, name: str, count: int = 1) -> int:
        """Lease *count* numbers that nobody else gets, whatever crashes; return the first. Raises BadRequest, BadEntryKey."""
        self._refuse_read_only()
        if not 1 <= count <= MOST_LEASED:
            raise BadRequest(why=f"count is a whole number from 1 to {MOST_LEASED}")
        return self._store.sequence(parse_entry_key(name), count)

    def continue_sequence(self, name: str, number: int) -> None:
        """Let a sequence lease *number* next, or what it leases already if that is more. Raises BadEntryKey."""
        self._refuse_read_only()
        db_key = parse_entry_key(name)
        present = self._store.sequence(db_key, 0)
        if number > present:
            self._store.sequence(db_key, number - present)

    def batch(self, operations: Sequence[Operation], *, request: str = "") -> Applied:
        """Do all *operations* in one durable write, or none. Raises BatchRefused, BadRequest, QuotaReached."""
        self._refuse_read_only()
        if len(operations) > MOST_OPERATIONS:
            raise BadRequest(why=f"a batch has {MOST_OPERATIONS} operations at most")
        checked: list[Operation] = []
        failures: list[tuple[int, N2KError]] = []
        for index, operation in enumerate(operations):
            try:
                checked.append(self.checked(operation))
            except N2KError as error:
                failures.append((index, error))
        if failures:
            raise BatchRefused(failures=failures)
        try:
            return self._store.apply(checked, self._clock(), request=request)
        except REFUSALS as error:  # of a batch of one
            raise BatchRefused(failures=[(0, error)]) from None

    def apply(self, operation: Operation, *, request: str = "") -> Applied:
        """Do one operation; return its result and the space that is left.

        Raises the operation's own error, BadRequest, QuotaReached, ReadOnly, ValueTooLarge.
        """
        self._refuse_read_only()
        return self._store.apply([self.checked(operation)], self._clock(), request=request)

    def use(self, dataset: str, later: Later = Later.KEPT) -> int:
        """Make a dataset live, 'none' for none; return the version of the swap.

        Raises BadDatasetName, NoSuchDataset, DatasetDamaged: the one that was live stays live.
        """
        self._refuse_read_only()
        name = "" if dataset == NO_DATASET else parse_dataset(dataset)
        version = self._store.use(name, self._clock(), later, max_value=self._max_value)
        logs.info(f"dataset {dataset} is shown by a namespace, as version {version}")
        return version

    def later_writes(self) -> dict[str, int]:
        """Return the datasets that are not shown and have later writes here, each with the keys written; 'none' is one, too."""
        return {name or NO_DATASET: keys for name, keys in self._store.later_writes().items()}

    def apply_each(self, operations: Sequence[Operation | Flush]) -> list[Result | N2KError]:
        """Do each operation, in order, in one durable write; return for each its result, or the error that refused it.

        One that is refused does not hinder the others. Raises ReadOnly, and the errors of the store: then nothing was done.
        """
        self._refuse_read_only()
        outcomes: list[Result | N2KError] = []
        checked: list[Operation | Flush] = []
        places: list[int] = []
        for index, operation in enumerate(operations):
            try:
                checked.append(operation if isinstance(operation, Flush) else self.checked(operation))
                places.append(index)
                outcomes.append(_UNDONE)
            except N2KError as error:
                outcomes.append(error)
        if checked:
            for index, outcome in zip(places, self._store.apply_each(checked, self._clock()), strict=True):
                outcomes[index] = outcome
        return outcomes

    def flush(self) -> int:
        """Remove everything; return how many keys."""
        self._refuse_read_only()
        return self._store.flush(self._clock())

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """Read one state for as long as the block takes. Keep it short: writes make the file grow meanwhile."""
        with self._store.snapshot() as reader:
            yield Reader(reader, self._clock)

    @contextmanager
    def copy(self, target: Path | None = None) -> Iterator[Reader]:
        """Read a compact copy at *target* (None: in the data directory), for as long as the reader likes. Raises StoreFull."""
        with self._store.copy(target) as reader:
            yield Reader(reader, self._clock)

    def checked(self, operation: Operation) -> Operation:
        """Return *operation* with the limit of this space. Raises BadRequest, ValueTooLarge if a field is out of bounds."""
        put: Operation | Entry | None = operation
        if isinstance(operation, AssignId):
            put = operation.put
        elif isinstance(operation, Restore):
            put = operation.entry
        if isinstance(put, (Put, Append, Entry)):
            check_value(put, self._max_value)
        ttl = None if isinstance(put, Entry) else getattr(put, "ttl", None)
        least = 0 if isinstance(operation, Count) else 1  # memcached counts what is over at once
        if ttl is not None and not least <= ttl <= MOST_TTL:
            raise BadRequest(why=f"a time to live is 1 to {MOST_TTL} milliseconds")
        if isinstance(operation, Increment) and not (
            LEAST <= operation.by <= MOST and LEAST <= (operation.initial or 0) <= MOST
        ):
            raise BadRequest(why="a number is one of 64 bits with sign")
        return operation._replace(limit=self._max_value) if isinstance(operation, Append) else operation

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise ReadOnly(what="handle")


def check_value(put: Put | Append | Entry, max_value: int) -> None:
    """Raise ValueTooLarge for a value above *max_value* bytes; BadRequest for flags or a type that it cannot have."""
    if len(put.value) > max_value:
        raise ValueTooLarge(size=len(put.value), limit=max_value)
    if isinstance(put, (Put, Entry)):
        if not 0 <= put.flags <= MOST_FLAGS:
            raise BadRequest(why=f"flags are 0 to {MOST_FLAGS}")
        if put.type is not type_of(put.value, put.type):
            raise BadRequest(why=f"the value is not {'JSON' if put.type is ValueType.JSON else 'text in UTF-8'}")
