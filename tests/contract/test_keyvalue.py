"""The contract of ``KeyValueStore`` and ``NamespaceStore``."""

import pytest

from n2k_fcgi.errors import (
    BatchRefused,
    BatchTooLarge,
    ChangesGone,
    ConditionFailed,
    N2KError,
    NoSuchEntry,
    NoSuchNamespace,
    NotANumber,
    QuotaReached,
    StillSweeping,
)
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import (
    Append,
    AssignId,
    Condition,
    Delete,
    Flush,
    Get,
    Increment,
    Put,
    Restore,
    Touch,
)
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Change, Kind, NamespaceStore, Range, Result, Space, Terms
from tests.contract.engines import LOG, Place, done

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


@pytest.mark.parametrize(
    "operation", [Get(b"k"), Touch(b"k", 5), Append(b"k", b""), AssignId(b"k")], ids=["get", "touch", "append", "id"]
)
def test_a_batch_works_on_a_bounded_number_of_bytes(store: Store, operation: Get) -> None:
    """A small request could hold or rewrite a thousand large values at once. One value may be as large as it likes."""
    shop = store.keyvalue.create("shop", Terms(1 << 30, 10))
    put(shop, b"k", bytes(1_000_000))
    shop.apply([operation] * 8, NOW)
    before = shop.version()
    with pytest.raises(BatchTooLarge) as refused:
        shop.apply([operation] * 9, NOW)
    assert refused.value.status == 413 and shop.version() == before
    put(shop, b"k", bytes(20_000_000))
    shop.apply([operation, Put(b"l", b"")], NOW)
    shop.apply([Put(b"k", bytes(1_000_000))] * 20, NOW)


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


def test_ranges_of_any_length(shop: NamespaceStore) -> None:
    """Longer than a key can be, upside down, and beyond every key."""
    put(shop, b"k" * 500, b"")
    long = b"k" * 5000
    assert listed(shop, Range(b"k", long)) == [b"k" * 500] and listed(shop, Range(long)) == []
    assert listed(shop, Range(b"z", b"a")) == listed(shop, Range(b"k", b"k")) == listed(shop, Range(b"\xff" * 600)) == []
    assert shop.get(long, NOW) is None and shop.count(Range(b"", long), NOW) == (1, 500)
    assert [entry.key for entry in shop.scan(Range(b"", long), NOW, limit=1, values=True, reverse=True).entries] == [b"k" * 500]


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


def expire(space: NamespaceStore, count: int) -> None:
    """Store *count* keys ``k0000`` … that are gone at NOW + 10."""
    for start in range(0, count, 500):
        space.apply([Put(b"k%04d" % number, b"12345", ttl=10) for number in range(start, min(count, start + 500))], NOW)


def kinds(space: NamespaceStore, since: int) -> list[str]:
    """What happened after a version."""
    return [str(change.kind) for change in space.changes(since, 1000).changes]


def test_a_write_sweeps_a_few(shop: NamespaceStore) -> None:
    """What has expired is removed by later writes, the earliest first, a bounded number by each."""
    expire(shop, 100)
    since, done = shop.version(), []
    for number in range(20):
        before = shop.version()
        put(shop, b"x%d" % number, b"", NOW + 10)
        done.append(len(kinds(shop, before)) - 1)
    assert sum(done) == 100 and 0 < max(done) < 50
    keys = [change.key for change in shop.changes(since, 1000).changes if change.kind is Kind.EXPIRE]
    assert sorted(keys) == [b"k%04d" % number for number in range(100)]


@pytest.mark.parametrize(
    "operation", [Put(b"k0099", b"new"), Increment(b"k0099", initial=5), AssignId(b"k0099", Put(b"k0099", b""))]
)
def test_a_write_over_an_expired_entry_creates_one(shop: NamespaceStore, operation: Put) -> None:
    """Whether it was swept or not: its end is in the log before its successor, which has no id of it."""
    expire(shop, 99)
    shop.apply([AssignId(b"k0099", Put(b"k0099", b"old", ttl=10, flags=3))], NOW)
    before = shop.version()
    (result,) = shop.apply([operation], NOW + 10).results
    assert result.created and result.entry == shop.get(b"k0099", NOW + 10)
    assert result.entry.flags == 0 and result.entry.id in (0, 2)  # type: ignore[union-attr]
    mine = [change.kind for change in shop.changes(before, 1000).changes if change.key == b"k0099"]
    assert mine == [Kind.EXPIRE, Kind.PUT]
    assert shop.space(NOW + 10) == shop.apply([], NOW + 10).space


