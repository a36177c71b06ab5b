"""The memory map of a file that several processes write: doubled when it is full, adopted when another process grew it."""

from __future__ import annotations

import os

import lmdb

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import NoMemory, StoreBusy, StoreFull, StoreUnreadable
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.environment import DAMAGE, damaged, meaning, open_environment
from n2k_fcgi.store.lmdb.lockfile import MAX_READERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from _typeshed import StrPath

    from n2k_fcgi.files import Modes

    Result = TypeVar("Result")


FIRST_MAP = 16 * 1024 * 1024
"""Bytes of address space for a new file. The file itself grows only as it is used."""

LEAST_MAP = 1024 * 1024
"""The same where the host grants no more."""

FAR_BEHIND = 500
"""More changes than happen during any of our read transactions, which take microseconds, unless a process was stopped."""


class GrowingMap:
    """One open environment. If its map cannot be resized it is closed, and has to be opened again."""

    def __init__(self, path: StrPath, env: lmdb.Environment) -> None:
        self._where = path
        self.env = env
        self.is_open = True
        self.snapshots: set[lmdb.Transaction] = set()
        """Read transactions in which this process may write: they are aborted before the map is released."""

    @property
    def path(self) -> Path:
        """The file."""
        from pathlib import Path  # late: its import takes longer than a lookup, which does without it

        return Path(self._where)

    @classmethod
    def open(cls, path: StrPath, modes: Modes, *, sync: Sync, first_map: int = FIRST_MAP) -> GrowingMap:
        """Open *path* for writing, or make it. *sync*: when a commit is on disk. *first_map*: bytes of a small file's map."""

        def opened(map_size: int) -> GrowingMap:
            options = {"map_size": map_size, "max_readers": MAX_READERS, "mode": modes.file}
            syncs = {"sync": sync is not Sync.OFF, "metasync": sync is Sync.ALWAYS}
            return cls(path, open_environment(path, **options, **syncs))

        size = os.stat(path).st_size if os.path.exists(path) else 0
        try:
            return opened(max(first_map, size * 2))
        except NoMemory:  # more than the host grants: lookups need no space to grow
            return opened(max(size, LEAST_MAP))

    def read(self, *, buffers: bool = False) -> lmdb.Transaction:
        """Begin a read transaction. *buffers*: its values are views instead of copies."""
        begin: Callable[..., lmdb.Transaction] = self.env.begin
        try:
            return begin(buffers=buffers)
        except lmdb.MapResizedError:  # another process grew the file
            self._resize(0)
        except lmdb.ReadersFullError:
            self.env.reader_check()
        try:
            return begin(buffers=buffers)
        except lmdb.ReadersFullError:
            raise StoreBusy(path=self._where) from None

    def write(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """Run *change* in one write transaction; again, if the map was too small. Raises StoreFull, CapturesDamaged."""
        while True:
            try:
                with self.env.begin(write=True) as transaction:
                    return change(transaction)
            except lmdb.MapFullError:
                name = os.path.basename(self._where)
                for pid, behind in self.readers_behind():
                    logs.warning(f"{name} grows: process {pid} reads it as it was {behind} changes ago, see 'n2k doctor'")
                self._resize(self.env.info()["map_size"] * 2)
            except lmdb.MapResizedError:
                self._resize(0)
            except DAMAGE as error:
                raise meaning(self._where, error, damaged) from None
            except BadValue as error:
                raise damaged(self._where, error) from None
            except (lmdb.DiskError, lmdb.Error) as error:
                # A full disk appears as "Input/output error" (tried): LMDB loses the errno of a short write.
                raise meaning(self._where, error, StoreFull) from None

    def readers_behind(self) -> list[tuple[int, int]]:
        """Processes with a read transaction that FAR_BEHIND changes or more have passed, and how many: they were stopped in it.

        Pages that were freed since are not reused until they end or go on, so every change makes the file longer.
        """
        last: int = self.env.info()["last_txnid"]
        rows = [line.split() for line in self.env.readers().splitlines()[1:]]  # process, thread, transaction or "-"
        behind = [(int(pid), last - int(number)) for pid, _, number in rows if number.isdecimal()]
        return [(pid, count) for pid, count in behind if count >= FAR_BEHIND]

    def _resize(self, size: int) -> None:
        """Map *size* bytes; 0: as many as another process mapped. Raises StoreUnreadable, NoMemory."""
        self._end_snapshots()
        try:
            self.env.set_mapsize(size)
        except lmdb.Error as error:
            self.close()  # LMDB has released the old map already
            raise meaning(self._where, error, StoreUnreadable) from None

    def close(self) -> None:
        """Release the map."""
        self._end_snapshots()
        self.env.close()
        self.is_open = False

    def _end_snapshots(self) -> None:
        while self.snapshots:
            self.snapshots.pop().abort()
