"""The contract of datasets: ``KeyValueStore.build``, and ``NamespaceStore.use``."""

import pytest

from n2k_fcgi.errors import BatchRefused, ChangesGone, ConditionFailed, DatasetExists, NoSuchDataset, QuotaReached
from n2k_fcgi.model.choices import Later
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import AssignId, Condition, Delete, Increment, Put, Touch
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Change, Dataset, Kind, NamespaceStore, Page, Range, Space, Terms
from tests.contract.engines import Place

NOW = 1_764_000_000_000
TERMS = Terms(100, 5)


@pytest.fixture
def shop(store: Store) -> NamespaceStore:
    """An empty namespace, and the datasets ``red`` and ``blue``."""
    store.keyvalue.build("red", [Entry(b"colour", b"red"), Entry(b"only red", b"1"), Entry(b"ends", b"", expires=NOW + 10)])
    store.keyvalue.build("blue", [Entry(b"only blue", b"2", id=7), Entry(b"colour", b"blue", flags=3, type=ValueType.TEXT)])
    return store.keyvalue.create("shop", TERMS)


def seen(space: NamespaceStore, now: int = NOW) -> dict[bytes, bytes]:
    """All values."""
    return {entry.key: entry.value for entry in space.scan(Range(), now, limit=100, values=True).entries}


def test_a_dataset_is_sorted_and_counted(store: Store) -> None:
    """Of several entries with one key the last counts; what is listed is what was built; a name is taken once."""
    entries = [Entry(b"%d" % (number % 1000), b"%d" % number) for number in range(3000)]
    made = store.keyvalue.build("numbers", iter(entries))
    assert made[:3] == Dataset("numbers", 1000, sum(len(b"%d" % each) for each in range(1000)) + 4000, 0)[:3]
    assert store.keyvalue.dataset_names() == ["numbers"] and store.keyvalue.dataset("numbers") == made
    with pytest.raises(DatasetExists):
        store.keyvalue.build("numbers", [])
    space = store.keyvalue.create("shop", TERMS)
    space.use("numbers", NOW)
    assert [entry.key for entry in space.scan(Range(), NOW, limit=3000, values=False).entries] == sorted(
        b"%d" % number for number in range(1000)
    )
    found = space.get(b"7", NOW)
    assert found is not None and found.value == b"2007"


def test_what_fails_leaves_nothing(store: Store) -> None:
    """A build whose source fails can be repeated."""

    def failing() -> "list[Entry]":
        raise ConditionFailed(version=1)

    with pytest.raises(ConditionFailed):
        store.keyvalue.build("red", (entry for _ in "x" for entry in failing()))
    assert store.keyvalue.dataset_names() == []
    assert store.keyvalue.build("red", []).keys == 0


def test_a_value_has_the_version_of_the_swap(shop: NamespaceStore) -> None:
    """Which is a new one, also when the clock is behind; each swap gives the same value another version."""
    written = shop.apply([Put(b"own", b"")], NOW + 5000).results[0].version
    version = shop.use("red", NOW)
    assert version == shop.version() == written + 1
    assert shop.get(b"colour", NOW) == Entry(b"colour", b"red", version)
    assert shop.get_many([b"own", b"only red"], NOW) == [None, Entry(b"only red", b"1", version)]
    assert shop.use("red", NOW + 9000) == shop.version() == version  # it is live: nothing to do
    later = shop.use("blue", NOW + 9000)
    assert shop.get(b"colour", NOW) == Entry(b"colour", b"blue", later, 0, 3, ValueType.TEXT)
    assert (shop.dataset(), shop.use("", NOW), shop.dataset()) == ("blue", later + 1, "")
    assert seen(shop) == {b"own": b""}


