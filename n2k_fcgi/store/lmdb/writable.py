"""Files that several processes read and write, in turns: the captures, and what may be lost."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import lmdb

from n2k_fcgi import logs
from n2k_fcgi.errors import CapturesDamaged, NoMemory, StoreBusy, StoreFull, StoreReadOnly, StoreUnreadable
from n2k_fcgi.files import Modes, hold, sync_folder
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.environment import (
    damaged,
    is_there,
    meaning,
    open_environment,
    open_reader,
    refuse_other_format,
    refuse_truncated,
)
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, FORMAT_KEY, FORMATS, WRITER_SUFFIX
from n2k_fcgi.store.lmdb.lockfile import MAX_READERS, NO_IDENTITY, Identity, identity, is_parted, lock_of, reserve

Result = TypeVar("Result")

Moment = tuple[Identity, int]
"""Which file it is, and the number of its last transaction."""

FIRST_MAP = 16 * 1024 * 1024
"""Bytes of address space for a new writable file; doubled when full. The file itself only grows as it is used."""

LEAST_MAP = 1024 * 1024
"""The same where the host grants no more."""

WRITER_PATIENCE = 2.0
"""Seconds to wait for another process's write transaction; ours take well under a millisecond and an fsync."""

STUCK_FOR = 30.0
"""Seconds after such a wait was in vain during which a taken lock is not waited for: what came next would wait behind it."""

LOOK_EVERY = 1.0
"""Seconds between two looks, by readers, whether the file or its lock file was replaced; writers look every time."""

FAR_BEHIND = 500
"""Changes during which a read transaction of ours cannot have lasted, unless its process was stopped: it takes microseconds."""

FRESH_SUFFIX = ".fresh"
ROWS_A_TRANSACTION = 10_000

_FORMAT_DB_KEY = CAPTURE_META + FORMAT_KEY


