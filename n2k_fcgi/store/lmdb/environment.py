"""Opening LMDB environments so that they cannot hurt: what can go wrong becomes one of our errors.

Rules that LMDB leaves to its users (its lmdb.h, py-lmdb's documentation, and tried): one environment a file and process;
never across ``fork()``; a file shorter than its last page kills the reader with SIGBUS, so it is refused at opening; a
writer waiting for another process answers no signal, so writers queue on a lock of ours that gives up in time; a reader
killed inside a transaction pins old pages until ``reader_check()``.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb

from n2k_fcgi.errors import (
    CapturesDamaged,
    N2KError,
    NoMemory,
    StoreDamaged,
    StoreReadOnly,
    StoreTooNew,
    StoreUnreadable,
    is_no_memory,
)
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.lmdb.layout import FORMATS

MAX_DATABASES = 8

_REFUSED = frozenset(map(os.strerror, (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM)))
"""What the system says when it is not the disk: LMDB hands its words on."""


def open_reader(path: Path) -> lmdb.Environment:
    """Open a file that nobody writes any more: read-only, without lock file and readahead, mapped as large as it is.

    Raises StoreUnreadable, NoMemory, and what ``damaged`` gives when it is shorter than it says.
    """
    env = open_environment(path, readonly=True, lock=False, readahead=False, map_size=1)
    try:
        refuse_truncated(path, env)
    except BaseException:
        env.close()
        raise
    return env


def open_environment(path: Path, **options: Any) -> lmdb.Environment:
    """``lmdb.open`` with what all of ours share. Raises what ``damaged`` gives, StoreUnreadable, NoMemory."""
    try:
        return lmdb.open(os.fsencode(path), subdir=False, max_dbs=MAX_DATABASES, max_spare_txns=1, **options)
    except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
        raise damaged(path, reason(error)) from None
    except lmdb.Error as error:
        raise meaning(path, error, StoreUnreadable) from None
    except OSError as error:
        refuse_os_error(path, error)


def is_there(path: Path) -> bool:
    """Whether the file exists. Raises StoreUnreadable where we may not look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        refuse_os_error(path, error)
    return True


def meaning(path: Path, error: Exception, otherwise: Callable[..., N2KError]) -> N2KError:
    """What an error of LMDB's about *path* means: what the system refused, where it says so, else the error *otherwise*."""
    why = reason(error)
    if is_no_memory(error):
        return NoMemory(what=path)
    if why == os.strerror(errno.EROFS):
        return StoreReadOnly(path=path)
    return (StoreUnreadable if why in _REFUSED else otherwise)(path=path, why=why)


def reason(error: Exception) -> str:
    """LMDB's message without the path it repeats."""
    return str(error).rsplit(": ", 1)[-1]


def damaged(path: Path, why: object) -> N2KError:
    """The error for a file that contradicts itself: a generation can be imported again, all else is only in a backup."""
    return (StoreDamaged if path.name == DATA_FILE else CapturesDamaged)(path=path, why=why)


def refuse_truncated(path: Path, env: lmdb.Environment) -> None:
    """Refuse a file as ``damaged`` that is shorter than its last page: reading on would be SIGBUS."""
    needed = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    size = path.stat().st_size
    if size < needed:
        raise damaged(path, f"it has {size} bytes of {needed}")


def refuse_other_format(path: Path, value: bytes | None, formats: range = FORMATS) -> None:
    """Raise StoreTooNew, or what ``damaged`` gives when *value*, the stored version, says none or one before *formats*."""
    found = int(value) if value and value.isdigit() else 0
    if found >= formats.stop:
        raise StoreTooNew(path=path, found=found, known=formats[-1])
    if 0 < found < formats.start:
        raise damaged(path, f"it has format {found}, of an earlier version")
    if found < 1:
        raise damaged(path, "it holds no format version")
