"""How busy the processes of a script are, and how many requests then find none of them free."""

import os
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy.workers import PROCESSES, workers_of

HELD = 3.0
"""mod_fcgid holds a process this many times as long as it computes, or waits for a processor, for an answer: from its
connection until the end of the answer is read, by a thread of Apache's that is woken for it and waits for a processor, too."""

USUAL = 2
"""Processes that mod_fcgid starts for a script when they are needed, where the host permits no more."""


GROWN = 60.0
"""Seconds of age from which on a process counts: before, most of what it has computed is its start."""


class Occupancy(NamedTuple):
    """The processes of one script."""

    processes: int
    held: float
    """How many mod_fcgid would hold, on average since each was started, if it had as many as it liked."""
    grown: int
    """How many of the processes are old enough to tell."""

    @property
    def waiting(self) -> float:
        """The share of requests that find no free process, and wait for a second."""
        return lost(self.held, max(self.processes, USUAL))


def occupancy(script: Path) -> Occupancy:
    """What /proc says of the processes of *script*."""
    shares = [active(worker.pid) for worker in workers_of([script])]
    grown = [share for share in shares if share is not None]
    return Occupancy(len(shares), HELD * sum(grown), len(grown))


def lost(held: float, processes: int) -> float:
    """Erlang's loss formula: the share of arrivals that find all *processes* busy, if without a limit *held* were busy."""
    share = 1.0
    for number in range(1, processes + 1):
        share = held * share / (number + held * share)
    return share


def active(pid: int, grown: float = GROWN) -> float | None:
    """The share of its life that a process has computed or waited for a processor; None: it is younger than *grown*, or gone.

    From proc(5): ``stat`` has the start in ticks; ``schedstat`` both times in nanoseconds.
    """
    process = PROCESSES / str(pid)
    try:
        started = int((process / "stat").read_bytes().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        computed, waited, _ = map(int, (process / "schedstat").read_bytes().split())
        age = float((PROCESSES / "uptime").read_bytes().split()[0]) - started
    except OSError:
        return None
    return (computed + waited) / 1e9 / age if age >= grown else None
