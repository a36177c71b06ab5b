"""``make bench-import ROWS=10000000``: imports beside Python's own decompression of the same rows, in one run.

Prints tables in Markdown. The floor is Python's ``bz2`` reading the rows in the order of names, just before and after (its
mean); absolute figures are this machine's. A tenth of the rows comes first, to show what grows with them.
"""

import os
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from tests.bench import nights, rationed, readers
from tests.bench.direct import cold_starts, lookups
from tests.bench.dumps import change, change_in_place, draw, packed, sample
from tests.bench.importing import Importing, live_bytes
from tests.bench.measure import Taken, folder_bytes, machine

SORTED, GZIPPED, UNSORTED = "sorted.csv.bz2", "sorted.csv.gz", "unsorted.csv.bz2"
CHANGED, CHANGED_GZIPPED, CHANGED_UNSORTED = "changed.csv.bz2", "changed.csv.gz", "changed-unsorted.csv.bz2"
PLAIN_CHANGED = "changed.csv"
NIGHT, WHOLE = "night", "whole"
"""Data directories that are looked up."""
THREAD = "bz2, standard library in a thread"
FIRST_NIGHT = "first night, 1 % renamed, 0.5 % absent"
NEXT_DAY = nights.FIRST_DAY + timedelta(days=1)
RATES = {"0": 0, "8M": 8 << 20, "1M": 1 << 20}
"""Values of ``--io``."""
ASKED = 100_000
"""Different names, and as many keys, that are looked up."""
HEAD = (
    "| import | rows | wall s | x floor | CPU s | written MB | of the base | largest process MB | all processes MB "
    "| disk while running MB | own file MB |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


class Bench:
    """The measurements over dumps of one size."""

    def __init__(self, rows: int, folder: Path) -> None:
        self.rows = rows
        self.folder = folder
        self.importing = Importing(folder)
        self.plain = folder / "sorted.csv"
        self._base = folder / "base" / "data"
        make_dumps(rows, folder)

    def print_fresh(self, what: str, dump: str, *options: str, programs: bool = False, package: bool = False) -> None:
        """Import into an empty directory."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data = Path(place) / "data"
            self._print(what, data, dump, nights.FIRST_DAY, *options, programs=programs, package=package)
            if not self._base.exists():
                data.parent.rename(self._base.parent)
                data.parent.mkdir()

    def print_night(self, what: str, dump: str, *options: str, programs: bool = False, kept: str = "") -> None:
        """Import over the generation of the day before, the base; the result is *kept* under that name."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data = self.copy_of_base(Path(place))
            self._print(what, data, dump, NEXT_DAY, *options, programs=programs)
            if kept:
                data.rename(self.folder / kept)

    def copy_of_base(self, folder: Path) -> Path:
        """Return a data directory with the first import of all."""
        return Path(shutil.copytree(self._base, folder / "data"))

    def _print(
        self, what: str, data: Path, dump: str, as_of: date, *options: str, programs: bool = False, package: bool = False
    ) -> None:
        """Measure one import and print a line of the table."""
        there = folder_bytes(data)
        base = live_bytes(data) if there else 0
        before = self.importing.floor(self.folder / SORTED)
        path = self.folder / dump
        taken = self.importing.run(data, path, as_of, *options, programs=programs, package=package)
        after = self.importing.floor(self.folder / SORTED)
        own = live_bytes(data)
        print_row(what, self.rows, taken, (before.wall + after.wall) / 2, base=base or own, there=there, own=own)

    def print_month(self) -> None:
        """Thirty nights."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            nights.print_nights(nights.play(self.importing, self.plain, self.copy_of_base(Path(place))), self.rows)
            nights.last_dump(self.folder).unlink()

    def print_rationed(self) -> None:
        """Updates with a rate and without one, and what the doctor says of them."""
        rationed.print_rationed(self.folder, (self.folder / SORTED, self.folder / CHANGED), self.rows, RATES)

    def print_lookups(self) -> None:
        """Lookups on the differences of the first night beside lookups on a whole generation of the same rows."""
        whole, after = self.folder / WHOLE, self.folder / NIGHT
        drawn = draw(self.folder / PLAIN_CHANGED, self.rows, min(ASKED, self.rows))
        wall, cpu = cold_starts(whole, after, drawn[0][1])
        print("\n| one lookup, without HTTP | on a whole generation | on differences | more, median of pairs |")
        print("|---|---|---|---|")
        for what, pair in (
            ("of a name, CPU µs", lookups(whole, after, [name for _, name in drawn])),
            ("of a key, CPU µs", lookups(whole, after, [key for key, _ in drawn])),
            ("by a command, cold, ms", wall),
            ("by a command, cold, CPU ms", cpu),
        ):
            print(f"| {what} | {pair.first:.1f} | {pair.second:.1f} | {pair.more:+.1f} |", flush=True)

    def print_readers(self) -> None:
        """What readers notice."""
        print("\n| readers behind Apache | answers | failed | p50 ms | p99 ms | slowest ms |\n|---|---|---|---|---|---|")
        changed = str(self.folder / CHANGED)
        imports = {"during a nightly import": [changed], "during a rebuild": ["--whole", changed]}
        for what, seen in readers.measure(self.folder, self.folder / SORTED, imports):
            print(
                f"| {what} | {seen.answers:,} | {seen.failed} | {seen.p50:.1f} | {seen.p99:.1f} | {seen.slowest:.0f} |",
                flush=True,
            )


def print_row(what: str, rows: int, taken: Taken, floor: float, *, base: int, there: int, own: int) -> None:
    """Print a line of the table of imports. Bytes: *base* of the base file, *there* of the directory before, *own* of the new
    file.
    """
    written = f"{taken.written / 1e6:.0f} | {taken.written / base:.1%}"
    sizes = [n / 1e6 for n in (taken.peak_process, taken.peak_all, max(taken.peak_disk - there, 0), own)]
    figures = " | ".join(f"{n:.0f}" for n in sizes)
    ratio = f"{taken.wall / floor:.2f} (of {floor:.1f} s)"
    print(f"| {what} | {rows:,} | {taken.wall:.1f} | {ratio} | {taken.cpu:.1f} | {written} | {figures} |", flush=True)


def main(rows: int, folder: Path) -> None:
    """Measure and print."""
    print(f"{machine()}\n\n{HEAD}", flush=True)
    small = Bench(rows // 10, folder / "small")
    small.print_fresh(THREAD, SORTED)
    small.print_night(f"{FIRST_NIGHT}: sorted bz2", CHANGED)
    small.print_month()
    small.print_rationed()
    print(f"\n{HEAD}", flush=True)
    bench = Bench(rows, folder / "large")
    bench.print_fresh(THREAD, SORTED)
    bench.print_fresh("bz2, --jobs 1", SORTED, "--jobs", "1")
    bench.print_fresh("bz2, lbzip2", SORTED, programs=True)
    bench.print_fresh("bz2, indexed_bzip2", SORTED, package=True)
    bench.print_fresh("gz, standard library", GZIPPED)
    bench.print_fresh("gz, pigz", GZIPPED, programs=True)
    bench.print_fresh("unsorted bz2, standard library", UNSORTED)
    bench.print_night(f"{FIRST_NIGHT}: sorted bz2", CHANGED, kept=NIGHT)
    bench.print_night(f"{FIRST_NIGHT}: sorted bz2, lbzip2", CHANGED, programs=True)
    bench.print_night(f"{FIRST_NIGHT}: unsorted bz2", CHANGED_UNSORTED)
    bench.print_night(f"{FIRST_NIGHT}: gz", CHANGED_GZIPPED)
    bench.print_night("a rebuild, --whole, of the same rows: sorted bz2", CHANGED, "--whole", kept=WHOLE)
    bench.print_lookups()
    bench.print_readers()


def make_dumps(rows: int, folder: Path) -> None:
    """Make all dumps; of the unpacked ones the first sample stays."""
    plain, other = folder / "sorted.csv", folder / PLAIN_CHANGED
    sample(rows, plain)
    packed(plain, folder / SORTED)
    packed(plain, folder / GZIPPED)
    change(plain, other, _is_renamed, _is_absent)
    packed(other, folder / CHANGED)
    packed(other, folder / CHANGED_GZIPPED)
    unsorted = folder / "unsorted.csv"
    sample(rows, unsorted, "--unsorted")
    packed(unsorted, folder / UNSORTED)
    shuffled = folder / "changed-unsorted.csv"
    change_in_place(unsorted, shuffled, _is_renamed, _is_absent)
    packed(shuffled, folder / CHANGED_UNSORTED)
    unsorted.unlink()
    shuffled.unlink()


def _is_renamed(number: int) -> bool:
    return number % 100 == 50


def _is_absent(number: int) -> bool:
    return number % 200 == 7


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR", "/var/tmp"), prefix="import-") as made:
        main(int(sys.argv[1]), Path(made))
