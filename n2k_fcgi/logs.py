"""Logging: loguru behind a threshold, imported when the first line is due and not before.

Importing loguru costs 50 ms and 4 MB, formatting a line 100 µs (measured): a worker that only answers lookups at level
INFO pays neither. ``debug`` and its kin are safe anywhere, before ``set_up`` too (warnings and errors go to standard
error then), and never raise.
"""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from n2k_fcgi.logfile import LogFile

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
_NUMBERS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR}
_LINE = "{time:YYYY-MM-DD HH:mm:ss.SSSZZ} {level: <7} {process} {message}"

_threshold = WARNING
_sink: LogFile | None = None
_logger: Any = None


def set_up(path: Path | None, level: str, *, rotate_bytes: int, keep: int, mode: int = 0o600, buffered: bool = False) -> None:
    """Log to *path* (None: standard error) from *level* on; call again to change, nothing pending is lost.

    Never raises: a log that cannot be written goes to standard error, line by line.
    """
    global _threshold, _sink, _logger
    if _sink is not None:
        _sink.close()
    _threshold = _NUMBERS[level]
    _sink = None
    if path is not None:
        _sink = LogFile(path, rotate_bytes=rotate_bytes, keep=keep, mode=mode, buffered=buffered)
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

    Formatted here and not by loguru: this is the one line that every lookup writes.
    """
    if _threshold > DEBUG:
        return
    text = f"{message} {(time.perf_counter() - started) * 1000:.3f} ms"
    _log("DEBUG", text)


def pending() -> bool:
    """Whether lines wait for ``flush``: a server's loop then sets itself a deadline of a second."""
    return _sink is not None and _sink.pending


def flush() -> None:
    """Write what is pending."""
    if _sink is not None:
        _sink.flush()


def shut_down() -> None:
    """Flush and close the file."""
    if _sink is not None:
        _sink.close()


def _log(level: str, message: str, *, traceback: bool = False) -> None:
    global _logger
    if _logger is None:
        try:
            _logger = _loguru()
        except (ImportError, OSError) as problem:  # no descriptor left to read it, for one
            _to_standard_error(f"n2k: {level} {_printable(message)} (the log cannot be opened: {problem})\n")
            return
    # Messages carry names and keys of callers: braces are no format.
    line = message if message.isprintable() else _printable(message)
    (_logger.opt(exception=True) if traceback else _logger).log(level, "{}", line)


def _printable(message: str) -> str:
    """One event stays one line, and nothing that a caller sent steers the terminal of who reads the log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in message)


def _to_standard_error(text: str) -> None:
    # Looked up for each line: a server may have none, or close it.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text.encode("utf-8", "backslashreplace").decode())


def _loguru() -> Any:
    from loguru import logger

    logger.remove()
    # diagnose would print the values of variables, tokens among them, into tracebacks.
    target: Any = _to_standard_error if _sink is None else _sink.write
    logger.add(target, level=0, format=_LINE, diagnose=False, backtrace=False)
    return logger
