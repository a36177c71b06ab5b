"""``make bench-import ROWS=10000000``: imports beside Python's own decompression of the same file, in one run.

Prints tables in Markdown. Ratios are to the decompression measured just before and after (its mean); absolute figures are
this machine's. A tenth of the rows comes first, to show what grows with them.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench import readers
from tests.bench.measure import Taken, folder_bytes, machine, run

N2K = [sys.executable, "-m", "n2k_fcgi", "-q"]
WITHOUT_PACKAGE = [
    sys.executable,
    "-c",
    "import sys; sys.modules['indexed_bzip2'] = None; from n2k_fcgi.cli import main; main()",
    "-q",
]
"""What a host without the extra runs."""
FLOOR = "import bz2,sys\nf=bz2.open(sys.argv[1])\nwhile f.read(1 << 20): pass"
HEAD = "| import | rows | wall s | x floor | CPU s | largest process MB | all processes MB | disk while running MB | file MB |"


class Bench:
    """The measurements over dumps of one size."""

    def __init__(self, rows: int, folder: Path) -> None:
        self.rows = rows
        self.folder = folder
        self.bare = {**os.environ, "PATH": str(folder / "empty")}
        (folder / "empty").mkdir(parents=True)
        self.dumps = make_dumps(rows, folder)

    def floor(self) -> Taken:
        """Decompression alone."""
        return run([sys.executable, "-c", FLOOR, str(self.dumps["sorted.csv.bz2"])])

    def print_fresh(self, what: str, dump: str, *options: str, programs: bool = False, package: bool = False) -> None:
        """Import into an empty directory."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data = Path(place) / "data"
            command = [*(N2K if package else WITHOUT_PACKAGE), "--dir", str(data), "import", str(self.dumps[dump]), *options]
            before = self.floor()
            taken = run(command, data.parent, None if programs else self.bare)
            self.print_row(what, taken, before, self.floor(), folder_bytes(data), 0)

    def print_nightly(self, what: str) -> None:
        """Import over the generation of the night before; its bytes are not counted."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data = Path(place) / "data"
            run([*N2K, "--dir", str(data), "import", "--as-of", "2026-01-01", str(self.dumps["sorted.csv.bz2"])])
            there = folder_bytes(data)
            command = [
                *WITHOUT_PACKAGE,
                "--dir",
                str(data),
                "import",
                "--as-of",
                "2026-01-02",
                str(self.dumps["changed.csv.bz2"]),
            ]
            before = self.floor()
            taken = run(command, data.parent, self.bare)
            self.print_row(what, taken, before, self.floor(), folder_bytes(data) - there, there)

    def print_row(self, what: str, taken: Taken, before: Taken, after: Taken, file: int, there: int) -> None:
        """One line of the table."""
        floor = (before.wall + after.wall) / 2
        sizes = [n / 1e6 for n in (taken.peak_process, taken.peak_all, max(taken.peak_disk - there, 0), file)]
        figures = " | ".join(f"{n:.0f}" for n in sizes)
        ratio = f"{taken.wall / floor:.2f} (of {floor:.1f} s)"
        print(f"| {what} | {self.rows:,} | {taken.wall:.1f} | {ratio} | {taken.cpu:.1f} | {figures} |", flush=True)

    def print_readers(self) -> None:
        """What readers notice."""
        print("\n| readers behind Apache | answers | failed | p50 ms | p99 ms | slowest ms |\n|---|---|---|---|---|---|")
        periods = readers.measure(self.folder, self.dumps["sorted.csv.bz2"], self.dumps["changed.csv.bz2"])
        for what, seen in zip(("at rest", "during a nightly import"), periods, strict=True):
            print(
                f"| {what} | {seen.answers:,} | {seen.failed} | {seen.p50:.1f} | {seen.p99:.1f} | {seen.slowest:.0f} |",
                flush=True,
            )


def main(rows: int, folder: Path) -> None:
    """Measure and print."""
    print(f"{machine()}\n\n{HEAD}\n|---|---|---|---|---|---|---|---|---|", flush=True)
    small = Bench(rows // 10, folder / "small")
    small.print_fresh("bz2, standard library in a thread", "sorted.csv.bz2")
    small.print_nightly("nightly: 1 % renamed, 0.5 % absent")
    bench = Bench(rows, folder / "large")
    bench.print_fresh("bz2, standard library in a thread", "sorted.csv.bz2")
    bench.print_fresh("bz2, --jobs 1", "sorted.csv.bz2", "--jobs", "1")
    if shutil.which("lbzip2"):
        bench.print_fresh("bz2, lbzip2", "sorted.csv.bz2", programs=True)
    bench.print_fresh("bz2, indexed_bzip2", "sorted.csv.bz2", package=True)
    bench.print_fresh("gz, standard library", "sorted.csv.gz")
    bench.print_fresh("unsorted bz2, standard library", "unsorted.csv.bz2")
    bench.print_nightly("nightly: 1 % renamed, 0.5 % absent")
    bench.print_readers()


def make_dumps(rows: int, folder: Path) -> dict[str, Path]:
    """The sample in the shapes that are measured."""
    made = {}
    for name, options in (("sorted.csv.bz2", ()), ("sorted.csv.gz", ()), ("unsorted.csv.bz2", ("--unsorted",))):
        made[name] = folder / name
        run([*N2K, "sample", "--rows", str(rows), "--seed", "1", *options, "-o", str(made[name])])
    made["changed.csv.bz2"] = folder / "changed.csv.bz2"
    change(made["sorted.csv.bz2"], made["changed.csv.bz2"])
    return made


def change(source: Path, target: Path) -> None:
    """One row in a hundred renamed, one in two hundred left out."""
    import bz2

    with bz2.open(source, "rb") as read, bz2.open(target, "wb") as write:
        for number, line in enumerate(read):
            if number % 200 == 7:
                continue
            write.write(line.replace(b",", b",X", 1) if number % 100 == 50 else line)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(int(sys.argv[1]), Path(place))
