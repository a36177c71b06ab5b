"""``make bench-memcached``: n2k memcached beside memcached, Redis with ``appendfsync always``, and Python's floor.

Prints tables in Markdown. Each contender has its turn in every round, and ratios are medians of rounds; absolute figures are
this machine's. Values have 100 bytes; the client, which has one core, checks every answer.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.lmdb.keyvalue.dataset import sealed_digest
from tests.bench.caches import TERMS, TOGETHER, Cache, Seen, constant, memcached, ours, redis, seen
from tests.bench.measure import folder_bytes, machine, private, resident, sync_time
from tests.bench.peers.build import build_cache_load
from tests.support.memcached import NAMESPACE, made, space_of

ROUNDS = 5
SECONDS = 0.5
"""Of each measurement."""
KEYS = 100_000
CONNECTIONS = (1, 8, 32)
MANY = 1_000_000
"""Items whose memory is measured, and of a dataset that is swapped."""
SWAPS = 20
READERS = 8
"""Connections that read during the swaps."""

DURABLE, UNSYNCED = "n2k", "n2k, kv_sync = off"
MEMCACHED, FLOOR, REDIS = "memcached", "constant loop", "Redis, appendfsync always"
VALUE = "0" * 100
BLOCK = f"VALUE key00000000 0 100\r\n{VALUE}\r\n"
CONSTANTS = {"get": f"{BLOCK}END\r\n", "set": "STORED\r\n", "mget": f"{BLOCK * TOGETHER}END\r\n"}
OPERATIONS = {"get": "get", "set": "set", "mget": f"get of {TOGETHER} keys"}

Figures = dict[str, list[Seen]]
"""What was seen in each round, by contender."""


def in_turns(ask: dict[str, Callable[[], Seen]]) -> Figures:
    """Let each contender have its turn in every round."""
    figures: Figures = {name: [] for name in ask}
    for _ in range(ROUNDS):
        for name, one in ask.items():
            figures[name].append(one())
    return figures


def ratio(figures: Figures, name: str, of: str) -> str:
    """The rate of *name* as a part of that of *of*."""
    both = zip(figures[name], figures[of], strict=True)
    return "-" if name == of else f"{median(mine.rate / theirs.rate for mine, theirs in both):.2f}"


def rates(folder: Path, client: Path) -> None:
    """Gets, sets and multi-gets, then durable sets."""
    with contextlib.ExitStack() as running:
        start = running.enter_context
        stores = {
            DURABLE: start(ours(folder / "durable", Sync.ALWAYS)),
            UNSYNCED: start(ours(folder / "unsynced", Sync.OFF)),
            MEMCACHED: start(memcached(folder)),
        }
        durable = {DURABLE: stores[DURABLE], REDIS: start(redis(folder / "redis"))}
        for cache in (*stores.values(), durable[REDIS]):
            cache.asked(client, "fill", 32, KEYS)
        print("| | connections | contender | per second | CPU µs | p50 µs | p99 µs | of memcached | of the constant loop |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for operation, what in OPERATIONS.items():
            with constant(folder, CONSTANTS[operation]) as floor:
                for connections in CONNECTIONS:
                    ask = {name: asking(cache, client, operation, connections) for name, cache in stores.items()}
                    ask[FLOOR] = asking(floor, client, operation, connections, keys=1)
                    print_rates(what, connections, in_turns(ask), (MEMCACHED, FLOOR))
        print("\n| | connections | contender | per second | CPU µs | p50 µs | p99 µs | of Redis |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for connections in CONNECTIONS:
            ask = {name: asking(cache, client, "set", connections) for name, cache in durable.items()}
            print_rates("durable set", connections, in_turns(ask), (REDIS,))


def asking(cache: Cache, client: Path, operation: str, connections: int, keys: int = KEYS) -> Callable[[], Seen]:
    """One measurement."""
    return lambda: cache.asked(client, operation, connections, keys, SECONDS)


def print_rates(what: str, connections: int, figures: Figures, beside: tuple[str, ...]) -> None:
    """One line per contender, each with its parts of the contenders *beside*."""
    for name, rounds in figures.items():
        rate, p50, p99, _, cpu = map(median, zip(*rounds, strict=True))
        parts = " | ".join(ratio(figures, name, of) for of in beside)
        print(f"| {what} | {connections} | {name} | {rate:,.0f} | {cpu:,.1f} | {p50:,.0f} | {p99:,.0f} | {parts} |", flush=True)


def memory(folder: Path, client: Path) -> None:
    """What a million items take, when all were stored and read once."""
    print(f"\n| {MANY:,} items | resident MB | private MB | files MB | private, file bytes an item | filled in s |")
    print("|---|---|---|---|---|---|", flush=True)
    data = folder / "large"
    contenders = {
        DURABLE: lambda: ours(data, Sync.ALWAYS),
        MEMCACHED: lambda: memcached(folder),
        REDIS: lambda: redis(folder / "large-redis"),
    }
    files = {DURABLE: data / "keyvalue", REDIS: folder / "large-redis"}
    for name, start in contenders.items():
        with start() as cache:
            started = time.perf_counter()
            cache.asked(client, "fill", 32, MANY)
            taken = time.perf_counter() - started
            if cache.protocol == "memcached":
                cache.asked(client, "read", 8, MANY)
            own = private(cache.pid).private
            size = folder_bytes(files[name]) if name in files else 0
            print(
                f"| {name} | {resident(cache.pid) / 1e6:,.0f} | {own / 1e6:,.0f} | {size / 1e6:,.0f} "
                f"| {own / MANY:,.0f}, {size / MANY:,.0f} | {taken:,.1f} |",
                flush=True,
            )


def swaps(folder: Path, client: Path) -> None:
    """The time of a swap of a million items, and the slowest answer of clients that read meanwhile."""
    data = folder / "swapped"
    command = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", str(data), "kv"]
    with made(data, terms=TERMS, sync=Sync.ALWAYS) as store, ours(data, Sync.ALWAYS) as cache:
        built = []
        for name in ("a", "b"):
            lines = folder / "lines.jsonl"
            write_lines(lines, name)
            started = time.perf_counter()
            subprocess.run([*command, "build", str(lines), "--dataset", name], check=True)
            built.append(time.perf_counter() - started)
            lines.unlink()
        space, files = space_of(store), {name: data / f"datasets/{name}.mdb" for name in ("a", "b")}
        names = [("a", "b")[number % 2] for number in range(SWAPS)]
        used = [timed(lambda name=name: space.use(name)) for name in names]  # type: ignore[misc]
        read = [timed(lambda name=name: sealed_digest(files[name], verify=True)) for name in names]  # type: ignore[misc]
        cache.asked(client, "read", 8, MANY)
        during = []
        reading = subprocess.Popen(cache.command(client, "get", READERS, MANY, 600), stdout=subprocess.PIPE)
        try:
            started = time.perf_counter()
            for name in names:
                during.append(timed(lambda name=name: use(command, name)))  # type: ignore[misc]
            all_taken = time.perf_counter() - started
            reading.terminate()
            swapped = seen(reading.communicate()[0])
            assert reading.returncode == 0
        finally:
            reading.kill()
        rest = cache.asked(client, "get", READERS, MANY, all_taken)
    print(f"\n| a dataset of {MANY:,} items | median s | slowest s |\n|---|---|---|")
    rows = {
        "n2k kv build": built,
        "n2k kv use, while clients read": during,
        "the swap in a process that runs": used,
        "of it, reading and checking the file": read,
    }
    for what, taken in rows.items():
        print(f"| {what} | {median(taken):,.3f} | {max(taken):,.3f} |")
    print(f"\n| {READERS} connections that get | answers a second | p50 µs | p99 µs | slowest ms |\n|---|---|---|---|---|")
    for what, one in {"at rest": rest, f"during {SWAPS} swaps": swapped}.items():
        print(f"| {what} | {one.rate:,.0f} | {one.p50:,.0f} | {one.p99:,.0f} | {one.slowest / 1000:,.1f} |", flush=True)


def use(command: list[str], name: str) -> None:
    """Swap by the command; it prints a version."""
    subprocess.run([*command, "use", NAMESPACE, name], check=True, stdout=subprocess.DEVNULL)


def write_lines(path: Path, name: str) -> None:
    """Write MANY items as the load client expects them, and one more that tells the datasets apart."""
    with path.open("w") as file:
        file.write(json.dumps({"key": "dataset", "text": name}) + "\n")
        for number in range(MANY):
            digits = f"{number:08d}"
            file.write(f'{{"key":"key{digits}","text":"{digits * 12 + digits[:4]}"}}\n')


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that *act* takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def main(folder: Path) -> None:
    """Measure and print."""
    client = build_cache_load(folder)
    print(machine())
    print(f"One fdatasync of an appended page on this disk: median {sync_time(folder):,.0f} µs.\n", flush=True)
    rates(folder, client)
    memory(folder, client)
    swaps(folder, client)


if __name__ == "__main__":
    os.umask(0o022)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR", "/var/tmp"), prefix="memcached-") as place:
        main(Path(place))
