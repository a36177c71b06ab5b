"""The queue of processes that want to write a file.

LMDB's own mutex would block without running a signal handler; this lock gives up in time. The kernel frees it when its
holder dies.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.files import Modes, hold
from n2k_fcgi.store.datadir import WRITER_SUFFIX

WRITER_PATIENCE = 2.0
"""Seconds to wait for another process's write transaction; ours take well under a millisecond and an fsync."""

STUCK_FOR = 30.0
"""Seconds after a wait in which no process wrote, in which a taken lock is not waited for: later requests would queue up
behind that wait."""


class WriterQueue:
    """The queue of *file*."""

    def __init__(self, file: Path, modes: Modes) -> None:
        self._file = file
        self.lock = file.with_suffix(WRITER_SUFFIX)
        self._modes = modes
        self._stuck_until = 0.0
        self.is_held = False
        """By ``entered``, in this process."""

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Hold the queue. Raises StoreBusy after WRITER_PATIENCE, or at once if its holder was stuck just before."""
        with self.tried(WRITER_PATIENCE) as held:
            if not held:
                raise StoreBusy(path=self._file)
            self.is_held = True
            try:
                yield
            finally:
                self.is_held = False

    @contextlib.contextmanager
    def tried(self, patience: float) -> Iterator[bool]:
        """Wait at most *patience* seconds for the queue; yield whether it is held."""
        is_stuck = time.monotonic() < self._stuck_until
        began = time.time()
        with hold(self.lock, self._modes, 0 if is_stuck else patience) as held:
            if held:
                self._stuck_until = 0.0
            elif patience:  # a process that waited while others wrote waits again: refused at once, it would starve
                self._stuck_until = 0.0 if self._was_written(since=began) else time.monotonic() + STUCK_FOR
            yield held

    def _was_written(self, *, since: float) -> bool:
        """Whether a process wrote the file; *since*: Unix seconds."""
        try:
            return self._file.stat().st_mtime >= since
        except OSError:
            return False
