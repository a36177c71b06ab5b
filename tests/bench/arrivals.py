"""Requests that arrive when they are due, whether or not earlier ones were answered: what callers of a web site notice.

Callers that wait for their answers before they ask again, as in ``load.py``, all sleep at once when the web server lets them
sleep, and ask nothing meanwhile: they hide how many others would have had to wait.
"""

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench.fronts import Front
from tests.bench.measure import descendants, private


class Noticed(NamedTuple):
    """The requests that were due in one window of a run."""

    requests: int
    failures: int
    p50: float
    p99: float
    p999: float
    """Microseconds, from the moment that a request is due."""
    slept: int
    """Requests that took more than 0.9 s: mod_fcgid let them sleep for a second or more."""


KINDS: tuple[Callable[[str], int | float], ...] = (int, int, float, float, float, int)


class Contender(NamedTuple):
    """A program behind a web server."""

    name: str
    front: AbstractContextManager[Front]
    targets: Path
    program: bytes
    """What the command line of each of its processes contains."""


class Window(NamedTuple):
    """Seconds of a run."""

    start: int
    end: int


class Arrivals:
    """Prints a row for each rate, contender and window."""

    def __init__(self, client: list[str], through: str, windows: list[Window]) -> None:
        self._client = client
        self._windows = windows
        figures = "requests | failed | p50 ms | p99 ms | p99.9 ms | over 0.9 s | processes | their private MB"
        print(f"\n| a second, through {through} | what | from second | {figures} |\n|{'---|' * 11}")

    def add(self, rate: int, contenders: list[Contender]) -> None:
        """Start their web servers, ask each *rate* times a second, at random moments, and print.

        *contenders* are compared: they are asked at the same time, each by a client of its own with other moments, so that
        what else the machine does meanwhile disturbs all of them.
        """
        with ExitStack() as stack:
            fronts = [stack.enter_context(contender.front) for contender in contenders]
            asking = [
                stack.enter_context(self._asking(port, rate, seed, contender.targets))
                for seed, (contender, (port, _)) in enumerate(zip(contenders, fronts, strict=True))
            ]
            said = [client.communicate()[0] for client in asking]
            for contender, (_, roots), text in zip(contenders, fronts, said, strict=True):
                held = [size for root in roots for pid in descendants(root) if (size := _held(pid, contender.program))]
                for window, line in zip(self._windows, text.splitlines(), strict=True):
                    seen = Noticed(*(kind(word) for kind, word in zip(KINDS, line.split(), strict=True)))
                    self._print(f"{rate} | {contender.name}", window, seen, f"{len(held)} | {sum(held) / 1e6:.0f}")

    def _asking(self, port: int, rate: int, seed: int, targets: Path) -> "subprocess.Popen[str]":
        bounds = [str(second) for window in self._windows for second in window]
        command = [*self._client, str(port), str(rate), str(seed), str(targets), *bounds]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def _print(self, what: str, window: Window, seen: Noticed, held: str) -> None:
        times = " | ".join(f"{took / 1000:,.1f}" for took in (seen.p50, seen.p99, seen.p999))
        counts = f"{seen.requests:,} | {seen.failures} | {times} | {seen.slept / seen.requests:.2%}"
        print(f"| {what} | {window.start} to {window.end} | {counts} | {held} |", flush=True)


def _held(pid: int, program: bytes) -> int:
    """Private bytes of a process whose command line contains *program*; 0: it is another one, or gone, as with CGI."""
    try:
        return private(pid).private if program in Path(f"/proc/{pid}/cmdline").read_bytes() else 0
    except OSError:
        return 0