class WritableFile:
    """A small LMDB file that several processes read and write; opened at first use, in the process that uses it.

    Everything is in LMDB's main database, told apart by the first byte of a db_key (``layout``): opening a named one
    takes a write transaction, for which a starting worker would have to wait.

    Read-only when the file or its folder cannot be written, or the disk takes no lock file: lookups go on then, and ``write``
    raises StoreUnreadable or StoreReadOnly.

    *durable*: a write is on the disk when it returns. Without, it survives the process but perhaps not a power cut. *formats*:
    those that it may have, a new one the last. A later version of this program may raise it under a running process, which
    refuses from then on.
    """

    def __init__(self, path: Path, modes: Modes, *, durable: bool = True, formats: range = FORMATS) -> None:
        self.path = path
        self.modes = modes
        self._durable = durable
        self._formats = formats
        self._env: lmdb.Environment | None = None
        self._snapshot: lmdb.Transaction | None = None
        self._read_only = False
        self._in_queue = False
        self._retired = False
        self._identity: Identity = NO_IDENTITY
        self._size = 0
        """Bytes it had at the last look. LMDB never shortens a file: one that is shorter was cut, and reading is SIGBUS."""
        self._next_look = 0.0
        self._stuck_until = 0.0  # no waiting for the writers' queue until then

    def create(self) -> None:
        """Make the file with its format version, or do nothing when it is there."""
        if is_there(self.path):
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
        self._opened()
        transaction = self._begin()
        try:
            with transaction:
                yield transaction
        except lmdb.Error as error:
            raise meaning(self.path, error, damaged) from None
        except BadValue as error:
            raise damaged(self.path, error) from None

    def moment(self, transaction: lmdb.Transaction) -> Moment:
        """What changes with every write to the file, and when it is replaced. *transaction*: from ``read``."""
        return self._identity, transaction.id()

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
        after WRITER_PATIENCE, or at once when somebody waited in vain just before; StoreFull, StoreUnreadable, and
        whatever *change* raises; with nothing written then.
        """
        if self._read_only:
            self.close()  # it may have been made writable since
        self._opened()
        with self._queued():
            self._close_if_replaced()  # by a backup put back: what is written to the old file would be lost
            env = self._opened()
            if self._read_only:
                raise StoreUnreadable(path=self.path, why="it can be read but not written")
            env.reader_check()
            result = self._run(change)
            while identity(self.path)[:2] != self._identity[:2]:  # a backup was put back meanwhile, without this change
                self._close_if_replaced()
                self._opened()
                result = self._run(change)
            return result

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

    def _begin(self) -> lmdb.Transaction:
        """A read transaction of the open environment."""
        assert self._env is not None
        try:
            return self._env.begin()
        except lmdb.MapResizedError:  # another process grew the file
            self._resize(0)
        except lmdb.ReadersFullError:
            self._env.reader_check()
        return self._env.begin()

    def _run(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """``write``, for who holds the writers' queue."""
        while True:
            assert self._env is not None
            try:
                with self._env.begin(write=True) as transaction:
                    if is_parted(self._env, transaction, is_writer=True):
                        raise _Parted
                    found = transaction.get(_FORMAT_DB_KEY)
                    if found is not None:
                        refuse_other_format(self.path, found, self._formats)
                    result = change(transaction)
                    if found is None or int(found) < self._formats[-1]:  # what earlier versions would not understand
                        transaction.put(_FORMAT_DB_KEY, str(self._formats[-1]).encode())
                    return result
            except _Parted:
                self._open_with_new_lock_file()
            except lmdb.MapFullError:
                for pid, behind in self.readers_behind():
                    logs.warning(
                        f"{self.path.name} grows: process {pid} reads it as it was {behind} changes ago, see 'n2k doctor'"
                    )
                self._resize(self._env.info()["map_size"] * 2)
            except lmdb.MapResizedError:
                self._resize(0)
            except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError) as error:
                raise meaning(self.path, error, damaged) from None
            except BadValue as error:
                raise damaged(self.path, error) from None
            except (lmdb.DiskError, lmdb.Error) as error:
                # A full disk shows as "Input/output error" (tried): LMDB loses the errno of a short write.
                raise meaning(self.path, error, StoreFull) from None

    def _resize(self, size: int) -> None:
        """Map *size* bytes; 0: as many as another process mapped. Raises StoreUnreadable, NoMemory."""
        assert self._env is not None
        try:
            self._env.set_mapsize(size)
        except lmdb.Error as error:
            self.close()  # LMDB has given the old map back already; the next use opens anew
            raise meaning(self.path, error, StoreUnreadable) from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every writer out, of this process too, while the file is replaced. Raises StoreBusy."""
        with self._queued():
            self.close()
            yield

    @contextlib.contextmanager
    def _queued(self) -> Iterator[None]:
        """Hold the writers' queue. LMDB's own mutex would block without hearing a signal; this gives up in time."""
        with self._hold_queue() as held:
            if not held:
                raise StoreBusy(path=self.path)
            self._in_queue = True
            try:
                yield
            finally:
                self._in_queue = False

    @contextlib.contextmanager
    def _hold_queue(self, patience: float = WRITER_PATIENCE) -> Iterator[bool]:
        """Yields whether it is held. A holder who does not let go is waited for once, not for each who comes."""
        is_stuck = time.monotonic() < self._stuck_until
        with hold(self.path.with_suffix(WRITER_SUFFIX), self.modes, 0 if is_stuck else patience) as held:
            if held:
                self._stuck_until = 0.0
            elif patience:
                self._stuck_until = time.monotonic() + STUCK_FOR
            yield held

    def _close_if_replaced(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY
        if self._env is None:
            return
        if identity(self.path) != self._identity:
            self.close()
            return
        try:
            size, before = self.path.stat().st_size, self._size
        except OSError:  # it went just now: the next opening says what is there
            self.close()
            return
        if size < before:
            self.close()
            if identity(self.path) == self._identity:  # else it is another file, put there just now
                raise CapturesDamaged(path=self.path, why=f"it was cut to {size} bytes of {before} under a running process")
            return
        self._size = size

    def _opened(self) -> lmdb.Environment:
        is_time_to_look = time.monotonic() >= self._next_look
        if is_time_to_look:
            self._close_if_replaced()
        is_new = self._env is None
        if is_new:
            self._open()
        if (is_new or is_time_to_look) and not self._read_only and self._seems_parted():
            self._mend_lock_file(WRITER_PATIENCE if is_new else 0)
        if is_new or is_time_to_look:
            self._refuse_other_format()
        assert self._env is not None
        return self._env

    def _open(self) -> None:
        if self._retired:
            raise StoreUnreadable(path=self.path, why="the settings changed meanwhile, ask again")
        if not is_there(self.path):
            raise StoreUnreadable(path=self.path, why="it is not there: run 'n2k init'")
        self._read_only = not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK))
        if not self._read_only:
            try:
                self._open_writable()
            except (StoreFull, StoreReadOnly):  # no lock file can be made: what is there can be read without it
                self._read_only = True
        if self._env is None:
            self._identity = identity(self.path)
            self._env = open_reader(self.path)
        self._size = self.path.stat().st_size

    def _open_writable(self) -> None:
        reserve(self.path, self.modes)
        self._identity = identity(self.path)  # before: should one be replaced meanwhile, the next look finds another
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            env = self._mapped(max(FIRST_MAP, size * 2))
        except NoMemory:  # room to grow is more than the host grants: lookups need none
            env = self._mapped(max(size, LEAST_MAP))
        try:
            refuse_truncated(self.path, env)
            # A worker that was killed keeps its slot. With all of them taken LMDB would not even open the file, so whoever
            # comes in its place frees it.
            env.reader_check()
        except CapturesDamaged:
            env.close()
            if identity(self.path) == self._identity:
                raise
            self._open_writable()  # another file was put there between opening it and looking at its size
            return
        except BaseException:
            env.close()
            raise
        self._env = env
        self._read_only = False

    def _mapped(self, size: int) -> lmdb.Environment:
        return open_environment(self.path, map_size=size, max_readers=MAX_READERS, mode=self.modes.file, sync=self._durable)

    def _mend_lock_file(self, patience: float) -> None:
        """Make a lock file anew that belongs to another data file: reads would begin from that one's last transaction.

        Unless a writer keeps the queue for *patience* seconds: he does the same.
        """
        with contextlib.nullcontext(True) if self._in_queue else self._hold_queue(patience) as held:
            if held and self._seems_parted():  # nobody commits now: it is certain
                self._open_with_new_lock_file()

    def _seems_parted(self) -> bool:
        with self._begin() as transaction:
            assert self._env is not None
            return is_parted(self._env, transaction, is_writer=False)

    def lock_problem(self) -> str | None:
        """What is wrong with the lock file, for the consistency check, which changes nothing; the next use makes it anew."""
        self.close()  # one environment a file and process
        if not all(os.access(path, os.R_OK | os.W_OK) for path in (self.path, lock_of(self.path))):
            return None
        try:  # Not read-only: LMDB would not look at the lock file's number then (tried).
            env = open_environment(self.path, mode=self.modes.file)
        except StoreReadOnly:
            return None
        with contextlib.closing(env), env.begin() as transaction:
            if not is_parted(env, transaction, is_writer=False):
                return None
        return (
            f"{lock_of(self.path).name} belongs to another file than {self.path.name} (a backup was put back, or a purge was"
            " killed): it is made anew at the next use"
        )

    def readers_behind(self) -> list[tuple[int, int]]:
        """Processes that read in a transaction from which FAR_BEHIND others passed, and how many: they were stopped inside it.

        Pages that were freed since are not used again while they live, so every change makes the file longer.
        """
        if self._env is None or self._read_only:
            return []
        last: int = self._env.info()["last_txnid"]
        rows = [line.split() for line in self._env.readers().splitlines()[1:]]  # process, thread, transaction ('-': none)
        behind = [(int(pid), last - int(number)) for pid, _, number in rows if number.isdecimal()]
        return [(pid, count) for pid, count in behind if count >= FAR_BEHIND]

    def _open_with_new_lock_file(self) -> None:
        """The caller holds the writers' queue. Other processes notice by the lock file's inode."""
        logs.warning(f"{lock_of(self.path).name} belonged to another file or was removed under a running process: made anew")
        self.close()
        lock_of(self.path).unlink(missing_ok=True)
        self._open_writable()

    def _refuse_other_format(self) -> None:
        assert self._env is not None
        with self._env.begin() as transaction:
            value = transaction.get(_FORMAT_DB_KEY)
        try:
            refuse_other_format(self.path, value, self._formats)
        except BaseException:
            self.close()
            raise


class _Parted(Exception):
    """The lock file is not this data file's."""


def with_prefix(transaction: lmdb.Transaction, prefix: bytes, first: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Every (db_key without *prefix*, value) whose db_key starts so, from *first* on; valid inside the transaction."""
    cursor = transaction.cursor()
    more = cursor.set_range(prefix + first)
    while more:
        db_key, value = bytes(cursor.key()), bytes(cursor.value())
        if not db_key.startswith(prefix):
            return
        yield db_key[len(prefix) :], value
        more = cursor.next()
