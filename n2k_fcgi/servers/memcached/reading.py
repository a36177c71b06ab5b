"""What a client sent: lines and blocks of data, however they were cut on the way; of both only so much is kept."""

from enum import Enum

LONGEST_LINE = 2048
"""Bytes of a line."""
LONGEST_GET = 256 * 1024
"""Bytes of a line with the keys of ``get`` or ``gets``: a thousand keys of 250 bytes."""
_GETS = (b"get ", b"gets ")

_MAGIC = 0x80
"""The first byte of the binary protocol."""


class Fault(Enum):
    """What stands in the place of a line or a block."""

    BINARY = "the binary protocol"
    TOO_LONG = "a line that is longer than it may be"
    BAD_CHUNK = "a block that no line end follows"


class Input:
    """Bytes that are not done yet."""

    __slots__ = ("_bytes", "_skipped", "_start", "may_be_long")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._start = 0  # what is before it is done
        self._skipped = 0  # bytes that are thrown away as they come
        self.may_be_long = True
        """Whether the keys of ``get`` may make a line longer than others."""

    def __bool__(self) -> bool:
        return len(self._bytes) > self._start or self._skipped > 0

    def __len__(self) -> int:
        """Bytes that are held."""
        return len(self._bytes) - self._start

    def add(self, data: bytes) -> None:
        """Take what arrived."""
        if self._skipped:
            skipped = min(self._skipped, len(data))
            self._skipped -= skipped
            data = data[skipped:]
        self._bytes += data

    def line(self) -> bytes | Fault | None:
        """Return the next line without its end; None: it is not all here."""
        held, start = self._bytes, self._start
        if start == len(held):
            return None
        end = held.find(b"\n", start)
        if end < 0:
            return self._beginning()
        if held[start] == _MAGIC:
            return Fault.BINARY
        size = end - start
        if size > LONGEST_LINE and size > self._longest():
            return Fault.TOO_LONG
        self._start = end + 1
        if size > 1 and held[end - 1] == 13:  # \r
            end -= 1
        return bytes(held[start:end])

    def block(self, size: int) -> bytes | Fault | None:
        """Return the next *size* bytes, which a line end must follow; None: they are not all here."""
        start, end = self._start, self._start + size
        if len(self._bytes) < end + 2:
            return None
        self._start = end + 2
        return bytes(self._bytes[start:end]) if self._bytes[end : end + 2] == b"\r\n" else Fault.BAD_CHUNK

    def skip(self, size: int) -> None:
        """Throw the next *size* bytes away, when they come."""
        here = min(size, len(self._bytes) - self._start)
        self._start += here
        self._skipped = size - here

    def forget(self) -> None:
        """Free what is done."""
        if self._start:
            del self._bytes[: self._start]
            self._start = 0

    def clear(self) -> None:
        """Drop everything."""
        self._bytes.clear()
        self._start = self._skipped = 0

    def _beginning(self) -> Fault | None:
        """What the beginning of a line is: BINARY, TOO_LONG, or None if it may become one."""
        size = len(self._bytes) - self._start
        if size and self._bytes[self._start] == _MAGIC:
            return Fault.BINARY
        return Fault.TOO_LONG if size > LONGEST_LINE and size > self._longest() else None

    def _longest(self) -> int:
        if not self.may_be_long:
            return LONGEST_LINE
        return LONGEST_GET if bytes(self._bytes[self._start : self._start + 5]).startswith(_GETS) else LONGEST_LINE
