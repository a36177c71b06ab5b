"""The contract of ``KeyValueStore`` and ``NamespaceStore``."""

import pytest

from n2k_fcgi.errors import BatchRefused, ChangesGone, ConditionFailed, NoSuchEntry, NoSuchNamespace, QuotaReached
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import AssignId, Condition, Delete, Increment, Put, Restore, Touch
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Change, Kind, NamespaceStore, Range, Space, Terms
from tests.contract.engines import Place

NOW = 1_764_000_000_000
TERMS = Terms(1_000_000, 1000)


@pytest.fixture
def shop(store: Store) -> NamespaceStore:
    """An empty namespace."""
    return store.keyvalue.create("shop", TERMS)


def put(space: NamespaceStore, key: bytes, value: bytes, now: int = NOW, ttl: int | None = None) -> int:
    """Store a value; return its version."""
    return space.apply([Put(key, value, ttl=ttl)], now).results[0].version


def listed(space: NamespaceStore, wanted: Range = Range(), now: int = NOW) -> list[bytes]:  # noqa: B008
    """The keys of a range."""
    return [entry.key for entry in space.scan(wanted, now, limit=1000, values=False).entries]


def test_namespaces_are_separate(store: Store, place: Place) -> None:
    """Each has entries and terms of its own; an unknown one is an error."""
    assert store.keyvalue.names() == []
    with pytest.raises(NoSuchNamespace):
        store.keyvalue.namespace("shop")
    shop, game = store.keyvalue.create("shop", TERMS), store.keyvalue.create("game", Terms(5, 1, is_open=True))
    put(shop, b"k", b"shop")
    put(game, b"k", b"game")
    assert store.keyvalue.names() == ["game", "shop"]
    assert [space.get(b"k", NOW).value for space in (shop, game)] == [b"shop", b"game"]  # type: ignore[union-attr]
    assert (shop.terms(), game.terms()) == (TERMS, Terms(5, 1, is_open=True))
    store.keyvalue.create("game", Terms(50, 10))
    assert game.terms() == Terms(50, 10, is_open=True)
    with place.peer() as peer:
        assert peer("store.keyvalue.namespace('game').get(b'k', now).value", now=NOW) == b"game"


def test_a_value_comes_back_with_its_metadata(shop: NamespaceStore) -> None:
    """Bytes, version, time, flags and type; a second put replaces all but the id."""
    done = shop.apply([AssignId(b"k", Put(b"k", b"\0\xff", ValueType.BYTES, 500, 7))], NOW)
    version = NOW * 1000
    assert done.results[0] == (Entry(b"k", b"\0\xff", version, NOW + 500, 7, ValueType.BYTES, 1), True, version)
    assert shop.get(b"k", NOW) == done.results[0].entry
    assert done.space == shop.space(NOW) == Space(3, 1_000_000, 1, 1000)
    put(shop, b"k", b"{}")
    assert shop.get(b"k", NOW + 1000) == Entry(b"k", b"{}", version + 1, 0, 0, ValueType.BYTES, 1)
    assert shop.get_many([b"k", b"l"], NOW) == [shop.get(b"k", NOW), None]


def test_versions_grow_whatever_the_clock_does(shop: NamespaceStore) -> None:
    """They are the time in microseconds, or the one after the last."""
    versions = [put(shop, b"k", b"", now) for now in (NOW, NOW, NOW - 50_000, NOW + 1, 0)]
    assert versions == [NOW * 1000, NOW * 1000 + 1, NOW * 1000 + 2, NOW * 1000 + 1000, NOW * 1000 + 1001]


def test_a_batch_is_all_or_nothing(shop: NamespaceStore) -> None:
    """Each operation sees those before it; one refusal refuses all, and each is reported."""
    done = shop.apply([Put(b"n", b"1"), Increment(b"n", 4), Delete(b"n"), Increment(b"m", initial=7)], NOW)
    assert [(result.entry and result.entry.value, result.created) for result in done.results] == [
        (b"1", True), (b"5", False), (None, False), (b"7", True),
    ]  # fmt: skip
    with pytest.raises(BatchRefused) as refused:
        shop.apply([Put(b"a", b""), Delete(b"none"), Put(b"m", b"", condition=Condition(versions=frozenset([3])))], NOW)
    assert [(index, type(error)) for index, error in refused.value.failures] == [(1, NoSuchEntry), (2, ConditionFailed)]
    assert listed(shop) == [b"m"]


