"""A month of nightly imports: each dump has one row in two thousand renamed that the dump of the day before had otherwise."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from tests.bench.dumps import Chosen, change, packed
from tests.bench.importing import Importing, live_bytes
from tests.bench.measure import Taken, folder_bytes

NIGHTS = 30
SHOWN_EVERY = 5
ONE_IN = 2000
"""0.05 %."""
_SCATTER = 7919
"""A prime: rows that are renamed in successive nights are not neighbours."""
FIRST_DAY = date(2026, 1, 1)
HEAD = """
| night | rows | wall s | x floor | CPU s | written MB | own file MB | of own file | largest process MB | directory MB |
|---|---|---|---|---|---|---|---|---|---|"""


class Night(NamedTuple):
    """What one night took."""

    number: int
    taken: Taken
    floor: Taken
    own: int
    """Bytes of its own data file."""
    disk: int
    """Bytes of the data directory when it was over."""


def play(importing: Importing, sample: Path, data: Path) -> Iterator[Night]:
    """Import night after night over the data directory *data*, which has *sample*; yield each. The last dump's rows stay."""
    plain, dump = last_dump(importing.folder), importing.folder / "night.csv.bz2"
    for number in range(1, NIGHTS + 1):
        change(sample, plain, _renamed_until(number), lambda row: False)
        packed(plain, dump)
        floor = importing.floor(dump)
        taken = importing.run(data, dump, FIRST_DAY + timedelta(days=number))
        yield Night(number, taken, floor, live_bytes(data), folder_bytes(data))
    dump.unlink()


def _renamed_until(night: int) -> Chosen:
    return lambda row: row * _SCATTER % ONE_IN < night


def last_dump(folder: Path) -> Path:
    """Where ``play`` leaves the rows of the last night, unpacked."""
    return folder / "night.csv"


def print_nights(nights: Iterator[Night], rows: int) -> None:
    """Print every fifth night, and the worst of each figure."""
    print(HEAD, flush=True)
    seen: list[list[float]] = []
    for night in nights:
        taken = night.taken
        sizes = [n / 1e6 for n in (taken.written, night.own)]
        figures = [taken.wall, taken.wall / night.floor.wall, taken.cpu, *sizes, taken.written / night.own]
        seen.append([*figures, taken.peak_process / 1e6, night.disk / 1e6])
        if night.number % SHOWN_EVERY == 0:
            _print(str(night.number), rows, seen[-1])
    _print("the worst", rows, [max(column) for column in zip(*seen, strict=True)])


def _print(night: str, rows: int, figures: list[float]) -> None:
    wall, ratio, cpu, written, own, times, memory, disk = figures
    print(
        f"| {night} | {rows:,} | {wall:.1f} | {ratio:.2f} | {cpu:.1f} | {written:.1f} | {own:.1f} | {times:.2f} | {memory:.0f} "
        f"| {disk:.0f} |",
        flush=True,
    )
