"""The limits of the host around this process: control groups of both versions, CloudLinux's LVE, disk quotas."""

import os
import re
import subprocess
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.config import KIB, MIB
from n2k_fcgi.errors import counted, shown

OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
LVE = Path("/proc/lve/list")
QUOTA = "quota"

PATIENCE = 5
"""Seconds for the command ``quota``: it may ask a server of files."""

NO_LIMIT = 1 << 60
"""Bytes from which a limit is none: version 1 writes the largest number of pages (memory cgroup, limit_in_bytes)."""

_DIGITS = 19
"""Of the largest number that is read: one of more, beyond 64 bits, is no limit, or nonsense."""

_LONGEST_PATH = 4096
"""PATH_MAX of Linux, in bytes."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Kind(Enum):
    """What is limited; the value names it."""

    MEMORY = "memory"
    """Bytes, with the disk cache of the account's files."""
    DISK = "disk traffic"
    """Bytes per second."""
    OPERATIONS = "disk operations"
    """Per second."""
    PROCESSES = "processes"
    """And threads, but LVE counts none."""
    PROCESSOR = "processor"
    """Per cent of one core."""
    ROOM = "room"
    """Bytes of the disk that are left."""
    FILES = "files"
    """That may still be made."""


class Limit(NamedTuple):
    """One limit, and where it is said."""

    kind: Kind
    amount: int
    where: str

    def __str__(self) -> str:
        """As ``memory 1024 MiB (LVE)``."""
        return f"{self.kind.value} {self.shown} ({self.where})"

    @property
    def shown(self) -> str:
        """The amount with its unit."""
        if self.kind in (Kind.MEMORY, Kind.ROOM):
            return f"{self.amount // MIB} MiB"
        if self.kind is Kind.DISK:
            return f"{self.amount // KIB} KiB/s"
        if self.kind is Kind.PROCESSOR:
            return f"{self.amount} % of a core"
        return str(self.amount) + ("/s" if self.kind is Kind.OPERATIONS else "")


def limits() -> list[Limit]:
    """All that can be read here."""
    return [*control_groups(OWN_GROUPS, GROUPS), *lve(LVE, os.getuid()), *quota(QUOTA)]


def least(found: list[Limit], kind: Kind) -> Limit | None:
    """The limit of a kind that is reached first; None: none is known."""
    return min((limit for limit in found if limit.kind is kind), key=lambda limit: limit.amount, default=None)


