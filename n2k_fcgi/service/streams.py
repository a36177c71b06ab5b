"""Unpacking in large pieces, one stream of a file after another.

The standard library's file objects (bz2, gzip, lzma) take 8 KB of the packed file at a time. Each piece lets go of the
interpreter's lock and has to get it back; in a thread beside a busy one that wait, up to 5 ms, is longer than the work
(measured: the thread took three times as long). Their decompressor objects take any piece.
"""

import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from n2k_fcgi.service.interpreter import needed

PIECE = 256 * 1024
"""Packed bytes a step."""


class Decompressor(Protocol):
    """What ``bz2.BZ2Decompressor`` and ``lzma.LZMADecompressor`` are."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    """zlib's object with the same face; it verifies checksum and length of each member."""

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


DECOMPRESSORS: dict[str, Callable[[], Decompressor]] = {
    "bz2": lambda: needed("bz2").BZ2Decompressor(),
    "gz": _Gzip,
    "xz": lambda: needed("lzma").LZMADecompressor(),
}
"""Kind of archive -> what begins a stream of it; raises PythonLacks."""


class Streams:
    """Reads all streams of a packed file. Zeros behind the last are padding; anything else there is an error.

    Raises PythonLacks.
    """

    def __init__(self, packed: BinaryIO, kind: str) -> None:
        self._packed = packed
        self._new = DECOMPRESSORS[kind]
        self._current = self._new()

    def read(self, size: int) -> bytes:
        """At most *size* unpacked bytes; b"" at the end.

        Raises EOFError when the file ends within a stream, OSError, zlib.error or lzma.LZMAError when it is damaged.
        """
        unpacked = b""
        while not unpacked:
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
        """Of the next stream; b"" when there is none."""
        data = self._current.unused_data.lstrip(b"\0")
        while not data and (piece := self._packed.read(PIECE)):
            data = piece.lstrip(b"\0")
        return data

    def close(self) -> None:
        """Close the file."""
        self._packed.close()
