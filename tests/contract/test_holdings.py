"""The contract of what ``n2k about`` asks a store for: every record that has a key or a name of an avatar."""

import pytest

from n2k_fcgi.errors import NoSuchDataset
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keeping import Keeping
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Delete, Put
from n2k_fcgi.model.observations import Queued
from n2k_fcgi.store.base import Store, Tombstone
from n2k_fcgi.store.keyvalue import Holding, Spot, Terms
from tests.contract.values import HERE, KEY, KEYS, OTHER, THERE, record, seen

NOW = 1_764_000_000_000


def test_tombstones(store: Store) -> None:
    """Of keys and names that were asked for, with their times and grids; nothing of others, and nothing before the first."""
    assert store.forgotten.tombstones([KEY], [(HERE, "any.name")]) == []
    store.forgotten.forget([KEY], [(HERE, "masakazu.kojima")], 100)
    store.forgotten.forget([OTHER], [], 200, THERE)
    found = store.forgotten.tombstones([KEY, OTHER, KEYS[5]], [(HERE, "masakazu.kojima"), (THERE, "masakazu.kojima")])
    assert found == [
        Tombstone(100, key=KEY),
        Tombstone(200, key=OTHER, grids=(THERE,)),
        Tombstone(100, name=(HERE, "masakazu.kojima")),
    ]


def test_queued_keys(store: Store) -> None:
    """Waiting or reported unknown, on each grid."""
    store.pending.add([KEY, OTHER], HERE, 10)
    store.pending.add([KEY], THERE, 20)
    store.pending.mark_unknown([KEY], THERE, 30)
    assert sorted(store.pending.queued(KEY)) == sorted([Queued(KEY, HERE, 10, 0), Queued(KEY, THERE, 20, 30)])
    assert store.pending.queued(KEYS[7]) == []


def test_reserved_names_are_counted(store: Store) -> None:
    """Current and former names of one key; 0 for others and before the first."""
    assert store.captures.count_reserved(KEY) == 0
    record(store.captures, seen(KEY, "Former Name", PRODUCTION), 10)
    record(store.captures, seen(KEY, "Masakazu Kojima", PRODUCTION), 20)
    store.captures.drop_outdated(Keeping(100))
    assert (store.captures.count_reserved(KEY), store.captures.count_reserved(OTHER)) == (2, 0)


def test_holdings_of_a_namespace(store: Store) -> None:
    """Entries, expired ones too, deleted keys in the log, sequences, later writes of what is not shown; no flushed row."""
    shop = store.keyvalue.create("shop", Terms(1 << 20, 100))
    shop.apply([Put(b"flushed", b"x")], NOW)
    shop.flush(NOW)
    shop.apply([Put(b"a", b"1"), Put(b"brief", b"2", ttl=1), Put(b"gone", b"3")], NOW)
    shop.apply([Delete(b"gone")], NOW)
    shop.sequence(b"tickets", 1)
    of_log = {Holding(Spot.LOG, key) for key in (b"", b"a", b"brief", b"gone", b"flushed")}
    entries = {Holding(Spot.ENTRY, b"a", b"1"), Holding(Spot.ENTRY, b"brief", b"2"), Holding(Spot.SEQUENCE, b"tickets")}
    found = set(shop.holdings())
    assert entries <= found and found - entries <= of_log and Holding(Spot.LOG, b"gone") in found
    store.keyvalue.build("red", [Entry(b"r", b"1")])
    shop.use("red", NOW)
    shop.apply([Put(b"new", b"4")], NOW)
    found = set(shop.holdings())
    assert {Holding(Spot.LATER, b"a", b"1"), Holding(Spot.ENTRY, b"new", b"4"), Holding(Spot.SEQUENCE, b"tickets")} <= found
    assert not [held for held in found if held.key in (b"flushed", b"r") and held.spot is not Spot.LOG]


def test_holdings_are_read_in_pieces(store: Store) -> None:
    """More than is read in one transaction, and values that are larger than that: each row once, while others write."""
    shop = store.keyvalue.create("shop", Terms(1 << 26, 10_000))
    for number in range(6):
        shop.apply([Put(b"large%d" % number, b"x" * 900_000)], NOW)
    rows = shop.holdings()
    first = next(rows)
    shop.apply([Put(b"zz", b"written meanwhile")], NOW)
    keys = [held.key for held in (first, *rows) if held.spot is Spot.ENTRY]
    assert sorted(keys) == sorted([*(b"large%d" % number for number in range(6)), b"zz"])


def test_entries_of_a_dataset(store: Store) -> None:
    """All of them in order, shown by a namespace or not; the error of one that is not there."""
    entries = [Entry(b"%05d" % number, b"v") for number in range(2500)]
    store.keyvalue.build("blue", entries)
    assert [(each.key, each.value) for each in store.keyvalue.entries_of("blue")] == [(e.key, e.value) for e in entries]
    with pytest.raises(NoSuchDataset):
        next(iter(store.keyvalue.entries_of("none-such")))
