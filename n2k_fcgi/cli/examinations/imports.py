"""What imports take on this host: how long, how much room and memory, and what to do where that does not fit.

Bytes of an avatar are those of ``make bench-import`` (docs/benchmarks.md), of a bz2 in the order of names; seconds are tried.
"""

import os
import resource
from collections.abc import Iterator
from typing import NamedTuple

from n2k_fcgi.cli.examinations import trial
from n2k_fcgi.cli.examinations.trial import Failed, Speed
from n2k_fcgi.config import KIB, MIB, Settings
from n2k_fcgi.errors import counted
from n2k_fcgi.examinations import host
from n2k_fcgi.examinations.host import Kind, Limit
from n2k_fcgi.files import RESERVE, free_bytes
from n2k_fcgi.model.findings import Finding, ok, warning
from n2k_fcgi.store.base import Store

USUAL_ROWS = 10_000_000
"""Avatars of a dump of Second Life, some more than W-Hat's had."""

DUMP = 25
"""Bytes in a dump of one avatar."""

MEMORY = 128 * MIB
"""Bytes of an import's processes, with the pages that they map; measured: 84 to 134 MB."""

ALONE, TOGETHER = 1.0, 0.75
"""Seconds beside those of one process: in one, and in two on two cores."""

START = 1.0
"""Seconds of the interpreter, its modules, a request and the syncs at the end."""

PROCESSES = 4
"""Of an import, threads included: two, a thread or program that unpacks, and the command that starts it."""

FILES = 16
"""Of an import and its generation, at one time."""

LONG = 6 * 3600
"""Seconds after which a first import is advised elsewhere; a night, after half of them."""

SHARE = 0.7
"""Of what the host permits, so that lookups have the rest."""

ELSEWHERE = (
    "build it on another machine ('n2k import DUMP --to DIR --base DIR'), copy it here (rsync), "
    "then 'n2k generations use': docs/rationed-disks.md"
)


class Work(NamedTuple):
    """An import, in what it takes for each avatar."""

    subject: str
    moved: int
    """Bytes that are read and written, with the download."""
    room: int
    """Bytes of the disk at its peak, beside what was there."""
    file: int
    """Bytes of the largest file that it makes."""
    seconds: float
    """Of one process."""


def works(speed: Speed) -> list[Work]:
    """A first import, or one that writes a whole generation; and a usual night."""
    return [
        Work("first import", 260 + 3 * DUMP, 120 + DUMP, 90, speed.first),
        Work("a night", 90 + 3 * DUMP, 6 + DUMP, DUMP, speed.night),
    ]


class Disk(NamedTuple):
    """How fast imports may read and write."""

    rate: float | None
    """Bytes per second; None: not known."""
    why: str


def examine(settings: Settings, store: Store, rows: int | None) -> Iterator[Finding]:
    """Examine the host for imports of so many avatars; None: as many as there are, or USUAL_ROWS."""
    found = host.limits()
    rows = rows or max([manifest.rows for manifest in store.generations.listed()[1]], default=USUAL_ROWS)
    yield ok("host limits", host.listed(found))
    yield from rations(found, settings.io)
    speed = trial.speed()
    if isinstance(speed, Failed):
        yield warning("imports", f"a trial of {trial.SIZES[0]:,} avatars failed ({speed.why})", ELSEWHERE)
        return
    disk = disk_of(found, settings.io, trial.writing(settings.folder))
    free = min([free_bytes(settings.folder), *(limit.amount for limit in found if limit.kind is Kind.ROOM)])
    processes = 1 if settings.io or cores(found) < 2 else 2
    for work in works(speed):
        yield estimate(work, rows, disk, processes=processes, free=free)


