"""How many csv lists all workers send at a time, so that slow readers cannot occupy every process.

A slot is a kernel lock on ``csv.0.lock``, ``csv.1.lock`` and so on in the data directory. It is released when its process
ends, however that happens, so it is never stale. A child that Python forks lets go of its parent's slots; one that C forked
without telling Python has copies of the descriptors, so while it lives it keeps the slots of a parent that was killed.
"""

import os
from pathlib import Path
from weakref import WeakSet

from n2k_fcgi.errors import ListBusy, StoreUnreadable
from n2k_fcgi.files import Modes, open_lock, refuse_os_error, try_lock, unlock
from n2k_fcgi.store.datadir import LIST_LOCK


class Slot:
    """The right to send one list, until it is closed, or is garbage: a server may forget to close an answer."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._process = os.getpid()
        _taken.add(self)

    def close(self) -> None:
        """Release it; idempotent. In a child of its process: let go of the descriptor, and the parent has it still."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if os.getpid() == self._process:
            unlock(fd)
        else:
            os.close(fd)

    __del__ = close


_taken: WeakSet[Slot] = WeakSet()


def _let_go_of_the_parents() -> None:
    for slot in list(_taken):
        slot.close()


os.register_at_fork(after_in_child=_let_go_of_the_parents)


class Slots:
    """*count* slots of the data directory *folder*. One that cannot be written has one slot: a lock on the directory itself."""

    def __init__(self, folder: Path, modes: Modes, count: int) -> None:
        self._folder = folder
        self._modes = modes
        self._count = count

    def take(self) -> Slot:
        """Return a free slot. Raises ListBusy if there is none, StoreUnreadable."""
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
