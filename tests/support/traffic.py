"""The disk as the kernel counts it: what a process reads and writes, and which pages of a file are in the disk cache."""

import contextlib
import ctypes
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.coverage import measured

PAGE = os.sysconf("SC_PAGE_SIZE")
POLL = 0.05
SECONDS = 120


@contextlib.contextmanager
def folder_on_a_disk() -> Iterator[Path]:
    """A folder where pages can leave the cache: ``/tmp`` may be one that is nowhere else (tmpfs)."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="n2k-") as place:
        yield Path(place)


class Count(NamedTuple):
    """What a process had moved at a moment between two times, in monotonic seconds."""

    before: float
    after: float
    calls: int
    """Bytes of its reads and writes."""
    disk: int
    """Bytes that it fetched from the disk, and made dirty."""
    is_paced: bool
    """Whether it had its own counts open (``store/ration.py``): before that it reads its modules, whatever the ration."""


class Watched(NamedTuple):
    """A command that has ended."""

    counts: list[Count]
    """The last one is of its end."""

    @property
    def paced(self) -> list[Count]:
        """Those while it was paced."""
        return [count for count in self.counts if count.is_paced]


def watch(command: Sequence[str | Path], *, seconds: float = SECONDS, **environment: str) -> Watched:
    """Run a command to its end, which must be good and within *seconds*, and count meanwhile."""
    counts = []
    options = {**os.environ, **measured(), **environment}
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, env=options) as child:
        deadline = time.monotonic() + seconds
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline
            counts.append(_count(child.pid))
            time.sleep(POLL)
        counts.append(_count(child.pid))  # ended but not waited for, it still has its counts
    assert child.returncode == 0
    return Watched(counts)


def _count(pid: int) -> Count:
    before = time.monotonic()
    found = {name: int(number) for name, number in map(str.split, Path(f"/proc/{pid}/io").read_text().splitlines())}
    calls, disk = found["rchar:"] + found["wchar:"], found["read_bytes:"] + found["write_bytes:"]
    return Count(before, time.monotonic(), calls, disk, _has_open(pid, f"/proc/{pid}/io"))


def _has_open(pid: int, wanted: str) -> bool:
    try:
        return any(os.readlink(link) == wanted for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it ends, or a file was closed meanwhile
        return False


def excess(counts: list[Count], rate: int) -> float:
    """The most bytes, between any two counts, above what *rate* permits in the time between them."""
    return max(
        max(later.calls - first.calls, later.disk - first.disk) - rate * (later.after - first.before)
        for at, first in enumerate(counts)
        for later in counts[at + 1 :]
    )


def cached_bytes(path: Path) -> int:
    """How much of a file is in the disk cache (mincore(2)); nothing is read for that."""
    size = path.stat().st_size
    if not size:
        return 0
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as pages:
        states = (ctypes.c_ubyte * ((size + PAGE - 1) // PAGE))()
        held = ctypes.c_char.from_buffer(pages)
        try:
            place = ctypes.c_void_p(ctypes.addressof(held))
            done = ctypes.CDLL(None, use_errno=True).mincore(place, ctypes.c_size_t(size), states)
        finally:
            del held
    if done:
        sys.exit(f"mincore: {os.strerror(ctypes.get_errno())}")
    return sum(state & 1 for state in states) * PAGE