def rations(found: list[Limit], rate: int) -> Iterator[Finding]:
    """What the host's limits mean for imports; *rate*: the setting io."""
    memory, disk, processes = (host.least(found, kind) for kind in (Kind.MEMORY, Kind.DISK, Kind.PROCESSES))
    if memory is not None and memory.amount < MEMORY:
        yield warning("memory", f"limited to {memory.shown} ({memory.where}), an import takes {MEMORY // MIB} MiB", ELSEWHERE)
    elif memory is not None and memory.amount < 2**31 and not rate:
        what = f"limited to {memory.shown} ({memory.where}), which may count the disk cache of an import's files"
        yield warning("memory", what, f"set 'io = {shown_rate(disk)}' (docs/rationed-disks.md): it leaves nothing in the cache")
    if disk is not None and not 0 < rate <= disk.amount:
        what = f"limited to {disk.shown} ({disk.where}); an import without a rate takes all of it"
        yield warning("disk traffic", what, f"set 'io = {shown_rate(disk)}' (docs/rationed-disks.md)")
    if processes is not None and processes.amount < PROCESSES:
        yield warning("host processes", f"limited to {processes.shown} ({processes.where})", "import with --jobs 1")
    files = host.least(found, Kind.FILES)
    if files is not None and files.amount < FILES:
        what = f"{counted(files.amount, 'more file')} may be made ({files.where})"
        yield warning("quota", what, f"remove some: an import makes up to {FILES}")


def shown_rate(limit: Limit | None) -> str:
    """A value of the setting io: SHARE of the limit; a megabyte where none is known."""
    return f"{max(128, int(limit.amount * SHARE) // KIB)}K" if limit is not None else "1M"


def cores(found: list[Limit]) -> float:
    """How many cores this process may use."""
    share = host.least(found, Kind.PROCESSOR)
    usable = len(os.sched_getaffinity(0))
    return usable if share is None else min(usable, share.amount / 100)


def disk_of(found: list[Limit], rate: int, measured: float | None) -> Disk:
    """The lowest of the setting io, what the host permits, and what was measured."""
    limit = host.least(found, Kind.DISK)
    known = [Disk(rate, "the setting io")] if rate else []
    known += [Disk(limit.amount, f"the host's limit, {limit.where}")] if limit else []
    known += [Disk(measured, "tried")] if measured else []
    return min(known, key=lambda disk: disk.rate or 0.0, default=Disk(None, "not known"))


def computing(work: Work, rows: int, processes: int) -> float:
    """Seconds of the processor."""
    return work.seconds * rows * (ALONE if processes == 1 else TOGETHER)


def moving(work: Work, rows: int, disk: Disk) -> float:
    """Seconds of the disk; 0 where its rate is not known."""
    return work.moved * rows / disk.rate if disk.rate else 0.0


def takes(work: Work, rows: int, disk: Disk, processes: int) -> float:
    """Seconds of an import: the processor and the disk work beside each other."""
    return START + max(computing(work, rows, processes), moving(work, rows, disk))


def estimate(work: Work, rows: int, disk: Disk, *, processes: int, free: int) -> Finding:
    """How long an import of *rows* takes and how much room it needs; a warning where a limit of the host is below that."""
    seconds, room = takes(work, rows, disk, processes), work.room * rows + RESERVE
    speed = "the processor decides"
    if disk.rate and moving(work, rows, disk) > computing(work, rows, processes):
        speed = f"at {disk.rate / 1e6:,.1f} MB/s, {disk.why}"
    what = f"{counted(rows, 'avatar', ',')}: about {duration(seconds)} ({speed}), {room // MIB:,} MiB of disk while it runs"
    for cause in obstacles(work, rows, seconds=seconds, room=room, free=free):
        return warning(work.subject, f"{what}; {cause}", ELSEWHERE)
    return ok(work.subject, what)


def obstacles(work: Work, rows: int, *, seconds: float, room: int, free: int) -> Iterator[str]:
    """What does not fit."""
    if free < room:
        yield f"{free // MIB:,} MiB are free"
    size = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if resource.RLIM_INFINITY != size < work.file * rows:
        yield f"files are limited to {size // MIB:,} MiB (ulimit -f)"
    processor = resource.getrlimit(resource.RLIMIT_CPU)[0]
    if resource.RLIM_INFINITY != processor < work.seconds * rows:
        yield f"processes are limited to {duration(processor)} of processor time (ulimit -t)"
    if seconds > LONG:
        yield "that is long"


def duration(seconds: float) -> str:
    """Two digits: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
