"""Files of datasets: what is damaged is refused and the live one stays, and what nobody reads is given back."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import DatasetDamaged, DatasetExists, DatasetGone, N2KError, NoSuchDataset, StoreTooNew
from n2k_fcgi.files import try_lock
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.store.keyvalue import Range, Terms
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from n2k_fcgi.store.lmdb.keyvalue.sorting import RUN_BYTES, RUN_ROWS, sorted_rows
from n2k_fcgi.store.lmdb.lockfile import lock_of
from n2k_fcgi.store.lmdb.sealing import SEAL_SIZE, seal
from tests.support.killed_writers import opened

NOW = 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Namespaces]:
    """An empty store."""
    with closing(opened(tmp_path)) as store:
        yield store


@pytest.fixture
def shop(store: Namespaces) -> Namespace:
    """A namespace with the dataset ``red`` live, and ``blue`` beside it."""
    for name in ("red", "blue"):
        store.build(name, [Entry(b"colour", name.encode()), *(Entry(b"%d" % number, bytes(100)) for number in range(999))])
    shop = store.create("shop", Terms(1000, 10))
    shop.use("red", NOW)
    return shop


@pytest.fixture
def blue(store: Namespaces, shop: Namespace, tmp_path: Path) -> Path:
    """The file of ``blue``, which this process does not have open."""
    return next(tmp_path.rglob("blue.mdb"))


def colour(shop: Namespace) -> bytes:
    """Which dataset is seen."""
    entry = shop.get(b"colour", NOW)
    assert entry is not None
    return entry.value


def cut(path: Path) -> None:
    """Without its last page."""
    os.truncate(path, path.stat().st_size - 5000)


def cut_within(path: Path) -> None:
    """Pages are missing, and the seal is that of what is left."""
    os.truncate(path, path.stat().st_size - 5000 - SEAL_SIZE)
    seal(path)


def change(path: Path) -> None:
    """One bit."""
    with path.open("r+b") as file:
        file.seek(20_000)
        byte = file.read(1)
        file.seek(20_000)
        file.write(bytes([byte[0] ^ 1]))


def make_newer(path: Path) -> None:
    """As a later version of n2k writes it."""
    os.truncate(path, path.stat().st_size - SEAL_SIZE)
    with lmdb.open(str(path), subdir=False, lock=False) as env, env.begin(write=True) as transaction:
        transaction.put(b"mformat", b"99")
    seal(path)


def make_foreign(path: Path) -> None:
    """No file of LMDB."""
    path.write_bytes(b"no dataset\n" * 1000)
    seal(path)


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (cut, DatasetDamaged),
        (cut_within, DatasetDamaged),
        (change, DatasetDamaged),
        (make_newer, StoreTooNew),
        (make_foreign, DatasetDamaged),
        (lambda path: path.write_bytes(b""), DatasetDamaged),
        (Path.unlink, NoSuchDataset),
    ],
)
def test_the_live_one_stays(
    store: Namespaces, shop: Namespace, blue: Path, harm: Callable[[Path], None], error: type[N2KError]
) -> None:
    """A swap to a file that is not whole is refused, in one line, and changes nothing; the check names the file."""
    harm(blue)
    version = shop.version()
    with pytest.raises(error) as refusal:
        shop.use("blue", NOW)
    assert "\n" not in str(refusal.value) and "blue" in str(refusal.value)
    assert (shop.dataset(), colour(shop), shop.version()) == ("red", b"red", version)
    assert [line.partition(":")[0] for line in store.problems()] == ["datasets/blue"] * blue.exists()


def test_a_lost_dataset_is_reported(store: Namespaces, shop: Namespace, tmp_path: Path) -> None:
    """Nothing is answered in its place, and a swap to another one is possible."""
    store.close()
    next(tmp_path.rglob("red.mdb")).unlink()
    for use in (lambda: shop.get(b"k", NOW), lambda: shop.scan(Range(), NOW, limit=1, values=False)):
        with pytest.raises(DatasetGone):
            use()
    assert ["red" in line for line in store.problems()] == [True]
    shop.use("blue", NOW)
    assert colour(shop) == b"blue"


def test_another_file_of_its_name_is_not_taken_for_it(store: Namespaces, shop: Namespace, tmp_path: Path) -> None:
    """Who has it open reads it to the end; others are told to make the new file live."""
    red = next(tmp_path.rglob("red.mdb"))
    assert colour(shop) == b"red"
    red.rename(red.with_name("old"))
    store.build("red", [Entry(b"colour", b"crimson")])
    assert colour(shop) == b"red"
    store.close()
    with pytest.raises(DatasetDamaged, match="kv use"):
        colour(shop)
    shop.use("red", NOW)
    assert colour(shop) == b"crimson"


def mapped(folder: Path) -> set[str]:
    """Names of the datasets that this process maps."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {Path(line.split()[-1]).stem for line in lines if f"{folder}/datasets/" in line}


