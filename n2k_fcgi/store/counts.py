"""What this process counts: in memory, and now and then as lines behind ``statistics.lines``, which are merged later.

Counting never waits and never fails: what cannot be written is kept and tried again, and lost when the process ends. A line
has its length before it, so that a torn one is recognised; it begins with a line feed, so that it does not spoil the next.

    <length>:<Unix seconds> <kind of process> <process id> <its start> <resident bytes> <answers since then> <name>=<count> …
"""

from __future__ import annotations

import contextlib
import os
import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.files import try_lock
from n2k_fcgi.model.choices import Front
from n2k_fcgi.store.datadir import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from n2k_fcgi.files import Modes

LONGEST_LINE = 512
"""Bytes."""

MERGED_ABOVE = 64 * 1024
"""Bytes of lines that are merged by whoever sees so many: where there is no worker, the next process of CGI."""

MOST_WAITING = 1024 * 1024
"""Bytes of lines above which none is added: they cannot be merged, and must not fill the disk."""

MOST_NAMES = 2000
"""Different counters that a process keeps in memory."""

BITS_OF_THE_FIRST, LAST_BUCKET = 10, 24
"""Of a histogram (``model.statistics``): the bits of a number of nanoseconds in the first bucket, and the last one."""

ATTEMPTS = 20
"""To lock the file of lines, a millisecond apart: a merge holds it for one rename."""


class Counts:
    """The counters of one process. *memory*: returns its resident bytes."""

    __slots__ = ("_answers", "_lookups", "_memory", "_mode", "_names", "_path", "_started", "front", "made", "wrote")

    def __init__(self, data_dir: str, modes: Modes, memory: Callable[[], int]) -> None:
        self._path = os.path.join(data_dir, COUNTED)
        self._mode = modes.file
        self._memory = memory
        self._started = int(time.time())
        self._answers: dict[tuple[str, int, int, str | None], list[int]] = {}
        self._lookups: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self.front = Front.COMMAND
        self.made = 0
        """Answers that were noted."""
        self.wrote = False
        """Whether lines were written that this process has not looked at since, to merge them."""

    def __bool__(self) -> bool:
        """Whether something was counted that is not noted."""
        return bool(self._answers or self._names or self._lookups)

    def answered(self, kind: str, status: int, nanoseconds: int, grid: str | None = None) -> None:
        """Count the answer to a request of *kind* with an HTTP status, and the time that it took to make.

        *grid*: as for ``looked_up``; None: no lookup, or counted by that.
        """
        key = kind, status, nanoseconds.bit_length(), grid
        cell = self._answers.get(key)
        if cell is None:
            self._answers[key] = [1, nanoseconds]
        else:
            cell[0] += 1
            cell[1] += nanoseconds

    def looked_up(self, grid: str) -> None:
        """Count a name or key that was asked for; *grid*: of the avatar that answers, '' if there is none."""
        self._lookups[grid] = self._lookups.get(grid, 0) + 1

    def add(self, name: str, count: int = 1) -> None:
        """Add *count* to a counter: family, dot, word (``model.statistics.Family``)."""
        if count and (name in self._names or len(self._names) < MOST_NAMES):
            self._names[name] = self._names.get(name, 0) + count

    def begin(self, front: Front, after: Counts | None = None) -> None:
        """Say of what kind this process is, and count its start; *after*: it goes on with another store than that of these."""
        self.front = front
        if after is None:
            self.add(f"starts.{front}")
        else:
            self._started, self.made = after._started, after.made

    def note(self) -> int:
        """Write what was counted behind the lines; return the bytes that wait to be merged, 0 if unknown. Never raises."""
        self._gather()
        if not self._names:
            return 0
        try:
            return self._append()
        except OSError:
            return 0  # kept, and tried again

    def waiting(self) -> int:
        """Return how many bytes of lines wait to be merged."""
        with contextlib.suppress(OSError):
            return os.stat(self._path).st_size
        return 0

    def _gather(self) -> None:
        """Turn what is counted per request into counters."""
        for (kind, status, bits, grid), (count, nanoseconds) in self._answers.items():
            self.made += count
            self.add(f"answers.{kind}.{status}", count)
            self.add(f"latency.{kind}.{min(max(0, bits - BITS_OF_THE_FIRST), LAST_BUCKET)}", count)
            self.add(f"microseconds.{kind}", nanoseconds // 1000)
            if grid is not None:
                self._lookups[grid] = self._lookups.get(grid, 0) + count
        for grid, count in self._lookups.items():
            self.add("lookups.hit" if grid else "lookups.miss", count)
            if grid:
                self.add(f"grids.{quoted(grid)}", count)
        self._answers.clear()
        self._lookups.clear()

    def _append(self) -> int:
        fd = self._locked()
        if fd is None:
            return 0
        try:
            found = os.fstat(fd)
            if found.st_mode & 0o777 != self._mode:  # the umask may have taken the group's part
                with contextlib.suppress(OSError):  # it has another owner, who has given it
                    os.fchmod(fd, self._mode)
            size, self.wrote = found.st_size, True
            for names, line in list(self._lines()):
                if size > MOST_WAITING:
                    break
                written = os.write(fd, line)
                size += written
                if written < len(line) - 1:  # the disk is full: that line is dropped by who reads it
                    break  # one without its last line feed is whole: the next begins with another
                for name in names:
                    del self._names[name]
            return size
        finally:
            os.close(fd)

    def _locked(self) -> int | None:
        """Open the file of lines with a lock that others may share but not a merge; None: it is not to be had."""
        for _ in range(ATTEMPTS):
            fd = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, self._mode
            )
            try:
                if not try_lock(fd, shared=True):
                    time.sleep(0.001)
                elif _is_at(self._path, fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        return None

    def _lines(self) -> Iterator[tuple[list[str], bytes]]:
        """Yield lines of LONGEST_LINE bytes at most, each with the names of its counters."""
        head = f"{int(time.time())} {self.front} {os.getpid()} {self._started} {self._memory()} {self.made}"
        names: list[str] = []
        text = head
        for name, count in self._names.items():
            item = f" {name}={count}"
            if len(text) + len(item) > LONGEST_LINE - 8:
                yield names, _framed(text)
                names, text = [], head
            names.append(name)
            text += item
        yield names, _framed(text)


def _is_at(path: str, fd: int) -> bool:
    """Whether *fd* is the file at *path*: a merge may just have taken it away."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def _framed(text: str) -> bytes:
    return f"\n{len(text)}:{text}\n".encode("ascii")


def quoted(word: str) -> str:
    """Return *word* as URLs have it, so that it has neither blanks nor line feeds."""
    if word.isascii() and word.isalnum():
        return word
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "-._:") else "".join(f"%{b:02X}" for b in c.encode()) for c in word
    )
