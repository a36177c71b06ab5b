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


_OF_CGI = b"REQUEST_METHOD="
"""Each process of CGI has it in its environment (RFC 3875, 4.1.12), a worker none: its requests come later."""


class Worker(NamedTuple):
    """A process that was started by one of our scripts, or by a former file of the same path."""

    pid: int
    script: Path
    begun: bytes
    """When it began, in ticks of the system: another process may get the same number later."""


def workers() -> Iterator[Worker]:
    """Every process whose command is ``INTERPRETER -IS SCRIPT``, or with -I alone, as the kernel starts our scripts.

    An editor with the script open is not one, and neither is a process of CGI: it ends with its answer, which a signal would
    cut off. *script* is resolved, so that it can be compared.
    """
    for entry in PROCESSES.iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            begun, script = _begun(entry.name), _script_of(entry)
            if script is not None and begun is not None:
                yield Worker(int(entry.name), script, begun)


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
                arguments, begun = (entry / "cmdline").read_bytes().split(b"\0"), _begun(entry.name)
                if (
                    begun is not None
                    and any(argument.endswith(LOADER) for argument in arguments[1:])
                    and os.readlink(entry / "cwd") in wanted
                ):
                    found.append(Worker(int(entry.name), app, begun))
            except OSError:  # it ended, or belongs to another user
                continue
    return found


def stop(chosen: list[Worker]) -> tuple[list[int], list[int]]:
    """Send SIGTERM and wait: (process ids that ended, those that still run or belong to another user).

    Each is looked at once more before, since some time has passed since it was found.
    """
    asked, others = [], []
    for worker in chosen:
        try:
            if _is_running(worker):
                os.kill(worker.pid, signal.SIGTERM)
            asked.append(worker)
        except ProcessLookupError:
            asked.append(worker)
        except PermissionError:
            others.append(worker.pid)
    limit = time.monotonic() + PATIENCE
    while (left := [worker.pid for worker in asked if _is_running(worker)]) and time.monotonic() < limit:
        time.sleep(0.05)
    return [worker.pid for worker in asked if worker.pid not in left], left + others


def _script_of(process: Path) -> Path | None:
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        if len(arguments) < 3 or arguments[1] not in (b"-I", b"-IS") or arguments[2].startswith(b"-"):
            return None
        if any(variable.startswith(_OF_CGI) for variable in (process / "environ").read_bytes().split(b"\0")):
            return None
        return Path(os.path.realpath(os.path.join(os.readlink(process / "cwd"), os.fsdecode(arguments[2]))))
    except OSError:  # it ended, or belongs to another user
        return None


def _is_running(worker: Worker) -> bool:
    """Whether this very process still runs, and is not a zombie."""
    return _begun(str(worker.pid)) == worker.begun


def _begun(pid: str) -> bytes | None:
    """When the process began; None: it does not run, or is a zombie."""
    try:
        # proc(5): the command in parentheses may contain spaces and parentheses; the third field follows, the 22nd is wanted.
        fields = (PROCESSES / pid / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19]
