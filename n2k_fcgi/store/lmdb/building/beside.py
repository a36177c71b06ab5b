"""Sorting in a second process, beside the one that reads and writes: it uses a second core, and both processes are small.

Messages on both pipes are 8 bytes of length, little-endian, and that many bytes of marshal: a tuple whose first item is a
word. To the child: ``batch``, ``keys``, ``names``. From it: ``range``, ``end``, and ``failed`` with an errno and its text.
The child never outlives the import: it ends at the end of its input, and ``close`` kills it.
"""

import contextlib
import errno
import fcntl
import gc
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2k_fcgi import logs
from n2k_fcgi.errors import HelperLost, N2KError, NoMemory, is_no_memory
from n2k_fcgi.files import write_all
from n2k_fcgi.model.batch import Batch
from n2k_fcgi.store.lmdb.building.runs import MARSHAL, Range
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.sorting import Sorting

_LENGTH = 8
_PIPE_BYTES = 1024 * 1024
"""Bytes of a pipe's buffer, the most for users; with the default, 64 KB, both ends wait for each other more often."""
_COMMAND = "import sys; sys.path[:] = {path!r}; from {module} import main; main({folder!r}, {sizes!r})"


class SortingBeside:
    """``Sorting`` in a child process. Raises OSError if it cannot be started or its disk is full; NoMemory; HelperLost."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        command = _COMMAND.format(path=sys.path, module=__name__, folder=str(folder), sizes=tuple(sizes))
        pipe = subprocess.PIPE
        self._child = subprocess.Popen([sys.executable, "-c", command], stdin=pipe, stdout=pipe, stderr=pipe)
        assert self._child.stdin is not None and self._child.stdout is not None
        self._to, self._from = self._child.stdin.fileno(), self._child.stdout.fileno()
        for fd in (self._to, self._from):
            with contextlib.suppress(OSError, AttributeError):  # not Linux, or the user's limit for pipes is reached
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        self._ask("batch", *batch)

    def keys(self) -> Iterator[Range]:
        """Yield all key lines, once."""
        return self._ranges("keys")

    def names(self) -> Iterator[Range]:
        """Yield all name lines, once."""
        return self._ranges("names")

    def _ranges(self, which: str) -> Iterator[Range]:
        self._ask(which)
        while (message := self._answer())[0] == "range":
            yield Range(*message[1:])

    def _ask(self, *message: Any) -> None:
        try:
            _send(self._to, *message)
        except BrokenPipeError:
            self._answer()  # raises the reason, if the child sent one
            raise self._lost() from None

    def _answer(self) -> tuple[Any, ...]:
        message = _receive(self._from)
        if message is None:
            raise self._lost()
        if message[0] == "failed":
            if message[1] == errno.ENOMEM:
                raise NoMemory(what="the import's second process")
            raise OSError(*message[1:])
        return message

    def _lost(self) -> N2KError:
        """Return why it ended; a traceback on its standard error is logged."""
        _, said = self._child.communicate()
        text = said.decode("utf-8", "replace").strip()
        if is_no_memory(text) or "MemoryError" in text:
            return NoMemory(what="the import's second process")
        if text:
            logs.error(f"the import's second process: {text}")
        return HelperLost(code=self._child.returncode)

    def close(self) -> None:
        """Kill the child; the folder's owner removes its spills."""
        self._child.kill()
        self._child.communicate()


def _send(pipe: int, *message: Any) -> None:
    packed = marshal.dumps(message, MARSHAL)
    write_all(pipe, len(packed).to_bytes(_LENGTH, "little"))
    write_all(pipe, packed)


def _receive(pipe: int) -> tuple[Any, ...] | None:
    """Return the next message; None at the end, also if the sender was killed in the middle."""
    length = _read(pipe, _LENGTH)
    packed = _read(pipe, int.from_bytes(length, "little"))
    if not packed or len(packed) < int.from_bytes(length, "little"):
        return None
    message: tuple[Any, ...] = marshal.loads(packed)
    return message


def _read(pipe: int, size: int) -> bytearray:
    """Read *size* bytes; fewer at the end of the pipe."""
    data = bytearray(size)
    missing = memoryview(data)
    while missing and (taken := os.readv(pipe, [missing])):
        missing = missing[taken:]
    return data[: size - len(missing)] if missing else data


def main(folder: str, sizes: tuple[int, ...]) -> None:
    """The child: answer messages until the input ends."""
    gc.disable()  # rows have no cycles
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which kills this process
    asked, answers = sys.stdin.fileno(), sys.stdout.fileno()
    with contextlib.suppress(BrokenPipeError):
        try:
            sorting = Sorting(Path(folder), Sizes(*sizes))
            while (message := _receive(asked)) is not None:
                word, *rest = message
                if word == "batch":
                    sorting.add(Batch(*rest))
                    continue
                for found in sorting.keys() if word == "keys" else sorting.names():
                    _send(answers, "range", *found)
                _send(answers, "end")
        except BrokenPipeError:
            raise
        except OSError as error:
            _send(answers, "failed", error.errno, error.strerror)
        except MemoryError:
            _send(answers, "failed", errno.ENOMEM, os.strerror(errno.ENOMEM))
