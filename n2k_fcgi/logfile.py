"""A log file that several processes append to and rotate, buffered when its owner flushes it.

When loguru rotates a file, other processes that have it open raise, or write to the old one. Here each write checks whether the
path still names the open file, and rotation happens under a lock that the kernel releases when a process is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from pathlib import Path

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.files import PRIVATE, locked, write_all

if TYPE_CHECKING:
    from _typeshed import StrPath

    from n2k_fcgi.files import Modes

BUFFER_BYTES = 64 * 1024


class LogFile:
    """Appends whole lines to *path*; ``write`` never raises, because a full disk must not stop a lookup.

    Lines are written at once, or with ``buffered`` kept until ``flush`` or BUFFER_BYTES. Rotation: a file of
    *rotate_bytes* becomes ``path.1``, that ``path.2``, and so on up to *keep*; older ones are removed. The file is opened at
    the first write. Not for use across ``fork()`` while lines are pending.
    """

    def __init__(self, path: StrPath, *, rotate_bytes: int, keep: int, modes: Modes = PRIVATE, buffered: bool = False) -> None:
        self._path = Path(path)
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._modes = modes
        self._buffered = buffered
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._fd = -1
        self._complained = False

    @property
    def pending(self) -> bool:
        """Whether lines wait for ``flush``."""
        return bool(self._pending)

    def write(self, text: str) -> None:
        """Take one or more whole lines."""
        line = text.encode("utf-8", "backslashreplace")
        self._pending.append(line)
        self._pending_bytes += len(line)
        if not self._buffered or self._pending_bytes >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write pending lines. If they cannot be written, report it once on standard error, with the lines."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        try:
            self._open_current()
            if os.fstat(self._fd).st_size + len(data) > self._rotate_bytes:
                self._rotate(len(data))
            write_all(self._fd, data)
            self._complained = False
        except OSError as error:
            self._complain(error, data)

    def remove_all(self) -> None:
        """Remove the file, its rotated files and pending lines; other processes make a new file with their next line."""
        self._pending.clear()
        self._pending_bytes = 0
        self.close()
        with contextlib.suppress(OSError), self._locked():
            for path in [self._path, *rotated(self._path)]:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Flush and close; a later write opens the file again."""
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open_current(self) -> None:
        """Open the file that *path* names now: another process may have rotated it, or a person moved it."""
        if self._fd >= 0:
            try:
                named = os.stat(self._path)
            except FileNotFoundError:
                named = None
            mine = os.fstat(self._fd)
            if named and (named.st_ino, named.st_dev) == (mine.st_ino, mine.st_dev):
                return
            os.close(self._fd)
            self._fd = -1
        with contextlib.suppress(FileExistsError):
            self._path.parent.mkdir(self._modes.directory)  # without parents: a missing data directory is not made
            self._path.parent.chmod(self._modes.directory)
        self._fd = self._open(self._path, os.O_WRONLY | os.O_APPEND)

    def _open(self, path: Path, flags: int) -> int:
        """Open or make. A new file gets the mode whatever the umask is, or a group could not share it."""
        flags |= os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags | os.O_EXCL, self._modes.file)
        except FileExistsError:
            return os.open(path, flags, self._modes.file)
        os.fchmod(fd, self._modes.file)
        return fd

    def _rotate(self, incoming: int) -> None:
        """Rotate the full file, unless another process did so while we waited for the lock."""
        with self._locked():
            self._open_current()
            size = os.fstat(self._fd).st_size
            if size == 0 or size + incoming <= self._rotate_bytes:
                return
            if self._keep == 0:
                os.unlink(self._path)
            for number in range(self._keep, 0, -1):
                older = self._path if number == 1 else self._numbered(number - 1)
                with contextlib.suppress(FileNotFoundError):
                    os.replace(older, self._numbered(number))
            self._drop_older()
            self._open_current()

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._open(self._numbered("lock"), os.O_RDWR))

    def _drop_older(self) -> None:
        """Remove files beyond *keep*, made when it was larger."""
        with contextlib.suppress(FileNotFoundError):
            for number in itertools.count(self._keep + 1):
                os.unlink(self._numbered(number))

    def _numbered(self, suffix: object) -> Path:
        return self._path.with_name(f"{self._path.name}.{suffix}")

    def _complain(self, error: OSError, data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # standard error may be closed, or None
            if not self._complained:
                self._complained = True
                sys.stderr.write(f"n2k: cannot log to {self._path}: {error.strerror}; logging to standard error\n")
            sys.stderr.write(data.decode("utf-8", "replace"))
            sys.stderr.flush()


def rotated(path: Path) -> list[Path]:
    """What has the name of a rotated file of *path*, also beyond today's *keep*."""
    try:
        names = os.listdir(path.parent)
    except OSError:  # there is no such folder yet
        return []
    numbers = {name: name.removeprefix(f"{path.name}.") for name in names if name.startswith(f"{path.name}.")}
    return [path.with_name(name) for name, number in sorted(numbers.items()) if number.isascii() and number.isdecimal()]
