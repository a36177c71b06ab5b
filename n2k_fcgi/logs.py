"""Logging: loguru behind a threshold, imported when the first line is due and not before.

Importing loguru costs 50 ms and 4 MB, formatting a line 100 µs (measured): a worker that only answers lookups at level
INFO pays neither. ``debug`` and its kin are safe anywhere, before ``set_up`` too (warnings and errors go to standard
error then), and never raise.
"""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from n2k_fcgi import late
from n2k_fcgi.files import PRIVATE, Modes
from n2k_fcgi.logfile import LogFile

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
_NUMBERS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR}
_LINE = "{time:YYYY-MM-DD HH:mm:ss.SSSZZ} {level: <7} {process} {message}"

_threshold = WARNING
_sink: LogFile | None = None
_logger: Any = None


def set_up(
    path: Path | None, level: str, *, rotate_bytes: int, keep: int, modes: Modes = PRIVATE, buffered: bool = False
) -> None:
    """Log to *path* (None: standard error) from *level* on; call again to change, nothing pending is lost.

    Never raises: a log that cannot be written goes to standard error, line by line.
    """
    global _threshold, _sink, _logger
    if _sink is not None:
        _sink.close()
    _threshold = _NUMBERS[level]
    _sink = None
    if path is not None:
        _sink = LogFile(path, rotate_bytes=rotate_bytes, keep=keep, modes=modes, buffered=buffered)
    _logger = None


def enabled(level: int) -> bool:
    """Whether a line of *level* would be written: ask before building an expensive one."""
    return level >= _threshold


def debug(message: str) -> None:
    """For the person who looks for a fault: each lookup, each step of an import."""
    if _threshold <= DEBUG:
        _log("DEBUG", message)


def info(message: str) -> None:
    """What the owner may want to know tomorrow: an import published, a worker started."""
    if _threshold <= INFO:
        _log("INFO", message)


def warning(message: str) -> None:
    """Something to look at; the service goes on."""
    if _threshold <= WARNING:
        _log("WARNING", message)


def error(message: str, *, traceback: bool = False) -> None:
    """Something that failed, with the exception under way when *traceback*. Flushed at once."""
    _log("ERROR", message, traceback=traceback)
    flush()


def timed(message: str, started: float) -> None:
    """At DEBUG: *message* with the milliseconds since *started* (``time.perf_counter()``).

    Written here in loguru's form and not by loguru: this is the one line that every lookup writes, and would take as long
    as the lookup.
    """
    if _threshold > DEBUG:
        return
    text = f"{message} {(time.perf_counter() - started) * 1000:.3f} ms"
    if _sink is None:
        _log("DEBUG", text)
        return
    line = text if text.isprintable() else _printable(text)
    _sink.write(f"{_clock.text(time.time())} DEBUG   {os.getpid()} {line}\n")


class _Clock:
    """The time as ``_LINE`` has it; the second and the zone are worked out once a second."""

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
    """Whether lines wait for ``flush``: a server's loop then sets itself a deadline of a second."""
    return _sink is not None and _sink.pending


def flush() -> None:
    """Write what is pending."""
    if _sink is not None:
        _sink.flush()


def begin_anew(path: Path | None) -> None:
    """Remove the log at *path* (None: there is none) and all set aside of it: it names somebody who left. Never raises.

    Also when this process logs elsewhere, as ``n2k -v`` does.
    """
    if _sink is not None:
        _sink.remove_all()
    elif path is not None:
        LogFile(path, rotate_bytes=0, keep=0).remove_all()


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
        # Messages carry names and keys of callers: braces are no format.
        (_logger.opt(exception=True) if traceback else _logger).log(level, "{}", line)
    except Exception as problem:  # noqa: BLE001 - no descriptor or memory is left, and an import fails in any way then
        _to_standard_error(f"n2k: {level} {line} (the log cannot be opened: {problem!r})\n")


def _printable(message: str) -> str:
    """One event stays one line, and nothing that a caller sent steers the terminal of who reads the log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in message)


def _to_standard_error(text: str) -> None:
    # Looked up for each line: a server may have none, or close it.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode())


def _loguru() -> Any:
    late.refuse_without_room()
    from loguru import logger

    logger.remove()
    # diagnose would print the values of variables, tokens among them, into tracebacks.
    target: Any = _to_standard_error if _sink is None else _sink.write
    logger.add(target, level=0, format=_LINE, diagnose=False, backtrace=False)
    return logger
