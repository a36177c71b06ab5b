"""Being asked to stop: signals that only set a flag and wake the loop."""

import os
import signal
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

    def __enter__(self) -> "StopRequest":
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
