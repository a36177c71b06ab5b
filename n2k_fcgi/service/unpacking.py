"""Unpacking by a program that uses more than one core, where one is installed: ``lbzip2``, ``pigz``.

The program reads the dump's own descriptor; Python only reads what it writes.
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


def unpacker(kind: str, packed: BinaryIO, jobs: int) -> Unpacker | None:
    """A child that unpacks the file *packed* from its beginning with *jobs* threads; None where there is no such program."""
    if jobs < 2 or kind not in PROGRAMS:
        return None
    name, *arguments = PROGRAMS[kind]
    program = shutil.which(name)
    if program is None:
        return None
    os.lseek(packed.fileno(), 0, os.SEEK_SET)
    try:
        return Unpacker([program, *arguments, str(jobs)], packed)
    except OSError:  # no process to be had: the standard library does it
        return None
