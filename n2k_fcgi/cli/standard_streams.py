"""Standard input, output and error as a command may find them: closed, full, without a reader, in any encoding.

Output is in the encoding of the terminal or of PYTHONIOENCODING, with '?' for what that cannot show; ASCII, which is
what Python takes from the C locale, says nothing of a terminal, and means UTF-8 here.
"""

import codecs
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from n2k_fcgi.errors import StoreFull, StoreUnreadable

OUTPUT, INPUT = "standard output", "standard input"
ERRORS = "n2k"
"""How Python finds ``_instead``."""

_BYTES_AS_TEXT = range(0xDC80, 0xDD00)
"""What bytes that were no text in an argument or a path arrive as (PEP 383)."""
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ReaderGone(Exception):
    """Nobody reads standard output any more, as behind ``| head``: no error, and no reason to go on."""


def prepare() -> None:
    """Make the three streams of this process ones that all commands can rely on.

    A closed one gets its descriptor back, because the next file to be opened would have it, and a result be written into
    that: reading ends at once then, writing fails.
    """
    for fd, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        _occupy(fd, mode)
    codecs.register_error(ERRORS, _instead)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    else:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, ERRORS)
    sys.stderr = _text(_Error(2, "w", closefd=False), sys.stderr, "backslashreplace")


def json_line(fields: object) -> str:
    """*fields* as JSON; escaped where standard output could not carry the letters, for it is read by programs."""
    text = json.dumps(fields, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return json.dumps(fields)
    return text


def as_typed(text: str) -> str:
    """*text* of the command line or a terminal, read as UTF-8 where the locale's encoding, ASCII most often, left bytes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode()
    except UnicodeError:
        return text


def piped_lines() -> Iterator[str]:
    """The lines of standard input as they come, in UTF-8, or in UTF-16 with its mark. Other bytes arrive as surrogates."""
    try:
        with open(0, "rb", closefd=False) as raw:
            is_utf_16 = raw.peek(2)[:2] in _MARKS
            encoding, errors = ("utf-16", "replace") if is_utf_16 else ("utf-8-sig", "surrogateescape")
            yield from io.TextIOWrapper(raw, encoding, errors)
    except OSError as problem:
        raise StoreUnreadable(path=INPUT, why=problem.strerror or problem) from None


class _Output(io.FileIO):
    """Standard output. A write that fails raises once: Python tries again when the process ends."""

    _failed = False

    def write(self, data: Any, /) -> int:
        """Raises ReaderGone, StoreFull, StoreUnreadable."""
        if self._failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as problem:
            self._failed = True
            _refuse(problem)


class _Error(io.FileIO):
    """Standard error. What cannot be said there is not said: the work goes on, and the exit code tells."""

    def write(self, data: Any, /) -> int:
        """Never raises OSError."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _refuse(problem: OSError) -> NoReturn:
    from n2k_fcgi.files import NO_ROOM  # late: fcntl and the rest are for errors only

    if isinstance(problem, BrokenPipeError):
        raise ReaderGone from None
    if problem.errno in NO_ROOM:
        raise StoreFull(path=OUTPUT, lost="it is not whole", why=problem.strerror) from None
    raise StoreUnreadable(path=OUTPUT, why=problem.strerror or problem) from None


def _occupy(fd: int, mode: int) -> None:
    """Have descriptor *fd* open, all below it being so."""
    try:
        os.fstat(fd)
    except OSError:
        os.set_inheritable(os.open(os.devnull, mode), True)


def _text(raw: io.FileIO, before: Any, errors: str) -> io.TextIOWrapper:
    """*raw* as a text stream in the encoding of *before*, None when it was closed."""
    encoding = before.encoding if before is not None else "utf-8"
    if codecs.lookup(encoding).name == "ascii":
        encoding = "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, newline="\n", line_buffering=True)


def _instead(problem: UnicodeError) -> tuple[str | bytes, int]:
    """For one character that the encoding lacks: the byte that it was, or a question mark."""
    assert isinstance(problem, UnicodeEncodeError)
    number = ord(problem.object[problem.start])
    return (bytes([number - 0xDC00]) if number in _BYTES_AS_TEXT else "?"), problem.start + 1
