"""Unpacking on more than one core by what is installed: the programs ``lbzip2`` and ``pigz``, the package indexed_bzip2.

A program reads the dump's own descriptor; Python only reads what it writes.
"""

import io
import os
import shutil
import subprocess
from typing import BinaryIO

from n2k_fcgi.errors import DumpBroken

PROGRAMS = {"bz2": ("lbzip2", "-dc", "-n"), "gz": ("pigz", "-dc", "-p")}
"""Kind of archive -> program, its arguments, and the option that takes the number of threads."""

READ_SIZE = 1024 * 1024


class Unpacker(io.RawIOBase):
    """Reads what a child process unpacks. At its end the child's exit code is held against it: DumpBroken."""

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
        """Stop the child if it still runs."""
        if not self.closed:
            self._child.kill()
            self._child.communicate()
        super().close()

    def _refuse_failure(self) -> None:
        _, said = self._child.communicate()
        if self._child.returncode:
            lines = said.decode("utf-8", "replace").strip().splitlines() or [f"exit code {self._child.returncode}"]
            raise DumpBroken(why=lines[0])


class Indexed:
    """Reads bz2 through the package indexed_bzip2 (the extra ``parallel``), which knows nothing of our descriptor's place."""

    def __init__(self, packed: BinaryIO, jobs: int) -> None:
        import indexed_bzip2

        self._packed = packed
        self._file = indexed_bzip2.open(packed, parallelization=jobs)

    def read(self, size: int) -> bytes:
        """At most *size* bytes; raises OSError when the file is damaged or ends too early."""
        try:
            data: bytes = self._file.read(size)
        except RuntimeError as error:
            raise OSError(f"it is damaged, or ends too early ({error})") from None
        os.lseek(self._packed.fileno(), self._file.tell_compressed() // 8, os.SEEK_SET)  # for the progress
        return data

    def close(self) -> None:
        """Stop its threads."""
        self._file.close()


def unpacker(kind: str, packed: BinaryIO, jobs: int) -> Unpacker | Indexed | None:
    """What unpacks the file *packed* from its beginning with *jobs* threads.

    None, and the file where it was, when nothing is installed that can, or the host gives no process or thread for it.
    """
    if jobs < 2 or kind not in PROGRAMS:
        return None
    place = os.lseek(packed.fileno(), 0, os.SEEK_CUR)
    os.lseek(packed.fileno(), 0, os.SEEK_SET)
    name, *arguments = PROGRAMS[kind]
    try:
        if program := shutil.which(name):
            return Unpacker([program, *arguments, str(jobs)], packed)
        if kind == "bz2":
            return Indexed(packed, jobs)
    except (ImportError, OSError, RuntimeError):
        pass
    os.lseek(packed.fileno(), place, os.SEEK_SET)
    return None
