"""Files, for every layer: replaced durably, written whole, locked, and what the system refuses in our words.

What raises OSError says so; all else raises StoreFull, StoreReadOnly, NoMemory or StoreUnreadable.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NoMemory, StoreFull, StoreReadOnly, StoreUnreadable, is_no_memory
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO, NoReturn

    from _typeshed import StrPath

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""A full disk, or a full quota."""

RESERVE = 16 * 1024 * 1024
"""Bytes of the disk that long runs leave free for others."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)
"""Where locks and shared maps do not reach the other hosts (lmdb.h, "Caveats")."""

MOUNTS = "/proc/self/mountinfo"

PIECE = 1 << 20
"""Bytes of a file that are searched at once."""

AROUND = 512
"""Bytes by which two pieces overlap on each side: more than a name or a key has."""

NEW_SUFFIX = ".new"
"""Of a file that is about to replace another."""


class Modes(NamedTuple):
    """File modes of a data directory."""

    file: int
    directory: int


PRIVATE = Modes(0o600, 0o700)
SHARED = Modes(0o660, 0o2770)
"""For hosts where cron and the web server are different users of one group."""


def refuse_os_error(path: StrPath, error: OSError) -> NoReturn:
    """Turn an OSError about *path* into StoreFull, StoreReadOnly, NoMemory or StoreUnreadable."""
    if is_no_memory(error):
        raise NoMemory(what=path) from None
    if error.errno == errno.EROFS:
        raise StoreReadOnly(path=path) from None
    if error.errno in NO_ROOM:
        raise StoreFull(path=path, why=error.strerror) from None
    raise StoreUnreadable(path=path, why=error.strerror or error) from None


# --- writing ---------------------------------------------------------------------------------------------------------


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of *data* to a blocking descriptor, by system calls. Raises OSError.

    Python's BufferedWriter loses a part when a stop signal cuts a write short (Ctrl-Z, fg).
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def open_new(path: StrPath, mode: int | None) -> int:
    """Make *path*, which must not exist, and open it for reading and writing. Raises OSError, FileExistsError among them.

    *mode* is exact, and never exceeded meanwhile; None: what the umask leaves of 0666.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode)
    if mode is not None:
        os.fchmod(fd, mode)  # the umask may have taken the group's part
    return fd


def create(path: StrPath, content: bytes, mode: int) -> bool:
    """Make *path* with *content*, on the disk when this returns; False: it exists and is left alone. Raises OSError."""
    try:
        fd = open_new(path, mode)
    except FileExistsError:
        return False
    try:
        write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    return True


def replace(path: Path, content: bytes, mode: int, *, beside: Path | None = None) -> None:
    """Replace or make *path* durably: see ``replacement``."""
    try:
        with replacement(path, mode, beside=beside) as file:
            file.write(content)
    except OSError as error:
        refuse_os_error(path, error)


@contextlib.contextmanager
def replacement(path: Path, mode: int | None, *, beside: Path | None = None) -> Iterator[BinaryIO]:
    """A new file that becomes *path* by one rename when the block ends well, on the disk then; else it is removed.

    *beside*: where it is written, on the same file system; a file of that name is removed first, since only a killed run
    leaves one. Raises OSError.
    """
    fresh = beside or path.with_name(path.name + NEW_SUFFIX)
    fresh.unlink(missing_ok=True)
    opened = os.fdopen(open_new(fresh, mode), "wb")
    try:
        with opened as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)  # after the close: the system starts no script that is open for writing
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def sync_folder(path: StrPath) -> None:
    """Make renames and new files in *path* survive a power cut."""
    try:
        _sync_folder(path)
    except OSError as error:  # the system names no file for a sync
        refuse_os_error(path, error)


def _sync_folder(path: StrPath) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # it can be written but not read
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system syncs no folders
            raise
    finally:
        os.close(fd)


# --- reading ---------------------------------------------------------------------------------------------------------


