"""Opening LMDB environments safely: every failure becomes one of our errors.

Rules that LMDB leaves to its users (lmdb.h, the documentation of py-lmdb, and tried): one environment per file and process;
none across ``fork()``; a file shorter than its last page kills the reader with SIGBUS, so it is refused at opening; a writer
that waits for another process handles no signal, so writers queue on our own lock, which has a timeout; a reader that was
killed inside a transaction keeps old pages from being reused until ``reader_check()``.
"""

from __future__ import annotations

import errno
import os

import lmdb

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import (
    CapturesDamaged,
    NoMemory,
    StoreDamaged,
    StoreReadOnly,
    StoreTooNew,
    StoreUnreadable,
    is_no_memory,
)
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.store.datadir import DATA_FILE, DATASET_SUFFIX, DATASETS, KEYVALUE
from n2k_fcgi.store.lmdb.layout import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _typeshed import StrPath

    from n2k_fcgi.errors import (
        N2KError,
    )

MAX_DATABASES = 8

_REFUSED = frozenset(map(os.strerror, (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM)))
"""Messages of the system that are not about the disk: LMDB passes them on."""


def open_reader(path: StrPath) -> lmdb.Environment:
    """Open a file that is not written any more: read-only, without lock file and readahead, mapped as large as it is.

    Raises StoreUnreadable, NoMemory, and the error of ``damaged`` for a truncated file.
    """
    env = open_environment(path, readonly=True, lock=False, readahead=False, map_size=1)
    try:
        refuse_truncated(path, env)
    except BaseException:
        env.close()
        raise
    return env


def open_environment(path: StrPath, **options: Any) -> lmdb.Environment:
    """``lmdb.open`` with the options that all of ours share. Raises the error of ``damaged``, StoreUnreadable, NoMemory."""
    try:
        return lmdb.open(os.fsencode(path), subdir=False, max_dbs=MAX_DATABASES, max_spare_txns=1, **options)
    except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
        raise damaged(path, reason(error)) from None
    except lmdb.Error as error:
        raise meaning(path, error, StoreUnreadable) from None
    except OSError as error:
        refuse_os_error(path, error)


def is_there(path: StrPath) -> bool:
    """Whether the file exists. Raises StoreUnreadable where the folder cannot be read."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        refuse_os_error(path, error)
    return True


DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)
"""What LMDB raises for a damaged file; other errors of it say nothing about the file."""


def meaning(path: StrPath, error: Exception, otherwise: Callable[..., N2KError]) -> N2KError:
    """Return our error for an error of LMDB about *path*: what the system refused, if it says so, else *otherwise*."""
    why = reason(error)
    if is_no_memory(error):
        return NoMemory(what=path)
    if why == os.strerror(errno.EROFS):
        return StoreReadOnly(path=path)
    return (StoreUnreadable if why in _REFUSED else otherwise)(path=path, why=why)


def reason(error: Exception) -> str:
    """LMDB's message without the path it repeats."""
    return str(error).rsplit(": ", 1)[-1]


def damaged(path: StrPath, why: object) -> N2KError:
    """Return the error for an inconsistent file: a generation can be imported again, all else is only in a backup."""
    folder, name = os.path.split(path)
    if os.path.basename(os.path.dirname(folder)) == KEYVALUE:
        from n2k_fcgi.errors import NamespaceDamaged  # late: lookups need none of these errors

        return NamespaceDamaged(path=path, why=why)
    if os.path.basename(folder) == DATASETS and name.endswith(DATASET_SUFFIX):
        from n2k_fcgi.errors import DatasetDamaged  # late: as above

        return DatasetDamaged(path=path, why=why)
    return (StoreDamaged if name == DATA_FILE else CapturesDamaged)(path=path, why=why)


def refuse_truncated(path: StrPath, env: lmdb.Environment) -> None:
    """Refuse a file as ``damaged`` that was cut: reading the pages that are missing would raise SIGBUS."""
    page = env.stat()["psize"]
    needed = bytes_needed(env, page)
    size = os.stat(path).st_size
    if size < needed and not is_whole(path, env, page):
        raise damaged(path, f"it has {size} bytes of {needed}")


def bytes_needed(env: lmdb.Environment, page: int) -> int:
    """Return the bytes of all pages of a file, which are *page* bytes each; the file may be shorter: see ``is_whole``."""
    last: int = env.info()["last_pgno"]
    return (last + 1) * page


def is_whole(path: StrPath, env: lmdb.Environment, page: int) -> bool:
    """Whether a file that is shorter than its pages lacks only free ones."""
    from n2k_fcgi.store.lmdb.free_pages import only_free_pages_missing  # late: this is rare

    try:
        with env.begin():
            return only_free_pages_missing(path, page)
    except lmdb.MapResizedError:  # another process has just made it longer
        return True


def refuse_other_format(path: StrPath, value: bytes | None, formats: range = FORMATS) -> None:
    """Raise StoreTooNew, or the error of ``damaged`` if *value*, the stored version, is missing or before *formats*."""
    found = int(value) if value and value.isdigit() else 0
    if found >= formats.stop:
        raise StoreTooNew(path=path, found=found, known=formats[-1])
    if 0 < found < formats.start:
        raise damaged(path, f"it has format {found}, of an earlier version")
    if found < 1:
        raise damaged(path, "it holds no format version")
