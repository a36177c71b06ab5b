"""The ration of the disk: pauses by the kernel's own counts, and pages that leave the disk cache."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.errors import TrafficNotCounted
from n2k_fcgi.store import ration
from n2k_fcgi.store.ration import LEAST_DIRTY, MOST_CACHED, MOST_DIRTY, Passing, Ration, rationed
from tests.support.traffic import PAGE, cached_bytes, folder_on_a_disk

MIB = 1 << 20
RATE = 8 * MIB


@pytest.fixture(name="disk")
def _disk() -> Iterator[Path]:
    """A folder on a disk."""
    with folder_on_a_disk() as folder:
        yield folder


def _write(path: Path, count: int, piece: int = 64 * 1024) -> None:
    with path.open("wb", buffering=0) as file:
        passing = Passing(file.fileno())
        for _ in range(count // piece):
            passing.wrote(file.write(bytes(piece)))


def test_writing_takes_as_long_as_the_rate_says(disk: Path) -> None:
    """4 MB at 8 MB/s take half a second, less what is saved at most; without a ration nothing pauses and nothing is counted."""
    with rationed(RATE):
        started = time.monotonic()
        _write(disk / "paced", 4 * MIB)
        ration.spend()
        assert time.monotonic() - started > 4 * MIB / RATE - ration.SAVED - ration.SHORTEST
    with rationed(0):
        assert not ration.is_due(1 << 40)


def test_reading_takes_as_long_also_from_the_cache(disk: Path) -> None:
    """What the disk cache has counts too: so no guess about the cache is needed for a promise."""
    path = disk / "file"
    path.write_bytes(bytes(2 * MIB))
    with rationed(RATE), path.open("rb", buffering=0) as file:
        started = time.monotonic()
        passing = Passing(file.fileno())
        while data := file.read(128 * 1024):
            passing.was_read(len(data))
        ration.spend()
        assert time.monotonic() - started > 2 * MIB / RATE - ration.SAVED - ration.SHORTEST


def test_pages_of_a_map_count(disk: Path) -> None:
    """Pages that are fetched from the disk through a map are no system calls; they are paid as well."""
    import mmap

    path = disk / "file"
    path.write_bytes(os.urandom(2 * MIB))
    with rationed(RATE):
        ration.let_go(path)
        assert cached_bytes(path) == 0
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            ration.spend()
            started = time.monotonic()
            assert len({pages[at] for at in range(0, len(pages), PAGE)}) > 1
            ration.spend()
            assert time.monotonic() - started > 2 * MIB / RATE - ration.SAVED - ration.SHORTEST


def test_a_slow_step_saves_little(disk: Path) -> None:
    """After a rest of a second the next four megabytes take their time, but for a quarter of a second."""
    with rationed(RATE):
        time.sleep(1)
        ration.spend()
        started = time.monotonic()
        _write(disk / "file", 4 * MIB)
        ration.spend()
        assert time.monotonic() - started > 4 * MIB / RATE - ration.SAVED - ration.SHORTEST


def test_what_was_written_leaves_the_cache(disk: Path) -> None:
    """After each ``dirty`` bytes the file is synced and its pages dropped; without a ration they stay."""
    with rationed(LEAST_DIRTY * 8):
        _write(disk / "paced", LEAST_DIRTY * 8)
    assert cached_bytes(disk / "paced") == 0
    _write(disk / "free", LEAST_DIRTY * 8)
    assert cached_bytes(disk / "free") == LEAST_DIRTY * 8


def test_what_was_read_leaves_the_cache(disk: Path) -> None:
    """After ``MOST_CACHED`` bytes; another file's pages stay."""
    path, other = disk / "file", disk / "other"
    path.write_bytes(bytes(MOST_CACHED))
    other.write_bytes(bytes(MIB))
    os.sync()
    with rationed(64 * MOST_CACHED), path.open("rb", buffering=0) as file:
        passing = Passing(file.fileno())
        while data := file.read(128 * 1024):
            passing.was_read(len(data))
    assert (cached_bytes(path), cached_bytes(other)) == (0, MIB)


@pytest.mark.parametrize(("rate", "dirty"), [(128 * 1024, LEAST_DIRTY), (MIB, MIB), (1 << 30, MOST_DIRTY)])
def test_a_second_of_writing_is_synced_at_once(rate: int, dirty: int) -> None:
    """Within bounds: neither a sync for each block, nor megabytes that the kernel writes when it likes."""
    made = Ration(rate)
    made.close()
    assert made.dirty == dirty


@pytest.mark.parametrize("content", [None, "", "rchar: many\n", "VmRSS: 12 kB\n"])
def test_refuses_where_the_kernel_does_not_count(disk: Path, content: str | None) -> None:
    """A host that hides the counts, or shows others: the promise could not be kept."""
    path = disk / "io"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TrafficNotCounted, match="cannot pace the import"):
        Ration(RATE, str(path))
