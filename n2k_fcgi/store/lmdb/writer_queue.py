"""The queue of processes that want to write a file.

LMDB's own mutex would block without running a signal handler; this lock gives up in time. The kernel frees it when its
holder dies.
"""

from __future__ import annotations

import contextlib
import os
import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.files import hold
from n2k_fcgi.store.datadir import WRITER_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import StrPath

    from n2k_fcgi.files import Modes

WRITER_PATIENCE = 2.0
"""Seconds to wait for another process's write transaction; ours take well under a millisecond and an fsync."""

STUCK_FOR = 30.0
"""Seconds after a wait in which no process wrote, in which a taken lock is not waited for: later requests would queue up
behind that wait."""


class WriterQueue:
    """The queue of *file*."""

    def __init__(self, file: StrPath, modes: Modes) -> None:
        self._file = file
        self.lock = os.path.splitext(file)[0] + WRITER_SUFFIX
        self._modes = modes
        self._stuck_until = 0.0
        self.is_held = False
        """By ``entered``, in this process."""

    def entered(self) -> _Turn:
        """Hold the queue in a ``with``. Raises StoreBusy after WRITER_PATIENCE, or at once if its holder was stuck before."""
        return _Turn(self)

    @contextlib.contextmanager
    def tried(self, patience: float) -> Iterator[bool]:
        """Wait at most *patience* seconds for the queue; yield whether it is held."""
        began = time.time()
        with self._hold(patience) as held:
            if held or patience:
                self._note(held, began)
            yield held

    def _hold(self, patience: float) -> hold:
        return hold(self.lock, self._modes, 0 if time.monotonic() < self._stuck_until else patience)

    def _note(self, held: bool, began: float) -> None:
        """Note whether a process is stuck; *began*: when this one began to wait for it."""
        if held:
            self._stuck_until = 0.0
        else:  # a process that waited while others wrote waits again: refused at once, it would starve
            self._stuck_until = 0.0 if self._was_written(since=began) else time.monotonic() + STUCK_FOR

    def _was_written(self, *, since: float) -> bool:
        """Whether a process wrote the file; *since*: Unix seconds."""
        try:
            return os.stat(self._file).st_mtime >= since
        except OSError:
            return False


class _Turn:
    """What ``WriterQueue.entered`` returns: a class, because every write takes one, and a generator costs twice as much."""

    __slots__ = ("_held", "_queue")

    def __init__(self, queue: WriterQueue) -> None:
        self._queue = queue

    def __enter__(self) -> None:
        queue = self._queue
        began = time.time()
        self._held = queue._hold(WRITER_PATIENCE)
        is_held = self._held.__enter__()
        try:
            queue._note(is_held, began)
            if not is_held:
                raise StoreBusy(path=queue._file)
        except BaseException:
            self._held.__exit__()
            raise
        queue.is_held = True

    def __exit__(self, *_: object) -> None:
        self._queue.is_held = False
        self._held.__exit__()