def control_groups(own: Path, root: Path) -> Iterator[Limit]:
    """The limits of this process's control groups and all above them (cgroups(7)).

    *own* names them; *root* is where they are mounted. In a container the names may be the host's: then the root's count.
    What the host says in another form than the kernel's is left out, here and below.
    """
    for line in _text(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            for folder in _upwards(root, path):
                yield from _of_version_2(folder)
            continue
        for controller in controllers.split(","):
            if os.path.isdir(root / controller):
                for folder in _upwards(root / controller, path):
                    yield from _of_version_1(folder)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """The folder of a group and those above it; of a name longer than any path, the root alone."""
    inside = path.strip("/") if len(path) < _LONGEST_PATH else ""
    while inside:
        yield root / inside
        inside = inside.rpartition("/")[0].rstrip("/")
    yield root


def _of_version_2(folder: Path) -> Iterator[Limit]:
    """Controls of version 2 (the kernel's Documentation/admin-guide/cgroup-v2.rst)."""
    where = "cgroup v2"
    for name, kind in (("memory.max", Kind.MEMORY), ("memory.high", Kind.MEMORY), ("pids.max", Kind.PROCESSES)):
        yield from _limit(kind, _text(folder / name), where)
    for name, amount in re.findall(r"\b([rw](?:bps|iops))=([0-9]+)(?!\S)", _text(folder / "io.max")):
        yield from _limit(Kind.DISK if name.endswith("bps") else Kind.OPERATIONS, amount, where)
    share, _, period = _text(folder / "cpu.max").partition(" ")
    yield from _processor(share, period, where)


def _of_version_1(folder: Path) -> Iterator[Limit]:
    """Controls of version 1 (the kernel's Documentation/admin-guide/cgroup-v1/)."""
    where = "cgroup v1"
    for name, kind in (("memory.limit_in_bytes", Kind.MEMORY), ("pids.max", Kind.PROCESSES)):
        yield from _limit(kind, _text(folder / name), where)
    for kind, unit in ((Kind.DISK, "bps"), (Kind.OPERATIONS, "iops")):
        for way in ("read", "write"):
            lines = _text(folder / f"blkio.throttle.{way}_{unit}_device")
            for amount in re.findall(r"(?m)^[0-9]+:[0-9]+ ([0-9]+)$", lines):
                yield from _limit(kind, amount, where)
    share, period = (_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    yield from _processor(share, period, where)


def _limit(kind: Kind, text: str, where: str) -> Iterator[Limit]:
    amount = _whole(text)
    if amount is not None and amount < NO_LIMIT:
        yield Limit(kind, amount, where)


def _processor(share: str, period: str, where: str) -> Iterator[Limit]:
    """Of microseconds in each *period* of them."""
    most, of = _whole(share), _whole(period)
    if most is not None and of:
        yield Limit(Kind.PROCESSOR, most * 100 // of, where)


def _whole(text: str) -> int | None:
    """The number that *text* is, in ASCII digits; None: it is none, or has more digits than a limit."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS else None


def lve(path: Path, user: int) -> Iterator[Limit]:
    """The limits of *user* in CloudLinux's list, whose first line names the columns; without a row of its own those of 0.

    Memory is in pages, disk traffic in KB per second, processor time in hundredths of a per cent; 0: no limit.
    """
    head, *rows = _text(path).splitlines() or [""]
    names = head.split()
    by_user = {user.rpartition(",")[2]: amounts for user, *amounts in filter(None, map(str.split, rows))}
    row = dict(zip(names[1:], by_user.get(str(user), by_user.get("0", [])), strict=False))
    for name, kind, factor in (
        ("lMEMPHY", Kind.MEMORY, _PAGE),
        ("lIO", Kind.DISK, KIB),
        ("lIOPS", Kind.OPERATIONS, 1),
        ("lNPROC", Kind.PROCESSES, 1),
        ("lCPU", Kind.PROCESSOR, 0.01),
    ):
        if amount := _whole(row.get(name, "")):
            yield Limit(kind, int(amount * factor), "LVE")


def quota(command: str, patience: float = PATIENCE) -> Iterator[Limit]:
    """What the command ``quota`` says is left: bytes, and files. Nothing where there is no such command, or no quota."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [command, "-wp"], capture_output=True, text=True, errors="replace", env=environment, timeout=patience, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    yield from left_of(done.stdout)


def left_of(text: str) -> Iterator[Limit]:
    """Read the output of ``quota -wp`` (quota(1)): blocks of 1 KB used, quota, limit, grace; then the same of files.

    A number with a star is above its quota; a limit of 0 is none. Without ``-p``, which a host's own command may not know, the
    grace is missing where nothing is above.
    """
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 7 or _whole(fields[1].rstrip("*")) is None:
            continue
        files_from = 5 if len(fields) >= 9 or fields[1].endswith("*") else 4
        blocks, files = fields[1:4], fields[files_from : files_from + 3]
        for kind, values, unit in ((Kind.ROOM, blocks, KIB), (Kind.FILES, files, 1)):
            numbers = [number for value in values if (number := _whole(value.rstrip("*"))) is not None]
            if len(numbers) == 3 and (most := [number for number in numbers[1:] if number]):
                yield Limit(kind, max(0, max(most) - numbers[0]) * unit, f"quota of {shown(fields[0])}")


def listed(found: list[Limit]) -> str:
    """All kinds, each by the least of its limits."""
    known = [limit for kind in Kind if (limit := least(found, kind)) is not None]
    return ", ".join(map(str, known)) or f"none of {counted(len(Kind), 'kind')} could be read here; the host may have others"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except (OSError, ValueError):  # ValueError: a group's name with a NUL
        return ""