def test_what_has_expired_is_gone_from_the_millisecond(shop: NamespaceStore) -> None:
    """From get, lists, counts, increments and space; a clock that goes back shows it again unless it was swept."""
    put(shop, b"a", b"1", ttl=10)
    put(shop, b"b", b"1")
    assert shop.get(b"a", NOW + 9) and listed(shop, now=NOW + 9) == [b"a", b"b"]
    assert shop.get(b"a", NOW + 10) is None and listed(shop, now=NOW + 10) == [b"b"]
    assert shop.count(Range(), NOW + 10) == shop.count(Range(b"a"), NOW + 10) == (1, 2)
    assert shop.space(NOW + 10).used == 2
    assert shop.get(b"a", NOW) is not None
    with pytest.raises(NoSuchEntry):
        shop.apply([Increment(b"a")], NOW + 10)
    assert shop.sweep(NOW + 10, 100) == 1 and shop.sweep(NOW + 10, 100) == 0
    assert shop.get(b"a", NOW) is None
    assert [change.kind for change in shop.changes(0, 10).changes] == [Kind.PUT, Kind.PUT, Kind.EXPIRE]


def test_ranges_both_ways_and_in_pages(shop: NamespaceStore) -> None:
    """Keys are in byte order; a page says where the rest begins."""
    for number in range(20):
        put(shop, b"k%02d" % number, b"x" * number)
    page = shop.scan(Range(b"k05", b"k10"), NOW, limit=3, values=True)
    assert ([e.key for e in page.entries], page.more_after) == ([b"k05", b"k06", b"k07"], b"k07")
    assert page.entries[2].value == b"x" * 7
    page = shop.scan(Range(b"k05", b"k10"), NOW, limit=3, values=False, reverse=True)
    assert ([e.key for e in page.entries], page.more_after) == ([b"k09", b"k08", b"k07"], b"k07")
    page = shop.scan(Range(), NOW, limit=100, values=True, max_bytes=10)
    assert ([len(e.value) for e in page.entries], page.more_after) == ([0, 1], b"k01")
    assert shop.scan(Range(b"k19"), NOW, limit=1, values=False).more_after is None
    assert shop.count(Range.of_prefix(b"k1"), NOW) == (10, 30 + sum(range(10, 20)))


def test_changes_come_once_and_in_order(shop: NamespaceStore) -> None:
    """After any version; a flush ends the log, and a version from elsewhere is refused."""
    first, second = put(shop, b"a", b""), put(shop, b"b", b"")
    third = shop.apply([Delete(b"a")], NOW).results[0].version
    everything = [Change(first, Kind.PUT, b"a"), Change(second, Kind.PUT, b"b"), Change(third, Kind.DELETE, b"a")]
    assert shop.changes(0, 10) == (everything, third, False)
    assert shop.changes(first, 1) == (everything[1:2], second, True)
    assert shop.changes(third, 10) == ([], third, False)
    assert shop.flush(NOW) == 1 and listed(shop) == [] and shop.space(NOW).used == 0
    for since in (third, third + 100):
        with pytest.raises(ChangesGone):
            shop.changes(since, 10)
    assert shop.changes(0, 10).changes == [Change(third + 1, Kind.FLUSH, b"")]


def test_sequences_repeat_nothing(shop: NamespaceStore, place: Place) -> None:
    """Each lease begins behind the one before, in other processes too, and a flush keeps that."""
    assert [shop.sequence(b"n", 10), shop.sequence(b"n", 1), shop.sequence(b"m", 1)] == [1, 11, 1]
    shop.flush(NOW)
    with place.peer() as peer:
        assert peer("store.keyvalue.namespace('shop').sequence(b'n', 5)") == 12
    assert shop.sequence(b"n", 1) == 17


