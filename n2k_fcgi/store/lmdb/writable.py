"""Files that several processes read and write, in turns: the captures, and what may be lost."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import lmdb

from n2k_fcgi.errors import CapturesDamaged, StoreBusy, StoreFull, StoreUnreadable
from n2k_fcgi.store.lmdb.environment import (
    NO_ROOM,
    hold,
    open_environment,
    open_reader,
    reason,
    refuse_os_error,
    refuse_other_format,
    refuse_truncated,
    sync_folder,
)
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, FORMAT, FORMAT_KEY, LOCK_SUFFIX, WRITER_SUFFIX, Modes

Result = TypeVar("Result")

FIRST_MAP = 16 * 1024 * 1024
"""Bytes of address space for a new writable file; doubled when full. The file itself only grows as it is used."""

WRITER_PATIENCE = 2.0
"""Seconds to wait for another process's write transaction; ours take well under a millisecond and an fsync."""

LOOK_EVERY = 1.0
"""Seconds between two looks, by readers, whether the file was replaced; writers look every time."""

MAX_READERS = 512

LOCK_BYTES = (MAX_READERS + 64) * 64
"""LMDB's lock file: a slot of 64 bytes a reader, and some at its beginning."""

FRESH_SUFFIX = ".fresh"
ROWS_A_TRANSACTION = 10_000

_FORMAT_DB_KEY = CAPTURE_META + FORMAT_KEY
_FORMAT = str(FORMAT).encode()


