"""Writers of a namespace that are killed, round after round, and what is left of their writes.

Two processes at a time write and tell what was acknowledged, and a third compacts the file again and again; all are killed at
moments that chance chooses. A program of its own, so that it forks before it has threads or maps.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.operations import Delete, Increment, Put
from n2k_fcgi.store.keyvalue import Kind, Range, Terms
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.contract.engines import be_patient

TERMS = Terms(100_000_000, 1_000_000)
Job = Callable[[Path, str, Callable[[Any], None]], None]

LONGEST = 0.03
"""Seconds after its first acknowledged write in which a writer is killed."""


def opened(folder: Path) -> Namespaces:
    """The namespaces of this process."""
    return Namespaces(folder, PRIVATE, sync=Sync.ALWAYS, most_changes=1_000_000)


def write(folder: Path, name: str, tell: Callable[[Any], None]) -> None:
    """Write until the end, and tell what was acknowledged."""
    space = opened(folder).namespace("shop")
    for number in range(1_000_000):
        key, now = f"{name}-{number}".encode(), time.time_ns() // 1_000_000
        results = space.apply([Put(key, key * 20), Increment(b"count", 1, 1)], now, request=name + str(number)).results
        leased = space.sequence(b"numbers", 1)
        tell([key.decode(), [result.version for result in results], leased])
        if number % 3 == 2:
            (result,) = space.apply([Delete(b"%s-%d" % (name.encode(), number - 1))], now).results
            tell([f"-{name}-{number - 1}", [result.version], 0])


def compact(folder: Path, name: str, tell: Callable[[Any], None]) -> None:
    """Compact until the end; *name* is not used."""
    space = opened(folder).namespace("shop")
    while True:
        with contextlib.suppress(StoreBusy):
            space.compact()
        tell(None)


def run(folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    """Kill writers; return how many writes were acknowledged, and every promise that was not kept."""
    chance = random.Random(seed)
    opened(folder).create("shop", TERMS).file.close()
    seen: set[int] = set()
    numbers: set[int] = set()
    problems: list[str] = []
    acknowledged = 0
    for turn in range(rounds):
        told = killed(folder, [(write, f"{turn}a"), (write, f"{turn}b"), (compact, "")], chance)
        acknowledged += len(told)
        store = opened(folder)
        found = [*store.problems(), *_problems(store.namespace("shop"), told, seen, numbers)]
        problems += [f"round {turn}: {problem}" for problem in found]
        store.close()
    return {"rounds": rounds, "acknowledged": acknowledged, "problems": problems}


def killed(folder: Path, jobs: list[tuple[Job, str]], chance: random.Random) -> list[Any]:
    """Return what the *jobs* told before they were killed."""
    children = []
    for job, name in jobs:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                job(folder, name, lambda told, out=writing: os.write(out, json.dumps(told).encode() + b"\n"))  # type: ignore[misc]
            finally:
                os._exit(1)
        os.close(writing)
        children.append((child, os.fdopen(reading)))
    told = []
    for child, lines in children:
        told.append(lines.readline())  # it has begun
        time.sleep(chance.uniform(0, LONGEST))
        os.kill(child, signal.SIGKILL)
    for child, lines in children:
        with lines:
            told += lines.readlines()
        os.waitpid(child, 0)
    return [json.loads(line) for line in told if line.endswith("\n") and line != "null\n"]


def _problems(space: Namespace, told: list[Any], seen: set[int], numbers: set[int]) -> list[str]:
    now = time.time_ns() // 1_000_000
    found = []
    all_told = {key for key, _, _ in told}
    for key, versions, leased in told:
        if leased in numbers or seen & set(versions):
            found.append(f"{key}: a number was given twice")
        seen.update(versions)
        name, _, number = key.removeprefix("-").partition("-")
        entry = space.get(f"{name}-{number}".encode(), now)
        if key.startswith("-"):
            if entry is not None:
                found.append(f"{key}: was removed and is there")
            continue
        numbers.add(leased)
        if entry is None:
            may_be_removed = int(number) % 3 == 1 and f"{name}-{int(number) + 1}" in all_told  # perhaps killed before it told
            found += [] if may_be_removed else [f"{key}: was acknowledged and is not there"]
        elif (entry.value, entry.version) != (key.encode() * 20, versions[0]):
            found.append(f"{key}: is not as it was acknowledged")
    if (space.space(now).keys, space.space(now).used) != space.count(Range(b"\0"), now):
        found.append("the counters differ from the rows")
    puts = sum(change.kind is Kind.PUT and change.key == b"count" for change in space.changes(0, 1_000_000).changes)
    if int(space.get(b"count", now).value) != puts:  # type: ignore[union-attr]
        found.append("the log has other increments than were done")
    return found


if __name__ == "__main__":
    be_patient()
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), seed=int(sys.argv[2]))))
