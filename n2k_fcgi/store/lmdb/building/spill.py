"""A temporary file that begins in memory: what is small is never written to the disk."""

import os
from pathlib import Path

from n2k_fcgi.errors import CountsDisagree
from n2k_fcgi.files import PRIVATE, open_new, write_all

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a spill that an import keeps in memory where nearly every night's fits: a hundredth of ten million rows."""


class Spill:
    """Appended to, then read by offsets, then closed. *memory*: bytes up to which no file is made.

    Raises OSError if the disk is full or fails, CountsDisagree if the file was cut.
    """

    def __init__(self, path: Path, memory: int) -> None:
        self._path = path
        self._memory = memory
        self._held: bytearray | None = bytearray()
        self._fd = -1
        self.end = 0
        """Bytes so far."""

    def append(self, data: bytes) -> None:
        """Append *data*."""
        if self._held is not None:
            self._held += data
            if len(self._held) > self._memory:
                self._fd = open_new(self._path, PRIVATE.file)
                write_all(self._fd, bytes(self._held))
                self._held = None
        else:
            write_all(self._fd, data)
        self.end += len(data)

    def read(self, start: int, end: int) -> bytes:
        """Return what is between two offsets."""
        data = bytes(self._held[start:end]) if self._held is not None else os.pread(self._fd, end - start, start)
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
