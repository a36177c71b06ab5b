"""Opening dump files: recognised by content, never by name; streamed, never unpacked to disk."""

import contextlib
import errno
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from n2k_fcgi.errors import (
    DumpBroken,
    DumpChanged,
    DumpNeedsUnpacking,
    DumpNotNewer,
    DumpNotUnderstood,
    DumpShrank,
    DumpTooLarge,
    DumpUnreadable,
    EmptyDump,
    HelperLost,
    NoMemory,
    TooManyBadLines,
    TooManyGrids,
    is_no_memory,
)
from n2k_fcgi.service.dumps.archives import Kind, kind_of, refuse_archive, refuse_end_of_zip
from n2k_fcgi.service.dumps.as_of import Clue, Stated
from n2k_fcgi.service.dumps.location import lacks_scheme
from n2k_fcgi.service.dumps.streams import DAMAGE, DECOMPRESSORS, Streams
from n2k_fcgi.service.dumps.unpacking import Indexed, Wholeness, unpacker

BLOCK = 1024 * 1024
"""Unpacked bytes per step."""

HEAD = 8
"""Bytes that determine the kind, and in a gz the time."""

STDIN = "-"

_BROKEN = (*DAMAGE, zipfile.BadZipFile)
_OF_CONTENT = (
    DumpBroken,
    DumpNeedsUnpacking,
    DumpNotNewer,
    DumpNotUnderstood,
    DumpShrank,
    DumpTooLarge,
    EmptyDump,
    TooManyBadLines,
    TooManyGrids,
)
"""Errors about the content of a dump; in a zip, about one member of it."""


