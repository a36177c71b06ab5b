"""Processes that ended while they walked through a file of LMDB, which ends the process at some damaged pages (SIGABRT)."""

from __future__ import annotations

import contextlib
import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.files import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST = 2
"""In a row: one may just have been killed, or the machine lost its power."""


@contextlib.contextmanager
def survived(marker: str, mode: int, replace: Callable[[], None], *, whole: bool) -> Iterator[None]:
    """Do something with a file inside; *replace* is called before, if MOST processes in a row ended inside.

    *marker*: a file with a byte for each, locked inside. Who does not get the lock, or cannot write the marker, is not noted.
    *whole*: all of the file is walked through, so that it is sound if the block ends.
    """
    fd = None
    with contextlib.suppress(OSError):
        fd = os.open(marker, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, mode)
    try:
        before = None
        if fd is not None:
            with contextlib.suppress(OSError):
                before = os.fstat(fd).st_size if try_lock(fd) else None
                if before is not None:
                    if before >= MOST:
                        replace()
                        os.ftruncate(fd, 0)
                        before = 0
                    os.write(fd, b".")
        try:
            yield
        finally:
            if fd is not None and before is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, 0 if whole else before)
    finally:
        if fd is not None:
            os.close(fd)
