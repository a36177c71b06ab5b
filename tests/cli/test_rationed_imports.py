"""Imports with ``--io``: the bytes that they move a second, as the kernel counts, and what is left in the disk cache."""

import bz2
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.cli import options
from n2k_fcgi.config import load
from n2k_fcgi.store import ration
from n2k_fcgi.store.datadir import CURRENT, DATA_FILE, GENERATIONS
from tests.support.commands import N2K
from tests.support.traffic import cached_bytes, excess, folder_on_a_disk, watch
from tests.support.web_server import file, web_server

MIB = 1 << 20
ROWS = 60_000
TUESDAY = "2026-01-06"
STEP = 2 * MIB
"""Bytes of the largest step, modules that are imported late included."""


@pytest.fixture(name="home", scope="module")
def _home() -> Iterator[Path]:
    """A folder on a disk with the dumps of two days, ``monday`` and ``tuesday``, which has 1 % renamed; plain and as bz2."""
    with folder_on_a_disk() as folder:
        watch([N2K, "-q", "sample", "--rows", str(ROWS), "-o", folder / "monday.csv"])
        rows = (folder / "monday.csv").read_bytes().splitlines(keepends=True)
        changed = [row[:37] + b"Zz" + row[37:].lower() if number % 100 == 50 else row for number, row in enumerate(rows)]
        (folder / "tuesday.csv").write_bytes(b"".join(sorted(changed, key=lambda row: row[37:])))
        for day in ("monday", "tuesday"):
            (folder / f"{day}.csv.bz2").write_bytes(bz2.compress((folder / f"{day}.csv").read_bytes()))
        watch(["sync"])  # the kernel drops no dirty page
        yield folder


def _live(data: Path) -> Path:
    return data / GENERATIONS / (data / CURRENT).read_text().strip() / DATA_FILE


def _exported(data: Path) -> bytes:
    watch([N2K, "-q", "--dir", data, "export", "--format", "jsonl", data / "rows.jsonl"])
    return (data / "rows.jsonl").read_bytes()


@pytest.fixture(name="monday", scope="module")
def _monday(home: Path) -> Path:
    """A data directory with the first day, imported without a ration."""
    watch([N2K, "-q", "--dir", home / "plain", "import", "--as-of", "2026-01-05", home / "monday.csv.bz2"])
    return home / "plain"


def _copy(data: Path, to: Path) -> Path:
    watch(["cp", "-r", data, to])
    return to


def test_a_first_import_keeps_below_the_rate(home: Path, monday: Path) -> None:
    """Between any two moments not more than the rate and a step, and all that an import moves was counted.

    The rows are those of an import without a ration.
    """
    rate, data = 4 * MIB, home / "paced"
    seen = watch([N2K, "-q", "--dir", data, "import", "--io", "4M", "--as-of", "2026-01-05", home / "monday.csv.bz2"])
    own = _live(data).stat().st_size
    assert seen.paced[-1].calls - seen.paced[0].calls > 2 * own
    assert excess(seen.paced, rate) < STEP
    assert cached_bytes(_live(data)) < own / 8
    assert cached_bytes(home / "monday.csv.bz2") == 0
    assert _exported(data) == _exported(monday)


def test_a_night_keeps_below_the_rate_and_leaves_the_live_generation_in_the_cache(home: Path, monday: Path) -> None:
    """All pages that readers had are there after it: none of the live generation's was dropped. The new file's were."""
    data = _copy(monday, home / "night")
    base = _live(data)
    base.read_bytes()
    watch(["sync"])
    assert cached_bytes(base) >= base.stat().st_size
    with web_server() as web:
        web.paths["/dump.csv.bz2"] = file((home / "tuesday.csv.bz2").read_bytes())
        seen = watch([N2K, "-q", "--dir", data, "update", "--as-of", TUESDAY, "--io", "2M", web.url("/dump.csv.bz2")])
    assert excess(seen.paced, 2 * MIB) < STEP
    assert cached_bytes(base) >= base.stat().st_size
    assert _live(data) != base
    other = _copy(monday, home / "other-night")
    watch([N2K, "-q", "--dir", other, "import", "--as-of", TUESDAY, home / "tuesday.csv.bz2"])
    assert _exported(data) == _exported(other)


def test_pages_of_the_base_count_when_the_disk_has_them(home: Path, monday: Path) -> None:
    """A cold base is read through a map, page by page: that is no system call, and is paced too."""
    data = _copy(monday, home / "cold")
    with ration.rationed(1 << 30):
        ration.let_go(_live(data))
    assert cached_bytes(_live(data)) == 0
    size = _live(data).stat().st_size
    seen = watch([N2K, "-q", "--dir", data, "import", "--io", "2M", home / "tuesday.csv.bz2"])
    assert seen.counts[-1].disk > size / 3
    assert excess(seen.paced, 2 * MIB) < STEP


def test_a_generation_for_another_machine_is_paced_to_its_seal(home: Path, monday: Path) -> None:
    """``--to`` reads the whole new file for its seal: below the rate, and nothing of it stays in the cache."""
    command = [N2K, "-q", "import", "--io", "4M", "--whole", "--to", home / "built", "--base", _live(monday).parent]
    seen = watch([*command, home / "tuesday.csv"], N2K_DIR=str(home / "none"))
    (made,) = (home / "built").glob(f"*/{DATA_FILE}")
    calls = [count._replace(disk=0) for count in seen.paced]  # a kernel that reads 8 MB ahead does so whatever it is told
    assert excess(calls, 4 * MIB) < STEP
    assert cached_bytes(made) == 0


def test_the_setting_is_the_default_and_the_option_wins(tmp_path: Path) -> None:
    """``io = 1M`` in the settings paces, in one process; ``--io 0`` does not, with two."""
    (tmp_path / "n2k.ini").write_text("[n2k]\nio = 1M\n")
    settings = load(flags={"data_dir": str(tmp_path)}).settings
    with options.rationed(None, 2, settings) as jobs:
        assert jobs == 1 and ration.is_due(MIB)
    with options.rationed(0, 2, settings) as jobs:
        assert jobs == 2 and not ration.is_due(1 << 40)


@pytest.mark.parametrize("given", ["1", "fast", "-1M", "2000G"])
def test_refuses_rates_that_are_none(tmp_path: Path, given: str) -> None:
    """Exit code 2 and the rates that there are."""
    import subprocess

    command = [N2K, "--dir", tmp_path, "import", "--io", given, "-"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2 and "must be 0, or a size from 128K" in done.stderr
