"""What an import takes here: a few thousand invented avatars are imported, and a night over them, beside everything else.

In a process of its own, which logs nothing, with files below the folder for temporary files; with one job.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.errors import PythonLacks
from n2k_fcgi.files import write_all
from n2k_fcgi.interpreter import needed

SIZES = (2_000, 10_000, 45_000)
"""Avatars of the trials, one after another. The first loads what an import needs; the last is longer than the window of rows
that a night holds back."""

ENOUGH = 1.0
"""Seconds of a trial after which no larger one follows: a slow host, or a busy one."""

PATIENCE = 120
"""Seconds: a host that takes longer for the trial builds nothing by itself."""

MOST_WRITTEN = 16 * 1024 * 1024
MOST_WRITING = 0.3
"""Bytes and seconds of the trial of the disk."""

_PIECE = 512 * 1024
_COMMAND = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"


class Speed(NamedTuple):
    """Seconds of one process for each avatar."""

    first: float
    """Of a first import, from a bz2 in the order of names."""
    night: float
    """Of a night with one name in a hundred changed."""


class Failed(NamedTuple):
    """A trial that did not come to its end."""

    why: str


def speed() -> Speed | Failed:
    """Try it, for PATIENCE at most."""
    command = _COMMAND.format(path=sys.path, module=__name__)
    try:
        done = subprocess.run([sys.executable, "-c", command], capture_output=True, timeout=PATIENCE, check=False)
    except OSError as error:
        return Failed(error.strerror or str(error))
    except subprocess.TimeoutExpired:
        return Failed(f"it took more than {PATIENCE} s")
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return Failed(said[-1] if said else f"it was ended ({done.returncode})")
    return Speed(*json.loads(done.stdout))


def main() -> None:
    """The process: print the two times as JSON."""
    with tempfile.TemporaryDirectory(prefix="n2k-trial-") as folder:
        for rows in SIZES:
            times = _times(Path(folder), rows)
            if sum(times) > ENOUGH:
                break
    sys.stdout.write(json.dumps([seconds / rows for seconds in times]))


def _times(folder: Path, rows: int) -> tuple[float, float]:
    """Seconds of a first import of so many avatars, and of the night after it."""
    from n2k_fcgi.config import load
    from n2k_fcgi.service.dumps.reading import Dump
    from n2k_fcgi.service.dumps.sample import Sample, csv_lines
    from n2k_fcgi.service.ingest.report import Order
    from n2k_fcgi.wiring import importer, open_store

    try:
        pack = needed("bz2").compress
    except PythonLacks:  # a dump that this host imports is none
        pack = bytes
    lines = list(csv_lines(Sample(rows, 1).by_name()))
    settings = load(environment={}, flags={"data_dir": str(folder / f"{rows}")}).settings
    store = open_store(settings)
    store.create()
    taken = []
    for night in (False, True):
        path = folder / f"{rows}.{night}"
        path.write_bytes(pack(b"".join(_changed(lines) if night else lines)))
        started = time.perf_counter()
        with Dump(path, jobs=1) as dump:
            importer(store, settings, jobs=1).run(dump, Order(settings.default_grid))
        taken.append(time.perf_counter() - started)
    store.close()
    return taken[0], taken[1]


def _changed(lines: list[bytes]) -> Iterator[bytes]:
    """One name in a hundred is another, at about the same place."""
    for number, line in enumerate(lines):
        yield line.replace(b" ", b"q ", 1) if number % 100 == 50 else line


def writing(folder: Path) -> float | None:
    """Bytes per second that the disk of *folder* takes, in a file without a name; None where there can be none."""
    try:
        fd = os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError):
        return None
    try:
        written, started = 0, time.perf_counter()
        while written < MOST_WRITTEN and time.perf_counter() - started < MOST_WRITING:
            write_all(fd, bytes(_PIECE))
            os.fdatasync(fd)
            written += _PIECE
        return written / (time.perf_counter() - started)
    except OSError:
        return None
    finally:
        os.close(fd)
