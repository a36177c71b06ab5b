"""``make bench-import ROWS=10000000``: imports beside Python's own decompression of the same file, in one run.

Prints a table in Markdown. Ratios are to the decompression measured in this run; absolute figures are this machine's.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.measure import Taken, folder_bytes, run

N2K = [sys.executable, "-m", "n2k_fcgi", "-q"]
FLOOR = "import bz2,sys\nf=bz2.open(sys.argv[1])\nwhile f.read(1 << 20): pass"
HEAD = "| import | rows | wall s | x floor | CPU s | largest process MB | all processes MB | disk while running MB | file MB |"


def main(rows: int, folder: Path) -> None:
    """Measure and print."""
    dumps = make_dumps(rows, folder)
    floor = run([sys.executable, "-c", FLOOR, str(dumps["sorted.csv.bz2"])])
    print(HEAD)
    print("|---|---|---|---|---|---|---|---|---|")
    print_row("Python's bz2 decompression alone (the floor)", rows, floor, floor, 0, 0)
    without = {**os.environ, "PATH": str(folder / "empty")}
    fresh(folder, "bz2, standard library in a thread", rows, dumps["sorted.csv.bz2"], floor, without)
    fresh(folder, "bz2, --jobs 1", rows, dumps["sorted.csv.bz2"], floor, without, "--jobs", "1")
    if shutil.which("lbzip2"):
        fresh(folder, "bz2, lbzip2", rows, dumps["sorted.csv.bz2"], floor, None)
    fresh(folder, "gz, standard library", rows, dumps["sorted.csv.gz"], floor, without)
    fresh(folder, "unsorted bz2, standard library", rows, dumps["unsorted.csv.bz2"], floor, without)
    nightly(folder, rows, dumps, floor, without)


def make_dumps(rows: int, folder: Path) -> dict[str, Path]:
    """The sample in the shapes that are measured."""
    (folder / "empty").mkdir()
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

    with bz2.open(source, "rb") as read, bz2.open(target, "wb", 1) as write:
        for number, line in enumerate(read):
            if number % 200 == 7:
                continue
            write.write(line.replace(b",", b",X", 1) if number % 100 == 50 else line)


def fresh(folder: Path, what: str, rows: int, dump: Path, floor: Taken, env: dict[str, str] | None, *options: str) -> None:
    """Import into an empty directory."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        data = Path(place) / "data"
        taken = run([*N2K, "--dir", str(data), "import", str(dump), *options], data.parent, env)
        print_row(what, rows, taken, floor, folder_bytes(data), 0)


def nightly(folder: Path, rows: int, dumps: dict[str, Path], floor: Taken, env: dict[str, str]) -> None:
    """Import over the generation of the night before; its bytes are not counted."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        data = Path(place) / "data"
        run([*N2K, "--dir", str(data), "import", "--as-of", "2026-01-01", str(dumps["sorted.csv.bz2"])])
        before = folder_bytes(data)
        command = [*N2K, "--dir", str(data), "import", "--as-of", "2026-01-02", str(dumps["changed.csv.bz2"])]
        taken = run(command, data.parent, env)
        what = "nightly: 1 % changed, over the generation before"
        print_row(what, rows, taken, floor, folder_bytes(data) - before, before)


def print_row(what: str, rows: int, taken: Taken, floor: Taken, file: int, before: int) -> None:
    """One line of the table."""
    sizes = [n / 1e6 for n in (taken.peak_process, taken.peak_all, max(taken.peak_disk - before, 0), file)]
    figures = " | ".join(f"{n:.0f}" for n in sizes)
    print(f"| {what} | {rows:,} | {taken.wall:.1f} | {taken.wall / floor.wall:.2f} | {taken.cpu:.1f} | {figures} |", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(int(sys.argv[1]), Path(place))