def test_the_quota_counts_nothing_that_has_expired(store: Store) -> None:
    """A write that needs the space sweeps all of it, in several transactions."""
    shop = store.keyvalue.create("shop", Terms(30_000, 3000))
    expire(shop, 2999)
    with pytest.raises(QuotaReached):
        put(shop, b"large", bytes(20_000), NOW + 9)
    put(shop, b"large", bytes(20_000), NOW + 10)
    assert shop.space(NOW + 10) == Space(20_005, 30_000, 1, 3000)


def test_one_write_sweeps_a_bounded_number(store: Store) -> None:
    """What is more is left to the next writes, which are asked to come at once: a flood of expired keys stops no worker."""
    shop = store.keyvalue.create("shop", Terms(1_000_000, 50_000))
    for start in range(0, 25_000, 1000):
        shop.apply([Put(b"k%d" % number, b"", ttl=10) for number in range(start, start + 1000)], NOW)
    store.keyvalue.create("shop", Terms(100, 10))
    before = shop.version()
    with pytest.raises(StillSweeping) as refused:
        put(shop, b"new", b"", NOW + 10)
    assert refused.value.status == 503 and refused.value.retry_after == 1
    assert before < shop.version() and shop.get(b"k9999", NOW)  # the last by its bytes
    put(shop, b"new", b"", NOW + 10)
    assert shop.space(NOW + 10) == Space(3, 100, 1, 10)


def test_a_page_passes_over_a_bounded_number(store: Store) -> None:
    """Of what has expired: it may end early, empty even, and says where to go on."""
    shop = store.keyvalue.create("shop", Terms(1_000_000, 10_000))
    expire(shop, 2500)
    put(shop, b"z", b"")
    for reverse in (False, True):
        pages, rest = [], Range()
        while True:
            page = shop.scan(rest, NOW + 10, limit=10, values=False, reverse=reverse)
            pages.append([entry.key for entry in page.entries])
            if page.more_after is None:
                break
            rest = Range(b"", page.more_after) if reverse else Range(page.more_after + b"\0")
        assert [key for found in pages for key in found] == [b"z"] and len(pages) in (2, 3)


def test_the_log_is_bounded(shop: NamespaceStore) -> None:
    """It has the last changes; older ones but for a hundredth are gone, and a reader from before them is told so."""
    versions, slack = [], LOG // 100
    for start in range(0, LOG + 250, 1000):
        count = min(1000, LOG + 250 - start)
        done = shop.apply([Put(b"k%d" % (number % 7), b"") for number in range(count)], NOW + start)
        versions += [result.version for result in done.results]
    for since in (0, versions[0], versions[248 - slack]):
        with pytest.raises(ChangesGone):
            shop.changes(since, 10)
    found, since, more = [], versions[249], True
    while more:
        changes, since, more = shop.changes(since, 1000)
        found += [change.version for change in changes]
    assert found == versions[250:]
    for number in range(2 * slack + 7):  # one at a time
        versions.append(put(shop, b"k", b"%d" % number))
    with pytest.raises(ChangesGone):
        shop.changes(versions[-LOG - slack - 2], 1)
    assert shop.changes(versions[-LOG - 1], 1)[0][0].version == versions[-LOG]


@pytest.mark.parametrize("moment", [NOW - 10**10, NOW - 1, NOW, NOW + 599_999])
def test_a_request_is_known_for_ten_minutes_and_when_the_clock_is_set_back(shop: NamespaceStore, moment: int) -> None:
    """What was written meanwhile does not matter, nor what the present entry is."""
    operation = Put(b"k", b"first", condition=Condition(exists=False))
    first = shop.apply([operation], NOW, request="id")
    put(shop, b"k", b"second", moment)
    again = shop.apply([operation], moment, request="id")
    assert again.repeated and again.results[0].version == first.results[0].version
    assert shop.get(b"k", moment).value == b"second"  # type: ignore[union-attr]
    with pytest.raises(ConditionFailed):
        shop.apply([operation], NOW + 600_000, request="id")


def test_one_id_for_different_requests(shop: NamespaceStore) -> None:
    """A caller who uses an id twice by mistake loses no write."""
    for value in (b"1", b"2", b"3"):
        assert not shop.apply([Put(b"k", value)], NOW, request="always the same").repeated
    assert shop.get(b"k", NOW).value == b"3"  # type: ignore[union-attr]


