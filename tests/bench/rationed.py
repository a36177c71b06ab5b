"""Updates under a ration of the disk: what the doctor says of them, what they take and move, and what stays in the cache."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.cli.examinations import trial
from n2k_fcgi.cli.examinations.imports import Disk, takes, works
from n2k_fcgi.store import ration
from n2k_fcgi.store.datadir import CURRENT, DATA_FILE, GENERATIONS
from tests.bench.importing import N2K
from tests.support.traffic import Count, cached_bytes, watch
from tests.support.web_server import file, web_server

LONGEST = 4 * 3600
WINDOW = 1.0
"""Seconds over which the fastest rate is taken."""
HEAD = """
| update | rows | `--io` | said s | took s | said / took | calls MB | disk MB | most MB in 1 s | base in the cache | new file |
|---|---|---|---|---|---|---|---|---|---|---|"""


class Rationed(NamedTuple):
    """What one update took."""

    what: str
    said: float
    """Seconds, as the doctor estimates them."""
    counts: list[Count]
    base: tuple[float, float]
    """The share of the live generation's pages that were in the cache before and after."""
    own: float
    """The same of the new file, after."""


def measure(folder: Path, days: tuple[Path, Path], rows: int, rate: int) -> Iterator[Rationed]:
    """Download and import the dump of the first day, then of the second with a base that is on the disk only.

    *rate* 0: not paced.
    """
    speed = trial.speed()
    if isinstance(speed, trial.Failed):
        raise SystemExit(f"the doctor's trial failed: {speed.why}")
    disk = Disk(rate or trial.writing(folder), "")
    data = folder / "data"
    with web_server() as web:
        for number, (work, day) in enumerate(zip(works(speed), days, strict=True), 1):
            web.paths[f"/{day.name}"] = file(day.read_bytes())
            base = _live(data) if data.exists() else None
            if base is not None:
                with ration.rationed(1 << 30):
                    ration.let_go(base)
            before = _share(base)
            command = [*N2K, "--dir", str(data), "update", "--as-of", f"2026-01-0{number}", "--io", str(rate)]
            counts = watch([*command, web.url(f"/{day.name}")], seconds=LONGEST).counts
            said = takes(work, rows, disk, 1 if rate else 2)
            yield Rationed(work.subject, said, counts, (before, _share(base)), _share(_live(data)))


def _live(data: Path) -> Path:
    return data / GENERATIONS / (data / CURRENT).read_text().strip() / DATA_FILE


def _share(path: Path | None) -> float:
    return cached_bytes(path) / path.stat().st_size if path is not None else 0.0


def _under_way(counts: list[Count]) -> list[Count]:
    """The counts from a second after it began, when its modules are loaded; of what was paced, while it was."""
    paced = [count for count in counts if count.is_paced] or counts
    return [count for count in paced if count.before > paced[0].before + WINDOW]


def fastest(counts: list[Count]) -> float:
    """The most bytes per second over WINDOW or a little more, of calls or of the disk."""
    most, first = 0.0, 0
    for later in counts:
        early = counts[first]
        if later.before - early.after < WINDOW:
            continue
        moved = max(later.calls - early.calls, later.disk - early.disk)
        most = max(most, moved / (later.after - early.before))
        first += 1
    return most


def print_rationed(folder: Path, days: tuple[Path, Path], rows: int, rates: dict[str, int]) -> None:
    """Print the table; *rates*: bytes per second by how the option spells them."""
    print(HEAD, flush=True)
    for spelled, rate in rates.items():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for seen in measure(Path(place), days, rows, rate):
                took = seen.counts[-1].after - seen.counts[0].before
                times = f"{seen.said:.1f} | {took:.1f} | {seen.said / took:.2f}"
                ended = seen.counts[-1]
                most = fastest(_under_way(seen.counts))
                moved = f"{ended.calls / 1e6:.1f} | {ended.disk / 1e6:.1f} | {most / 1e6:.2f}"
                cached = f"{seen.base[0]:.0%}, then {seen.base[1]:.0%} | {seen.own:.0%}"
                print(f"| {seen.what} | {rows:,} | {spelled} | {times} | {moved} | {cached} |", flush=True)
