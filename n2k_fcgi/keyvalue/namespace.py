"""The methods of a namespace. What is abstract is how it is reached.

A key is a text of 1 to 500 bytes of UTF-8 without control characters; keys are ordered by these bytes.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from types import TracebackType
from typing import TypeVar

from n2k_fcgi.keyvalue.values import Changes, Count, Item, Span, Written
from n2k_fcgi.keyvalue.writing import MISSING, Batch, Writing, encoded, put_of
from n2k_fcgi.model.keyvalue.entry import ValueType, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import ALWAYS, AssignId, Condition, Increment, Operation
from n2k_fcgi.store.keyvalue import Space

Self = TypeVar("Self", bound="KeyValue")


class Reading(ABC):
    """What can be read of a namespace, or of a ``snapshot`` of it."""

    @abstractmethod
    def get(self, key: str) -> Item | None:
        """Return what is stored below *key*; None: nothing. Raises BadEntryKey."""

    def scan(
        self, prefix: str = "", *, start: str = "", end: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[Item]:
        """Yield the entries whose keys begin with *prefix*, from *start* to before *end*, in the order of keys.

        Read page by page, each page of one state. Across writes, each key that is kept comes once.
        """
        pages = self._pages(Span(prefix, start, end), values=True, reverse=reverse, limit=limit)
        return islice((item for page in pages for item in page), limit)

    def keys(
        self, prefix: str = "", *, start: str = "", end: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[str]:
        """Yield the keys of ``scan``, without reading the values."""
        pages = self._pages(Span(prefix, start, end), values=False, reverse=reverse, limit=limit)
        return islice((item.key for page in pages for item in page), limit)

    @abstractmethod
    def get_many(self, keys: Sequence[str]) -> list[Item | None]:
        """Return what is stored below each of *keys*, in order. Raises BadEntryKey.

        All of one state; over HTTP only if it is not more than 1,000 entries with 1 MB.
        """

    @abstractmethod
    def count(self, prefix: str = "", *, start: str = "", end: str = "") -> Count:
        """Return how many keys ``scan`` would yield, and the bytes of keys and values."""

    @abstractmethod
    def _pages(self, span: Span, *, values: bool, reverse: bool, limit: int | None) -> Iterator[list[Item]]:
        """Yield all entries, and perhaps more than *limit*; without values if they are not asked for."""


class KeyValue(Reading, Writing[Written]):
    """One namespace. A context manager; thread-safe; after ``fork()`` each process has connections or files of its own."""

    # --- writing, besides the operations of ``Writing`` ------------------------------------------------------------------

    def incr(
        self,
        key: str,
        by: int = 1,
        *,
        initial: int | None = None,
        ttl_ms: int | None = None,
        condition: Condition = ALWAYS,
    ) -> int:
        """Add *by* to a whole number of 64 bits with sign, and return the new one. A missing entry becomes *initial*.

        *ttl_ms*: of a new entry. Raises NoSuchEntry without *initial*, NotANumber, NumberTooLarge, ConditionFailed.
        """
        number = self._write(Increment(parse_entry_key(key), by, initial, ttl_ms, condition)).number
        assert number is not None
        return number

    def cas(self, key: str, old: bytes | str | None, new: bytes | str, *, ttl_ms: int | None = None, flags: int = 0) -> Written:
        """Store *new* if the present value is *old*; None: if there is no entry. Raises ConditionFailed."""
        condition = Condition(exists=False) if old is None else Condition(value=encoded(old)[0])
        return self._write(put_of(key, new, ttl_ms=ttl_ms, flags=flags, condition=condition))

    def assign_id(
        self,
        key: str,
        value: bytes | str | None = None,
        *,
        json: object = MISSING,
        type: ValueType | None = None,
        ttl_ms: int | None = None,
        flags: int = 0,
        condition: Condition = ALWAYS,
    ) -> int:
        """Return the id of an entry, which overwrites keep: the next one of the namespace if it had none.

        Stores a value as ``put`` does, if one is given; without one the entry must exist. Raises NoSuchEntry.
        """
        put = None if value is None and json is MISSING else put_of(key, value, json, type=type, ttl_ms=ttl_ms, flags=flags)
        number = self._write(AssignId(parse_entry_key(key), put, condition)).id
        assert number is not None
        return number

    @abstractmethod
    def sequence(self, name: str, count: int = 1) -> range:
        """Return *count* numbers that were never returned before, nor will be, whatever crashes. The first of all is 1."""

    @contextlib.contextmanager
    def batch(self) -> Iterator[Batch]:
        """Collect operations; at the end of the block all are done, in one durable write, or none.

        An exception in the block discards them. At its end it raises BatchRefused, whose ``failures`` are the index and error
        of each operation that cannot be done, or QuotaReached.
        """
        batch = Batch()
        yield batch
        if batch.operations:
            batch.results = self._write_all(batch.operations)

    # --- reading -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def changes(self, since: int = 0, limit: int = 1000) -> Changes:
        """Return what happened after the version *since*, at most *limit* changes and at most 1,000.

        Raises ChangesGone if the log does not reach back as far: read all entries again.
        """

    @abstractmethod
    def version(self) -> int:
        """Return the version of the last change; 0: there was none. ``changes`` since then are all that is new."""

    @abstractmethod
    def space(self) -> Space:
        """Return how full the namespace is."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Reading]:
        """Read one state of the namespace in the block, however long it takes; writes go on meanwhile."""

    # --- the handle --------------------------------------------------------------------------------------------------

    @abstractmethod
    def close(self) -> None:
        """Release files or connections. Idempotent; other methods raise HandleClosed from then on."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _write_all(self, operations: Sequence[Operation]) -> list[Written]: ...
