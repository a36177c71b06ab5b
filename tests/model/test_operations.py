"""What each operation makes of the present entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.errors import ConditionFailed, N2KError, NoSuchEntry, NotANumber, NumberTooLarge, ValueTooLarge
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import (
    ALWAYS,
    LEAST,
    MOST,
    NEW_ID,
    Append,
    AssignId,
    Condition,
    Count,
    Delete,
    Get,
    Increment,
    Operation,
    Put,
    Restore,
    Touch,
)
from tests.support.strategies import relaxed

NOW = 1_764_000_000_000
OLD = Entry(b"k", b"old", 5, NOW + 9, 3, ValueType.TEXT, 2)


def number(value: bytes) -> Entry:
    """An entry with a value."""
    return OLD._replace(value=value)


@pytest.mark.parametrize(
    ("condition", "holds", "holds_of_none"),
    [
        (ALWAYS, True, True),
        (Condition(exists=True), True, False),
        (Condition(exists=False), False, True),
        (Condition.at(5), True, False),
        (Condition.at(4, 5, 6), True, False),
        (Condition.at(4), False, False),
        (Condition.at(), False, False),
        (Condition.at(0), False, False),
        (Condition(value=b"old"), True, False),
        (Condition(value=b"Old"), False, False),
        (Condition(value=b""), False, False),
        (Condition(exists=True, versions=frozenset([5]), value=b"old"), True, False),
        (Condition(exists=True, versions=frozenset([5]), value=b"x"), False, False),
        (Condition(exists=False, versions=frozenset([5])), False, False),
    ],
)
@pytest.mark.parametrize("kind", [Put, Delete, Append, Touch, AssignId, Increment, Get])
def test_conditions(kind: type[Operation], condition: Condition, holds: bool, holds_of_none: bool) -> None:
    """All that is given must hold, for every operation, before its own errors; the refusal has the present version."""
    operation: Operation = {
        Put: Put(b"k", b"", condition=condition),
        Append: Append(b"k", b"", condition=condition),
        Touch: Touch(b"k", None, condition),
        Count: Count(b"k", condition=condition),
        Increment: Increment(b"k", condition=condition),
        AssignId: AssignId(b"k", condition=condition),
        Delete: Delete(b"k", condition),
        Get: Get(b"k", condition),
    }[kind]  # type: ignore[index]
    for present, expected, version in ((OLD, holds, 5), (None, holds_of_none, 0)):
        try:
            operation.applied(present, NOW)
        except ConditionFailed as refused:
            assert not expected and refused.version == version
            assert str(version or "none") in str(refused)
        except N2KError:
            assert expected
        else:
            assert expected


def test_put() -> None:
    """It replaces everything but the id; its time begins now."""
    assert Put(b"k", b"new").applied(OLD, NOW) == Entry(b"k", b"new", id=2)
    assert Put(b"k", b"{}", ValueType.JSON, 10, 7).applied(None, NOW) == Entry(b"k", b"{}", 0, NOW + 10, 7, ValueType.JSON, 0)


def test_delete_and_get() -> None:
    """Of what is there."""
    assert Delete(b"k").applied(OLD, NOW) is None
    assert Get(b"k").applied(OLD, NOW) is OLD
    for operation in (Delete(b"k"), Get(b"k"), Touch(b"k", 1), Append(b"k", b""), AssignId(b"k"), Increment(b"k")):
        with pytest.raises(NoSuchEntry):
            operation.applied(None, NOW)


@pytest.mark.parametrize(
    ("value", "by", "made"),
    [
        (b"5", 1, b"6"),
        (b"5", -10, b"-5"),
        (b"-0", 0, b"0"),
        (b"+7", 0, b"7"),
        (b"0007", 1, b"8"),
        (b"12  \r\n", 1, b"13"),
        (b"%d" % MOST, 0, b"%d" % MOST),
        (b"%d" % MOST, LEAST, b"-1"),
        (b"%d" % LEAST, MOST, b"-1"),
        (b"%d" % (MOST - 1), 1, b"%d" % MOST),
        (b"%d" % (LEAST + 1), -1, b"%d" % LEAST),
    ],
)
def test_increment(value: bytes, by: int, made: bytes) -> None:
    """A decimal number; time, flags, type and id stay."""
    assert Increment(b"k", by, 100).applied(number(value), NOW) == number(made)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        b"1.5",
        b"1e3",
        b" 1",
        b"0x10",
        b"--1",
        b"1 2",
        b"\xc2\xb2",
        "\u0661".encode(),
        b"1_000",
        b"1" * 31,
        b"\n",
        b"1\0",
    ],
)
def test_what_is_not_a_number(value: bytes) -> None:
    """It is refused, whatever Python's ``int`` takes."""
    with pytest.raises(NotANumber):
        Increment(b"k").applied(number(value), NOW)


@pytest.mark.parametrize(
    ("value", "by"), [(b"%d" % MOST, 1), (b"%d" % LEAST, -1), (b"%d" % (MOST + 1), -1), (b"9" * 30, -MOST), (b"1", MOST)]
)
def test_a_number_beyond_64_bits(value: bytes, by: int) -> None:
    """Before or after: nothing wraps around."""
    with pytest.raises(NumberTooLarge):
        Increment(b"k", by).applied(number(value), NOW)


