"""Running a command and seeing what it takes: wall and CPU seconds, resident memory, disk, bytes written."""

import os
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

POLL = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


class Taken(NamedTuple):
    """What a command took."""

    wall: float
    cpu: float
    peak_process: int
    """Resident bytes of the largest process."""
    peak_all: int
    """Resident bytes of all its processes at one time."""
    peak_disk: int
    """Bytes below the watched folder, at one time."""
    written: int
    """Bytes that it and the processes it waited for gave to the disk (``write_bytes`` of proc_pid_io(5)): pages of files, also
    of those that were removed before they reached it. An import writes nowhere but in its data directory."""


def run(command: list[str], watched: Path | None = None, environment: dict[str, str] | None = None) -> Taken:
    """Run to the end; an exit code other than 0 ends the benchmark. Python writes no bytecode meanwhile."""
    before = children_seconds()
    started = time.monotonic()
    peak_process = peak_all = peak_disk = polls = 0
    environment = {**(environment or os.environ), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as child:
        # Ended but not waited for, a process still has its counts, those of the processes it waited for among them.
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            sizes = [resident(pid) for pid in descendants(child.pid)]
            peak_process = max([peak_process, *sizes])
            peak_all = max(peak_all, sum(sizes))
            if watched is not None and polls % 10 == 0:
                peak_disk = max(peak_disk, folder_bytes(watched))
            polls += 1
            time.sleep(POLL)
        written = written_bytes(child.pid)
    wall = time.monotonic() - started
    if child.returncode:
        sys.exit(f"{' '.join(command)}: exit code {child.returncode}")
    return Taken(wall, children_seconds() - before, peak_process, peak_all, peak_disk, written)


def children_seconds() -> float:
    """User and system time of the children that were waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def descendants(pid: int) -> list[int]:
    """*pid* and all below it."""
    found = [pid]
    for parent in found:
        try:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            continue
    return found


def resident(pid: int) -> int:
    """Resident bytes now, pages of maps included; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def written_bytes(pid: int) -> int:
    """See ``Taken.written``, until now."""
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(counts["write_bytes"])


def folder_bytes(folder: Path) -> int:
    """Bytes on the disk of all files below *folder*."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            continue
    return total


def percentile(values: list[float], percent: float) -> float:
    """The value that *percent* of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def machine() -> str:
    """What the figures were taken on: processor, cores, memory, system, Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, Linux {platform.release()}, Python {platform.python_version()}"


def sync_time(folder: Path) -> float:
    """Median microseconds of a page appended to a file in *folder* and synced: what its disk takes."""
    taken = []
    with (folder / "page").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - started) * 1e6)
    return median(taken)


class Held(NamedTuple):
    """Memory of a process in bytes."""

    private: int
    """Its own: what no file backs and nobody shares."""
    unmapped: int
    """Address space without the maps of data files."""
    threads: int


def private(pid: int) -> Held:
    """What a process holds now."""
    rollup = dict(re.findall(r"^(\w+): +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE))
    own = int(rollup["Private_Dirty"]) * 1024
    size = mapped = 0
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        start, _, end = line.split()[0].partition("-")
        size += int(end, 16) - int(start, 16)
        if line.endswith(".mdb"):
            mapped += int(end, 16) - int(start, 16)
    return Held(own, size - mapped, len(list(Path(f"/proc/{pid}/task").iterdir())))
