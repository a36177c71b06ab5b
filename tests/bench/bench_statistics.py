"""``make bench-statistics``: 100,000 requests over four workers, some of which are killed; what is counted of them.

Workers are the real ones, with their own interval, started anew when they are killed. The client checks every answer.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from n2k_fcgi.model.statistics import Family
from n2k_fcgi.service.statistics import StatisticsReader
from tests.bench.load import load, spawned, worker
from tests.bench.measure import machine
from tests.bench.peers.build import build_load
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

WORKERS = 4
REQUESTS = 100_000
RUN = 2500
"""Requests of one run of the client to one worker."""
KILLED_EVERY = 5
"""Runs of a worker after which it is killed, at once: what it counted since its last note is lost."""
PAUSE = 0.7
"""Seconds between two rounds, so that the workers' interval passes several times."""


def main() -> None:
    """Print the counts beside the load."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR", "/var/tmp")) as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        client = build_load(folder)
        box = Sandbox(folder / "data")
        box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
        box.store.close()
        targets = folder / "targets"
        targets.write_text(f"/?name=Masakazu+Kojima\t{MASAKAZU}\n/?key={GOVERNOR}\tGovernor Linden\n")
        begun = time.monotonic()
        stacks = [stack.enter_context(contextlib.ExitStack()) for _ in range(WORKERS)]
        running = [_start(each, box, folder / f"s{number}") for number, each in enumerate(stacks)]
        answered = failures = kills = 0
        since = [0] * WORKERS
        runs: list[list[float]] = [[] for _ in range(WORKERS)]  # when each run of a worker began
        certain, longest = 0, 0.0
        for run in range(REQUESTS // RUN):
            number = run % WORKERS
            if number == 0:
                time.sleep(PAUSE)
            runs[number].append(time.monotonic())
            failures += load(client, "fcgi", folder / f"s{number}", 2, RUN, targets, []).failures
            answered += RUN
            since[number] += RUN
            if run // WORKERS % KILLED_EVERY == KILLED_EVERY - 1:
                running[number].send_signal(signal.SIGKILL)
                running[number].wait()
                killed = time.monotonic()
                noted = _noted(box, running[number].pid)
                certain += noted
                kills += 1
                if noted < since[number]:
                    longest = max(longest, killed - runs[number][noted // RUN])
                print(f"killed a worker of {since[number]} answers, {noted} of them noted")
                stacks[number].close()
                since[number], runs[number] = 0, []
                running[number] = _start(stacks[number], box, folder / f"s{number}")
        for each in stacks:
            each.close()
        seconds = time.monotonic() - begun
        total = StatisticsReader(box.store).read().counted.total
        box.close()
    least = certain + sum(since)
    print(f"\n{machine()}")
    print(f"{answered} requests over {WORKERS} workers in {seconds:.0f} s, {kills} kills, {failures} wrong answers")
    print(f"counted: {total.answers}; lost with killed workers: {answered - total.answers}")
    print(f"noted by those, and answered by the others: {least}; starts: {total.of(Family.STARTS)['fastcgi']}")
    print(f"the oldest answer that was lost came {longest:.1f} s before the kill, at most")
    if failures or total.answers != least or total.hits != total.answers:
        sys.exit("the counts are wrong")


def _start(stack: contextlib.ExitStack, box: Sandbox, path: Path) -> "subprocess.Popen[bytes]":
    return stack.enter_context(spawned(worker(box.data_dir), path))


def _noted(box: Sandbox, pid: int) -> int:
    """The answers that a worker has noted."""
    try:
        return sum(each.answers for each in StatisticsReader(box.store).read().counted.workers if each.pid == pid)
    finally:
        box.store.close()


if __name__ == "__main__":
    main()