def test_the_old_one_is_given_back(store: Namespaces, shop: Namespace, tmp_path: Path) -> None:
    """When its last reader has ended, here a snapshot; and with the namespace that shows it."""
    assert colour(shop) == b"red" and mapped(tmp_path) == {"red"}
    with shop.snapshot() as state:
        shop.use("blue", NOW)
        assert colour(shop) == b"blue" and mapped(tmp_path) == {"red", "blue"}
        entry = state.get(b"colour", NOW)
        assert entry is not None and entry.value == b"red"
    del state
    assert mapped(tmp_path) == {"blue"}
    shop.file.close()
    assert mapped(tmp_path) == set()


def test_two_namespaces_share_a_dataset(store: Namespaces, shop: Namespace, tmp_path: Path) -> None:
    """A process opens a file once; each namespace has later writes of its own."""
    game = store.create("game", Terms(1000, 10))
    game.use("red", NOW)
    assert colour(shop) == colour(game) == b"red" and mapped(tmp_path) == {"red"}
    game.flush(NOW)
    assert (game.get(b"colour", NOW), colour(shop)) == (None, b"red")


def test_a_dataset_is_built_by_one_process(store: Namespaces, tmp_path: Path) -> None:
    """A second one is refused; what a killed one left is removed."""
    store.build("red", [])
    left = tmp_path / "datasets" / "blue.fresh"
    left.write_bytes(b"left")
    with left.open() as held:
        assert try_lock(held.fileno())
        with pytest.raises(DatasetExists):
            store.build("blue", [])
    assert store.build("blue", []).keys == 0
    assert sorted(path.name for path in left.parent.iterdir()) == ["blue.mdb", "red.mdb"]
    assert not lock_of(left.with_suffix(".mdb")).exists()


def rows(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Rows in no order, every key twice."""
    for number in range(2 * count):
        yield b"%d" % (number * 7919 % count), b"%d" % number


def test_more_rows_than_one_run_are_sorted(tmp_path: Path) -> None:
    """Each key once, with its last row; rows that are longer than a window, too; nothing is left in the folder."""
    count = RUN_ROWS + 1
    with sorted_rows(rows(count), tmp_path) as ordered:
        assert list(ordered) == sorted((dict(rows(count))).items())
    large = [(b"%d" % number, os.urandom(RUN_BYTES // 2 + number)) for number in range(5)]
    with sorted_rows(iter(large), tmp_path) as ordered:
        assert list(ordered) == large
    assert list(tmp_path.iterdir()) == []


def test_a_build_is_bounded_in_memory(tmp_path: Path) -> None:
    """Four times the rows, 48 MB more, take the same memory, within what a run costs."""
    code = (
        "import resource, sys; from pathlib import Path; from tests.support.killed_writers import *\n"
        "from n2k_fcgi.model.keyvalue.entry import Entry\n"
        "count = int(sys.argv[2])\n"
        "entries = (Entry(b'%d' % (number * 7919 % count), bytes(200)) for number in range(count))\n"
        "assert opened(Path(sys.argv[1])).build('large', entries).keys == count\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    used = []
    for count in (60_000, 240_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        done = subprocess.run([sys.executable, "-c", code, folder, str(count)], stdout=subprocess.PIPE, check=True)
        used.append(int(done.stdout))
    assert used[1] < used[0] + 16 * 1024, used


def test_runs_are_merged_lazily(tmp_path: Path) -> None:
    """The first rows are there without reading all."""
    with sorted_rows(rows(10), tmp_path) as ordered:
        assert list(islice(ordered, 2)) == [(b"0", b"10"), (b"1", b"19")]
