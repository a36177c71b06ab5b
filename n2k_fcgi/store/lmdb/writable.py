"""Files that several processes read and write in turns: the captures, and the volatile file."""

from __future__ import annotations

import contextlib
import os
import time
from contextlib import nullcontext
from functools import cached_property

import lmdb

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import CapturesDamaged, StoreFull, StoreMissing, StoreReadOnly, StoreUnreadable
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.empty_file import FORMAT_DB_KEY, put_empty, put_format
from n2k_fcgi.store.lmdb.environment import (
    DAMAGE,
    bytes_needed,
    damaged,
    is_there,
    is_whole,
    meaning,
    open_reader,
    refuse_other_format,
    refuse_truncated,
)
from n2k_fcgi.store.lmdb.growing_map import FIRST_MAP, GrowingMap
from n2k_fcgi.store.lmdb.layout import CAPTURE_FORMATS
from n2k_fcgi.store.lmdb.lockfile import (
    NO_IDENTITY,
    Identity,
    device_and_inode,
    identity,
    is_parted,
    lock_of,
    lock_problem,
    reserve,
    sized_identity,
)
from n2k_fcgi.store.lmdb.writer_queue import WRITER_PATIENCE, WriterQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from _typeshed import StrPath

    from n2k_fcgi.errors import N2KError
    from n2k_fcgi.files import Modes
    from n2k_fcgi.store.base import Finding
    from n2k_fcgi.store.lmdb.growing_map import Result

Moment = tuple[Identity, int]
"""A file, and the number of its last transaction."""

LOOK_EVERY = 1.0
"""Seconds after which a reader checks again whether the file or its lock file was replaced; writers check every time."""


