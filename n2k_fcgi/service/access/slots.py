"""How many csv lists are sent at a time, over all workers: a lock file each, so that slow readers cannot take every process.

A slot is a lock of the kernel's on ``csv.0.lock``, ``csv.1.lock`` and so on in the data directory. It goes with its holder,
however that one ends, so it is never stale.
"""

import os
from pathlib import Path

from n2k_fcgi.errors import ListBusy, StoreUnreadable
from n2k_fcgi.files import Modes, open_lock, refuse_os_error, try_lock
from n2k_fcgi.store.datadir import LIST_LOCK


class Slot:
    """The right to send one list, until it is closed."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Give it back; the same again does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Slots:
    """*count* slots of the data directory *folder*. A directory that cannot be written has one: the lock is on itself."""

    def __init__(self, folder: Path, modes: Modes, count: int) -> None:
        self._folder = folder
        self._modes = modes
        self._count = count

    def take(self) -> Slot:
        """A free slot. Raises ListBusy when there is none, StoreUnreadable."""
        for number in range(self._count):
            fd = self._open(LIST_LOCK.format(number))
            if try_lock(fd):
                return Slot(fd)
            os.close(fd)
        raise ListBusy

    def _open(self, name: str) -> int:
        try:
            return open_lock(self._folder / name, self._modes)
        except StoreUnreadable:
            if os.access(self._folder, os.W_OK):
                raise
        try:
            return os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            refuse_os_error(self._folder, error)