@relaxed
@given(st.integers(LEAST, MOST), st.integers(LEAST, MOST))
def test_any_increment(start: int, by: int) -> None:
    """The sum, or a refusal."""
    try:
        made = Increment(b"k", by).applied(number(b"%d" % start), NOW)
    except NumberTooLarge:
        assert not LEAST <= start + by <= MOST
    else:
        assert made is not None and int(made.value) == start + by


def test_an_increment_of_nothing() -> None:
    """It begins with *initial*, as text, and may have a time."""
    assert Increment(b"k", 5, -1).applied(None, NOW) == Entry(b"k", b"-1", type=ValueType.TEXT)
    assert Increment(b"k", 5, 0, 10).applied(None, NOW) == Entry(b"k", b"0", expires=NOW + 10, type=ValueType.TEXT)


def test_append() -> None:
    """Behind or before; the type becomes one that still fits; what is too long is refused."""
    assert Append(b"k", b"er").applied(OLD, NOW) == OLD._replace(value=b"older")
    assert Append(b"k", b"c", before=True).applied(OLD, NOW) == OLD._replace(value=b"cold")
    assert Append(b"k", b"\xff").applied(OLD, NOW) == OLD._replace(value=b"old\xff", type=ValueType.BYTES)
    json = OLD._replace(value=b"[1]", type=ValueType.JSON)
    assert Append(b"k", b" ").applied(json, NOW) == json._replace(value=b"[1] ")
    assert Append(b"k", b",").applied(json, NOW) == json._replace(value=b"[1],", type=ValueType.TEXT)
    assert Append(b"k", b"er", limit=5).applied(OLD, NOW) is not None
    with pytest.raises(ValueTooLarge, match=r"5 bytes, 4 at most"):
        Append(b"k", b"er", limit=4).applied(OLD, NOW)


def test_touch() -> None:
    """Only the time changes, from now on."""
    assert Touch(b"k", 1000).applied(OLD, NOW) == OLD._replace(expires=NOW + 1000)
    assert Touch(b"k", None).applied(OLD, NOW) == OLD._replace(expires=0)


def test_assign_id() -> None:
    """One that has none asks for one; a value may be stored in the same step, and keeps the id that is there."""
    assert AssignId(b"k").applied(OLD, NOW) is OLD
    assert AssignId(b"k").applied(OLD._replace(id=0), NOW) == OLD._replace(id=NEW_ID)
    assert AssignId(b"k", Put(b"k", b"new")).applied(OLD, NOW) == Entry(b"k", b"new", id=2)
    assert AssignId(b"k", Put(b"k", b"new")).applied(None, NOW) == Entry(b"k", b"new", id=NEW_ID)


def test_restore() -> None:
    """All but the version is as it was; *keep* leaves what is there."""
    entry = Entry(b"k", b"v", 7, 1, 2, ValueType.TEXT, 9)
    assert Restore(entry).applied(None, NOW) == entry and Restore(entry).applied(OLD, NOW) == entry
    assert Restore(entry._replace(id=0)).applied(OLD, NOW) == entry._replace(id=2)
    assert Restore(entry, keep=True).applied(OLD, NOW) is OLD and Restore(entry, keep=True).applied(None, NOW) == entry


@pytest.mark.parametrize(
    ("value", "by", "down", "after"),
    [
        (b"9", 1, False, b"10"),
        (b"10", 1, True, b"9 "),
        (b"9 ", 1, False, b"10"),
        (b"007", 1, False, b"8  "),
        (b"+5", 0, False, b"5 "),
        (b"3", 5, True, b"0"),
        (b"18446744073709551615", 1, False, b"0" + b" " * 19),
        (b"18446744073709551615", 2**64 - 1, False, b"18446744073709551614"),
        (b"1\r\n", 1, False, b"2  "),
    ],
)
def test_a_count_goes_by_memcached_s_rules(value: bytes, by: int, down: bool, after: bytes) -> None:
    """It wraps, stops at 0 and keeps the length; time, flags, type and id stay."""
    present = OLD._replace(value=value)
    assert Count(b"k", by, down).applied(present, NOW) == present._replace(value=after)


@pytest.mark.parametrize("value", [b"", b" ", b"-1", b"x", b"1x", b"1 2", b"18446744073709551616", b"\xb2", b"1.0"])
def test_what_is_no_unsigned_number(value: bytes) -> None:
    """A negative number is none, and nothing that has other text is overwritten."""
    with pytest.raises(NotANumber):
        Count(b"k").applied(OLD._replace(value=value), NOW)


def test_a_count_of_nothing() -> None:
    """It begins with the initial number, as it is, and has its own time; a present one can get another."""
    with pytest.raises(NoSuchEntry):
        Count(b"k").applied(None, NOW)
    assert Count(b"k", 3, initial=2**64 - 1, ttl=5).applied(None, NOW) == Entry(
        b"k", b"18446744073709551615", 0, NOW + 5, 0, ValueType.TEXT
    )
    present = OLD._replace(value=b"1")
    assert Count(b"k", ttl_after=Touch(b"k", 7)).applied(present, NOW) == present._replace(value=b"2", expires=NOW + 7)


def test_each_front_end_reads_the_other_s_numbers() -> None:
    """Blanks that a shorter number left are no hindrance; beyond 63 bits /db refuses what memcached's clients count."""
    nine = Count(b"k", 1, down=True).applied(OLD._replace(value=b"10"), NOW)
    assert nine is not None and Increment(b"k", -10).applied(nine, NOW) == nine._replace(value=b"-1")
    with pytest.raises(NumberTooLarge):
        Increment(b"k").applied(OLD._replace(value=b"9223372036854775808"), NOW)
