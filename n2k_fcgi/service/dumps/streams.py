"""Unpacking in large pieces, one stream of a file after another.

The standard library's file objects (bz2, gzip, lzma) read 8 KB of the packed file at a time. Each piece releases the
interpreter's lock and waits to get it back: beside a busy thread up to 5 ms, longer than the work itself (measured: the
thread took three times as long). Their decompressor objects take pieces of any size.
"""

import re
import zlib
from collections.abc import Callable
from typing import Protocol

from n2k_fcgi.errors import DumpNotUnderstood
from n2k_fcgi.interpreter import needed
from n2k_fcgi.service.dumps.archives import LONGEST_MAGIC, MAGIC, Kind, described
from n2k_fcgi.service.dumps.lines import why_no_rows

PIECE = 256 * 1024
"""Packed bytes per step."""


try:
    from lzma import LZMAError
except ImportError:  # a Python without lzma: nothing raises it
    LZMAError = EOFError  # type: ignore[misc, assignment]

DAMAGE = (EOFError, OSError, zlib.error, LZMAError)
"""What decompressors raise for damaged data."""


class Readable(Protocol):
    """What bytes are read from, in order."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Decompressor(Protocol):
    """The interface of ``bz2.BZ2Decompressor`` and ``lzma.LZMADecompressor``."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    """zlib's object with the same interface; it verifies checksum and length of each member."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max(max_length, 0))

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data


DECOMPRESSORS: dict[Kind, Callable[[], Decompressor]] = {
    Kind.BZ2: lambda: needed("bz2").BZ2Decompressor(),
    Kind.GZ: _Gzip,
    Kind.XZ: lambda: needed("lzma").LZMADecompressor(),
}
"""Makes a decompressor for one stream of a kind; raises PythonLacks."""


_ANOTHER = {
    Kind.BZ2: re.compile(rb"1AY&SY"),
    Kind.GZ: re.compile(rb"\x1f\x8b\x08[\x00-\x1f]"),
    Kind.XZ: re.compile(re.escape(MAGIC[Kind.XZ])),
}
"""Matches the beginning of a stream, for bz2 its second magic, in case the first bytes are damaged."""


class Streams:
    """Reads all streams of a packed file, with zeros between and after them, as tapes pad them.

    Anything else after the last stream is ignored as by gzip, but rejected if it is data: another archive, the rest of a
    damaged stream, rows that are not packed.

    Raises PythonLacks.
    """

    def __init__(self, packed: Readable, kind: Kind) -> None:
        self.left_out = ""
        """What followed the last stream, after all was read; '' if nothing did."""
        self._packed = packed
        self._kind = kind
        self._new = DECOMPRESSORS[kind]
        self._current = self._new()
        self._is_at_end = False

    def read(self, size: int) -> bytes:
        """Return *size* unpacked bytes at most; b"" at the end.

        Raises EOFError if the file ends within a stream, OSError, zlib.error or lzma.LZMAError if it is damaged,
        DumpNotUnderstood for data after the last stream.
        """
        unpacked = b""
        while not unpacked and not self._is_at_end:
            data = b""
            if self._current.eof:
                data = self._beginning()
                if not data:
                    break
                self._current = self._new()
            elif self._current.needs_input:
                data = self._packed.read(PIECE)
                if not data:
                    raise EOFError("it ends too early")
            unpacked = self._current.decompress(data, size)
        return unpacked

    def _beginning(self) -> bytes:
        """Return the first bytes of the next stream; b"" if there is none."""
        zeros, data = 0, self._current.unused_data
        while True:
            stripped = data.lstrip(b"\0")
            zeros += len(data) - len(stripped)
            data = stripped
            if len(data) >= LONGEST_MAGIC or not (piece := self._packed.read(PIECE)):
                break
            data += piece
        if data.startswith(MAGIC[self._kind]):
            return data
        self._is_at_end = True
        if data:
            self._leave_out(data + self._packed.read(PIECE))
        elif zeros:
            self.left_out = f"{zeros} zeros behind the end of the {self._kind.value}"
        return b""

    def _leave_out(self, rest: bytes) -> None:
        if _ANOTHER[self._kind].search(rest):
            raise OSError("another stream of it is damaged at its beginning")
        if inner := described(rest):
            raise DumpNotUnderstood(why=f"{inner} follows the {self._kind.value}: unpack both and put them together")
        if not why_no_rows(rest, is_whole=len(rest) < PIECE):
            raise DumpNotUnderstood(
                why=f"lines that are not packed follow the {self._kind.value}: unpack it and put them together"
            )
        count = len(rest)
        while piece := self._packed.read(PIECE):
            count += len(piece)
        self.left_out = f"{count} bytes after the end of the {self._kind.value} stream, which are not {self._kind.value}"

    def close(self) -> None:
        """Close the file."""
        self._packed.close()
