"""The file of a dataset: an LMDB file with the rows of a namespace, which nobody writes any more, and a seal (``sealing``)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from n2k_fcgi.errors import NoSuchDataset, StoreBusy, StoreUnreadable
from n2k_fcgi.files import refuse_os_error, try_lock
from n2k_fcgi.store.keyvalue import Dataset
from n2k_fcgi.store.lmdb.empty_file import FORMAT_DB_KEY
from n2k_fcgi.store.lmdb.environment import damaged, is_there, open_reader, refuse_other_format
from n2k_fcgi.store.lmdb.keyvalue.rows import FORMATS, LARGEST, NUMBER, number_of
from n2k_fcgi.store.lmdb.keyvalue.state import State
from n2k_fcgi.store.lmdb.sealing import seal_of


class DatasetFile:
    """An open dataset. Its map and its only transaction are given back with the last reference to this object.

    The transaction is open all the time: no page of this file is ever reused, so nobody waits for it.
    """

    def __init__(self, path: Path) -> None:
        """Raises NoSuchDataset, DatasetDamaged, StoreTooNew, StoreUnreadable, NoMemory."""
        self.digest = sealed_digest(path)
        try:
            self._env = open_reader(path)
        except StoreUnreadable:
            if is_there(path):
                raise
            raise NoSuchDataset(dataset=path.stem) from None  # removed since it was read
        if sealed_digest(path) != self.digest:
            raise damaged(path, "it was replaced while it was opened")
        transaction = self._env.begin(buffers=True)
        refuse_other_format(path, bytes(transaction.get(FORMAT_DB_KEY, b"")), FORMATS)
        self.largest = number_of(transaction.get(LARGEST, bytes(NUMBER.size)))
        """Bytes of the longest value."""
        self.rows = State(transaction)
        """What is in it; the versions are 0."""
        self.path = path

    def described(self) -> Dataset:
        """Return what a list shows. Raises NoSuchDataset if it was removed."""
        counters = self.rows.counters()
        return Dataset(self.path.stem, counters.keys, counters.bytes, status_of(self.path).st_size)


@contextlib.contextmanager
def held(path: Path, *, to_remove: bool = False) -> Iterator[None]:
    """Lock the file *path*: nobody removes it while it is made live, nor makes it live while it is removed.

    A file that is damaged is locked, too. Raises NoSuchDataset, StoreBusy, StoreUnreadable.
    """
    fd = _opened(path)
    try:
        # One that was removed or replaced just before it was locked is another file: the next attempt finds what is there.
        if not try_lock(fd, shared=not to_remove) or not os.path.samestat(os.fstat(fd), status_of(path)):
            raise StoreBusy(path=path)
        yield
    finally:
        os.close(fd)


def status_of(path: Path) -> os.stat_result:
    """Return the ``stat`` of a dataset's file. Raises NoSuchDataset, StoreUnreadable."""
    try:
        return path.stat()
    except OSError as error:
        _refuse(path, error)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe that nobody writes must not stop us
    except OSError as error:
        _refuse(path, error)


def _refuse(path: Path, error: OSError) -> NoReturn:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise NoSuchDataset(dataset=path.stem) from None
    refuse_os_error(path, error)


def sealed_digest(path: Path, *, verify: bool = False) -> bytes:
    """Return the digest that the seal of *path* has. *verify*: read the file, and compare it.

    Raises NoSuchDataset, DatasetDamaged, StoreUnreadable.
    """
    fd = _opened(path)
    try:
        digest = seal_of(path, fd, verify=verify)
    finally:
        os.close(fd)
    if digest is None:
        raise damaged(path, "it has no seal: the copy is not complete, or it is no dataset")
    return digest
