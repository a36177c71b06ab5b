"""What a run of ``n2k deploy`` may make or remove, noted in the web folder before the first change, and settled at its end.

A run that ends well, one that is refused and one that was killed need the same: what is noted, is ours, and is not named by
the block that is there now, goes. Only a list says what that may be: an application can be in any folder (``--app``), which
no file names before the block does, nor after the block is gone. The file is also the lock of the web folder.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from n2k_fcgi.deploy import passenger
from n2k_fcgi.deploy.htaccess import Unsafe, file_of, scripts_named
from n2k_fcgi.deploy.replacing import LARGEST, beside, is_file, read
from n2k_fcgi.deploy.script import scripts_in
from n2k_fcgi.files import NEW_SUFFIX, try_lock, write_all

FILE = ".htn2k-deploy"
"""Web servers hand out no file whose name begins with ``.ht``."""

PATIENCE = 10.0
"""Seconds for another run to end: the longest part of one is its start of Python, three times."""

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Notes:
    """The notes of one web folder; whoever has them is the only run there."""

    def __init__(self, web_dir: Path, fd: int) -> None:
        self._web_dir = web_dir
        self._fd = fd

    def add(self, paths: Iterable[Path]) -> None:
        """Note *paths*, and where each would be written before its rename. Raises OSError."""
        both = [each for path in paths for each in (path, beside(path))]
        # Names alone in the folder itself, which may be renamed. The first zero ends what a full disk has cut off.
        written = [path.name if path.parent == self._web_dir else str(path) for path in both]
        write_all(self._fd, b"".join(b"\0%b\0" % os.fsencode(path) for path in written))
        os.fsync(self._fd)

    def settle(self) -> list[Path]:
        """Remove what is noted, is ours, and is not named by the block; what went. Raises OSError, Unsafe."""
        noted = self.noted()
        if not noted:
            return []
        rules = read(file_of(self._web_dir)) or b""
        used = {self._web_dir / name for name in scripts_named(rules)}
        gone = sorted(path for path in noted - used if path.name.endswith(NEW_SUFFIX) and is_file(path))
        for path in gone:  # before the others: it may have the whole text of a script
            path.unlink()
        for script in scripts_in(self._web_dir):
            if script in noted - used:
                script.unlink()
                gone.append(script)
        for app in sorted(path.parent for path in noted if path.name == passenger.NAME):
            gone += passenger.withdraw(self._web_dir, rules, app, noted)
        return gone

    def noted(self) -> set[Path]:
        """All that is noted, also by a killed run. Raises OSError."""
        entries = os.pread(self._fd, LARGEST, 0).split(b"\0")
        return {self._web_dir / os.fsdecode(entry) for entry in entries if entry}


@contextlib.contextmanager
def noting(web_dir: Path) -> Iterator[Notes]:
    """The notes of *web_dir*, those of a killed run among them; removed at the end. Raises OSError, also for a busy folder."""
    path = web_dir / FILE
    fd = _held(path)
    try:
        notes = Notes(web_dir, fd)
        try:
            yield notes
        except BaseException:
            # The first error is told. What cannot be settled now stays noted.
            with contextlib.suppress(OSError, Unsafe):
                notes.settle()
                path.unlink()
            raise
        path.unlink()
    finally:
        os.close(fd)


def _held(path: Path) -> int:
    """Open or make the notes, and wait until no other run has them."""
    until = time.monotonic() + PATIENCE
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _WRITABLE_BY_OTHERS:
                raise OSError(errno.EPERM, "it may be from somebody else: look at it, and remove it by hand", str(path))
            if _is_locked(fd) and _is_still(path, found):
                return fd
            if time.monotonic() > until:
                raise OSError(
                    errno.EBUSY, "another 'n2k deploy' is at work in this folder, try again when it has ended", str(path)
                )
        except BaseException:
            os.close(fd)
            raise
        time.sleep(0.02)
        os.close(fd)


def _is_locked(fd: int) -> bool:
    try:
        return try_lock(fd)
    except OSError:  # a file system without locks
        return True


def _is_still(path: Path, found: os.stat_result) -> bool:
    """Whether the file was not removed by the run that had it."""
    try:
        return os.path.samestat(path.lstat(), found)
    except FileNotFoundError:
        return False
