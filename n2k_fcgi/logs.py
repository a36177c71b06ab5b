"""Logging: loguru behind a threshold, imported with the first line.

Importing loguru costs 50 ms and 4 MB, formatting a line 100 µs (measured): a worker that only answers lookups at level
INFO pays neither. ``debug``, ``info``, ``warning`` and ``error`` never raise. Before ``set_up``, warnings and errors are
written to standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.files import PRIVATE, Modes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from n2k_fcgi.logfile import LogFile

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
_NUMBERS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR}
_LINE = "{time:YYYY-MM-DD HH:mm:ss.SSSZZ} {level: <7} {process} {message}"

_threshold = WARNING
_open: Callable[[], LogFile | None] | None = None
"""Makes the sink, as ``set_up`` said."""
_sink: LogFile | None = None
"""Made for the first line that is due; None: standard error, or none was due yet."""
_logger: Any = None


def set_up(
    path: str | None, level: str, *, rotate_bytes: int, keep: int, modes: Modes = PRIVATE, buffered: bool = False
) -> None:
    """Log to *path* (None: standard error) from *level* on. Call it again to change that; pending lines are kept.

    Never raises: lines that cannot be written are written to standard error.
    """
    global _threshold, _open, _sink, _logger
    if _sink is not None:
        _sink.close()
    _threshold = _NUMBERS[level]
    _sink = None

    def opened() -> LogFile | None:
        if path is None:
            return None
        from n2k_fcgi.logfile import LogFile  # late: most processes that answer one lookup log nothing

        return LogFile(path, rotate_bytes=rotate_bytes, keep=keep, modes=modes, buffered=buffered)

    _open = opened
    _logger = None


def enabled(level: int) -> bool:
    """Whether a line of *level* would be written: ask before an expensive one is made."""
    return level >= _threshold


def debug(message: str) -> None:
    """For finding a fault: each lookup, each step of an import."""
    if _threshold <= DEBUG:
        _log("DEBUG", message)


def info(message: str) -> None:
    """What the owner may want to know later: a published import, a started worker."""
    if _threshold <= INFO:
        _log("INFO", message)


def warning(message: str) -> None:
    """Something that needs attention; the service goes on."""
    if _threshold <= WARNING:
        _log("WARNING", message)


def error(message: str, *, traceback: bool = False) -> None:
    """Something that failed; with *traceback*, the current exception, too. Flushed at once."""
    _log("ERROR", message, traceback=traceback)
    flush()


def timed(message: str, started: float) -> None:
    """At DEBUG: *message* with the milliseconds since *started* (``time.perf_counter()``).

    Formatted here as loguru does it: every lookup writes this line, and loguru would take as long as the lookup.
    """
    if _threshold > DEBUG:
        return
    text = f"{message} {(time.perf_counter() - started) * 1000:.3f} ms"
    sink = _due_sink()
    if sink is None:
        _log("DEBUG", text)
        return
    line = text if text.isprintable() else _printable(text)
    sink.write(f"{_clock.text(time.time())} DEBUG   {os.getpid()} {line}\n")


class _Clock:
    """The time in the form of ``_LINE``; all but the milliseconds is computed once per second."""

    def __init__(self) -> None:
        self._second = -1
        self._start = self._zone = ""

    def text(self, now: float) -> str:
        """*now* in unix seconds."""
        second = int(now)
        if second != self._second:
            local = time.localtime(second)
            self._second = second
            self._start, self._zone = time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%z", local)
        return f"{self._start}.{int((now - second) * 1000):03d}{self._zone}"


_clock = _Clock()


def pending() -> bool:
    """Whether lines wait for ``flush``: the loop of a server calls it within a second."""
    return _sink is not None and _sink.pending


def flush() -> None:
    """Write what is pending."""
    if _sink is not None:
        _sink.flush()


def files_of(path: Path) -> list[Path]:
    """The log *path* and what its rotation made of it."""
    from n2k_fcgi.logfile import rotated  # late: for one command

    return [path, *rotated(path)]


def start_new(path: str | None) -> None:
    """Remove the log at *path* (None: no file) and its rotated files, which name a forgotten avatar. Never raises.

    It does so even if this process logs elsewhere, as ``n2k -v`` does.
    """
    sink = _due_sink()
    if sink is not None:
        sink.remove_all()
    elif path is not None:
        from n2k_fcgi.logfile import LogFile  # late: as above

        LogFile(path, rotate_bytes=0, keep=0).remove_all()


def _due_sink() -> LogFile | None:
    global _sink
    if _sink is None and _open is not None:
        _sink = _open()
    return _sink


def shut_down() -> None:
    """Flush and close the file."""
    if _sink is not None:
        _sink.close()


def _log(level: str, message: str, *, traceback: bool = False) -> None:
    global _logger
    line = message if message.isprintable() else _printable(message)
    try:
        if _logger is None:
            _logger = _loguru()
        # Messages contain text of callers: braces in it are not a format.
        (_logger.opt(exception=True) if traceback else _logger).log(level, "{}", line)
    except Exception as problem:  # noqa: BLE001 - without descriptors or memory an import fails in many ways
        _to_standard_error(f"n2k: {level} {line} (the log cannot be opened: {problem!r})\n")


def _printable(message: str) -> str:
    """One event is one line, and bytes of a caller do not control the terminal of a reader."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in message)


def _to_standard_error(text: str) -> None:
    # Looked up for each line: it may be None, or be closed later.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode())


def _loguru() -> Any:
    late.refuse_without_room()
    from loguru import logger  # late: a worker that logs nothing starts without it

    logger.remove()
    # diagnose would write the values of variables, such as tokens, into tracebacks.
    sink = _due_sink()
    target: Any = _to_standard_error if sink is None else sink.write
    logger.add(target, level=0, format=_LINE, diagnose=False, backtrace=False)
    return logger
