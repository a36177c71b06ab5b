"""The processes that run our scripts, from /proc, which on some hosts shows only one's own, on some none."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROCESSES = Path("/proc")

LOADER = b"/wsgi-loader.py"
"""The end of the path of Passenger's program that loads a Python application."""

PATIENCE = 10.0
"""Seconds for workers to end: a stopping worker finishes its answers, which takes at most five seconds."""


class Worker(NamedTuple):
    """A process that was started by one of our scripts, or by a former file of the same path."""

    pid: int
    script: Path


def workers() -> Iterator[Worker]:
    """Every process whose command is ``INTERPRETER -IS SCRIPT``, or with -I alone, as the kernel starts our scripts.

    An editor with the script open is not one. *script* is resolved, so that it can be compared.
    """
    for entry in PROCESSES.iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            script = _script_of(entry)
            if script is not None:
                yield Worker(int(entry.name), script)


def workers_of(scripts: list[Path]) -> list[Worker]:
    """The workers of these scripts, which may have been removed."""
    wanted = {Path(os.path.realpath(script)) for script in scripts}
    return [worker for worker in workers() if worker.script in wanted]


def hosted_in(app: Path) -> list[Worker]:
    """The processes in which Passenger's loader runs the application of *app*, their working folder, which may be removed."""
    path, found = os.path.realpath(app), []
    wanted = (path, f"{path} (deleted)")
    for entry in PROCESSES.iterdir():
        if entry.name.isdecimal():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if any(argument.endswith(LOADER) for argument in arguments[1:]) and os.readlink(entry / "cwd") in wanted:
                    found.append(Worker(int(entry.name), app))
            except OSError:  # it ended, or belongs to another user
                continue
    return found


def stop(chosen: list[Worker]) -> tuple[list[int], list[int]]:
    """Send SIGTERM and wait: (process ids that ended, those that still run or belong to another user)."""
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
        if len(arguments) < 3 or arguments[1] not in (b"-I", b"-IS") or arguments[2].startswith(b"-"):
            return None
        return Path(os.path.realpath(os.path.join(os.readlink(process / "cwd"), os.fsdecode(arguments[2]))))
    except OSError:  # it ended, or belongs to another user
        return None


def _runs(pid: int) -> bool:
    """Whether the process still runs, and is not a zombie."""
    try:
        # proc(5): the command in parentheses may contain spaces and parentheses.
        state = (PROCESSES / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")
