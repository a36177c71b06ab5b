"""Writers, swaps and builds that are killed, round after round, and what is left of them: see ``killed_writers``."""

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.keyvalue import Range
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.contract.engines import be_patient
from tests.support.killed_writers import TERMS, killed, opened

NAMES = ["", "red", "blue"]
"""Of the datasets that are swapped; '': none."""


def write(folder: Path, name: str, tell: Callable[[Any], None]) -> None:
    """Write until the end, and tell what was acknowledged."""
    space = opened(folder).namespace("shop")
    for number in range(1_000_000):
        key = f"{name}-{number}"
        space.apply([Put(key.encode(), b"x")], _now())
        tell(["key", key])


def swap(folder: Path, name: str, tell: Callable[[Any], None]) -> None:
    """Swap until the end, and tell what was acknowledged."""
    space = opened(folder).namespace("shop")
    for number in range(1_000_000):
        dataset = NAMES[number % len(NAMES)]
        space.use(dataset, _now())
        tell(["live", dataset])


def build(folder: Path, name: str, tell: Callable[[Any], None]) -> None:
    """Build datasets until the end, and tell what was acknowledged."""
    for number in range(1_000_000):
        made = opened(folder).build(f"{name}-{number}", [Entry(b"%d" % each, b"x" * each) for each in range(500)])
        tell(["dataset", made.name])


def run(folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    """Kill them; return how much was acknowledged, and every promise that was not kept."""
    chance = random.Random(seed)
    store = opened(folder)
    store.create("shop", TERMS)
    for name in NAMES[1:]:
        store.build(name, [Entry(b"dataset", name.encode())])
    store.close()
    keys: set[str] = set()
    counts = dict.fromkeys(["key", "live", "dataset"], 0)
    problems: list[str] = []
    for turn in range(rounds):
        told = killed(folder, [(write, f"{turn}a"), (swap, ""), (build, f"made-{turn}")], chance)
        for kind, _ in told:
            counts[kind] += 1
        keys |= {text for kind, text in told if kind == "key"}
        store = opened(folder)
        found = [*store.problems(), *_lost(store, told, keys)]
        problems += [f"round {turn}: {problem}" for problem in found]
        store.close()
    return {"rounds": rounds, "acknowledged": counts, "problems": problems}


def _lost(store: Namespaces, told: list[Any], keys: set[str]) -> list[str]:
    """What was acknowledged and is not there."""
    space = store.namespace("shop")
    swaps = [text for kind, text in told if kind == "live"]
    following = NAMES[len(swaps) % len(NAMES)]  # it may be done, and the process was killed before it told
    lost = [] if space.dataset() in (swaps[-1], following) else [f"live is {space.dataset()!r}, not {swaps[-1]!r}"]
    built = {text for kind, text in told if kind == "dataset"}
    lost += [f"the dataset {name} is lost" for name in built - set(store.dataset_names())]
    present = set()
    for name in NAMES:  # a write is among those that belong to the dataset that was live
        space.use(name, _now())
        seen = {entry.key.decode() for entry in space.scan(Range(), _now(), limit=1_000_000, values=False).entries}
        if ("dataset" in seen) != bool(name):
            lost.append(f"the value of {name!r} is not seen, or that of another dataset is")
        present |= seen
    return lost + [f"the key {key} is lost" for key in sorted(keys - present)]


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    be_patient()
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), seed=int(sys.argv[2]))))