def test_reads_are_those_of_writes_over_the_dataset(shop: NamespaceStore) -> None:
    """Lists both ways, ranges, counts; a deleted key of the dataset stays away; what expires is gone."""
    shop.use("red", NOW)
    shop.apply([Put(b"apple", b"3"), Delete(b"only red"), Put(b"colour", b"pink", ttl=5)], NOW)
    assert seen(shop) == {b"apple": b"3", b"colour": b"pink", b"ends": b""}
    assert [e.key for e in shop.scan(Range(), NOW, limit=2, values=False, reverse=True).entries] == [b"ends", b"colour"]
    assert shop.scan(Range(b"b"), NOW, limit=1, values=False).more_after == b"colour"
    assert (shop.count(Range(), NOW), shop.count(Range(b"b", b"d"), NOW)) == ((3, 20), (1, 10))
    assert seen(shop, NOW + 5) == {b"apple": b"3", b"ends": b""}
    assert seen(shop, NOW + 10) == {b"apple": b"3"} and shop.count(Range(), NOW + 10) == (1, 6)
    shop.sweep(NOW + 5, 10)
    assert shop.get(b"colour", NOW + 5) is None, "the value of the dataset came back"


def test_operations_see_the_dataset(shop: NamespaceStore) -> None:
    """Conditions, counters, times and ids of what it has."""
    version = shop.use("red", NOW)
    with pytest.raises(ConditionFailed):
        shop.apply([Put(b"colour", b"", condition=Condition(exists=False))], NOW)
    with pytest.raises(BatchRefused):
        shop.apply([Put(b"a", b""), Delete(b"colour", Condition.at(version + 1))], NOW)
    done = shop.apply([Increment(b"only red", 4), Touch(b"colour", 50), AssignId(b"ends")], NOW).results
    assert [result.created for result in done] == [False] * 3
    assert shop.get(b"only red", NOW) == Entry(b"only red", b"5", version + 1)
    assert shop.get(b"ends", NOW) == Entry(b"ends", b"", version + 3, NOW + 10, id=1)
    shop.use("blue", NOW)
    result = shop.apply([AssignId(b"new", Put(b"new", b""))], NOW).results[0]
    assert result.entry is not None and result.entry.id == 8, "an id that a dataset has was given again"


def test_the_quota_is_that_of_later_writes(shop: NamespaceStore, store: Store) -> None:
    """A dataset may be larger; overwriting its value takes space, deleting it takes none."""
    store.keyvalue.build("large", [Entry(b"%d" % number, b"x" * 50) for number in range(100)])
    shop.use("large", NOW)
    assert shop.space(NOW) == Space(0, 100, 0, 5)
    assert shop.apply([Put(b"1", b"y" * 60)], NOW).space == shop.space(NOW) == Space(61, 100, 1, 5)
    with pytest.raises(QuotaReached):
        shop.apply([Touch(b"2", 1000)], NOW)
    assert shop.apply([Delete(b"2"), Delete(b"1")], NOW).space == Space(0, 100, 0, 5)
    assert shop.count(Range(), NOW)[0] == 98


def test_later_writes_belong_to_their_dataset(shop: NamespaceStore) -> None:
    """Going back finds them again; they are carried along or dropped where that is said."""
    shop.apply([Put(b"own", b"0")], NOW)
    shop.use("red", NOW)
    shop.apply([Put(b"more", b"r"), Delete(b"colour")], NOW)
    in_red = seen(shop)
    shop.use("blue", NOW)
    assert seen(shop) == {b"colour": b"blue", b"only blue": b"2"}
    shop.use("red", NOW)
    assert seen(shop) == in_red == {b"ends": b"", b"more": b"r", b"only red": b"1"}
    shop.use("blue", NOW, Later.CARRY)
    assert seen(shop) == {b"more": b"r", b"only blue": b"2"}
    shop.use("red", NOW)
    assert seen(shop) == {b"colour": b"red", b"ends": b"", b"only red": b"1"}
    shop.use("blue", NOW, Later.FRESH)
    assert seen(shop) == {b"colour": b"blue", b"only blue": b"2"}
    shop.use("", NOW)
    assert seen(shop) == {b"own": b"0"}


def test_a_flush_hides_this_dataset_and_no_other_of_its_name(store: Store, shop: NamespaceStore) -> None:
    """What was flushed was another file."""
    shop.use("red", NOW)
    shop.flush(NOW)
    shop.use("blue", NOW)
    store.keyvalue.remove_dataset("red", later=False)
    store.keyvalue.build("red", [Entry(b"colour", b"scarlet")])
    shop.use("red", NOW)
    assert seen(shop) == {b"colour": b"scarlet"}