def test_sequences_are_listed(shop: NamespaceStore) -> None:
    """Each with the number that comes next; a lease of none reports it and changes nothing."""
    assert shop.sequences() == {} and shop.sequence(b"n", 0) == 1
    shop.sequence(b"n", 10)
    shop.sequence(b"m", 1)
    assert [shop.sequence(b"n", 0), shop.sequence(b"n", 0)] == [11, 11]
    assert shop.sequences() == {b"m": 2, b"n": 11}


def test_the_last_version(shop: NamespaceStore) -> None:
    """Changes after it are those from now on."""
    assert shop.version() == 0
    last = put(shop, b"a", b"")
    assert shop.version() == last and shop.changes(last, 10) == ([], last, False)


def test_an_entry_is_restored(shop: NamespaceStore) -> None:
    """Value, time, flags, type and id are those given, the version is new; later ids are larger. *keep* replaces nothing."""
    entry = Entry(b"k", b"{}", 5, NOW + 10, 7, ValueType.JSON, 40)
    done = shop.apply([Restore(entry)], NOW)
    assert done.results[0].entry == shop.get(b"k", NOW) == entry._replace(version=NOW * 1000)
    assert shop.get(b"k", NOW + 10) is None
    assert shop.apply([AssignId(b"n", Put(b"n", b""))], NOW).results[0].entry.id == 41  # type: ignore[union-attr]
    kept = shop.apply([Restore(Entry(b"n", b"other"), keep=True), Restore(Entry(b"m", b"new"), keep=True)], NOW)
    assert [result.created for result in kept.results] == [False, True]
    assert [entry.value for entry in shop.get_many([b"n", b"m"], NOW) if entry] == [b"", b"new"]
    assert shop.apply([Restore(Entry(b"n", b"other"))], NOW).results[0].entry.id == 41  # type: ignore[union-attr]


def test_a_snapshot_is_one_state(shop: NamespaceStore, place: Place) -> None:
    """What is written meanwhile, here or elsewhere, is not in it."""
    put(shop, b"k", b"before")
    with shop.snapshot() as state, place.peer() as peer:
        put(shop, b"k", b"after")
        peer("store.keyvalue.namespace('shop').apply([Put(b'l', b'')], now)", now=NOW, Put=Put)
        assert [entry.value for entry in state.scan(Range(), NOW, limit=9, values=True).entries] == [b"before"]
    assert listed(shop) == [b"k", b"l"]


def test_the_quota(store: Store) -> None:
    """Nothing grows beyond it; what has expired makes room; what gets smaller is accepted over a lowered one."""
    shop = store.keyvalue.create("shop", Terms(10, 2))
    put(shop, b"a", b"12345", ttl=10)
    put(shop, b"b", b"123")
    with pytest.raises(QuotaReached) as refused:
        put(shop, b"b", b"1234")
    assert (refused.value.free_bytes, refused.value.free_keys) == (0, 0)
    put(shop, b"c", b"12345", NOW + 10)
    store.keyvalue.create("shop", Terms(5, 1))
    put(shop, b"c", b"1234")
    shop.apply([Touch(b"c", None)], NOW)
    with pytest.raises(QuotaReached):
        put(shop, b"c", b"12345")


def test_a_repeated_request_gets_the_first_answer(shop: NamespaceStore) -> None:
    """For ten minutes: nothing is done again, and a number is the first one."""
    operations = [Increment(b"n", 5, 1), Put(b"k", b"v", condition=Condition(exists=False))]
    first = shop.apply(operations, NOW, request="r1")
    again = shop.apply(operations, NOW + 599_999, request="r1")
    assert again.repeated and [result.version for result in again.results] == [r.version for r in first.results]
    assert [result.created for result in again.results] == [True, True]
    assert again.results[0].entry == first.results[0].entry
    assert shop.apply(operations[:1], NOW, request="r2").results[0].entry.value == b"6"  # type: ignore[union-attr]
    assert not shop.apply(operations[:1], NOW + 600_000, request="r2").repeated
