"""Why a server stops: a signal, which only sets a flag and wakes the loop; or what it runs is gone."""

from __future__ import annotations

import os
import signal
import sys

import n2k_fcgi
from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""SIGUSR1 is what a graceful Apache may send."""


class StopRequest:
    """While entered, a stop signal sets ``asked`` and makes ``fd`` readable; a request under way is not disturbed.

    For the main thread. SIGPIPE is ignored meanwhile: a reader that went away is an error of one ``send``.
    """

    def __init__(self) -> None:
        self.asked = False
        self.fd = -1
        self._write_fd = -1
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> StopRequest:
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Python restarts an interrupted epoll_wait (PEP 475): the byte in the pipe is what ends it.
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._ask) for number in STOP_SIGNALS}
        self._before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._write_fd)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


class Presence:
    """The files that a process runs: its script and the code. After a removal by hand there is nobody to stop its workers.

    A file counts as gone when it is missing twice in a row: an update replaces files by removing them first.
    """

    def __init__(self, files: tuple[str, ...]) -> None:
        self._files = files
        self._was_missing = False

    @classmethod
    def of_this_process(cls) -> Presence:
        """The script (``python -c`` has none) and the package."""
        script = getattr(sys.modules["__main__"], "__file__", None)
        files = (script, n2k_fcgi.__file__) if script else (n2k_fcgi.__file__,)
        return cls(tuple(os.path.abspath(file) for file in files if file))

    def is_over(self) -> bool:
        """Look, with one ``stat`` per file. True if one is missing and was missing at the look before."""
        is_missing = not all(map(_exists, self._files))
        is_over = is_missing and self._was_missing
        self._was_missing = is_missing
        return is_over


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # a file server that does not answer, a folder closed for a while: not gone
        return True
    return True
