"""Standard input, output and error in every state: closed, full, without a reader, in any encoding.

Output has the encoding of the terminal or of PYTHONIOENCODING, with '?' for characters it lacks. ASCII, which Python
takes from the C locale, is replaced by UTF-8.
"""

import codecs
import contextlib
import io
import json
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from n2k_fcgi import descriptors
from n2k_fcgi.errors import StoreFull, StoreUnreadable

OUTPUT, INPUT = "standard output", "standard input"
ERRORS = "n2k"
"""The name under which ``_instead`` is registered."""

_BYTES_AS_TEXT = range(0xDC80, 0xDD00)
"""Surrogates for bytes of an argument or path that are not text (PEP 383)."""
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ReaderGone(Exception):
    """Standard output has no reader any more, as with ``| head``: not an error, but work can stop."""


def prepare() -> None:
    """Make the three streams of this process safe to use. A closed one is opened again: reading ends at once, writing fails."""
    descriptors.occupy()
    codecs.register_error(ERRORS, _instead)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    else:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, ERRORS)
    sys.stderr = _text(_Error(2, "w", closefd=False), sys.stderr, "backslashreplace")


def json_line(fields: object) -> str:
    """*fields* as JSON, for programs: escaped if standard output cannot encode the characters."""
    return printable_json(json.dumps(fields, ensure_ascii=False))


def printable_json(text: str) -> str:
    """*text*, which is JSON, escaped if standard output cannot encode its characters: it has them in strings only."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return "".join(character if character.isascii() else json.dumps(character)[1:-1] for character in text)
    return text


def as_typed(text: str) -> str:
    """*text* of the command line or a terminal, decoded as UTF-8 where the locale's encoding (mostly ASCII) left bytes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode()
    except UnicodeError:
        return text


def write_bytes(data: bytes) -> None:
    """Write *data* to standard output as it is, and flush it. Raises ReaderGone, StoreFull, StoreUnreadable."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def piped_bytes() -> Iterator[io.BufferedReader]:
    """Standard input as a file of bytes."""
    try:
        with open(0, "rb", closefd=False) as raw:
            yield raw
    except OSError as problem:
        raise StoreUnreadable(path=INPUT, why=problem.strerror or problem) from None


def piped_lines() -> Iterator[str]:
    """The lines of standard input as they arrive: UTF-8, or UTF-16 with its mark. Other bytes become surrogates."""
    try:
        with open(0, "rb", closefd=False) as raw:
            is_utf_16 = raw.peek(2)[:2] in _MARKS
            encoding, errors = ("utf-16", "replace") if is_utf_16 else ("utf-8-sig", "surrogateescape")
            yield from io.TextIOWrapper(raw, encoding, errors)
    except OSError as problem:
        raise StoreUnreadable(path=INPUT, why=problem.strerror or problem) from None


class _Output(io.FileIO):
    """Standard output. A failing write raises once only: Python writes again when the process ends."""

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
    """Standard error. Failing writes are ignored: the work continues, and the exit code reports the result."""

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


def _text(raw: io.FileIO, before: Any, errors: str) -> io.TextIOWrapper:
    """*raw* as a text stream in the encoding of *before*, None if it was closed."""
    encoding = before.encoding if before is not None else "utf-8"
    if codecs.lookup(encoding).name == "ascii":
        encoding = "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, newline="\n", line_buffering=True)


def _instead(problem: UnicodeError) -> tuple[str | bytes, int]:
    """A replacement for one character that the encoding lacks: the byte that it was, or a question mark."""
    assert isinstance(problem, UnicodeEncodeError)
    number = ord(problem.object[problem.start])
    return (bytes([number - 0xDC00]) if number in _BYTES_AS_TEXT else "?"), problem.start + 1
