"""Opening dumps: recognised by content, never by name; streamed, never unpacked to disk."""

import contextlib
import errno
import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO

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
from n2k_fcgi.service.dumps.sources import Opened, Source
from n2k_fcgi.service.dumps.streams import DAMAGE, DECOMPRESSORS, Readable, Streams
from n2k_fcgi.service.dumps.unpacking import Indexed, Wholeness, unpacker

BLOCK = 1024 * 1024
"""Unpacked bytes per step."""

HEAD = 8
"""Bytes that determine the kind, and in a gz the time."""

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

    def __init__(self, file: Readable, head: bytes) -> None:
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


class Dump:
    """An open dump: iterate over ``blocks`` once, to the end; then ``sha256`` and ``warnings`` are known. A context manager.

    ``size`` is the packed size in bytes, None on a pipe; ``position`` the packed bytes read so far; ``member`` the file in a
    zip that is read, '' for other kinds; ``times`` the archive's and the file's own time, the better one first.
    """

    def __init__(self, source: str | Path | Source, *, max_bytes: int | None = None, jobs: int = 1, block: int = BLOCK) -> None:
        """Open *source*, a path, '-' for standard input, or what arrives; *jobs*: threads to unpack with, where a program
        can; *block*: unpacked bytes per step.

        Raises DumpUnreadable, DumpBroken, DumpNotUnderstood, DumpNeedsUnpacking, NoDumpInZip, PythonLacks.
        """
        self.name = str(source) if isinstance(source, (str, Path)) else ""
        self.member = ""
        self.warnings: list[str] = []
        """What was odd but is no reason to reject it."""
        self.at_end: Callable[[], None] = lambda: None
        """Called when all was read and ``sha256`` is known; what it raises, ``blocks`` raises."""
        self._max_bytes = max_bytes
        self._jobs = jobs
        self._block = block
        self._source: Source = Opened(self.name) if isinstance(source, (str, Path)) else source
        self._file = self._source.file
        try:
            self._prepare()
        except BaseException:
            self._source.close()
            raise

    def _prepare(self) -> None:
        self.size = self._source.size
        head = _first_bytes(self._source)
        self.kind = kind_of(head)
        self.times = list(self._source.times)
        if self.kind is Kind.GZ and (seconds := int.from_bytes(head[4:8], "little")):  # RFC 1952: 0 is no time
            self.times.insert(0, Clue(Stated.GZ, seconds))
        self._hashed = _Hashed(self._source, head)
        self._helper = unpacker(self.kind, self._file, self._jobs) if self._file is not None else None
        self._in_order = self._helper is None and self.kind is not Kind.ZIP
        self._stream: Readable = self._opened()

    def _opened(self) -> Readable:
        if self._helper is not None:
            return self._helper if isinstance(self._helper, Indexed) else io.BufferedReader(self._helper, self._block)
        if self.kind is Kind.ZIP:
            if self._file is None:
                raise DumpNotUnderstood(why=self._source.why_no_zip)
            return self._zip_member(self._file)
        return self._by_the_standard_library()

    def _by_the_standard_library(self) -> Readable:
        packed = io.BufferedReader(self._hashed, self._block)
        return Streams(packed, self.kind) if self.kind in DECOMPRESSORS else packed

    def _zip_member(self, file: BinaryIO) -> Readable:
        """A zip has its directory at the end, so it cannot be streamed."""
        from n2k_fcgi.service.dumps.zips import open_member  # late: for zips only

        file.seek(0)
        member = open_member(file)
        self.member = member.name
        self.times.insert(0, member.time)
        return member.stream

    @property
    def position(self) -> int:
        """Packed bytes read so far."""
        if self._in_order or self._file is None:
            return self._hashed.count
        return os.lseek(self._file.fileno(), 0, os.SEEK_CUR)

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

    def blocks(self) -> Generator[bytes, None, None]:
        """The unpacked content.

        Raises DumpBroken, DumpTooLarge, DumpNotUnderstood or DumpNeedsUnpacking for an archive, DumpChanged at the end.
        """
        total = 0
        for block in self._contents():
            if total == 0:
                refuse_archive(self.kind, block)
                if self.kind is Kind.PLAIN and self._file is not None and b"\0" in block:
                    refuse_end_of_zip(self._file.fileno())
            total += len(block)
            if self._max_bytes is not None and total > self._max_bytes:
                raise DumpTooLarge(limit=self._max_bytes)
            yield block
        if isinstance(self._stream, Streams) and self._stream.left_out:
            self.warnings.append(f"{self._stream.left_out}: left out")
        if self._source.has_changed():
            raise DumpChanged(path=self.name)
        self.at_end()

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
        self._hashed = self._from_start()
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
        self._hashed = self._from_start()
        while block := self._hashed.read(self._block):
            if wholeness is not None:
                wholeness.packed(block)

    def _from_start(self) -> _Hashed:
        """Read a second time: only a file is read out of order, or by a helper."""
        assert self._file is not None
        self._file.seek(0)
        return _Hashed(self._source, b"")

    def interrupt(self) -> None:
        """End reading in another thread, which may wait for another machine: its next block is an error."""
        self._source.interrupt()

    def close(self) -> None:
        """Close the source and the helper."""
        self._stream.close()
        self._source.close()

    def __enter__(self) -> "Dump":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_bytes(file: Readable) -> bytes:
    """Read HEAD bytes; a pipe may return them in small pieces."""
    head = b""
    while len(head) < HEAD and (piece := file.read(HEAD - len(head))):
        head += piece
    return head
