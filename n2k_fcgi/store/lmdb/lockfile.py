"""LMDB's lock file, beside each file that several processes write: reader slots, the writers' mutex, the last transaction.

It belongs to one data file. If it is removed under a running server, or a backup is restored without removing it, processes
that write the same data have different mutexes, or begin from the number of another file's last transaction, and overwrite each
other's writes. (Three processes, 40 runs with such accidents: 39 lost or corrupted writes without a check, 20 with the check
of ``identity``, none with that of ``is_parted`` as well, at 4 to 6 microseconds per write.)
"""

from __future__ import annotations

import contextlib
import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import StoreFull, StoreReadOnly
from n2k_fcgi.files import NO_ROOM, open_lock
from n2k_fcgi.store.datadir import LOCK_SUFFIX
from n2k_fcgi.store.lmdb.environment import open_environment

if TYPE_CHECKING:
    from pathlib import Path

    import lmdb
    from _typeshed import StrPath

    from n2k_fcgi.files import Modes

MAX_READERS = 512

LOCK_BYTES = (MAX_READERS + 64) * 64
"""Its size: a header, and a slot of 64 bytes per reader."""

Identity = tuple[int, int, int, int]
"""Device and inode of a data file, then of its lock file; zeros for a missing file."""

NO_IDENTITY: Identity = (0, 0, 0, 0)


def lock_of(path: Path) -> Path:
    """The lock file of the data file *path*."""
    return path.with_name(path.name + LOCK_SUFFIX)


def _lock_of(path: StrPath) -> str:
    return os.fspath(path) + LOCK_SUFFIX


def identity(path: StrPath) -> Identity:
    """Identify a data file and its lock file, among others that had or will have the same names."""
    return sized_identity(path)[0]


def sized_identity(path: StrPath) -> tuple[Identity, int]:
    """The same, and the bytes of the data file."""
    device, inode, size = _found(path)
    return (device, inode, *_found(_lock_of(path))[:2]), size


def is_parted(env: lmdb.Environment, transaction: lmdb.Transaction, *, is_writer: bool) -> bool:
    """Whether the lock file has another last transaction than the data file.

    A transaction takes its number from the lock file; ``last_txnid`` is the data file's. Certain only while no process commits.
    """
    last: int = env.info()["last_txnid"]
    number: int = transaction.id()
    return number != last + is_writer


def lock_problem(path: StrPath, modes: Modes) -> str | None:
    """What is wrong with the lock file of *path*, which is not open in this process; changes nothing."""
    if not all(os.access(file, os.R_OK | os.W_OK) for file in (path, _lock_of(path))):
        return None
    try:  # not read-only: LMDB would not look at the lock file's number then (tried)
        env = open_environment(path, mode=modes.file)
    except StoreReadOnly:
        return None
    with contextlib.closing(env), env.begin() as transaction:
        if not is_parted(env, transaction, is_writer=False):
            return None
    lock, name = os.path.basename(_lock_of(path)), os.path.basename(path)
    return (
        f"{lock} belongs to another file than {name} (a backup was restored, or a purge was killed): the next use replaces it"
    )


def reserve(path: StrPath, modes: Modes) -> None:
    """Give the lock file of *path* its blocks. Raises StoreFull.

    LMDB writes to it through a map, and makes it without blocks: on a full disk that is SIGBUS, the worker's end. Call it
    before the environment is open, because closing a file drops all locks that this process has on it.
    """
    lock = _lock_of(path)
    fd = open_lock(lock, modes)
    try:
        os.posix_fallocate(fd, 0, LOCK_BYTES)
    except OSError as error:
        if error.errno in NO_ROOM:  # else the file system cannot do it, and LMDB is on its own as before
            raise StoreFull(path=lock, why=error.strerror) from None
    finally:
        os.close(fd)


def device_and_inode(path: StrPath) -> tuple[int, int]:
    """Identify a file; zeros for a missing one."""
    return _found(path)[:2]


def _found(path: StrPath) -> tuple[int, int, int]:
    """Device, inode and bytes of a file; zeros for a missing one."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0, 0
    return status.st_dev, status.st_ino, status.st_size