class _Hashed(io.RawIOBase):
    """Counts and hashes the bytes that are read. *head*: those that were read before."""

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
    """What the content is read from."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Dump:
    """An open dump: iterate over ``blocks`` once, to the end; then ``sha256`` and ``warnings`` are known. A context manager.

    ``size`` is the packed size in bytes, None on a pipe; ``position`` the packed bytes read so far; ``member`` the file in a
    zip that is read, '' for other kinds; ``times`` the archive's and the file's own time, the better one first.
    """

    def __init__(self, source: str | Path, *, max_bytes: int | None = None, jobs: int = 1, block: int = BLOCK) -> None:
        """Open *source*, a path or '-' for standard input; *jobs*: threads to unpack with, where a program can;
        *block*: unpacked bytes per step.

        Raises DumpUnreadable, DumpBroken, DumpNotUnderstood, DumpNeedsUnpacking, NoDumpInZip, PythonLacks.
        """
        self.name = str(source)
        self.member = ""
        self.warnings: list[str] = []
        """What was odd but is no reason to reject it."""
        self._max_bytes = max_bytes
        self._jobs = jobs
        self._block = block
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
        head = _first_bytes(self._file)
        self.kind = kind_of(head)
        self.times = [Clue(Stated.FILE, int(status.st_mtime))] if is_file else []
        if self.kind is Kind.GZ and (seconds := int.from_bytes(head[4:8], "little")):  # RFC 1952: 0 is no time
            self.times.insert(0, Clue(Stated.GZ, seconds))
        self._hashed = _Hashed(self._file, head)
        self._helper = unpacker(self.kind, self._file, self._jobs) if is_file else None
        self._in_order = self._helper is None and self.kind is not Kind.ZIP
        self._stream: Readable = self._opened(is_file)

    def _opened(self, is_file: bool) -> Readable:
        if self._helper is not None:
            return self._helper if isinstance(self._helper, Indexed) else io.BufferedReader(self._helper, self._block)
        if self.kind is Kind.ZIP:
            if not is_file:
                raise DumpNotUnderstood(why="a zip cannot be read from a pipe: save it to a file first")
            return self._zip_member()
        return self._by_the_standard_library()

    def _by_the_standard_library(self) -> Readable:
        packed = io.BufferedReader(self._hashed, self._block)
        return Streams(packed, self.kind) if self.kind in DECOMPRESSORS else packed

    def _zip_member(self) -> Readable:
        """A zip has its directory at the end, so it cannot be streamed."""
        from n2k_fcgi.service.dumps.zips import open_member  # late: for zips only

        self._file.seek(0)
        member = open_member(self._file)
        self.member = member.name
        self.times.insert(0, member.time)
        return member.stream

    @property
    def position(self) -> int:
        """Packed bytes read so far."""
        return self._hashed.count if self._in_order else os.lseek(self._file.fileno(), 0, os.SEEK_CUR)

    @property
    def sha256(self) -> str:
        """Of the whole packed dump, after all blocks were read."""
        return self._hashed.sha256.hexdigest()

    @contextlib.contextmanager
    def naming_member(self) -> Iterator[None]:
        """Add the member of the zip to errors about the content."""
        try:
            yield
        except _OF_CONTENT as error:
            if self.member:
                error.within(f"{self.member} in the zip")
            raise

    def blocks(self) -> Iterator[bytes]:
        """The unpacked content.

        Raises DumpBroken, DumpTooLarge, DumpNotUnderstood or DumpNeedsUnpacking for an archive, DumpChanged at the end.
        """
        total = 0
        for block in self._contents():
            if total == 0:
                refuse_archive(self.kind, block)
                if self.kind is Kind.PLAIN and self.size is not None and b"\0" in block:
                    refuse_end_of_zip(self._file.fileno())
            total += len(block)
            if self._max_bytes is not None and total > self._max_bytes:
                raise DumpTooLarge(limit=self._max_bytes)
            yield block
        if isinstance(self._stream, Streams) and self._stream.left_out:
            self.warnings.append(f"{self._stream.left_out}: left out")
        if self._state() != self._began_as:
            raise DumpChanged(path=self.name)

    def _contents(self) -> Iterator[bytes]:
        given = 0
        if self._helper is not None:
            wholeness = Wholeness(self.kind)
            with contextlib.suppress(OSError, DumpBroken, HelperLost, NoMemory):  # the helper gave up: nothing is certain then
                while block := self._stream.read(self._block):
                    given += len(block)
                    wholeness.unpacked(block)
                    yield block
                self._hash_all(wholeness)
            if wholeness.is_sure:
                return
            self._begin_again()
        yield from self._behind(given)
        if not self._in_order:
            self._hash_all()
        while self._hashed.read(self._block):  # after the archive
            pass

    def _begin_again(self) -> None:
        """Read by the standard library, which determines where the archive ends and why, after a helper stopped."""
        self._stream.close()
        self._helper = None
        self._file.seek(0)
        self._hashed = _Hashed(self._file, b"")
        self._in_order = True
        self._stream = self._by_the_standard_library()

    def _behind(self, given: int) -> Iterator[bytes]:
        """Yield the content without its first *given* bytes."""
        while block := self._read():
            if given < len(block):
                yield block[given:]
            given = max(0, given - len(block))

    def _read(self) -> bytes:
        try:
            return self._stream.read(self._block)
        except _BROKEN as error:
            if is_no_memory(error):
                raise NoMemory(what="reading the dump") from None
            if self.kind is Kind.PLAIN or getattr(error, "errno", None) == errno.EIO:
                raise DumpUnreadable(path=self.name, why=error) from None
            if self.kind is Kind.XZ and "nsupported" in str(error):  # a filter or a checksum
                raise DumpNeedsUnpacking(what=f"an odd xz ({error})", command="xz -dc FILE | n2k import -") from None
            raise DumpBroken(why=str(error) or "it ends too early") from None

    def _hash_all(self, wholeness: Wholeness | None = None) -> None:
        """Hash a file that was not read in order, or by a helper."""
        self._file.seek(0)
        self._hashed = _Hashed(self._file, b"")
        while block := self._hashed.read(self._block):
            if wholeness is not None:
                wholeness.packed(block)

    def _state(self) -> tuple[int, int] | None:
        """What changes when the file is written to; None for a pipe."""
        status = os.fstat(self._file.fileno())
        return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    def close(self) -> None:
        """Close the file and the helper."""
        self._stream.close()
        self._file.close()

    def __enter__(self) -> "Dump":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_bytes(file: BinaryIO) -> bytes:
    """Read HEAD bytes; a pipe may return them in small pieces."""
    head = b""
    while len(head) < HEAD and (piece := file.read(HEAD - len(head))):
        head += piece
    return head


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
