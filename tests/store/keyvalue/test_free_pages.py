"""A file that lacks only free pages at its end is whole, and one that was cut is not."""

import os
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import NamespaceDamaged
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.keyvalue import Range, Terms
from n2k_fcgi.store.lmdb import writable
from n2k_fcgi.store.lmdb.free_pages import only_free_pages_missing
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.contract.engines import Place
from tests.support.namespaces import NOW

PAGE = 4096


def pages(path: Path) -> int:
    """The number of pages that the newest state has."""
    env = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
    last: int = env.info()["last_pgno"]
    env.close()
    return last + 1


def batches() -> Iterator[list[Put]]:
    """Batches that are longer than the log: records of the same transaction are removed from it."""
    for start in range(0, 5000, 500):
        yield [Put(b"k%04d" % n, bytes(300), ttl=None if n % 2 else 10_000) for n in range(start, start + 500)]


@pytest.fixture
def short(place: Place) -> Path:
    """A namespace's file that is shorter than its number of pages says."""
    path = place.folder / "keyvalue" / "shop" / "data.mdb"
    with place.opened():  # makes the data directory
        store = Namespaces(place.folder, PRIVATE, sync=Sync.OFF, most_changes=200)
        shop = store.create("shop", Terms(1 << 30, 1 << 20))
        for batch in batches():
            shop.apply(batch, NOW)
            store.close()
            if path.stat().st_size < pages(path) * PAGE:
                return path
    pytest.fail("no batch left such a file")


def test_a_file_that_lacks_free_pages_is_whole(place: Place, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened, read, written, checked and compacted, by running and new processes; one page less, and it is refused."""
    monkeypatch.setattr(writable, "LOOK_EVERY", 0)
    assert only_free_pages_missing(short, PAGE)
    with place.opened() as store, place.peer() as peer:
        shop = store.keyvalue.namespace("shop")
        count = shop.count(Range(), NOW)
        for _ in range(3):
            assert peer("store.keyvalue.namespace('shop').count(wanted, now)", wanted=Range(), now=NOW) == count
        assert list(store.keyvalue.problems()) == []
        with shop.copy() as state:
            assert state.count(Range(), NOW) == count
        whole = short.read_bytes()
        shop.apply([Put(b"another", b"")], NOW)
        assert peer("store.keyvalue.namespace('shop').get(b'another', now).value", now=NOW) == b""
    for missing in (1, PAGE, 20 * PAGE, len(whole) - 2 * PAGE, len(whole) - PAGE, len(whole)):
        short.write_bytes(whole[: len(whole) - missing])
        assert not only_free_pages_missing(short, PAGE), missing
        with place.opened() as store, pytest.raises(NamespaceDamaged):
            store.keyvalue.namespace("shop").get(b"another", NOW)
    short.write_bytes(whole)
    with place.opened() as store:
        assert store.keyvalue.namespace("shop").compact()[1] == short.stat().st_size
        assert store.keyvalue.namespace("shop").count(Range(), NOW) == count


def test_free_pages_in_a_file_with_many(place: Place, tmp_path: Path) -> None:
    """Their database has several levels, and values in pages of their own: what is cut behind the last used page is whole."""
    path = tmp_path / "many"
    env = lmdb.open(str(path), subdir=False, map_size=1 << 30, sync=False)
    for start in range(0, 6000, 20):
        with env.begin(write=True) as transaction:
            for n in range(start, start + 20):
                transaction.put(b"%08d" % n, bytes(9000))
    with env.begin() as reader:  # keeps pages from being used again, so that their lists stay
        assert reader.id()
        for start in range(0, 6000, 20):
            with env.begin(write=True) as transaction:
                for n in range(start, start + 20):
                    transaction.delete(b"%08d" % n)
    for _ in range(3):  # the rows move to free pages before the end
        with env.begin(write=True) as transaction:
            for n in range(6000):
                transaction.put(b"%08d" % n, b"")
    env.close()
    total = pages(path)
    assert path.stat().st_size == total * PAGE
    whole = [only_free_pages_missing(_cut(path, count * PAGE), PAGE) for count in range(total, total - 200, -1)]
    spare = whole.index(False) - 1
    assert 0 < spare < 150 and not any(whole[spare + 1 :])
    os.truncate(path, (total - spare) * PAGE)
    env = lmdb.open(str(path), subdir=False, map_size=1 << 30)
    with env.begin() as transaction:
        assert sum(1 for _ in transaction.cursor()) == 6000
    env.close()


def _cut(path: Path, size: int) -> Path:
    copy = path.with_name("cut")
    if not copy.exists():
        copy.write_bytes(path.read_bytes())
    os.truncate(copy, size)
    return copy
