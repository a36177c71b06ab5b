"""Where the bytes of a dump are from: a file, a pipe, or (``update.streamed``) a download."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Protocol

from n2k_fcgi.errors import DumpUnreadable
from n2k_fcgi.service.dumps.as_of import Clue, Stated
from n2k_fcgi.service.dumps.location import lacks_scheme
from n2k_fcgi.service.dumps.streams import Readable
from n2k_fcgi.store.ration import READ_SIZE, Passing, drop

STDIN = "-"


class Source(Readable, Protocol):
    """What a dump is read from, in order."""

    @property
    def size(self) -> int | None:
        """Bytes; None: unknown."""

    @property
    def times(self) -> list[Clue]:
        """Its own times, which are not those in the archive."""

    @property
    def file(self) -> BinaryIO | None:
        """The regular file that it is: it can be read again, and by a program. None for all others."""

    @property
    def why_no_zip(self) -> str:
        """Why a zip cannot be read, where ``file`` is None."""

    def has_changed(self) -> bool:
        """Whether it was written to since it was opened."""

    def interrupt(self) -> None:
        """Make a ``read`` that waits in another thread for another machine end with an error."""


class Opened:
    """A file or a pipe."""

    why_no_zip = "a zip cannot be read from a pipe: save it to a file first"

    def __init__(self, path: str) -> None:
        """Open *path*, or standard input as '-'. Raises DumpUnreadable."""
        self._file = _open(path)
        self._began_as = self._state()
        is_file = self._began_as is not None
        status = os.fstat(self._file.fileno())
        self.size = status.st_size if is_file else None
        self.times = [Clue(Stated.FILE, int(status.st_mtime))] if is_file else []
        self.file = self._file if is_file else None
        self._passing = Passing(self._file.fileno()) if is_file else None

    def read(self, size: int, /) -> bytes:
        """Return *size* bytes at most, b"" at the end. Raises OSError."""
        if self._passing is None:
            return self._file.read(size)
        data = self._file.read(min(size, READ_SIZE))
        self._passing.was_read(len(data))
        return data

    def has_changed(self) -> bool:
        """Whether the file was written to; never for a pipe."""
        return self._state() != self._began_as

    def interrupt(self) -> None:
        """Do nothing: whoever stops this process stops what writes into the pipe."""

    def close(self) -> None:
        """Close it."""
        if self.file is not None and not self._file.closed:
            drop(self._file.fileno())
        self._file.close()

    def _state(self) -> tuple[int, int] | None:
        """What changes when the file is written to; None for a pipe."""
        status = os.fstat(self._file.fileno())
        return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _open(source: str) -> BinaryIO:
    """Open unbuffered: a child may read from the same descriptor, which has one position."""
    try:
        if source == STDIN:
            return open(0, "rb", buffering=0, closefd=False)
        path = Path(source)
        if path.is_dir():
            raise DumpUnreadable(path=source, why="it is a directory")
        return path.open("rb", buffering=0)
    except OSError as error:
        hint = " (is it an address? say http:// or https:// before it)" if lacks_scheme(source) else ""
        raise DumpUnreadable(path=source, why=f"{error.strerror}{hint}") from None