class WritableFile:
    """A small LMDB file that several processes read and write; opened at first use, in the process that uses it.

    All rows are in LMDB's main database, distinguished by the first byte of a db_key (``layout``): opening a named database
    takes a write transaction, for which a starting worker would have to wait.

    Read-only if the file or its folder cannot be written, or the disk takes no lock file: lookups work then, and ``write``
    raises StoreUnreadable or StoreReadOnly.

    *sync*: when a write is on disk; it always survives the process, but perhaps not a power cut. *formats*: those that are
    read; the last one is written. A later version of this program may raise the format under a running
    process, which rejects the file from then on.
    """

    first_map = FIRST_MAP
    """Bytes of address space for a small file."""

    def __init__(self, path: StrPath, modes: Modes, *, sync: Sync = Sync.ALWAYS, formats: range = CAPTURE_FORMATS) -> None:
        self.where = os.fspath(path)
        self.modes = modes
        self._sync = sync
        self.formats = formats
        self._queue = WriterQueue(path, modes)
        self._map: GrowingMap | None = None
        self._snapshot: lmdb.Transaction | None = None
        self._unwritable: N2KError | None = None
        """Why it is open for reading only; None: it can be written."""
        self._retired = False
        self._identity: Identity = NO_IDENTITY
        self._size = 0
        """Bytes at the last check. LMDB never shortens a file: a shorter one was cut, and reading it is SIGBUS."""
        self._page = 0
        """Bytes of a page."""
        self._found_whole = 0, 0
        """Bytes that the file had, and would have with all pages, when it was found to lack only free ones."""
        self._next_look = 0.0
        self.outlived: list[GrowingMap] = []
        """Of files that were replaced while they were read: closed when the last reader ends."""
        self.readers = 0
        """Read transactions that are open in this process."""

    @cached_property
    def path(self) -> Path:
        """``where`` as a Path."""
        from pathlib import Path  # late: its import takes longer than a lookup, which does without it

        return Path(self.where)

    def create(self) -> None:
        """Make the file, empty; an existing one is kept. Raises StoreBusy, StoreFull, StoreUnreadable."""
        if is_there(self.where):
            return
        with self._queue.entered():
            if not is_there(self.where):  # another process may have made it while this one waited
                self._put_empty()

    def empty(self, *, only: Identity | None = None) -> None:
        """Replace the file by an empty one. *only*: if it still is that file. Other processes notice within LOOK_EVERY."""
        with self.alone():
            if only is None or device_and_inode(self.where) == only[:2]:
                self._put_empty()

    @property
    def identity(self) -> Identity:
        """Of the file that was opened last, whether or not it could be read."""
        return self._identity

    @property
    def is_open(self) -> bool:
        """Whether this process has it open, perhaps from before it was replaced."""
        return self._map is not None

    def read(self) -> AbstractContextManager[lmdb.Transaction]:
        """One read transaction, or that of the ``snapshot`` around it; values are valid inside it only."""
        return _Reading(self) if self._snapshot is None else nullcontext(self._snapshot)

    def get(self, db_key: bytes) -> bytes | None:
        """One value, as ``read`` finds it: 4 % of a lookup less, which asks twice for what is nearly never there."""
        if self._snapshot is not None:
            return self._value(self._snapshot, db_key)
        transaction = self._opened().read()
        try:
            return self._value(transaction, db_key)
        finally:
            transaction.abort()

    def _value(self, transaction: lmdb.Transaction, db_key: bytes) -> bytes | None:
        try:
            value = transaction.get(db_key)
        except lmdb.Error as error:
            raise meaning(self.path, error, damaged) from None
        return None if value is None else bytes(value)

    def begin(self) -> lmdb.Transaction:
        """Begin the read transaction of ``read``."""
        return self._opened().read()

    def moment(self, transaction: lmdb.Transaction) -> Moment:
        """A value that changes with every write to the file, and when it is replaced. *transaction*: from ``read``."""
        return self._identity, transaction.id()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[lmdb.Transaction]:
        """Read everything inside in one transaction; nothing may be written inside."""
        with self.read() as transaction:
            self._snapshot = transaction
            try:
                yield transaction
            finally:
                self._snapshot = None

    def write(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """Run *change* in one write transaction and return its result once it is committed.

        *change* may run again: it must have no effect but on the transaction. Raises StoreBusy, StoreFull, StoreUnreadable,
        and what *change* raises; nothing is written then.
        """
        self._prepare()
        with self._queue.entered():
            self._begin_exclusive()
            result = self._run(change)
            while device_and_inode(self.where) != self._identity[:2]:  # a backup was restored meanwhile, without this change
                self._close_if_replaced()
                self._opened()
                result = self._run(change)
            return result

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the writers' queue, with the file open for writing. Raises StoreBusy, StoreUnreadable, StoreReadOnly."""
        self._prepare()
        with self._queue.entered():
            self._begin_exclusive()
            yield

    def _prepare(self) -> None:
        if self._unwritable:
            self.close()  # it may have been made writable since
        self._opened()

    def _begin_exclusive(self) -> None:
        self._close_if_replaced()  # by a restored backup: what is written to the old file would be lost
        file = self._opened()
        if self._unwritable:
            raise self._unwritable.with_traceback(None)
        file.env.reader_check()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every writer out, of this process too, while the file is replaced. Raises StoreBusy."""
        with self._queue.entered():
            self.close()
            yield

    def close(self) -> None:
        """Close; the next use opens again. What still reads a file that was replaced keeps it until it ends."""
        if self._map is not None:
            if self.readers and device_and_inode(self.where) != self._identity[:2]:
                self.outlived.append(self._map)
            else:  # LMDB allows one environment per file and process
                self._map.close()
            self._map = None

    def write_problem(self, patience: float) -> Finding | None:
        """Return why nothing can be written now, having waited *patience* seconds for other writers; None if it can."""
        from n2k_fcgi.store.base import Finding  # late: with all Protocols, and for 'n2k doctor' alone

        with self._queue.tried(patience) as held:
            if not held:
                lock = os.path.basename(self._queue.lock)
                return Finding("another process holds the writers' lock", f"find it: fuser {lock}")
        if not (os.access(self.where, os.W_OK) and os.access(os.path.dirname(self.where), os.W_OK)):
            return Finding(f"this user cannot write {self.where}", "writes are refused: restore its owner and mode")
        return None

    def address_space(self) -> int:
        """Return the bytes of address space that a process needs for it."""
        return max(self.first_map, os.stat(self.where).st_size * 2 if is_there(self.where) else 0)

    def is_busy(self) -> bool:
        """Whether another process holds the writers' queue."""
        with self._queue.tried(0) as held:
            return not held

    def close_outlived(self) -> None:
        """Release the maps of replaced files, which nothing reads any more."""
        while self.outlived:
            self.outlived.pop().close()

    def retire(self) -> None:
        """Close for good: LMDB allows one environment per file and process, and another store needs it."""
        self.close()
        self._retired = True

    def lock_problem(self) -> str | None:
        """What is wrong with the lock file, for the consistency check, which changes nothing; the next use replaces it."""
        self.close()  # one environment per file and process
        return lock_problem(self.where, self.modes)

    def readers_behind(self) -> list[tuple[int, int]]:
        """See ``GrowingMap.readers_behind``."""
        return [] if self._map is None or self._unwritable else self._map.readers_behind()

    def _put_empty(self) -> None:
        put_empty(self.path, self.modes, self.formats)
        self._open()  # which makes the lock file, or opens for reading only where there is no space for it
        if self._unwritable:
            raise self._unwritable.with_traceback(None)

    def _run(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """``write``, with the writers' queue held."""
        while True:
            file = self._map
            assert file is not None

            def checked(transaction: lmdb.Transaction, env: lmdb.Environment = file.env) -> Result:
                if is_parted(env, transaction, is_writer=True):
                    raise _Parted
                found = transaction.get(FORMAT_DB_KEY)
                if found is not None:
                    refuse_other_format(self.where, bytes(found), self.formats)
                result = change(transaction)
                if found is None or int(found) < self.formats[-1]:  # earlier versions would not understand it
                    put_format(transaction, self.formats)
                return result

            try:
                return file.write(checked)
            except _Parted:
                self._open_with_new_lock_file()

    def _opened(self) -> GrowingMap:
        is_time_to_look = time.monotonic() >= self._next_look
        if is_time_to_look:
            self._close_if_replaced()
        is_new = self._map is None or not self._map.is_open
        if is_new:
            self._open()
        if (is_new or is_time_to_look) and not self._unwritable and self._seems_parted():
            self._replace_lock_file(WRITER_PATIENCE if is_new else 0)
        if is_new or is_time_to_look:
            self._refuse_other_format()
        assert self._map is not None
        return self._map

    def _close_if_replaced(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY
        if self._map is None or not self._map.is_open:  # it could not grow: it is opened anew
            return
        found, size = sized_identity(self.where)
        if found != self._identity:
            self.close()
            return
        try:
            is_cut = size < self._size or self._is_short(self._map.env, size)
        except OSError:  # removed just now: the next opening reports it
            self.close()
            return
        if is_cut:
            self.close()
            if identity(self.where) == self._identity:  # else it is another file, put there just now
                raise damaged(self.where, f"it was cut to {size} bytes under a running process")
            return
        self._size = size

    def _is_short(self, env: lmdb.Environment, size: int) -> bool:
        """Whether a file of *size* bytes, which is not shorter than at the last check, has grown and been cut since."""
        needed = bytes_needed(env, self._page)
        if size >= needed or self._found_whole == (size, needed):
            return False
        if os.stat(self.where).st_size < needed and not is_whole(self.where, env, self._page):
            return True
        self._found_whole = size, needed
        return False

    def _open(self) -> None:
        self._map = None
        if self._retired:
            raise StoreUnreadable(path=self.where, why="the settings changed meanwhile, ask again")
        if not is_there(self.where):
            if not os.path.isdir(os.path.dirname(self.where)):
                raise StoreMissing(path=os.path.dirname(self.where))
            raise StoreUnreadable(path=self.where, why="it does not exist, run 'n2k init'")
        is_writable = os.access(self.where, os.W_OK) and os.access(os.path.dirname(self.where), os.W_OK)
        self._unwritable = None
        if not is_writable:
            self._unwritable = StoreUnreadable(path=self.where, why="it can be read but not written")
        else:
            try:
                self._open_writable()
            except (StoreFull, StoreReadOnly) as error:  # no lock file can be made: what is there can be read without one
                self._unwritable = error
        if self._map is None:
            self._identity = identity(self.where)
            self._map = GrowingMap(self.where, open_reader(self.where))
        self._size = os.stat(self.where).st_size
        self._page = self._map.env.stat()["psize"]

    def _open_writable(self) -> None:
        reserve(self.where, self.modes)
        self._identity = identity(self.where)  # before: should the file be replaced meanwhile, the next check finds another
        opened = GrowingMap.open(self.where, self.modes, sync=self._sync, first_map=self.first_map)
        try:
            refuse_truncated(self.where, opened.env)
            # A killed worker keeps its reader slot. With all of them taken LMDB would not even open the file, so the worker
            # that comes in its place frees it.
            opened.env.reader_check()
        except CapturesDamaged:
            opened.close()
            if identity(self.where) == self._identity:
                raise
            self._open_writable()  # another file was put there between opening it and reading its size
            return
        except BaseException:
            opened.close()
            raise
        self._map = opened
        self._unwritable = None

    def _replace_lock_file(self, patience: float) -> None:
        """Replace a lock file that belongs to another data file: reads would begin from that one's last transaction.

        Not while another process holds the writers' queue for *patience* seconds: it does the same.
        """
        with contextlib.nullcontext(True) if self._queue.is_held else self._queue.tried(patience) as held:
            if not held:
                return
            self._close_if_replaced()  # both files together, while this process waited
            if self._map is None:
                self._open()
            if self._seems_parted() and self._is_parted():  # no process commits now: it is certain
                self._open_with_new_lock_file()

    def _seems_parted(self) -> bool:
        assert self._map is not None
        with self._map.read() as transaction:
            return is_parted(self._map.env, transaction, is_writer=False)

    def _is_parted(self) -> bool:
        """As a writer sees it: LMDB itself repairs the number of a writer that was killed between its commit and noting it."""
        file = self._map
        assert file is not None
        return file.write(lambda transaction: is_parted(file.env, transaction, is_writer=True))

    def _open_with_new_lock_file(self) -> None:
        """The caller holds the writers' queue. Other processes notice by the lock file's inode."""
        logs.warning(f"{lock_of(self.path).name} belonged to another file or was removed under a running process: replaced")
        self.close()
        lock_of(self.path).unlink(missing_ok=True)
        self._open_writable()

    def _refuse_other_format(self) -> None:
        assert self._map is not None
        try:
            with self._map.env.begin() as transaction:
                value = transaction.get(FORMAT_DB_KEY)
            refuse_other_format(self.where, value, self.formats)
        except lmdb.Error as error:
            self.close()
            raise meaning(self.where, error, damaged if isinstance(error, DAMAGE) else StoreUnreadable) from None
        except BaseException:
            self.close()
            raise


class _Parted(Exception):
    """The lock file is not this data file's."""


def with_prefix(transaction: lmdb.Transaction, prefix: bytes, first: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Every (db_key without *prefix*, value) whose db_key starts with it, from *first* on; valid inside the transaction."""
    cursor = transaction.cursor()
    more = cursor.set_range(prefix + first)
    while more:
        db_key, value = bytes(cursor.key()), bytes(cursor.value())
        if not db_key.startswith(prefix):
            return
        yield db_key[len(prefix) :], value
        more = cursor.next()


class _Reading:
    """What ``WritableFile.read`` returns: a class, because a lookup takes two, and a generator costs twice as much."""

    __slots__ = ("_file", "_transaction")

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    def __enter__(self) -> lmdb.Transaction:
        self._transaction = self._file.begin()
        self._file.readers += 1
        return self._transaction

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._transaction.abort()
        self._file.readers -= 1
        if self._file.outlived and not self._file.readers:
            self._file.close_outlived()
        if isinstance(error, lmdb.Error):
            raise meaning(self._file.where, error, damaged) from None
        if isinstance(error, BadValue):
            raise damaged(self._file.where, error) from None