def pieces(path: Path) -> Iterator[tuple[int, bytes, int, int]]:
    """A file in overlapping pieces: (offset, bytes, begin, end). Search each for what starts from *begin* up to *end*.

    What starts there is followed by AROUND bytes at least, or by the end of the file. Raises OSError.
    """
    with path.open("rb") as file:
        yield from pieces_of(file, 0, None)


def pieces_of(file: BinaryIO, first: int, last: int | None) -> Iterator[tuple[int, bytes, int, int]]:
    """See ``pieces``: the bytes from *first* up to *last* of an open file; None: up to its end."""
    file.seek(first)
    size = PIECE if last is None else min(PIECE, last - first)
    offset, data, begin = first, file.read(size), 0
    while data:
        at = offset + len(data)
        more = file.read(PIECE if last is None else min(PIECE, last - at))
        yield offset, data, begin, len(data) - AROUND if more else len(data)
        if not more:
            return
        kept = min(len(data), 2 * AROUND)
        offset += len(data) - kept
        data, begin = data[-kept:] + more, kept - AROUND


# --- locks -----------------------------------------------------------------------------------------------------------


class hold:
    """Hold an exclusive lock on *path*, or yield False after *patience* seconds.

    The kernel releases it when the holder dies, so it is never stale. A class, because each write takes one, and a generator
    costs twice as much.
    """

    __slots__ = ("_fd", "_modes", "_path", "_patience")

    def __init__(self, path: StrPath, modes: Modes, patience: float) -> None:
        self._path, self._modes, self._patience = path, modes, patience

    def __enter__(self) -> bool:
        self._fd = open_lock(self._path, self._modes)
        try:
            if try_lock(self._fd):
                return True
            deadline = time.monotonic() + self._patience
            while time.monotonic() < deadline:
                time.sleep(0.002)
                if try_lock(self._fd):
                    return True
            return False
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def open_lock(path: StrPath, modes: Modes) -> int:
    """Open (or make) a lock file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, modes.file)
    except OSError as error:
        refuse_os_error(path, error)
    if os.fstat(fd).st_mode & 0o777 != modes.file:  # the umask may have taken the group's part
        with contextlib.suppress(OSError):  # it has another owner, who has given it
            os.fchmod(fd, modes.file)
    return fd


def try_lock(fd: int, *, shared: bool = False) -> bool:
    """Lock an open file for this process alone, or return False at once; it holds until *fd* is closed.

    *shared*: with others that say so, too.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(fd: int) -> None:
    """End ``try_lock`` and close *fd*. Closing alone leaves the lock to a child that inherited the descriptor."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(fd: int) -> Iterator[None]:
    """Wait for an exclusive lock on an open file or folder; closed at the end. Raises OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


# --- the disk --------------------------------------------------------------------------------------------------------


def refuse_when_low(folder: Path, reserve: int = RESERVE) -> None:
    """Raise StoreFull when another step would leave less than *reserve* bytes on the disk."""
    free = free_bytes(folder)
    if free < reserve:
        raise StoreFull(path=folder, why=f"only {free // 1_000_000} MB are free")


def free_bytes(folder: Path) -> int:
    """What this user may still write."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def file_system(path: Path) -> str:
    """The type of the file system that *path* is (or would be) on, such as ``ext4``; '' when it cannot be determined."""
    try:
        with open(MOUNTS, "rb") as file:  # noqa: PTH123 - lookups import no pathlib
            lines = file.read().split(b"\n")
    except OSError:
        return ""
    place = os.fsencode(path.resolve())
    best, kind = b"", b""
    for line in lines:
        # mountinfo(5): id parent major:minor root mount-point options optional... - type source super-options
        left, _, right = line.partition(b" - ")
        fields = left.split(b" ")
        if len(fields) < 5 or not right:
            continue
        point = _mount_point(fields[4])
        inside = place == point or place.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(b" ")[0]
    return kind.decode("utf-8", "replace")


def _mount_point(field: bytes) -> bytes:
    """A name of any encoding: the kernel writes blanks, line ends and the backslash as octal numbers, others as they are."""
    import re  # late: lookups import no regular expressions

    return re.sub(rb"\\([0-3][0-7]{2})", lambda escaped: bytes([int(escaped[1], 8)]), field)
