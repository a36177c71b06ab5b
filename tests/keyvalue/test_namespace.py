"""The key-value service as programs use it: the same tests for every way to reach a namespace."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from n2k_fcgi.errors import (
    BadEntryKey,
    BadRequest,
    BatchRefused,
    ChangesGone,
    ConditionFailed,
    HandleClosed,
    NoSuchEntry,
    NotANumber,
    NumberTooLarge,
    QuotaReached,
    ReadOnly,
    ValueTooLarge,
)
from n2k_fcgi.keyvalue.namespace import KeyValue
from n2k_fcgi.keyvalue.values import Change, Count, Item
from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.model.keyvalue.operations import Condition
from n2k_fcgi.store.keyvalue import Kind
from n2k_fcgi.store.lmdb import writer_queue
from tests.support.keyvalue import SMALL, Place, places
from tests.support.processes import SECONDS, forked

HARD_KEYS = ["a b", "a/../b//c", "%2F?&=#+;", "ключ/鍵/\U0001f511", "'\"<>\\", ".", "..", "x" * 500, "~!@$^*()_{}|[]:,"]
"""Keys that paths and queries would change."""


@pytest.fixture(scope="module", params=list(places))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A data directory, and a way to reach its namespaces."""
    with places[request.param](tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def kv(place: Place) -> Iterator[KeyValue]:
    """A new namespace."""
    with place.opened(place.new()) as opened:
        yield opened


def test_values_come_back_as_they_were_put(kv: KeyValue) -> None:
    """Bytes, text and JSON with their type, flags and time; a missing key is None."""
    every_byte = bytes(range(256))
    first = kv.put("b", every_byte, flags=2**32 - 1)
    second = kv.put("t", "Grüße\r\n=&+%")
    third = kv.put("j", json={"n": [1, 2.50, None, "é", 2**70]}, ttl_ms=600_000)
    assert [first.created, second.created, third.created] == [True] * 3
    assert 0 < first.version < second.version < third.version
    assert kv.get("b") == Item("b", every_byte, first.version, None, 2**32 - 1, ValueType.BYTES)
    text = kv.get("t")
    assert text == Item("t", "Grüße\r\n=&+%".encode(), second.version, None, 0, ValueType.TEXT) and text.text == "Grüße\r\n=&+%"
    found = kv.get("j")
    assert found is not None and found.type is ValueType.JSON and found.json() == {"n": [1, 2.5, None, "é", 2**70]}
    assert found.ttl_ms is not None and 0 < found.ttl_ms <= 600_000
    assert kv.get("missing") is None


@pytest.mark.parametrize("value", [b"", "", b"name=x&key=y", b"\x1f\x8b\x08", "x" * 65536], ids=repr)
def test_no_value_is_taken_for_something_else(kv: KeyValue, value: bytes | str) -> None:
    """Empty ones, what looks like a form or like gzip, and the largest."""
    kv.put("k", value)
    found = kv.get("k")
    assert found is not None and found.value == (value if isinstance(value, bytes) else value.encode())
    assert [item.value for item in kv.scan()] == [found.value]


def test_json_keeps_its_bytes(kv: KeyValue) -> None:
    """In lists, too: another writer of numbers would change them."""
    stored = b' {"n": 1.50,\r\n "large": 1e400, "s": "a\\nb"}\n'
    kv.put("k", stored, type=ValueType.JSON)
    with kv.batch() as batch:
        batch.put("l", stored, type=ValueType.JSON)
        batch.put("m", json={"a": "\ud800"})
    assert [(item.value, item.type) for item in kv.scan()] == [
        (stored, ValueType.JSON), (stored, ValueType.JSON), (b'{"a":"\\ud800"}', ValueType.JSON),
    ]  # fmt: skip
    for value, kind in ((b"{", ValueType.JSON), (b"NaN", ValueType.JSON), (b"\xff", ValueType.TEXT)):
        with pytest.raises(BadRequest):
            kv.put("k", value, type=kind)


@pytest.mark.parametrize("key", HARD_KEYS)
def test_every_key_works(kv: KeyValue, key: str) -> None:
    """In every method."""
    assert kv.put(key, "1").created
    assert kv.incr(key, 4) == 5
    kv.append(key, "0")
    kv.touch(key, 600_000)
    assert kv.assign_id(key) == 1
    kv.cas(key, "50", "51")
    found = kv.get(key)
    assert found is not None and (found.key, found.value) == (key, b"51")
    assert list(kv.keys(key)) == [item.key for item in kv.scan(key, start=key)] == [key]
    assert kv.count(key) == Count(1, len(key.encode()) + 2)
    assert {change.key for change in kv.changes().changes} == {key}
    with kv.batch() as batch:
        batch.delete(key)
    assert kv.get(key) is None
    with pytest.raises(NoSuchEntry):
        kv.delete(key)


@pytest.mark.parametrize("key", ["", "x" * 501, "é" * 251, "a\nb", "a\0", "\x7f", "\ud800"], ids=ascii)
def test_other_keys_are_refused(kv: KeyValue, key: str) -> None:
    """Before anything is sent or written."""
    for call in (kv.get, kv.delete, kv.incr, lambda key: kv.put(key, ""), kv.sequence):
        with pytest.raises(BadEntryKey):
            call(key)


def test_conditions(kv: KeyValue) -> None:
    """Create only, replace only, a version, a value: else the present version is reported and nothing written."""
    version = kv.put("k", "1", condition=Condition(exists=False)).version
    for refused in (
        Condition(exists=False),
        Condition.at(version + 1),
        Condition(value=b"2"),
        Condition(exists=True, value=b"2"),
        Condition(True, frozenset([version]), b"2"),
    ):
        for write in (
            lambda refused=refused: kv.put("k", "3", condition=refused),
            lambda refused=refused: kv.delete("k", condition=refused),
            lambda refused=refused: kv.incr("k", condition=refused),
            lambda refused=refused: kv.append("k", "3", condition=refused),
            lambda refused=refused: kv.touch("k", 1, condition=refused),
            lambda refused=refused: kv.assign_id("k", "3", condition=refused),
        ):
            with pytest.raises(ConditionFailed) as failed:
                write()
            assert failed.value.version == version
    for missing in (Condition(exists=True), Condition.at(version), Condition(value=b"1")):
        with pytest.raises(ConditionFailed) as failed:
            kv.put("other", "3", condition=missing)
        assert failed.value.version == 0
    found = kv.get("k")
    assert found is not None and (found.value, found.version) == (b"1", version) and kv.get("other") is None
    second = kv.put("k", "2", condition=Condition.at(7, version))
    assert not second.created
    assert kv.incr("k", condition=Condition(value=b"2")) == 3
    third = kv.put("k", b"\xff", condition=Condition(True, None, b"3")).version
    assert kv.delete("k", condition=Condition(True, frozenset([third]), b"\xff")).version > third
    kv.put("absent", "", condition=Condition(exists=False))


def test_compare_and_set(kv: KeyValue) -> None:
    """Text and bytes, None for a missing entry; a refusal names the present version."""
    first = kv.cas("k", None, "one")
    with pytest.raises(ConditionFailed):
        kv.cas("k", None, "two")
    with pytest.raises(ConditionFailed) as failed:
        kv.cas("k", "two", "three")
    assert failed.value.version == first.version
    kv.cas("k", "one", b"\xfftwo", flags=3, ttl_ms=600_000)
    found = kv.get("k")
    assert found is not None and (found.value, found.type, found.flags) == (b"\xfftwo", ValueType.BYTES, 3) and found.ttl_ms
    kv.cas("k", b"\xfftwo", "")
    kv.cas("k", "", "end")


def test_numbers(kv: KeyValue) -> None:
    """64 bits with sign: beyond is refused, and so is what is no number."""
    with pytest.raises(NoSuchEntry):
        kv.incr("n")
    assert kv.incr("n", 5, initial=-(2**63)) == -(2**63)
    with pytest.raises(NumberTooLarge):
        kv.incr("n", -1)
    assert kv.incr("n", 2**63 - 1) == -1 and kv.incr("n", 2**63 - 1) == 2**63 - 2 and kv.incr("n") == 2**63 - 1
    kv.put("t", "x")
    with pytest.raises(NotANumber):
        kv.incr("t")
    with pytest.raises(BadRequest):
        kv.incr("n", 2**63)
    assert kv.incr("fresh", initial=0, ttl_ms=600_000) == 0
    found = kv.get("fresh")
    assert found is not None and found.ttl_ms


def test_append_and_touch(kv: KeyValue) -> None:
    """Behind and before; the type is kept as long as it fits; time is set and removed."""
    for write in (lambda: kv.append("k", "x"), lambda: kv.touch("k", 5), lambda: kv.assign_id("k")):
        with pytest.raises(NoSuchEntry):
            write()
    kv.put("k", "b", flags=9)
    assert kv.append("k", b"c").version < kv.append("k", "a", before=True).version
    kv.touch("k", 600_000)
    found = kv.get("k")
    assert found is not None and (found.text, found.flags, found.type) == ("abc", 9, ValueType.TEXT) and found.ttl_ms
    kv.touch("k", None)
    found = kv.get("k")
    assert found is not None and found.ttl_ms is None
    with pytest.raises(ValueTooLarge):
        kv.append("k", b"x" * 65536)
    with pytest.raises(ValueTooLarge):
        kv.put("k", b"x" * 65537)


def test_ids_and_sequences(kv: KeyValue) -> None:
    """An id is kept by an overwrite; numbers of a lease are never given again."""
    assert [kv.assign_id("a", "1"), kv.assign_id("b", b""), kv.assign_id("c", json=None, flags=5)] == [1, 2, 3]
    kv.put("a", "2")
    assert [kv.assign_id("a"), kv.assign_id("a", "3", ttl_ms=600_000)] == [1, 1]
    found = [kv.get(key) for key in "abc"]
    assert [item and (item.value, item.type) for item in found] == [
        (b"3", ValueType.TEXT), (b"", ValueType.BYTES), (b"null", ValueType.JSON),
    ]  # fmt: skip
    assert [kv.sequence("s"), kv.sequence("s", 100), kv.sequence("other/é")] == [range(1, 2), range(2, 102), range(1, 2)]
    for count in (0, 10**9):
        with pytest.raises(BadRequest):
            kv.sequence("s", count)


def test_what_has_expired_is_gone(kv: KeyValue) -> None:
    """From every answer, at its very millisecond."""
    kv.put("k", "1", ttl_ms=1)
    kv.put("other", "2")
    time.sleep(0.002)
    assert kv.get("k") is None and list(kv.keys()) == ["other"] and kv.count() == Count(1, 6)
    with pytest.raises(NoSuchEntry):
        kv.incr("k")
    assert kv.incr("k", initial=5) == 5
    for ttl in (0, -1, 10**15):
        with pytest.raises(BadRequest):
            kv.put("k", "", ttl_ms=ttl)


def test_ranges(kv: KeyValue) -> None:
    """In byte order, both ways, by prefix, by bounds and by both, cut by a limit; more than a page."""
    names = [f"k{number:04}" for number in range(2500)]
    for start in range(0, 2500, 1000):
        with kv.batch() as batch:
            for name in names[start : start + 1000]:
                batch.put(name, name * 3)
    kv.put("é", "")
    kv.put("\U0001f511", b"\xff")
    assert list(kv.keys()) == [*names, "é", "\U0001f511"]
    assert [item.text for item in kv.scan("k")] == [name * 3 for name in names]
    assert [item.key for item in kv.scan(reverse=True, limit=3)] == ["\U0001f511", "é", "k2499"]
    assert list(kv.keys("k1", reverse=True)) == names[1999:999:-1]
    assert list(kv.keys("k1", start="k1998")) == names[1998:2000]
    assert list(kv.keys(start="k2498", end="é")) == names[2498:]
    assert list(kv.keys("nothing")) == list(kv.scan(start="z", end="a")) == list(kv.keys(limit=0)) == []
    for wrong in ("x" * 501, "\ud800"):
        with pytest.raises(BadRequest):
            list(kv.keys(wrong))
    assert kv.count() == Count(2502, 2500 * 20 + 2 + 4 + 1)
    assert kv.count("k1", end="k1001") == Count(1, 20)


def test_many_keys_are_read_at_once(kv: KeyValue) -> None:
    """In their order, a key twice, missing ones as None; more than one answer has."""
    with kv.batch() as batch:
        for number in range(1000):
            batch.put(f"k{number}", str(number), flags=number)
    keys = [f"k{number}" for number in range(1100, -1, -1)] + ["k5"]
    found = kv.get_many(keys)
    assert [item and (item.key, item.text, item.flags) for item in found] == [
        (key, key[1:], int(key[1:])) if int(key[1:]) < 1000 else None for key in keys
    ]
    assert kv.get_many(["k1"]) == [kv.get("k1")] and kv.get_many([]) == []
    for number in range(30):
        kv.put(f"large{number}", b"x" * 65536)
    assert [item and len(item.value) for item in kv.get_many([f"large{number}" for number in range(30)])] == [65536] * 30
    assert kv.get_many([f"{number:04}{'é' * 248}" for number in range(1500)]) == [None] * 1500
    with pytest.raises(BadEntryKey):
        kv.get_many(["k", ""])


def test_a_range_goes_on_across_writes(kv: KeyValue) -> None:
    """Each key that is kept comes once, whatever is written meanwhile."""
    with kv.batch() as batch:
        for number in range(1000):
            batch.put(f"k{number:04}", "")
    kv.put("l", "")
    found, keys = [], kv.keys()
    for key in keys:
        if key == "k0000":
            kv.delete("k0999")
            kv.put("a", "")
        found.append(key)
    assert found[0] == "k0000" and found[-1] == "l" and len(found) == len(set(found)) and "a" not in found


def test_changes(kv: KeyValue) -> None:
    """Each once, in order, in parts; a version from elsewhere is an error."""
    assert kv.changes() == ([], 0, False) and kv.version() == 0
    first = kv.put("a", "").version
    second = kv.put("b /é", "").version
    third = kv.delete("a").version
    everything = [Change(first, Kind.PUT, "a"), Change(second, Kind.PUT, "b /é"), Change(third, Kind.DELETE, "a")]
    assert kv.changes() == (everything, third, False)
    assert kv.changes(first, 1) == (everything[1:2], second, True)
    assert kv.changes(third) == ([], third, False) and kv.version() == third
    with pytest.raises(ChangesGone):
        kv.changes(third + 1)
    for since, limit in ((-1, 10), (0, 0), (2**63, 10)):
        with pytest.raises(BadRequest):
            kv.changes(since, limit)


def test_a_batch_is_all_or_nothing(kv: KeyValue) -> None:
    """Each operation sees those before it; each refusal is reported; an exception in the block sends nothing."""
    kv.put("old", "x", flags=5)
    with kv.batch() as batch:
        batch.put("n", "1", ttl_ms=600_000)
        batch.incr("n", 4)
        batch.incr("m", initial=7)
        batch.append("n", "0", before=True)
        batch.put("b", b"\xff", condition=Condition(exists=False))
        batch.touch("n", None, condition=Condition(value=b"05"))
        batch.delete("old", condition=Condition(exists=True, value=b"x"))
        assert kv.get("n") is None
    assert [(done.created, done.number) for done in batch.results] == [
        (True, None), (False, 5), (True, 7), (False, None), (True, None), (False, None), (False, None),
    ]  # fmt: skip
    versions = [done.version for done in batch.results]
    assert versions == sorted(set(versions)) and kv.version() == versions[-1]
    assert [(item.key, item.value, item.ttl_ms) for item in kv.scan()] == [
        ("b", b"\xff", None), ("m", b"7", None), ("n", b"05", None),
    ]  # fmt: skip
    with pytest.raises(BatchRefused) as refused, kv.batch() as batch:
        batch.put("b", "")
        batch.delete("none")
        batch.put("m", "", condition=Condition.at(1))
        batch.incr("b")
    failures = refused.value.failures
    assert [(index, type(error)) for index, error in failures] == [(1, NoSuchEntry), (2, ConditionFailed), (3, NotANumber)]
    assert isinstance(failures[1][1], ConditionFailed) and failures[1][1].version == versions[2]
    with pytest.raises(ZeroDivisionError), kv.batch() as batch:
        batch.put("b", "")
        raise ZeroDivisionError
    with pytest.raises(BadRequest), kv.batch() as batch:
        for _ in range(1001):
            batch.delete("b")
    with kv.batch() as batch:
        pass
    assert batch.results == [] and kv.version() == versions[-1]


def test_a_batch_of_one_is_a_batch(kv: KeyValue) -> None:
    """Its refusal, too."""
    with pytest.raises(BatchRefused) as refused, kv.batch() as batch:
        batch.delete("none")
    assert [(index, type(error)) for index, error in refused.value.failures] == [(0, NoSuchEntry)]


def test_the_quota(place: Place) -> None:
    """A refusal says what is left; nothing is written."""
    with place.opened(place.new(SMALL)) as kv:
        kv.put("a", "x" * 60)
        space = kv.space()
        assert (space.used, space.quota, space.free, space.keys, space.most_keys, space.free_keys) == (61, 100, 39, 1, 3, 2)
        for value in (b"x" * 60, b"x" * 1000):
            with pytest.raises(QuotaReached) as reached:
                kv.put("b", value)
            assert (reached.value.free_bytes, reached.value.free_keys) == (39, 2)
        with pytest.raises(QuotaReached), kv.batch() as batch:
            for key in "bcd":
                batch.put(key, "")
        assert list(kv.keys()) == ["a"]


def test_a_snapshot_stays_as_it_is(kv: KeyValue) -> None:
    """Whatever is written in the block; afterwards it is closed."""
    with kv.batch() as batch:
        for number in range(500):
            batch.put(f"k{number:03}", b"\xff" * (number % 90), flags=number, ttl_ms=600_000 if number % 2 else None)
    kv.put("k001", json=[1.50], flags=1)
    before = [item._replace(ttl_ms=None) for item in kv.scan()]
    with kv.snapshot() as snapshot:
        kv.delete("k007")
        kv.put("k008", "new")
        kv.put("later", "")
        assert [item._replace(ttl_ms=None) for item in snapshot.scan()] == before
        seventh = snapshot.get("k007")
        assert seventh is not None and seventh.flags == 7 and seventh.ttl_ms and snapshot.get_many(["later", "k008"])[0] is None
        assert list(snapshot.keys("k0", start="k097", end="k1", reverse=True)) == ["k099", "k098", "k097"]
        assert list(snapshot.keys("k4", limit=2)) == ["k400", "k401"]
        assert snapshot.count("k0", end="k001") == Count(1, 4) and snapshot.count().keys == 500
        with pytest.raises(BadEntryKey):
            snapshot.get("")
    with pytest.raises(HandleClosed):
        snapshot.get("k001")
    assert kv.get("later") is not None


def test_what_has_expired_is_gone_from_a_snapshot(kv: KeyValue) -> None:
    """Time goes on there, too."""
    kv.put("k", "1", ttl_ms=300)
    kv.put("l", "1")
    with kv.snapshot() as snapshot:
        time.sleep(0.31)
        assert snapshot.get("k") is None and list(snapshot.keys()) == ["l"] and snapshot.count() == Count(1, 2)


def test_reading_only(place: Place) -> None:
    """Every write is refused, and reads work."""
    name = place.new()
    with place.opened(name) as kv:
        kv.put("k", "1")
    with place.opened(name, read_only=True) as kv:
        for write in (
            lambda: kv.put("k", ""), lambda: kv.delete("k"), lambda: kv.incr("k"), lambda: kv.cas("k", "1", "2"),
            lambda: kv.append("k", ""), lambda: kv.touch("k", 1), lambda: kv.assign_id("k"), lambda: kv.sequence("s"),
        ):  # fmt: skip
            with pytest.raises(ReadOnly):
                write()
        with pytest.raises(ReadOnly), kv.batch() as batch:
            batch.put("k", "")
        assert [item.text for item in kv.scan()] == ["1"]
        with kv.snapshot() as snapshot:
            assert list(snapshot.keys()) == ["k"]


def test_a_closed_handle_says_so(place: Place) -> None:
    """In every method, and closing again is fine."""
    kv = place.opened(place.new())
    kv.put("k", "")
    pages = kv.keys()
    kv.close()
    kv.close()
    for call in (lambda: kv.get("k"), lambda: kv.put("k", ""), lambda: list(pages), kv.space, kv.changes, kv.count):
        with pytest.raises(HandleClosed):
            call()


def test_threads_share_a_handle(kv: KeyValue) -> None:
    """Every increment counts, and reads run beside it."""

    def work(number: int) -> None:
        for _ in range(25):
            kv.incr("n", initial=1)
            kv.put(f"t{number}", "x")
            list(kv.scan())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = kv.get("n")
    assert found is not None and found.text == "200" and kv.count().keys == 9


def test_a_child_goes_on_with_a_handle(kv: KeyValue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parent and child write by turns after a fork, also while other threads of the parent use the handle."""
    monkeypatch.setattr(writer_queue, "WRITER_PATIENCE", SECONDS)  # four processes want the queue all the time
    kv.put("n", "0")
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            kv.get("n")
            kv.incr("busy", initial=0)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        children = [forked(lambda: [kv.incr("n") for _ in range(20)]) for _ in range(3)]
        for _ in range(20):
            kv.incr("n")
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    found = kv.get("n")
    assert found is not None and found.text == "80"
