"""The limits of a namespace, as callers use it, and its pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.errors import BadEntryKey, BadNamespace, BadRequest, BatchRefused, NoSuchNamespace, ReadOnly, ValueTooLarge
from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.model.keyvalue.operations import Append, AssignId, Delete, Increment, Put, Touch
from n2k_fcgi.service.keyvalue import space as limits
from n2k_fcgi.service.keyvalue.space import MOST_LEASED, MOST_LISTED, MOST_OPERATIONS, MOST_TTL, KeyValueSpace, milliseconds
from n2k_fcgi.store.keyvalue import Range, Terms
from n2k_fcgi.wiring import namespace
from tests.support.sandbox import Sandbox

TERMS = Terms(10_000_000, 10_000)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A data directory with values up to 100 bytes."""
    box = Sandbox(tmp_path / "data", kv_max_value="100", kv_sync="off")
    box.store.keyvalue.create("shop", TERMS)
    yield box
    box.close()


@pytest.fixture
def shop(box: Sandbox) -> KeyValueSpace:
    """An empty namespace, as the settings have it."""
    return namespace(box.store, box.settings, "shop")


def test_a_namespace_by_name(box: Sandbox) -> None:
    """One that was made; another is refused by name, before any file is looked for."""
    with pytest.raises(NoSuchNamespace):
        namespace(box.store, box.settings, "other")
    for name in ("../shop", "", "SHOP"):
        with pytest.raises(BadNamespace):
            namespace(box.store, box.settings, name)


def test_values_have_a_limit(shop: KeyValueSpace) -> None:
    """The setting's, whatever stores them: by itself, with an id, by what is appended, and in a batch."""
    shop.apply(Put(b"k", bytes(100)))
    longer = bytes(101)
    for store in (
        lambda: shop.apply(Put(b"k", longer)),
        lambda: shop.apply(AssignId(b"k", Put(b"k", longer))),
        lambda: shop.apply(Append(b"k", longer)),
        lambda: shop.apply(Append(b"k", b"x")),
        lambda: shop.batch([Put(b"k", b""), AssignId(b"k", Put(b"k", longer))]),
        lambda: shop.batch([Append(b"k", b"x")]),
    ):
        with pytest.raises((ValueTooLarge, BatchRefused), match="100 at most"):
            store()
    assert shop.get("k").value == bytes(100)  # type: ignore[union-attr]


def test_fields_have_limits(shop: KeyValueSpace) -> None:
    """One line each, nothing is written."""
    shop.apply(Put(b"n", b"5"))
    for wrong in (
        lambda: shop.apply(Put(b"k", b"", ttl=0)),
        lambda: shop.apply(Put(b"k", b"", ttl=-5)),
        lambda: shop.apply(Put(b"k", b"", ttl=MOST_TTL + 1)),
        lambda: shop.apply(Touch(b"n", 0)),
        lambda: shop.apply(Put(b"k", b"", flags=-1)),
        lambda: shop.apply(Put(b"k", b"", flags=2**32)),
        lambda: shop.apply(Put(b"k", b"{", ValueType.JSON)),
        lambda: shop.apply(Put(b"k", b"\xff", ValueType.TEXT)),
        lambda: shop.apply(Increment(b"n", 2**63)),
        lambda: shop.apply(Increment(b"n", initial=-(2**63) - 1)),
        lambda: shop.sequence("s", 0),
        lambda: shop.sequence("s", MOST_LEASED + 1),
        lambda: shop.batch([Put(b"k", b"")] * (MOST_OPERATIONS + 1)),
    ):
        with pytest.raises(BadRequest) as refused:
            wrong()
        assert str(refused.value).isprintable()
    for use in (lambda: shop.get(""), lambda: shop.get("\n"), lambda: shop.sequence("x" * 501)):
        with pytest.raises(BadEntryKey):
            use()
    assert shop.count() == (1, 2) and shop.sequences() == {}


def test_a_read_only_handle(box: Sandbox, shop: KeyValueSpace) -> None:
    """It reads; every write is refused, before its arguments are."""
    shop.apply(Put(b"k", b"v"))
    reader = namespace(box.store, box.settings, "shop", read_only=True)
    assert reader.get("k") == shop.get("k")
    for write in (
        lambda: reader.apply(Put(b"k", bytes(1000))),
        lambda: reader.apply(Delete(b"k")),
        lambda: reader.apply(Increment(b"k")),
        lambda: reader.apply(Append(b"k", b"")),
        lambda: reader.apply(Touch(b"k", 1)),
        lambda: reader.apply(AssignId(b"k")),
        lambda: reader.sequence("s"),
        lambda: reader.batch([]),
        lambda: reader.flush(),
        lambda: reader.continue_sequence("s", 5),
    ):
        with pytest.raises(ReadOnly):
            write()
    assert shop.get("k").value == b"v"  # type: ignore[union-attr]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_goes_on_across_writes(shop: KeyValueSpace, monkeypatch: pytest.MonkeyPatch, reverse: bool) -> None:
    """Page by page: a key that stays comes once, whatever is written meanwhile."""
    monkeypatch.setattr(limits, "MOST_LISTED", 7)
    shop.batch([Put(b"k%03d" % number, b"%d" % number) for number in range(0, 100, 2)])
    found = []
    for number, entry in enumerate(shop.scan(Range.of_prefix(b"k"), reverse=reverse)):
        found.append(entry.key)
        shop.apply(Put(b"k%03d" % (number * 2 + 1), b"new"))
        shop.apply(Put(entry.key, b"again"))
    kept = [key for key in found if not int(key[1:]) % 2]
    assert kept == sorted(kept, reverse=reverse) and len(kept) == 50 and len(set(found)) == len(found)


def test_pages_have_a_limit(shop: KeyValueSpace) -> None:
    """More is not listed at once, whatever is asked for; the rest begins after the last key."""
    shop.batch([Put(b"%04d" % number, b"") for number in range(1000)])
    shop.batch([Put(b"%04d" % number, b"") for number in range(1000, 1500)])
    first = shop.page(Range(), limit=10**9)
    assert len(first.entries) == MOST_LISTED == 1000 and first.more_after == b"0999"
    assert shop.page(Range(), after=first.more_after).entries[0].key == b"1000"
    assert shop.page(Range(b"0500", b"0700"), after=b"0600", reverse=True, limit=1).entries[0].key == b"0599"
    assert len(shop.changes(0, 10**9).changes) == 1000


def test_the_clock_is_the_systems(shop: KeyValueSpace) -> None:
    """In milliseconds: a time to live counts from it, and a version is one of its microseconds."""
    before = milliseconds()
    result = shop.apply(Put(b"k", b"", ttl=60_000)).results[0]
    assert result.entry is not None and before <= result.version // 1000 <= milliseconds()
    assert before + 60_000 <= result.entry.expires <= shop.now + 60_000


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"", None), (b"a", b"b"), (b"a/", b"a0"), (b"a\xff", b"b"), (b"\xff\xff", None), ("ä".encode(), b"\xc3\xa5")],
)
def test_the_range_of_a_prefix(prefix: bytes, end: bytes | None) -> None:
    """All keys that begin with it, and no other."""
    assert Range.of_prefix(prefix) == Range(prefix, end)


def test_ranges_within_each_other() -> None:
    """What is in both, also nothing."""
    assert Range(b"b", b"d").within(Range(b"a", None)) == Range(b"b", b"d")
    assert Range(b"a", b"c").within(Range(b"b", b"d")) == Range(b"b", b"c")
    assert Range().within(Range()) == Range()