def test_the_results_of_a_large_request(shop: NamespaceStore) -> None:
    """All of them come back: versions, ids, times, flags and numbers."""
    operations = [
        [Put(b"p%d" % n, b"x", ValueType.TEXT, 10_000 + n, n), AssignId(b"p%d" % n), Increment(b"n", n, 1), Delete(b"p%d" % n)]
        for n in range(100)
    ]
    flat = [operation for four in operations for operation in four]
    first, again = (shop.apply(flat, NOW, request="large").results for _ in range(2))
    for operation, one, two in zip(flat, first, again, strict=True):
        value = one.entry.value if one.entry and isinstance(operation, Increment) else b""
        assert two == one._replace(entry=one.entry and one.entry._replace(value=value))


def test_ids_are_given_once(shop: NamespaceStore) -> None:
    """Each entry that asks gets the next number, keeps it when it is overwritten, and takes it along when it is removed."""
    ids = [shop.apply([AssignId(key, Put(key, b""))], NOW).results[0].entry.id for key in (b"a", b"b", b"a")]  # type: ignore[union-attr]
    assert ids == [1, 2, 1]
    before = shop.version()
    assert shop.apply([AssignId(b"b")], NOW).results[0].version == shop.get(b"b", NOW).version == before - 1  # type: ignore[union-attr]
    shop.apply([Delete(b"b")], NOW)
    assert shop.apply([AssignId(b"b", Put(b"b", b""))], NOW).results[0].entry.id == 3  # type: ignore[union-attr]


def test_a_batch_that_only_reads(shop: NamespaceStore) -> None:
    """It sees one state, and nothing is written, nor logged."""
    put(shop, b"a", b"1")
    before = shop.version()
    done = shop.apply([Get(b"a"), Get(b"a")], NOW + 5)
    assert [result.entry for result in done.results] == [shop.get(b"a", NOW)] * 2
    assert shop.version() == before and shop.changes(before, 10).changes == []


def test_four_processes_write_two_namespaces(store: Store, place: Place) -> None:
    """No write is lost, no number and no version is given twice, and each namespace has its own."""
    for name in ("shop", "game"):
        store.keyvalue.create(name, TERMS)
    code = """
space = store.keyvalue.namespace(sys.argv[3])
from n2k_fcgi.model.keyvalue.operations import Increment
import time
for _ in range(100):
    done = space.apply([Increment(b"n", 1, 1)], time.time_ns() // 1_000_000)
    print(done.results[0].version, done.results[0].entry.text, space.sequence(b"s", 1))
"""
    printed = done(*(place.running(code, name) for name in ("shop", "game", "shop", "game")))
    for first in (0, 1):
        lines = [line.split() for text in printed[first::2] for line in text.splitlines()]
        versions, numbers, leased = (sorted(int(line[column]) for line in lines) for column in range(3))
        assert numbers == leased == list(range(1, 201))
        assert len(set(versions)) == 200
        space = store.keyvalue.namespace(("shop", "game")[first])
        assert [change.version for change in space.changes(versions[0], 1000).changes] == versions[1:]


def outcomes(done: list[Result | N2KError]) -> list[object]:
    """Of each operation: the value that is stored now, None if it was removed, or the class of its error."""
    return [(each.entry and each.entry.value) if isinstance(each, Result) else type(each) for each in done]


def test_each_operation_for_itself(shop: NamespaceStore, place: Place) -> None:
    """One that is refused hinders no other; each sees those before it, and all are there for others when it returns."""
    operations = [
        Put(b"a", b"1"), Delete(b"none"), Increment(b"a"), Put(b"a", b"x", condition=Condition(exists=False)), Get(b"a"),
        Put(b"b", b"text"), Increment(b"b"), Delete(b"b"), Get(b"b"), Append(b"a", b"0"),
    ]  # fmt: skip
    done = shop.apply_each(operations, NOW)
    assert outcomes(done) == [
        b"1", NoSuchEntry, b"2", ConditionFailed, b"2", b"text", NotANumber, None, NoSuchEntry, b"20",
    ]  # fmt: skip
    versions = [each.version for each in done if isinstance(each, Result)]
    assert versions == [NOW * 1000 + step for step in (0, 1, 1, 2, 3, 4)]
    assert [change.version for change in shop.changes(0, 10).changes] == sorted(set(versions))
    with place.peer() as peer:
        assert peer("store.keyvalue.namespace('shop').get(b'a', now).value", now=NOW) == b"20"


