"""``make bench-kv``: the key-value service beside the floor of the same run: py-lmdb alone and sqlite3 with the same promise.

Prints tables in Markdown. Each contender has its turn in every round, and ratios are medians of rounds; absolute figures are
this machine's. Values have 100 bytes. A durable write is on disk when it returns, for all three.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench.contenders import CONTENDERS, KEYS, NAMESPACE, VALUE, filled, key_of
from tests.bench.load import load, spawned, worker
from tests.bench.measure import machine, private, resident, sync_time
from tests.bench.peers.build import build
from tests.support.hosting import Account

ROUNDS = 5

CODE = """
import sys, time
sys.path[:0] = {path!r}
what, contender, folder, count, seed = sys.argv[1:]
from tests.bench.contenders import CONTENDERS
act = CONTENDERS[contender](folder, seed)
print("ready", flush=True)
input()
cpu, started = time.process_time(), time.perf_counter()
getattr(act, what)(int(count))
print(time.perf_counter() - started, time.process_time() - cpu, flush=True)
"""

Figures = dict[str, list[float]]
"""Operations per second of each round, by contender."""


class Embedded:
    """Operations in process, each contender in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.cpu: Figures = {}
        """CPU microseconds per operation, of the last measurement."""

    def rates(self, what: str, count: int, processes: int) -> Figures:
        """Measure *what* of each contender, in turns; *count* operations of each process."""
        figures: Figures = {name: [] for name in CONTENDERS}
        self.cpu = {name: [] for name in CONTENDERS}
        for _ in range(ROUNDS):
            for name in CONTENDERS:
                figures[name].append(self._rate(what, name, count, processes))
        return figures

    def _rate(self, what: str, name: str, count: int, processes: int) -> float:
        command = [sys.executable, "-c", CODE.format(path=sys.path), what, name, str(self._folder / name), str(count)]
        children = [
            subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for number in range(processes)
        ]
        try:
            pipes = [(child.stdin, child.stdout) for child in children]
            for _, out in pipes:
                assert out and out.readline() == "ready\n", name
            started = time.perf_counter()
            for begin, _ in pipes:
                assert begin
                begin.write("\n")
                begin.flush()
            taken = [tuple(map(float, out.readline().split())) for _, out in pipes if out]
            wall = time.perf_counter() - started if processes > 1 else taken[0][0]
            self.cpu[name].append(sum(cpu for _, cpu in taken) / (count * processes) * 1e6)
            return count * processes / wall
        finally:
            for child in children:
                child.kill()
                child.communicate()


def print_rates(what: str, figures: Figures, cpu: Figures) -> None:
    """One line per contender, with ours as a multiple of its time."""
    ours = figures["n2k"]
    for name, rates in figures.items():
        ratio = "-" if name == "n2k" else f"{median(theirs / mine for mine, theirs in zip(ours, rates, strict=True)):.2f}"
        print(f"| {what} | {name} | {median(rates):,.0f} | {median(cpu[name]):,.1f} | {ratio} |", flush=True)


def embedded(folder: Path) -> None:
    """In process: no front end."""
    bench = Embedded(folder)
    print("| in process | contender | per second | CPU µs | n2k takes times |\n|---|---|---|---|---|")
    steps = (
        ("a read", "reads", 50_000, 1),
        ("a durable write", "writes", 300, 1),
        ("a durable write, 8 processes", "writes", 60, 8),
        ("a write of a durable batch of 1,000", "batches", 10_000, 1),
        ("an entry of a range of 1,000", "ranges", 200_000, 1),
        ("a durable increment", "increments", 300, 1),
    )
    for what, method, count, processes in steps:
        figures = bench.rates(method, count, processes)
        print_rates(what, figures, bench.cpu)


def through_fastcgi(folder: Path) -> None:
    """A read of the service beside a name lookup, by one worker over FastCGI; and what the worker holds."""
    account = Account(folder / "home")
    client = build(folder)["load"]
    socket = folder / "socket"
    names, reads = folder / "names.targets", folder / "reads.targets"
    dump = folder / "dump.csv"

    def n2k(*arguments: str) -> None:
        command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(account.data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    rows = [(f"{number:08x}-1111-4111-8111-111111111111", f"Bench{number} Resident") for number in range(1, KEYS + 1)]
    dump.write_text("".join(f"{key},{name}\n" for key, name in rows))
    n2k("import", "--force", str(dump))
    n2k("token", "create", "--scope", "keyvalue", "--namespace", NAMESPACE, "--quota", "64M")
    n2k("kv", "open", NAMESPACE)
    filled(account.data)
    names.write_text("".join(f"/?name={name.replace(' ', '+')}\t{key}\n" for key, name in rows))
    reads.write_text("".join(f"/db/{key_of(number)}?ns={NAMESPACE}\t{VALUE.decode()}\n" for number in range(KEYS)))
    taken: dict[str, list[tuple[float, float]]] = {"a name lookup": [], "a read of the key-value service": []}
    with spawned(worker(account.data), socket) as process:
        for _ in range(ROUNDS):
            for what, targets in zip(taken, (names, reads), strict=True):
                load(client, "fcgi", socket, 1, 1_000, targets, [process.pid])
                seen = load(client, "fcgi", socket, 1, 10_000, targets, [process.pid])
                assert not seen.failures, what
                taken[what].append((seen.rate, seen.cpu))
        held = private(process.pid)
        size = resident(process.pid)
    print("\n| one caller, over FastCGI | per second | CPU µs | times the lookup's CPU |\n|---|---|---|---|")
    lookups = taken["a name lookup"]
    for what, seen in taken.items():
        ratio = median(mine[1] / theirs[1] for mine, theirs in zip(seen, lookups, strict=True))
        print(f"| {what} | {median(rate for rate, _ in seen):,.0f} | {median(cpu for _, cpu in seen):,.1f} | {ratio:.2f} |")
    print(f"\nThe worker holds {size / 1e6:.0f} MB, {held.private / 1e6:.1f} MB of it private.", flush=True)


def main(folder: Path) -> None:
    """Measure and print."""
    print(machine() + "\n", flush=True)
    print(f"One fdatasync of an appended page on this disk: median {sync_time(folder):,.0f} µs.\n", flush=True)
    embedded(folder)
    through_fastcgi(folder)


if __name__ == "__main__":
    os.umask(0o022)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR", "/var/tmp"), prefix="kv-") as place:
        main(Path(place))
