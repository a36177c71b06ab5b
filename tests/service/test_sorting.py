"""Sorting in a second process returns the same as in one process, whatever the host does to it."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from n2k_fcgi.errors import HelperLost
from n2k_fcgi.model.batch import Batch, joined
from n2k_fcgi.store.lmdb.building.beside import SortingBeside
from n2k_fcgi.store.lmdb.building.runs import Range
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.sorting import Sorting
from tests.support.processes import eventually
from tests.support.worker import AS_NOBODY

ROWS_A_BATCH = 5000
SIZES = Sizes()


def _batches(count: int, *, numbered: bool = False) -> Iterator[Batch]:
    """Random keys and names, some of them several times."""
    chance = random.Random(7)
    for _ in range(count):
        keys = [chance.randbytes(16) for _ in range(ROWS_A_BATCH)]
        names = [b"Name%d Last" % chance.randrange(count * ROWS_A_BATCH) for _ in keys]
        keys[::100] = [bytes(15) + b"\n"] * len(keys[::100])
        numbers = bytes(chance.randrange(3) for _ in keys) if numbered else b""
        forms = [name.lower().replace(b" ", b".") for name in names]
        yield Batch(b"".join(keys), joined(names), joined(forms), numbers)


def _rows(ranges: Iterator[Range]) -> list[tuple[bytes, bytes]]:
    rows: list[tuple[bytes, bytes]] = []
    before: bytes | None = b""
    for first, end, db_keys, values in ranges:
        assert first == before, "a gap between two ranges"
        assert all(first <= key and (end is None or key < end) for key in db_keys)
        rows += zip(db_keys, values, strict=True)
        before = end
    assert before is None
    return rows


def _beside(folder: Path) -> SortingBeside:
    folder.mkdir()
    return SortingBeside(folder, SIZES)


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3 * SIZES.run_rows // ROWS_A_BATCH])
def test_both_give_every_row_in_order(tmp_path: Path, count: int, numbered: bool) -> None:
    """Rows of one db_key keep the order in which they were added; with many runs there are many ranges."""
    here, beside = Sorting(tmp_path, SIZES), _beside(tmp_path / "beside")
    try:
        expected: list[tuple[bytes, bytes]] = []
        for batch in _batches(count, numbered=numbered):
            here.add(batch)
            beside.add(batch)
            keys = [batch.keys[at : at + 16] for at in range(0, len(batch.keys), 16)]
            numbers = batch.origins or bytes(len(keys))
            spellings = batch.spellings.split(b"\n")
            expected += [(k, bytes((n, len(s))) + s) for k, n, s in zip(keys, numbers, spellings[:-1], strict=True)]
        rows = _rows(here.keys())
        assert rows == sorted(expected, key=lambda row: row[0])  # stable: the order of arrival
        assert rows == _rows(beside.keys())
        names = _rows(here.names())
        assert len(names) == len(rows) and all(a[0] <= b[0] for a, b in pairwise(names))
        assert names == _rows(beside.names())
        if count > 1:
            assert len(rows) > 2 * SIZES.range_rows
    finally:
        here.close()
        beside.close()


@pytest.mark.parametrize("most", [500, 50_000])
@pytest.mark.parametrize("alike", [0, 1, 13, 16])
def test_keys_that_begin_alike_are_sorted_in_the_same_memory(tmp_path: Path, alike: int, most: int) -> None:
    """Keys that are not spread: a part of more than *most* is dealt on the disk again, by the first byte that differs."""
    chance = random.Random(3)
    sizes = Sizes(run_rows=1000, range_rows=200, part_rows=most)
    sorting = Sorting(tmp_path, sizes)
    try:
        expected: list[tuple[bytes, bytes]] = []
        for part in range(20):
            keys = [bytes(alike) + chance.randbytes(16 - alike) for _ in range(500)]
            spellings = [b"N%d.%d" % (part, row) for row in range(500)]
            sorting.add(Batch(b"".join(keys), joined(spellings), joined([name.lower() for name in spellings]), b""))
            expected += [(key, bytes((0, len(s))) + s) for key, s in zip(keys, spellings, strict=True)]
        ranges = []
        spills = set()
        key_ranges = sorting.keys()
        for found in key_ranges:
            ranges.append(found)
            spills |= {path.name for path in tmp_path.iterdir()}
        assert _rows(iter(ranges)) == sorted(expected, key=lambda row: row[0])  # stable: the order of arrival
        assert ("13.keys.spill" in spills) == (alike == 13 and most == 500)
        if alike in (0, 1) or (most == 500 and alike < 16):
            assert max(len(found.db_keys) for found in ranges) < 200 + 1024
        assert [path.name for path in tmp_path.iterdir()] == ["names.spill"]
    finally:
        sorting.close()


@pytest.mark.parametrize("numbered", [False, True])
def test_names_in_order_here_and_there_keep_the_order_of_arrival(tmp_path: Path, numbered: bool) -> None:
    """A dump of sorted parts and others: rows of one name are returned as they came, whichever part they came in."""
    chance = random.Random(5)
    sorting = Sorting(tmp_path, Sizes(run_rows=700, range_rows=300, sample_every=16, block_rows=16))
    try:
        expected: list[tuple[bytes, bytes]] = []
        lowest = 0
        for part in range(60):
            names = [b"n%05d" % (lowest + chance.randrange(200)) for _ in range(100)]
            if part % 20 < 14:
                names.sort()
                lowest += 150  # begins before the end of the part before it now and then
            keys = [chance.randbytes(16) for _ in names]
            numbers = bytes(chance.randrange(3) for _ in names) if numbered else b""
            sorting.add(Batch(b"".join(keys), joined(names), joined(names), numbers))
            expected += [(n, bytes((o,)) + k) for n, o, k in zip(names, numbers or bytes(100), keys, strict=True)]
        rows = [(name, record[:17]) for name, record in _rows(sorting.names())]  # origin and key
        assert rows == sorted(expected, key=lambda row: row[0])
    finally:
        sorting.close()


def test_stopped_and_continued_it_loses_nothing(tmp_path: Path) -> None:
    """Ctrl-Z and fg, many times: stop signals shorten writes to a pipe, and the rest must follow."""
    here, beside = Sorting(tmp_path, SIZES), _beside(tmp_path / "beside")
    finished = threading.Event()
    stops = 0

    def annoy() -> None:
        nonlocal stops
        while not finished.wait(0.004):
            os.kill(beside.pid, signal.SIGSTOP)
            time.sleep(0.002)
            os.kill(beside.pid, signal.SIGCONT)
            stops += 1

    annoyer = threading.Thread(target=annoy)
    annoyer.start()
    try:
        for number, batch in enumerate(_batches(4000)):
            if number >= 40 and stops > 5:
                break
            here.add(batch)
            beside.add(batch)
        assert _rows(here.keys()) == _rows(beside.keys())
        assert _rows(here.names()) == _rows(beside.names())
    finally:
        finished.set()
        annoyer.join()
        here.close()
        beside.close()
    assert stops > 5


@pytest.mark.parametrize("moment", ["adding", "asking", "reading"])
def test_a_killed_one_is_reported(tmp_path: Path, moment: str) -> None:
    """A host with a limit on processes kills it: one error that says so, at any time."""
    beside = _beside(tmp_path / "beside")
    try:
        for batch in _batches(10):
            beside.add(batch)
        if moment == "reading":
            next(ranges := beside.keys())
        os.kill(beside.pid, signal.SIGKILL)
        eventually(lambda: "Z" in Path(f"/proc/{beside.pid}/stat").read_text().split()[2])
        with pytest.raises(HelperLost, match=r"killed by signal 9, perhaps because of a memory limit.*--jobs 1"):
            if moment == "adding":
                beside.add(next(_batches(1)))
            list(ranges if moment == "reading" else beside.keys())
    finally:
        beside.close()


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """A failed write of the second process is an OSError here, and no row is lost silently."""
    beside = _beside(tmp_path / "beside")
    try:
        resource.prlimit(beside.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(OSError, match="large") as caught:
            for batch in _batches(30):
                beside.add(batch)
            list(beside.keys())
        assert caught.value.errno == errno.EFBIG
    finally:
        beside.close()


def test_it_never_outlives_its_parent(tmp_path: Path) -> None:
    """SIGKILL to the import: its second process reads the end of its input and ends."""
    code = (
        "import sys, time; from pathlib import Path; from n2k_fcgi.store.lmdb.building.beside import SortingBeside\n"
        "from n2k_fcgi.store.lmdb.building.sizes import Sizes\n"
        "beside = SortingBeside(Path(sys.argv[1]), Sizes()); print(beside.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert eventually(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


STARVED = """
import resource, sys, threading
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    threading.Thread(target=int).start()
    sys.exit("a thread could be started: the limit does not hold here")
except RuntimeError:
    pass
sys.argv = ["n2k", *sys.argv[1:]]
from n2k_fcgi.cli import main
main()
"""


def test_where_neither_thread_nor_process_can_be_started() -> None:
    """A shared host at its limit: the import does all work in its one process."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        dump = Path(place) / "dump.csv.bz2"
        sample = [sys.executable, "-m", "n2k_fcgi", "-q", "sample", "--rows", "3000", "-o", str(dump)]
        subprocess.run(sample, check=True)
        dump.chmod(0o644)
        command = [sys.executable, "-c", STARVED, "--dir", f"{place}/data", "import", str(dump), "--jobs", "2"]
        if os.getuid() == 0:
            command = [*AS_NOBODY, *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "3000 avatars" in done.stdout