def test_the_quota_refuses_single_operations(store: Store) -> None:
    """What does not fit is refused, what fits after it is done; what has expired makes room before anything is refused."""
    shop = store.keyvalue.create("shop", Terms(20, 3))
    put(shop, b"old", b"12345", ttl=10)
    big, small, over = Put(b"b", bytes(30)), Put(b"s", b"1234"), Put(b"s", b"1")
    operations = [big, small, Put(b"c", bytes(9)), Put(b"d", b""), over, Delete(b"c"), Put(b"d", b"")]
    assert outcomes(shop.apply_each(operations, NOW)) == [
        QuotaReached, b"1234", QuotaReached, b"", b"1", NoSuchEntry, b"",
    ]  # fmt: skip
    assert outcomes(shop.apply_each([Put(b"e", b"")], NOW)) == [QuotaReached]
    assert outcomes(shop.apply_each([Put(b"e", bytes(10)), Put(b"f", b"")], NOW + 10)) == [bytes(10), QuotaReached]
    assert shop.space(NOW + 10) == Space(14, 20, 3, 3)


def test_over_a_lowered_quota_nothing_grows(store: Store) -> None:
    """What keeps its size or gets smaller is done."""
    shop = store.keyvalue.create("shop", Terms(20, 2))
    shop.apply([Put(b"a", b"12345"), Put(b"b", b"12345")], NOW)
    store.keyvalue.create("shop", Terms(5, 1))
    done = shop.apply_each([Put(b"a", b"54321"), Put(b"a", b"123456"), Put(b"a", b"1"), Touch(b"b", 5), Delete(b"a")], NOW)
    assert outcomes(done) == [b"54321", QuotaReached, b"1", b"12345", None]


def test_a_flood_of_expired_entries_is_swept_for_each(store: Store) -> None:
    """As many as one write may sweep make room, in transactions of their own."""
    shop = store.keyvalue.create("shop", Terms(30_000, 3000))
    expire(shop, 2999)
    assert outcomes(shop.apply_each([Put(b"large", bytes(20_000)), Put(b"n", b"1")], NOW + 10)) == [bytes(20_000), b"1"]
    assert shop.space(NOW + 10) == Space(20_007, 30_000, 2, 3000)


def test_a_flush_that_is_to_come(shop: NamespaceStore, place: Place) -> None:
    """From its moment on everything from before is gone, in every process, whether anyone writes or not; later entries stay."""
    put(shop, b"a", b"1")
    shop.apply_each([Flush(1000)], NOW)
    put(shop, b"b", b"2", NOW + 500, ttl=10_000)
    assert listed(shop, now=NOW + 999) == [b"a", b"b"] and shop.space(NOW + 999).keys == 2
    with place.peer() as peer:
        assert peer("store.keyvalue.namespace('shop').get_many([b'a', b'b'], now)", now=NOW + 1000) == [None, None]
    assert (
        listed(shop, now=NOW + 1000) == []
        and shop.space(NOW + 1000).used == 0
        and shop.count(Range(b"a"), NOW + 1000) == (0, 0)
    )
    before = shop.version()
    (result,) = shop.apply([Put(b"a", b"3", condition=Condition(exists=False))], NOW + 1000).results
    assert result.created and listed(shop, now=NOW + 20_000) == [b"a"] and shop.space(NOW + 20_000).keys == 1
    flush, written = shop.changes(0, 10).changes
    assert (flush.kind, written) == (Kind.FLUSH, Change(result.version, Kind.PUT, b"a"))
    with pytest.raises(ChangesGone):
        shop.changes(before, 10)


def test_the_last_flush_counts(shop: NamespaceStore) -> None:
    """One that is to come is replaced by another, and taken back by one at once."""
    put(shop, b"a", b"1")
    shop.apply_each([Flush(1000)], NOW)
    shop.apply_each([Flush(5000)], NOW)
    assert listed(shop, now=NOW + 4999) == [b"a"] and listed(shop, now=NOW + 5000) == []
    assert shop.flush(NOW) == 1
    put(shop, b"b", b"2")
    assert listed(shop, now=NOW + 5000) == [b"b"]
    shop.apply_each([Flush()], NOW)
    assert listed(shop) == []


def test_nothing_of_a_flush_comes_back(shop: NamespaceStore) -> None:
    """What was flushed is nothing to replace, to count on or to append to, has no id, and takes no space."""
    shop.apply([AssignId(b"a", Put(b"a", b"1", ttl=10)), Put(b"b", b"2")], NOW)
    shop.flush(NOW)
    done = shop.apply_each(
        [Increment(b"a"), Append(b"b", b""), Get(b"a"), Put(b"b", b"", condition=Condition(exists=True))], NOW
    )
    assert outcomes(done) == [NoSuchEntry, NoSuchEntry, NoSuchEntry, ConditionFailed]
    (result,) = shop.apply([AssignId(b"a", Put(b"a", b""))], NOW).results
    assert result.created and result.entry and result.entry.id == 2
    assert shop.space(NOW + 10) == Space(1, 1_000_000, 1, 1000) and listed(shop, now=NOW + 10) == [b"a"]
