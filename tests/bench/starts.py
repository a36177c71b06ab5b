"""Cold starts in turns, each beside the start of Python itself: what a host adds to an answer after a pause, or as CGI always.

A start is from the spawn of the deployed script to the last byte of its answer. ``python -I -S -c pass`` is the floor: the same
interpreter that does nothing, to its end.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.load import cpu_seconds, spawned
from tests.support.fastcgi_client import Client, request, variables
from tests.support.hosting import Account

ROUNDS = 25
FLOOR = [sys.executable, "-I", "-S", "-c", "pass"]
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
TMPFS = Path("/dev/shm")


class Start(NamedTuple):
    """One start: milliseconds of wall clock, and of the process's own CPU."""

    wall: float
    cpu: float


def ended(command: list[str], environment: dict[str, str] = PATH, expected: bytes = b"") -> Start:
    """Run *command* to its end; its output ends with *expected*."""
    before, began = _children_cpu(), time.perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    took = time.perf_counter() - began
    assert done.stdout.endswith(expected), done
    return Start(took * 1e3, (_children_cpu() - before) * 1e3)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_cgi(script: Path, target: str, expected: str, token: str = "") -> Start:
    """Run the script as a web server's CGI module does."""
    return ended([str(script)], PATH | variables(target, HTTP_X_N2K_TOKEN=token), expected.encode())


def by_fastcgi(command: list[str], socket: Path, target: str, expected: str) -> Start:
    """Start a worker as mod_fcgid does, with its first request waiting."""
    began = time.perf_counter()
    with spawned(command, socket) as process, Client(str(socket)) as client:
        answer = client.send(request(target)).answer()
        took, cpu = time.perf_counter() - began, cpu_seconds([process.pid])
    assert answer.body.decode().endswith(expected), answer
    return Start(took * 1e3, cpu * 1e3)


def registering(folder: Path) -> Callable[[], Start]:
    """Registrations, each of another avatar, in a data directory of its own in *folder*."""
    account = Account(folder / "home")
    account.n2k("deploy", str(account.site))
    numbers = count(1)

    def register() -> Start:
        number = next(numbers)
        target = f"/?name=Comer{number}+Resident&key=00000000-0000-4000-8000-{number:012x}"
        return by_cgi(account.script, target, "on Production\n", account.token)

    register()  # makes the file of rate limits
    return register


def table(kinds: dict[str, Callable[[], Start]]) -> None:
    """Measure all in turns and print them, with the ratio to the floor of the same turn."""
    taken: dict[str, list[tuple[Start, Start]]] = {}
    for number in range(ROUNDS + 1):
        floor = ended(FLOOR)
        for what, start in {"`python -I -S -c pass`": lambda: floor, **kinds}.items():  # noqa: B023 - called at once
            one = start()
            if number:  # the first turn fills the caches
                taken.setdefault(what, []).append((one, floor))
    print("\n| cold start, spawn to last byte | of Python's own | ms | of Python's own CPU | CPU ms |\n|---|---|---|---|---|")
    for what, starts in taken.items():
        wall, cpu = (median(one[at] for one, _ in starts) for at in (0, 1))
        of_wall, of_cpu = (median(one[at] / floor[at] for one, floor in starts) for at in (0, 1))
        print(f"| {what} | {of_wall:.2f} | {wall:.0f} | {of_cpu:.2f} | {cpu:.0f} |", flush=True)
