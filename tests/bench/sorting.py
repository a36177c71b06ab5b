"""``python -m tests.bench.sorting CSV``: what parsing and sorting take, without the rest of an import, in one process.

Prints seconds of processor time a million rows, by step, and the largest memory. With another checkout first in PYTHONPATH its
code is measured: two ways to sort are compared in turns.
"""

import gc
import resource
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from n2k_fcgi.model.grids import Grids
from n2k_fcgi.service.dumps.lines import batches
from n2k_fcgi.service.dumps.tally import Tally
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.sorting import Sorting

BLOCK = 1 << 20


def main(csv: Path, folder: Path) -> None:
    """Read, sort and forget the rows of an unpacked dump; print what it took."""
    gc.disable()  # as an import does
    sorting = Sorting(folder, Sizes())
    marks = [time.process_time()]
    rows, added = 0, 0.0
    with csv.open("rb") as file:
        for batch in batches(iter(lambda: file.read(BLOCK), b""), Tally(), Grids(), lambda grid, seen: 0):
            rows += batch.rows
            started = time.process_time()
            sorting.add(batch)
            added += time.process_time() - started
    marks.append(time.process_time())
    for ranges in (sorting.keys(), sorting.names()):
        for _ in ranges:
            pass
        marks.append(time.process_time())
    sorting.close()
    total, keys, names = (after - before for before, after in pairwise(marks))
    steps = {"parsing": total - added, "cutting and spilling": added, "all by key": keys, "all by name": names}
    figures = " | ".join(f"{what} {seconds / rows * 1e6:.3f}" for what, seconds in steps.items())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{rows:,} rows | {figures} | sorting {(added + keys + names) / rows * 1e6:.3f} | {memory:.0f} MB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sorting-") as made:
        main(Path(sys.argv[1]), Path(made))
