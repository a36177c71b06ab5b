"""A namespace of a data directory, for other programs beside the servers."""

import os
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from n2k_fcgi.embedded.shared import Handle
from n2k_fcgi.errors import HandleClosed
from n2k_fcgi.keyvalue.namespace import KeyValue, Reading
from n2k_fcgi.keyvalue.values import Change, Changes, Count, Item, Span, Written, item_of
from n2k_fcgi.model.keyvalue.operations import AssignId, Increment, Operation
from n2k_fcgi.service.keyvalue.space import KeyValueSpace, Reader
from n2k_fcgi.store.keyvalue import Result, Space
from n2k_fcgi.wiring import namespace as open_namespace

T = TypeVar("T")

PAGE_BYTES = 1 << 20
"""Keys and values that a scan reads at a time."""


def open_keyvalue(data_dir: Path | str, namespace: str, *, read_only: bool = False) -> KeyValue:
    """Open a namespace of a data directory, beside the servers that use it. *read_only*: writes raise ReadOnly.

    Settings are those of ``n2k.ini`` in the directory and of the environment. Raises BadNamespace, NoSuchNamespace, and the
    errors of settings and of a store that cannot be read.
    """
    return _Embedded(data_dir, namespace, read_only=read_only)


class _ByReader(Reading):
    """Reads through a ``Reader``."""

    @abstractmethod
    def _read(self, work: Callable[[Reader], T]) -> T:
        """Return what *work* does with the reader, while no other thread uses it."""

    def get(self, key: str) -> Item | None:
        def work(reader: Reader) -> Item | None:
            entry = reader.get(key)
            return entry and item_of(entry, reader.now)

        return self._read(work)

    def get_many(self, keys: Sequence[str]) -> list[Item | None]:
        def work(reader: Reader) -> list[Item | None]:
            entries, now = reader.get_many(keys), reader.now
            return [entry and item_of(entry, now) for entry in entries]

        return self._read(work)

    def count(self, prefix: str = "", *, start: str = "", end: str = "") -> Count:
        wanted = Span(prefix, start, end).in_bytes()
        return Count(*self._read(lambda reader: reader.count(wanted)))

    def _pages(self, span: Span, *, values: bool, reverse: bool, limit: int | None) -> Iterator[list[Item]]:
        wanted, after = span.in_bytes(), None
        while True:

            def work(reader: Reader, after: bytes | None = after) -> tuple[list[Item], bytes | None]:
                page = reader.page(wanted, after=after, values=values, reverse=reverse, max_bytes=PAGE_BYTES)
                now = reader.now
                return [item_of(entry, now) for entry in page.entries], page.more_after

            items, after = self._read(work)
            yield items
            if after is None:
                return


class _Embedded(Handle, _ByReader, KeyValue):
    """See ``open_keyvalue``."""

    def __init__(self, data_dir: Path | str, namespace: str, *, read_only: bool) -> None:
        super().__init__(data_dir, "key-value handle")
        self._namespace = namespace
        self._read_only = read_only
        try:
            self.version()  # it exists and can be read
        except BaseException:
            self.close()
            raise

    def sequence(self, name: str, count: int = 1) -> range:
        first = self._use(lambda space: space.sequence(name, count))
        return range(first, first + count)

    def changes(self, since: int = 0, limit: int = 1000) -> Changes:
        found = self._use(lambda space: space.changes(since, limit))
        return Changes([Change(c.version, c.kind, c.key.decode()) for c in found.changes], found.last, found.more)

    def version(self) -> int:
        return self._use(lambda space: space.version())

    def space(self) -> Space:
        return self._use(lambda space: space.space())

    @contextmanager
    def snapshot(self) -> Iterator[Reading]:
        """Read a compact copy in the folder for temporary files (TMPDIR). Raises StoreFull."""
        with (
            tempfile.TemporaryDirectory(prefix="n2k-", ignore_cleanup_errors=True) as folder,
            ExitStack() as stack,
        ):
            copy = Path(folder) / "snapshot.mdb"
            snapshot = _Snapshot(self._use(lambda space: stack.enter_context(space.copy(copy))))
            try:
                yield snapshot
            finally:
                snapshot.close()

    def _write(self, operation: Operation) -> Written:
        return _written(operation, self._use(lambda space: space.apply(operation)).results[0])

    def _write_all(self, operations: Sequence[Operation]) -> list[Written]:
        applied = self._use(lambda space: space.batch(operations))
        return list(map(_written, operations, applied.results))

    def _read(self, work: Callable[[Reader], T]) -> T:
        return self._use(work)

    def _use(self, work: Callable[[KeyValueSpace], T]) -> T:
        return self._call(
            lambda store, settings: work(open_namespace(store, settings, self._namespace, read_only=self._read_only))
        )


class _Snapshot(_ByReader):
    """A copy; of the process that made it."""

    def __init__(self, reader: Reader) -> None:
        self._reader: Reader | None = reader
        self._process = os.getpid()
        self._lock = Lock()

    def close(self) -> None:
        """The copy is about to be removed."""
        with self._lock:
            self._reader = None

    def _read(self, work: Callable[[Reader], T]) -> T:
        with self._lock:
            if self._reader is None or self._process != os.getpid():
                raise HandleClosed(what="snapshot")
            return work(self._reader)


def _written(operation: Operation, result: Result) -> Written:
    entry = result.entry
    return Written(
        result.version,
        result.created,
        int(entry.value) if entry is not None and isinstance(operation, Increment) else None,
        entry.id if entry is not None and isinstance(operation, AssignId) else None,
    )
