"""The LMDB file of one namespace, and how it is replaced while other processes use it.

A compacted file replaces the old one by a rename. The last transaction in the old file is a mark: whoever still has the old
file open sees it in its own next transaction, looks whether the path leads to other files, and opens those. So no process
reads from the old file what was overwritten in the new one, and a read costs one more row instead of a ``stat``. A process
that was killed between mark and rename leaves a mark that is void: the path still leads to the marked file.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NamespaceFull, NoSuchNamespace, SnapshotLost, StoreFull
from n2k_fcgi.files import Modes, sync_folder
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.datadir import DROPPED
from n2k_fcgi.store.lmdb.environment import is_there
from n2k_fcgi.store.lmdb.keyvalue.datasets import Datasets, LiveDataset
from n2k_fcgi.store.lmdb.keyvalue.open_files import OpenFiles
from n2k_fcgi.store.lmdb.keyvalue.rows import FORMATS, REPLACED, pack_mark, unpack_mark
from n2k_fcgi.store.lmdb.lockfile import identity, lock_of
from n2k_fcgi.store.lmdb.writable import WritableFile

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.growing_map import Result

META_PAGES = 2
"""LMDB's own, at the beginning of each file."""

_META = struct.Struct("=40x I 100x Q")
"""At the beginning of both pages: the bytes of a page, and the last transaction (``MDB_meta`` in ``mdb.c`` of LMDB 0.9)."""

MARK_KEPT = 10
"""Seconds for which writers keep a void mark. The killed process may have replaced the lock file, which readers notice within
``LOOK_EVERY`` without a mark, and at once with it."""


class NamespaceFile(WritableFile):
    """The file of the namespace *name*. Values of its read transactions are views, valid inside them only.

    *open_files*: those of this process, of which it is one. *datasets*: all, of which the live one is open while this is.
    """

    first_map = 2 * 1024 * 1024  # many are open at once, and hosts limit address space

    def __init__(self, name: str, path: Path, modes: Modes, *, sync: Sync, open_files: OpenFiles, datasets: Datasets) -> None:
        super().__init__(path, modes, sync=sync, formats=FORMATS)
        self.name = name
        self._open_files = open_files
        self.dataset = LiveDataset(datasets)

    def begin(self) -> lmdb.Transaction:
        """Begin the read transaction of ``read``. Raises NoSuchNamespace."""
        self._use()
        transaction = self._opened().read(buffers=True)
        while transaction.get(REPLACED) is not None and identity(self.path) != self._identity:
            transaction.abort()
            self.close()
            transaction = self._opened().read(buffers=True)
        return transaction

    @contextmanager
    def held(self) -> Iterator[lmdb.Transaction]:
        """One read transaction for as long as the caller likes, who may write meanwhile.

        Raises SnapshotLost if that made the file longer than its map: a map cannot be released while it is read.
        """
        with self.read() as transaction:
            assert self._map is not None
            snapshots = self._map.snapshots
            snapshots.add(transaction)
            try:
                yield transaction
            except lmdb.Error:
                if transaction not in snapshots:
                    raise SnapshotLost from None
                raise
            finally:
                snapshots.discard(transaction)

    def write(self, change: Callable[[lmdb.Transaction], Result]) -> Result:
        """See ``WritableFile.write``. Raises NoSuchNamespace; NamespaceFull instead of StoreFull."""

        def checked(transaction: lmdb.Transaction) -> Result:
            mark = transaction.get(REPLACED)
            if mark is not None and not 0 <= time.time() - unpack_mark(mark)[1] < MARK_KEPT:
                transaction.delete(REPLACED)
            return change(transaction)

        self._use()
        try:
            return super().write(checked)
        except StoreFull as error:
            raise NamespaceFull(path=self.path, why=error.why) from None

    def close(self) -> None:
        """See ``WritableFile.close``. The dataset is given back once nobody reads it."""
        super().close()
        self.dataset.release()

    def used_bytes(self) -> int:
        """Return the bytes of the pages that hold rows: what a compact copy needs at most."""
        stat = self._opened().env.stat()
        pages: int = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] + META_PAGES
        size: int = pages * stat["psize"]
        return size

    def settle(self) -> None:
        """Make sure that the next read begins from the last transaction, whatever lock file was there. For ``exclusive``."""
        self._run(lambda transaction: None)

    def replace(self, fresh: Path) -> None:
        """Put *fresh*, which is on disk and open with its lock file, in this file's place. For ``exclusive``."""
        self._mark(fresh)
        # LMDB's lock file first: a reader of the fresh file with the old lock file would begin from the old file's last
        # transaction. A reader of the old file with the fresh lock file sees the mark.
        lock_of(fresh).rename(lock_of(self.path))
        fresh.rename(self.path)
        sync_folder(self.path.parent)
        self.close()

    def remove(self, fresh: Path, kept: Path) -> None:
        """Remove this file and name *fresh*, which is on disk, *kept*. For ``exclusive``."""
        self._mark(fresh)
        fresh.rename(kept)
        sync_folder(kept.parent)
        lock_of(self.path).unlink()
        self.path.unlink()
        sync_folder(kept.parent)
        self.close()

    def _mark(self, fresh: Path) -> None:
        mark = pack_mark(os.stat(fresh).st_ino, int(time.time()))
        for _ in range(2):  # in both of LMDB's newest states: a reader with another lock file may begin from the older one
            self._run(lambda transaction: transaction.put(REPLACED, mark))

    def _use(self) -> None:
        if self._open_files.last is not self:
            self._open_files.use(self)

    def _open(self) -> None:
        while is_made(self.path):
            super()._open()
            assert self._map is not None
            # Else its files were replaced while LMDB opened them one after the other, or LMDB made them just now.
            if identity(self.path) == self._identity and (self._map.env.info()["last_txnid"] or is_made(self.path)):
                return
            self.close()
        raise NoSuchNamespace(namespace=self.name)


def is_made(path: Path) -> bool:
    """Whether the namespace of the file *path* exists.

    LMDB makes an empty file if a drop removes *path* just before it is opened. That is no namespace; ``create`` replaces it.
    """
    return is_there(path) and not (is_there(path.with_name(DROPPED)) and _is_empty(path))


def _is_empty(path: Path) -> bool:
    """Whether LMDB made *path* and nothing was written."""
    try:
        with path.open("rb") as file:
            first = file.read(_META.size)
            if len(first) < _META.size:
                return not first
            page, transaction = _META.unpack(first)
            file.seek(page)
            second = file.read(_META.size)
    except OSError:
        return False
    return not transaction and len(second) == _META.size and not _META.unpack(second)[1]