class WritableFile:
    """A small LMDB file that several processes read and write; opened at first use, in the process that uses it.

    Everything is in LMDB's main database, told apart by the first byte of a db_key (``layout``): opening a named one
    takes a write transaction, for which a starting worker would have to wait.

    Read-only when the file or its folder cannot be written, or the disk has no room for the lock file: lookups go on then,
    and ``write`` raises StoreUnreadable.

    *durable*: a write is on the disk when it returns. Without, it survives the process but perhaps not a power cut.
    """

    def __init__(self, path: Path, modes: Modes, *, durable: bool = True) -> None:
        self.path = path
        self.modes = modes
        self._durable = durable
        self._env: lmdb.Environment | None = None
        self._snapshot: lmdb.Transaction | None = None
        self._read_only = False
        self._retired = False
        self._identity = (0, 0)
        self._next_look = 0.0

    def create(self) -> None:
        """Make the file with its format version, or do nothing when it is there."""
        if self.path.exists():
            return
        with self._queued():
            self._open_writable()
            self._run(lambda transaction: None)
        for file in (self.path, lock_of(self.path)):
            file.chmod(self.modes.file)
        sync_folder(self.path.parent)

    @contextlib.contextmanager
    def read(self) -> Iterator[lmdb.Transaction]:
        """One read transaction, or that of the ``snapshot`` around it; values are valid inside it only."""
        if self._snapshot is not None:
            yield self._snapshot
            return
        env = self._opened()
        try:
            transaction = env.begin()
        except lmdb.MapResizedError:  # another process grew the file
            self._resize(0)
            transaction = env.begin()
        except lmdb.ReadersFullError:
            env.reader_check()
            transaction = env.begin()
        try:
            with transaction:
                yield transaction
        except lmdb.Error as error:
            raise CapturesDamaged(path=self.path, why=reason(error)) from None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything inside in one transaction; nothing may be written inside."""
        with self.read() as transaction:
            self._snapshot = transaction
            try:
                yield
            finally:
                self._snapshot = None

    def write(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """Run *change* in one write transaction and return once it is on the disk.

        *change* may run again (the map was too small): it must have no effect but on the transaction. Raises StoreBusy
        after WRITER_PATIENCE, StoreFull, StoreUnreadable, and whatever *change* raises, with nothing written then.
        """
        if self._read_only:
            self.close()  # it may have been made writable since
        self._opened()
        with self._queued():
            self._close_if_replaced()  # by a restored backup: what is written to the old file would be lost
            env = self._opened()
            if self._read_only:
                raise StoreUnreadable(path=self.path, why="it can be read but not written")
            env.reader_check()
            return self._run(change)

    def rewrite(self, copy: Callable[[lmdb.Transaction, bytes, bytes], None]) -> None:
        """Put a file in this one's place that never held anything but what *copy* puts for each (db_key, value) of this one.

        A value that LMDB deleted stays in the file's free pages: nothing but writing anew takes it out. Other processes
        notice within LOOK_EVERY seconds, and before they write. Raises StoreBusy, StoreFull.
        """
        fresh = self.path.with_suffix(FRESH_SUFFIX)
        with self.alone():
            for path in (fresh, lock_of(fresh)):  # of a rewrite that was killed
                path.unlink(missing_ok=True)
            old, new = open_reader(self.path), WritableFile(fresh, self.modes)
            try:
                new._open_writable()
                new._copy_from(old, copy)
            finally:
                old.close()
                new.close()
            for path in (fresh, lock_of(fresh)):
                path.chmod(self.modes.file)
            # LMDB's lock file goes first: with the old one, whoever opens the new file would be told of the old one's
            # transactions. Nobody can write meanwhile.
            lock_of(fresh).rename(lock_of(self.path))
            fresh.rename(self.path)
            sync_folder(self.path.parent)

    def _copy_from(self, old: lmdb.Environment, copy: Callable[[lmdb.Transaction, bytes, bytes], None]) -> None:
        def put(transaction: lmdb.Transaction) -> None:
            for db_key, value in rows:
                copy(transaction, db_key, value)

        with old.begin() as source:
            all_rows = source.cursor().iternext()
            while rows := list(islice(all_rows, ROWS_A_TRANSACTION)):
                self._run(put)

    def close(self) -> None:
        """Close; the next use opens again."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def retire(self) -> None:
        """Close for good: LMDB has one environment a file and process, and another is to have it."""
        self.close()
        self._retired = True

    def _run(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        assert self._env is not None
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    result = change(transaction)
                    if int(transaction.get(_FORMAT_DB_KEY) or 0) < FORMAT:  # what earlier versions would not understand
                        transaction.put(_FORMAT_DB_KEY, _FORMAT)
                    return result
            except lmdb.MapFullError:
                self._resize(self._env.info()["map_size"] * 2)
            except lmdb.MapResizedError:
                self._resize(0)
            except (lmdb.DiskError, lmdb.Error) as error:
                # A full disk shows as "Input/output error" (tried): LMDB loses the errno of a short write.
                raise StoreFull(path=self.path, why=reason(error)) from None

    def _resize(self, size: int) -> None:
        """Map *size* bytes; 0: as many as another process mapped. Raises StoreUnreadable."""
        assert self._env is not None
        try:
            self._env.set_mapsize(size)
        except lmdb.Error as error:
            self.close()  # LMDB has given the old map back already; the next use opens anew
            raise StoreUnreadable(path=self.path, why=reason(error)) from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every writer out, of this process too, while the file is replaced. Raises StoreBusy."""
        with self._queued():
            self.close()
            yield

    @contextlib.contextmanager
    def _queued(self) -> Iterator[None]:
        """Hold the writers' queue. LMDB's own mutex would block without hearing a signal; this gives up in time."""
        with hold(self.path.with_suffix(WRITER_SUFFIX), self.modes, WRITER_PATIENCE) as held:
            if not held:
                raise StoreBusy(path=self.path)
            yield

    def _close_if_replaced(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY
        if self._env is not None and _identity(self.path) != self._identity:
            self.close()

    def _opened(self) -> lmdb.Environment:
        if time.monotonic() >= self._next_look:
            self._close_if_replaced()
        if self._env is None:
            if self._retired:
                raise StoreUnreadable(path=self.path, why="the settings changed meanwhile, ask again")
            if not self.path.exists():
                raise StoreUnreadable(path=self.path, why="it is not there: run 'n2k init'")
            self._read_only = not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK))
            if not self._read_only:
                try:
                    self._open_writable()
                except StoreFull:  # no room for the lock file: what is there can be read without it
                    self._read_only = True
            if self._env is None:
                self._env = open_reader(self.path)
            self._identity = _identity(self.path)
            self._refuse_other_format()
        assert self._env is not None
        return self._env

    def _open_writable(self) -> None:
        self._reserve_lock_file()
        size = max(FIRST_MAP, self.path.stat().st_size * 2 if self.path.exists() else 0)
        env = open_environment(self.path, map_size=size, max_readers=MAX_READERS, mode=self.modes.file, sync=self._durable)
        try:
            refuse_truncated(self.path, env)
        except BaseException:
            env.close()
            raise
        self._env = env
        self._read_only = False

    def _reserve_lock_file(self) -> None:
        """Give the lock file its blocks. Raises StoreFull.

        LMDB writes to it through a map, and makes it without blocks: on a full disk that is SIGBUS, the worker's end. Done
        before the environment is open, because closing a file drops all locks that this process has on it.
        """
        path = lock_of(self.path)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self.modes.file)
        except OSError as error:
            refuse_os_error(path, error)
        try:
            os.posix_fallocate(fd, 0, LOCK_BYTES)
        except OSError as error:
            if error.errno in NO_ROOM:  # else the file system cannot do it, and LMDB is on its own as before
                raise StoreFull(path=path, why=error.strerror) from None
        finally:
            os.close(fd)

    def _refuse_other_format(self) -> None:
        assert self._env is not None
        with self._env.begin() as transaction:
            value = transaction.get(_FORMAT_DB_KEY)
        try:
            refuse_other_format(self.path, value)
        except BaseException:
            self.close()
            raise


def lock_of(path: Path) -> Path:
    """LMDB's own lock file, beside a file that several processes write."""
    return path.with_name(path.name + LOCK_SUFFIX)


def _identity(path: Path) -> tuple[int, int]:
    """What tells one file from another of the same name; (0, 0) when there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def with_prefix(transaction: lmdb.Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every (db_key without *prefix*, value) whose db_key starts so, in order; valid inside the transaction."""
    cursor = transaction.cursor()
    more = cursor.set_range(prefix)
    while more:
        db_key, value = bytes(cursor.key()), bytes(cursor.value())
        if not db_key.startswith(prefix):
            return
        yield db_key[len(prefix) :], value
        more = cursor.next()
