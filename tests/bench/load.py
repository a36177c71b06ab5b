"""Servers started as web servers start them, and the load client's figures about them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BACKLOG = 128
_TICK = os.sysconf("SC_CLK_TCK")


_WORKER = """
import sys
sys.path[:0] = {path!r}
from n2k_fcgi.servers.fastcgi import main
main(data_dir={data!r}, log_level={level!r})
"""


def worker(data: Path, level: str = "INFO") -> list[str]:
    """Return the command of our FastCGI worker over the data directory *data*."""
    return [sys.executable, "-I", "-c", _WORKER.format(path=sys.path, data=str(data), level=level)]


class Load(NamedTuple):
    """One run of the load client."""

    rate: float
    """Answers a second."""
    failures: int
    p50: float
    p99: float
    """Microseconds."""
    cpu: float
    """Server CPU microseconds an answer; 0 when no process was watched."""


def load(client: list[str], how: str, where: object, callers: int, requests: int, targets: Path, watched: list[int]) -> Load:
    """Ask; *how* is ``fcgi`` with a socket's path or ``http`` with a port; *watched*: the server's processes."""
    before = cpu_seconds(watched)
    said = subprocess.run(
        [*client, how, str(where), str(callers), str(requests), str(targets)], check=True, capture_output=True
    )
    total, failures, seconds, p50, p99 = map(float, said.stdout.split())
    cpu = cpu_seconds(watched) - before
    return Load(total / seconds, int(failures), p50, p99, cpu / total * 1e6)


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of processes, to the nanosecond where the kernel keeps it."""
    total = 0.0
    for pid in pids:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


@contextlib.contextmanager
def spawned(command: list[str], path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a FastCGI program with a listening socket as descriptor 0, as mod_fcgid does; ended with SIGTERM."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(BACKLOG)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        process = subprocess.Popen(command, stdin=listener, stdout=subprocess.DEVNULL, env=environment)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
