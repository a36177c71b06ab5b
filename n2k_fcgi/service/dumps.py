"""Opening dump files: what they are is told by their content, never by their name; they are streamed, never unpacked."""

import hashlib
import io
import os
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from n2k_fcgi.errors import DumpBroken, DumpChanged, DumpNotUnderstood, DumpTooLarge, DumpUnreadable
from n2k_fcgi.service.interpreter import needed
from n2k_fcgi.service.streams import DECOMPRESSORS, Streams
from n2k_fcgi.service.unpacking import Indexed, unpacker

try:
    from lzma import LZMAError
except ImportError:  # a Python without: nothing raises it then
    LZMAError = EOFError  # type: ignore[misc, assignment]

BLOCK = 1024 * 1024
"""Unpacked bytes a step."""

HEAD = 8
STDIN = "-"

_MAGIC = {b"BZh": "bz2", b"\x1f\x8b": "gz", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\xfd7zXZ\x00": "xz"}
_BROKEN = (EOFError, OSError, zlib.error, LZMAError, zipfile.BadZipFile, NotImplementedError)

_ZIP_MODULES = {zipfile.ZIP_BZIP2: "bz2", zipfile.ZIP_LZMA: "lzma"}


def kind_of(head: bytes) -> str:
    """``bz2``, ``gz``, ``zip``, ``xz`` or ``plain``, from the first bytes of a file."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "plain")


class _Hashed(io.RawIOBase):
    """Passes bytes on while counting and hashing them, and lets the head be looked at first."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file = file
        self._head = head
        self.count = 0
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        if not data:
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        self.sha256.update(data)
        return len(data)


class Readable(Protocol):
    """What a dump's content is read from."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Dump:
    """An open dump: iterate ``blocks`` once, to the end; then ``sha256`` is known. Use as a context manager.

    ``size`` is the packed size in bytes, None on a pipe; ``position`` the packed bytes read so far; ``time`` the archive's
    or file's own time in unix seconds, None when it has none.
    """

    def __init__(self, source: str | Path, *, max_bytes: int | None = None, jobs: int = 1) -> None:
        """Open *source*, a path or '-' for standard input; *jobs*: threads to unpack with, where a program can.

        Raises DumpUnreadable, DumpBroken, DumpNotUnderstood, PythonLacks.
        """
        self.name = str(source)
        self._max_bytes = max_bytes
        self._jobs = jobs
        self._file = _open(self.name)
        try:
            self._prepare()
        except BaseException:
            self._file.close()
            raise

    def _prepare(self) -> None:
        status = os.fstat(self._file.fileno())
        is_file = stat.S_ISREG(status.st_mode)
        self._began_as = self._state()
        self.size = status.st_size if is_file else None
        self.time = int(status.st_mtime) if is_file else None
        self._hashed = _Hashed(self._file, _first_bytes(self._file))
        self.kind = kind_of(self._hashed._head)
        self._in_order = self.kind != "zip"
        self._stream: Readable = self._unpacked(is_file)

    def _unpacked(self, is_file: bool) -> Readable:
        child = unpacker(self.kind, self._file, self._jobs) if is_file else None
        if child is not None:
            self._in_order = False
            return child if isinstance(child, Indexed) else io.BufferedReader(child, BLOCK)
        packed = io.BufferedReader(self._hashed, BLOCK)
        if self.kind in DECOMPRESSORS:
            return Streams(packed, self.kind)
        if self.kind == "zip":
            if not is_file:
                raise DumpNotUnderstood(why="a zip cannot be read from a pipe: save it to a file first")
            return self._zip_member()
        return packed

    def _zip_member(self) -> IO[bytes]:
        """The first ``.csv`` (else the first file) of a zip; its directory stands at the end, so it is no stream."""
        self._file.seek(0)
        try:
            archive = zipfile.ZipFile(self._file)
            members = [info for info in archive.infolist() if not info.is_dir()]
            csv = [info for info in members if info.filename.lower().endswith(".csv")] or members
            if not csv:
                raise DumpNotUnderstood(why="the zip is empty")
            self.time = int(time.mktime((*csv[0].date_time, 0, 0, -1)))
            if csv[0].compress_type in _ZIP_MODULES:
                needed(_ZIP_MODULES[csv[0].compress_type])
            return archive.open(csv[0])
        except (*_BROKEN, RuntimeError) as error:
            raise DumpBroken(why=error) from None

    @property
    def position(self) -> int:
        """Packed bytes read so far."""
        return self._hashed.count if self._in_order else os.lseek(self._file.fileno(), 0, os.SEEK_CUR)

    @property
    def sha256(self) -> str:
        """Of the whole packed dump, once all blocks were read."""
        return self._hashed.sha256.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """The unpacked content.

        Raises DumpBroken, DumpTooLarge, DumpNotUnderstood for an archive in an archive, DumpChanged at the end.
        """
        total = 0
        while block := self._read():
            if total == 0 and (self.kind != "plain" and kind_of(block) != "plain"):
                raise DumpNotUnderstood(why="it is an archive in an archive")
            total += len(block)
            if self._max_bytes is not None and total > self._max_bytes:
                raise DumpTooLarge(limit=self._max_bytes)
            yield block
        self._drain()

    def _read(self) -> bytes:
        try:
            return self._stream.read(BLOCK)
        except _BROKEN as error:
            if self.kind == "plain":
                raise DumpUnreadable(path=self.name, why=error) from None
            raise DumpBroken(why=error) from None

    def _drain(self) -> None:
        """Hash what follows the archive, or all of it where it was not read in order, or not by us."""
        if not self._in_order:
            self._file.seek(0)
            self._hashed = _Hashed(self._file, b"")
        while self._hashed.read(BLOCK):
            pass
        if self._state() != self._began_as:
            raise DumpChanged(path=self.name)

    def _state(self) -> tuple[int, int] | None:
        """What changes when somebody writes to the file; None on a pipe."""
        status = os.fstat(self._file.fileno())
        return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()

    def __enter__(self) -> "Dump":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_bytes(file: BinaryIO) -> bytes:
    """Enough to tell the kind; a pipe may give them piece by piece."""
    head = b""
    while len(head) < HEAD and (piece := file.read(HEAD - len(head))):
        head += piece
    return head


def _open(source: str) -> BinaryIO:
    """Unbuffered: a child may read the same descriptor, and its position is then the child's."""
    try:
        if source == STDIN:
            return open(0, "rb", buffering=0, closefd=False)
        path = Path(source)
        if path.is_dir():
            raise DumpUnreadable(path=source, why="it is a directory")
        return path.open("rb", buffering=0)
    except OSError as error:
        raise DumpUnreadable(path=source, why=error.strerror) from None
