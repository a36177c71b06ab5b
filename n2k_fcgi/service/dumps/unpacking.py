"""Unpacking beside the import by what is installed: the programs ``lbzip2`` and ``pigz``, the package indexed_bzip2.

A program reads the dump's own descriptor; Python only reads what it writes. All of them stop, most without a message, at
anything that is not a stream, such as padding with another stream behind it: ``Wholeness`` reports whether they read all.
"""

import errno
import io
import os
import re
import resource
import shutil
import subprocess
import zlib
from typing import BinaryIO

from n2k_fcgi.errors import DumpBroken, HelperLost, NoMemory, is_no_memory
from n2k_fcgi.service.dumps.archives import Kind

PROGRAMS = {Kind.BZ2: ("lbzip2", "-dc", "-n", "{jobs}"), Kind.GZ: ("pigz", "-dc", "-p", "1")}
"""Kind of archive -> program and arguments.

gz is unpacked by one thread whatever is asked for: pigz's other threads do nothing but read, write and sum, and it joins them
at each member: 300,000 empty ones took 29 s, with one thread 0.05 s (120 MB/s of csv with one, 160 with three; measured).
"""

READ_SIZE = 1024 * 1024


_NO_THREAD = os.strerror(errno.EAGAIN)
"""The message of a host that limits threads."""

ROOM = 1024 * 1024 * 1024
"""Bytes of address space below which no threads are used: their stacks and heaps take 100 MB each, and indexed_bzip2 ends the
process if it cannot start one (tried with limits of 60 to 300 MB)."""


class Unpacker(io.RawIOBase):
    """Reads what a child process unpacks. At the end raises DumpBroken, NoMemory or HelperLost if the child failed."""

    def __init__(self, command: list[str], packed: BinaryIO) -> None:
        self._child = subprocess.Popen(command, stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._child.stdout is None or self._child.stdout.closed:
            return 0
        data = self._child.stdout.read1(min(len(buffer), READ_SIZE))  # type: ignore[attr-defined]
        if not data:
            self._refuse_failure()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Stop the child if it is still running."""
        if not self.closed:
            self._child.kill()
            self._child.communicate()
        super().close()

    def _refuse_failure(self) -> None:
        _, said = self._child.communicate()
        code = self._child.returncode
        lines = said.decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
        if code < 0:
            raise HelperLost(code=code)
        if code and is_no_memory(lines):
            raise NoMemory(what="unpacking the dump")
        if code:
            raise HelperLost(code=lines[0]) if _NO_THREAD in lines[0] else DumpBroken(why=lines[0])


class Indexed:
    """Reads bz2 by the package indexed_bzip2 (the extra ``parallel``), which has a descriptor of its own."""

    def __init__(self, packed: BinaryIO, jobs: int) -> None:
        import indexed_bzip2  # late: an extra, perhaps not installed

        self._packed = packed
        self._file = indexed_bzip2.open(packed, parallelization=jobs)

    def read(self, size: int) -> bytes:
        """Return *size* bytes at most. Raises OSError if the file is damaged or ends too early."""
        try:
            data: bytes = self._file.read(size)
        except RuntimeError as error:
            if is_no_memory(error):
                raise NoMemory(what="unpacking the dump") from None
            raise OSError(f"it is damaged, or ends too early ({error})") from None
        os.lseek(self._packed.fileno(), self._file.tell_compressed() // 8, os.SEEK_SET)  # for the progress
        return data

    def close(self) -> None:
        """Stop its threads."""
        self._file.close()


class Wholeness:
    """Determines whether all of a packed file was unpacked: certain if the file is nothing but streams, end to end.

    Pass it all ``unpacked`` blocks, then all ``packed`` ones, in order.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._count = 0
        self._sum = 0
        self._place = 0
        self._last = b""
        self._is_broken = False

    def unpacked(self, block: bytes) -> None:
        """Take a block of the content."""
        self._count += len(block)
        if self._kind is Kind.GZ:
            self._sum = zlib.crc32(block, self._sum)

    def packed(self, block: bytes) -> None:
        """Take a block of the file."""
        window = self._last + block
        if self._kind is Kind.BZ2 and not self._is_broken:
            for begin in _BZ2_BEGIN.finditer(window, max(0, len(self._last) - _BZ2_BEGIN_BYTES + 1)):
                at = begin.start()
                is_first = self._place - len(self._last) + at == 0
                self._is_broken |= not is_first and not _is_end_of_bz2(window[max(0, at - _BZ2_TAIL) : at])
        self._place += len(block)
        self._last = window[-_BZ2_TAIL - _BZ2_BEGIN_BYTES + 1 :]

    @property
    def is_sure(self) -> bool:
        """Never of a gz with several streams: its end has the checksum of the last one only."""
        if self._kind is Kind.GZ:
            return self._last[-8:] == self._sum.to_bytes(4, "little") + (self._count % 2**32).to_bytes(4, "little")
        return not self._is_broken and _is_end_of_bz2(self._last)


_BZ2_BEGIN = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_BZ2_BEGIN_BYTES = 10
_BZ2_END = 0x177245385090
_BZ2_TAIL = 11
"""Bytes that contain a stream's end mark (48 bits), its checksum (32 bits) and up to 7 bits of padding."""


def _is_end_of_bz2(before: bytes) -> bool:
    """Whether a bz2 stream ends with these bytes: its parts begin at any bit."""
    tail = int.from_bytes(before[-_BZ2_TAIL:], "big")
    return any(tail >> (32 + padding) & (2**48 - 1) == _BZ2_END for padding in range(8))


def unpacker(kind: Kind, packed: BinaryIO, jobs: int) -> Unpacker | Indexed | None:
    """Return what unpacks the file *packed* from its beginning, with *jobs* threads at most.

    None, with the file at its position, if nothing suitable is installed, the host allows no process, thread or addresses
    for it, or the file does not end as a stream does.
    """
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if jobs < 2 or kind not in PROGRAMS or (addresses != resource.RLIM_INFINITY and addresses < ROOM):
        return None
    if kind is Kind.BZ2 and not _is_end_of_bz2(_tail(packed)):
        return None
    place = os.lseek(packed.fileno(), 0, os.SEEK_CUR)
    os.lseek(packed.fileno(), 0, os.SEEK_SET)
    name, *arguments = PROGRAMS[kind]
    try:
        if program := shutil.which(name):
            return Unpacker([program, *(argument.format(jobs=jobs) for argument in arguments)], packed)
        if kind is Kind.BZ2:
            return Indexed(packed, jobs)
    except (ImportError, OSError, RuntimeError):
        pass
    os.lseek(packed.fileno(), place, os.SEEK_SET)
    return None


def _tail(packed: BinaryIO) -> bytes:
    return os.pread(packed.fileno(), _BZ2_TAIL, max(0, os.fstat(packed.fileno()).st_size - _BZ2_TAIL))
