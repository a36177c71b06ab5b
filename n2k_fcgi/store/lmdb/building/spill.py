"""A temporary file that begins in memory: what is small is never written to the disk."""

import os
from pathlib import Path

from n2k_fcgi.errors import CountsDisagree
from n2k_fcgi.files import PRIVATE, open_new, write_all
from n2k_fcgi.store.ration import Passing

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a spill that an import keeps in memory where nearly every night's fits: a hundredth of ten million rows."""

PIECE = 256 * 1024
"""Bytes that are written at once, where a run is written as a whole."""


class Spill:
    """Appended to, then read by offsets, then closed. *memory*: bytes up to which no file is made.

    Raises OSError if the disk is full or fails, CountsDisagree if the file was cut.
    """

    def __init__(self, path: Path, memory: int) -> None:
        self._path = path
        self._memory = memory
        self._held: bytearray | None = bytearray()
        self._fd = -1
        self._passing = Passing(-1)
        self.end = 0
        """Bytes so far."""

    def append(self, data: bytes) -> None:
        """Append *data*."""
        if self._held is not None:
            self._held += data
            if len(self._held) > self._memory:
                self._fd = open_new(self._path, PRIVATE.file)
                self._passing = Passing(self._fd)
                self._write(bytes(self._held))
                self._held = None
        else:
            self._write(data)
        self.end += len(data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        for at in range(0, len(data), PIECE):
            piece = rest[at : at + PIECE]
            write_all(self._fd, piece)
            self._passing.wrote(len(piece))

    def read(self, start: int, end: int) -> bytes:
        """Return what is between two offsets."""
        if self._held is not None:
            data = bytes(self._held[start:end])
        else:
            data = os.pread(self._fd, end - start, start)
            self._passing.was_read(len(data))
        if len(data) != end - start:
            raise CountsDisagree(what="reading a spill file back (it was cut)", given=end - start, kept=len(data))
        return data

    def close(self) -> None:
        """Close and remove the file, free the memory."""
        self._held = bytearray()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)
