"""The processes that run scripts of ours, as /proc shows them: on some hosts only one's own, on some none."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROCESSES = Path("/proc")

PATIENCE = 10.0
"""Seconds that workers get to end: one that stops finishes its answers, at most five seconds long."""


class Worker(NamedTuple):
    """A process that was started by a script of ours, or by one that lay in its place."""

    pid: int
    script: Path


def workers() -> Iterator[Worker]:
    """Every process whose command is ``INTERPRETER -I SCRIPT``, which is how the kernel starts what deploy writes.

    An editor that has the script open is none. *script* is resolved, so that it can be compared.
    """
    for entry in PROCESSES.iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            script = _script_of(entry)
            if script is not None:
                yield Worker(int(entry.name), script)


def workers_of(scripts: list[Path]) -> list[Worker]:
    """Those of these scripts, which may be gone."""
    wanted = {Path(os.path.realpath(script)) for script in scripts}
    return [worker for worker in workers() if worker.script in wanted]


def stop(chosen: list[Worker]) -> tuple[list[int], list[int]]:
    """Ask them to end and wait for it: (process ids that ended, those that go on or are not ours)."""
    asked, others = [], []
    for worker in chosen:
        try:
            os.kill(worker.pid, signal.SIGTERM)
            asked.append(worker.pid)
        except ProcessLookupError:
            asked.append(worker.pid)
        except PermissionError:
            others.append(worker.pid)
    limit = time.monotonic() + PATIENCE
    while (left := [pid for pid in asked if _runs(pid)]) and time.monotonic() < limit:
        time.sleep(0.05)
    return [pid for pid in asked if pid not in left], left + others


def _script_of(process: Path) -> Path | None:
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if len(arguments) < 3 or arguments[1] != b"-I" or arguments[2].startswith(b"-"):
            return None
        return Path(os.path.realpath(os.path.join(os.readlink(process / "cwd"), os.fsdecode(arguments[2]))))
    except OSError:  # it ended, or is another user's
        return None


def _runs(pid: int) -> bool:
    """Whether the process does more than wait for its parent to take note of its end."""
    try:
        # proc(5): the command in parentheses may itself hold spaces and parentheses.
        state = (PROCESSES / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")
