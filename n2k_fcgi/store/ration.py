"""A ration of the disk: how many bytes a second an import may read and write, and what it leaves in the system's disk cache.

Hosts limit the disk's traffic of an account, and count the disk cache of its files as its memory. The ration is of the whole
process, as its niceness is, because the kernel counts by process (``/proc/self/io``, proc_pid_io(5)): *calls* are the bytes of
all reads and writes, whether the cache or the disk has them; *disk* are those that were fetched from the disk, pages of maps
among them, and pages that were made dirty and will be written. Neither exceeds the ration.

Reading and writing are not held back but followed by a pause, so steps must be small: whoever moves bytes calls ``spend``
after some 10 to 500 KB. Without a ration all of this does nothing.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from n2k_fcgi.errors import TrafficNotCounted

if TYPE_CHECKING:
    from _typeshed import StrPath

COUNTS = "/proc/self/io"

READ_SIZE = 128 * 1024
"""Bytes of one read of a dump."""

LEAST_DIRTY, MOST_DIRTY = 256 * 1024, 8 * 1024 * 1024
"""Bytes that are written before they are synced: those of a second, within these. Else the kernel would write those of half a
minute at once, faster than the ration."""

MOST_CACHED = 8 * 1024 * 1024
"""Bytes of a file that are read before its pages are dropped. Blocks of a spill share pages with their neighbours, so dropping
after each would have them read twice."""

SAVED = 0.25
"""Seconds that slow steps save for the next: on a busy host a process often gets the processor too late. A second has at most a
quarter more than the rate, and one step; all seconds together never more than the rate."""

SHORTEST = 0.002
"""Seconds: a shorter pause is taken together with the next."""


class Ration:
    """*rate* bytes a second from now on. Raises TrafficNotCounted if the kernel does not show its counts."""

    def __init__(self, rate: int, counts: str = COUNTS) -> None:
        self.dirty = min(max(rate, LEAST_DIRTY), MOST_DIRTY)
        """Bytes that are written before they are synced."""
        self._rate = rate
        try:
            self._fd = os.open(counts, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise TrafficNotCounted(path=counts, why=error.strerror) from None
        try:
            self._moved = self._read()
        except (OSError, KeyError, ValueError):
            os.close(self._fd)
            raise TrafficNotCounted(path=counts, why="it does not have the counts") from None
        self._paid = time.monotonic()

    def _read(self) -> tuple[int, int]:
        """Return the bytes of all calls and of the disk, so far."""
        found = dict(line.split(b": ") for line in os.pread(self._fd, 512, 0).splitlines())
        count = {name: int(found[name]) for name in (b"rchar", b"wchar", b"read_bytes", b"write_bytes")}
        return count[b"rchar"] + count[b"wchar"], count[b"read_bytes"] + count[b"write_bytes"]

    def spend(self) -> None:
        """Pause until what was moved since the last pause has taken as long as the rate says.

        A step that took longer by itself, or a pause that did, saves SAVED for the next ones and no more.
        """
        calls, disk = self._read()
        moved = max(calls - self._moved[0], disk - self._moved[1])
        due = max(self._paid, time.monotonic() - SAVED) + moved / self._rate
        pause = due - time.monotonic()
        if 0 < pause < SHORTEST:
            return
        if pause > 0:
            time.sleep(pause)
        self._moved = calls, disk
        self._paid = due

    def close(self) -> None:
        """Close the counts."""
        os.close(self._fd)


_present: Ration | None = None


@contextlib.contextmanager
def rationed(rate: int) -> Iterator[None]:
    """Have a ration of *rate* bytes a second inside of the block; 0: none. Raises TrafficNotCounted."""
    global _present
    if not rate:
        yield
        return
    _present = Ration(rate)
    try:
        yield
    finally:
        _present.close()
        _present = None


def spend() -> None:
    """See ``Ration.spend``."""
    if _present is not None:
        _present.spend()


def is_due(written: int) -> bool:
    """Whether so many bytes of a file are to be synced and dropped now."""
    return _present is not None and written >= _present.dirty


def let_go(path: "StrPath") -> None:
    """Sync the file *path* and drop its pages from the disk cache; pages that are mapped stay. Raises OSError."""
    if _present is None:
        return
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
        drop(fd)
    finally:
        os.close(fd)


def drop(fd: int) -> None:
    """Drop the pages of an open file that are not dirty: where the file system knows no such advice, they stay."""
    _advise(fd, os.POSIX_FADV_DONTNEED)


def _advise(fd: int, advice: int) -> None:
    if _present is not None:
        with contextlib.suppress(OSError):
            os.posix_fadvise(fd, 0, 0, advice)


class Passing:
    """An open file whose bytes are needed once: its pages are dropped as it is written and as it is read.

    Nothing is read ahead: the kernel may fetch megabytes at once (4 MB, seen).
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        if fd >= 0:
            _advise(fd, os.POSIX_FADV_RANDOM)
        self._dirty = self._cached = 0

    def wrote(self, count: int) -> None:
        """Call this after *count* bytes were written. Raises OSError."""
        self._dirty += count
        if is_due(self._dirty):
            os.fdatasync(self._fd)
            drop(self._fd)
            self._dirty = 0
        spend()

    def was_read(self, count: int) -> None:
        """Call this after *count* bytes were read."""
        self._cached += count
        if self._cached >= MOST_CACHED:
            drop(self._fd)
            self._cached = 0
        spend()
