"""Overlays in the file of a namespace: a flush and a swap change as few rows for many entries as for one."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.model.choices import Later
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Delete, Flush, Put
from n2k_fcgi.store.keyvalue import Range, Terms
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from n2k_fcgi.store.lmdb.keyvalue.rows import Parked, pack_parked
from tests.support.killed_writers import opened
from tests.support.namespaces import NOW

ALL = Range()
WRITTEN = 500
"""Later writes."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Namespaces]:
    """An empty store."""
    with closing(opened(tmp_path)) as store:
        yield store


@pytest.fixture
def shop(store: Namespaces) -> Namespace:
    """A namespace above the dataset ``red`` with many later writes, and others above ``blue``, which is not live."""
    store.build("red", [Entry(b"k%d" % number, b"red") for number in range(WRITTEN // 2)])
    store.build("blue", [])
    shop = store.create("shop", Terms(1_000_000, 10_000))
    for name in ("blue", "red"):
        shop.use(name, NOW)
        shop.apply([Put(b"k%d" % number, name.encode(), ttl=1000) for number in range(WRITTEN)], NOW)
        shop.apply([Delete(b"k0")], NOW)
    return shop


def rows(shop: Namespace) -> dict[bytes, bytes]:
    """All rows of the file, which is closed."""
    path = shop.file.path
    shop.file.close()
    with lmdb.open(str(path), subdir=False, lock=False, readonly=True) as env, env.begin() as transaction:
        return dict(transaction.cursor())


CHANGES: dict[str, Callable[[Namespace], object]] = {
    "a flush": lambda shop: shop.flush(NOW),
    "a flush that counts nothing": lambda shop: shop.apply_each([Flush()], NOW),
    "no dataset": lambda shop: shop.use("", NOW),
    "another dataset": lambda shop: shop.use("blue", NOW),
    "another dataset, without its later writes": lambda shop: shop.use("blue", NOW, Later.FRESH),
    "another dataset, with these later writes": lambda shop: shop.use("blue", NOW, Later.CARRY),
    "the same without its later writes": lambda shop: shop.use("red", NOW, Later.FRESH),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_few_rows_are_changed(store: Namespaces, shop: Namespace, kind: str) -> None:
    """Counters, what is live, who owns an overlay and a record; later writes remove what nobody can see any more."""
    before = rows(shop)
    CHANGES[kind](shop)
    after = rows(shop)
    changed = {db_key for db_key in before.keys() | after.keys() if before.get(db_key) != after.get(db_key)}
    assert {db_key[:1] for db_key in changed} <= set(map(bytes, zip(b"lmox", strict=True))) and len(changed) <= 5
    assert list(store.problems()) == []
    visible = shop.count(ALL, NOW)
    writes = 0
    while any(db_key[:1] == b"x" for db_key in rows(shop)):
        shop.apply([Put(b"new", b"")], NOW)
        writes += 1
        assert list(store.problems()) == []
    assert writes <= 1 + 2 * WRITTEN // 100
    shop.apply([Put(b"new", b"")], NOW)
    shop.apply([Delete(b"new")], NOW)
    assert shop.count(ALL, NOW) == visible


def test_a_compaction_removes_what_was_dropped(shop: Namespace) -> None:
    """Of all dropped overlays; what is parked stays."""
    shop.flush(NOW)
    shop.use("red", NOW, Later.FRESH)
    shop.apply([Put(b"new", b"")], NOW)
    shop.compact()
    left = rows(shop)
    assert not any(db_key[:1] == b"x" for db_key in left)
    assert sum(db_key[:1] in (b"v", b"V") for db_key in left) == WRITTEN - 1 + 1  # above blue, and the new one
    assert sum(db_key[:1] in (b"e", b"E") for db_key in left) == WRITTEN - 1
    shop.use("blue", NOW)
    assert shop.count(ALL, NOW)[0] == WRITTEN - 1


def test_housekeeping_removes_what_was_dropped(shop: Namespace) -> None:
    """Without a write; where nothing was dropped and nothing has expired it does not write."""
    shop.use("red", NOW, Later.FRESH)
    for _ in range(3):
        shop.sweep_if_idle(NOW)
    before = shop.file.path.stat().st_mtime_ns, rows(shop)
    assert not any(db_key[:1] == b"x" for db_key in before[1])
    shop.sweep_if_idle(NOW)
    assert (shop.file.path.stat().st_mtime_ns, rows(shop)) == before


DAMAGE: dict[str, tuple[dict[bytes, bytes], str]] = {
    "a dropped overlay that is live": ({b"x\0\1": b""}, "dropped overlay: number 1 is live"),
    "a dropped overlay that is parked": ({b"x\0\0": b""}, "overlay: number 0 has two owners"),
    "an overlay of two datasets": ({b"oother": pack_parked(Parked(0))}, "overlay: number 0 has two owners"),
    "an overlay of nobody": ({b"V\0\7k": b"-"}, "overlay 7 has 0 keys and 0 bytes, none were noted"),
    "the number of a dropped overlay that is cut": ({b"x\0": b""}, "the number of a dropped overlay cannot be read"),
    "an owner that is cut": ({b"oother": b"x"}, "overlay: an overlay cannot be read"),
    "what is live that is cut": ({b"mlive": b"x"}, "the live dataset cannot be read"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(store: Namespaces, shop: Namespace, kind: str) -> None:
    """Each kind."""
    changed, expected = DAMAGE[kind]

    def damage(transaction: lmdb.Transaction) -> None:
        for db_key, value in changed.items():
            transaction.put(db_key, value)

    shop.file.write(damage)
    shop.file.close()
    assert any(expected in line for line in store.problems()), list(store.problems())