def test_a_flush_hides_the_dataset(shop: NamespaceStore) -> None:
    """Until it is made live afresh; the flush belongs to it as other writes do."""
    shop.use("red", NOW)
    assert shop.flush(NOW) == 3
    assert seen(shop) == {} and shop.count(Range(), NOW) == (0, 0)
    shop.apply([Put(b"colour", b"new")], NOW)
    shop.use("blue", NOW)
    shop.use("red", NOW)
    assert seen(shop) == {b"colour": b"new"}
    shop.use("red", NOW, Later.FRESH)
    assert seen(shop)[b"colour"] == b"red"


def test_readers_of_the_log_list_anew(shop: NamespaceStore) -> None:
    """A swap ends the log; it begins again after the version of the swap."""
    shop.apply([Put(b"own", b"0")], NOW)
    version = shop.use("red", NOW)
    for since in (0, NOW * 1000):
        with pytest.raises(ChangesGone) as refusal:
            shop.changes(since, 10)
        assert refusal.value.last == version
    written = shop.apply([Delete(b"colour")], NOW).results[0].version
    assert shop.changes(version, 10).changes == [Change(written, Kind.DELETE, b"colour")]


def test_what_must_not_repeat_goes_on(shop: NamespaceStore) -> None:
    """Sequences, requests and versions are the namespace's, whichever dataset is live."""
    assert shop.sequence(b"numbers", 5) == 1
    first = shop.apply([Put(b"k", b"")], NOW, request="once")
    shop.use("red", NOW)
    assert shop.sequence(b"numbers", 1) == 6
    again = shop.apply([Put(b"k", b"")], NOW, request="once")
    assert again.repeated and again.results[0].version == first.results[0].version
    assert shop.terms() == TERMS


def test_an_unknown_dataset_changes_nothing(shop: NamespaceStore) -> None:
    """The live one stays."""
    version = shop.use("red", NOW)
    with pytest.raises(NoSuchDataset):
        shop.use("green", NOW)
    assert (shop.dataset(), shop.version()) == ("red", version)


def test_a_read_sees_one_dataset(shop: NamespaceStore, place: Place) -> None:
    """A snapshot that began before a swap of another process ends with what it began with; the next read sees the other."""
    shop.use("red", NOW)
    with place.peer() as peer, shop.snapshot() as state:
        assert peer("store.keyvalue.namespace('shop').get(b'colour', now).value", now=NOW) == b"red"
        peer("store.keyvalue.namespace('shop').use('blue', now)", now=NOW)
        colour = shop.get(b"colour", NOW)
        assert colour is not None and colour.value == b"blue"
        assert state.get(b"colour", NOW) == Entry(b"colour", b"red", NOW * 1000)
        assert len(state.scan(Range(), NOW, limit=9, values=True).entries) == 3
        assert (state.dataset(), shop.dataset()) == ("red", "blue")
    shop.use("red", NOW)
    with place.peer() as peer:
        assert peer("store.keyvalue.namespace('shop').get(b'colour', now).value", now=NOW) == b"red"


def test_compacting_and_copies_keep_all(shop: NamespaceStore, store: Store) -> None:
    """The dataset, its later writes, and those of others; a dropped namespace forgets them, and datasets stay."""
    shop.use("red", NOW)
    shop.apply([Put(b"more", b"r")], NOW)
    shop.use("blue", NOW)
    shop.compact()
    with shop.copy() as state:
        assert state.scan(Range(), NOW, limit=9, values=True) == shop.scan(Range(), NOW, limit=9, values=True)
        assert len(state.scan(Range(), NOW, limit=9, values=True).entries) == 2
    shop.use("red", NOW)
    assert seen(shop)[b"more"] == b"r"
    assert list(store.keyvalue.problems()) == []
    store.keyvalue.drop("shop")
    again = store.keyvalue.create("shop", TERMS)
    assert (again.dataset(), again.scan(Range(), NOW, limit=9, values=True)) == ("", Page([], None))
    assert store.keyvalue.dataset_names() == ["blue", "red"]
