"""Parts that need no connection: input, numbers and times, marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.servers.memcached.marks import LEAST_MARKS, Marks
from n2k_fcgi.servers.memcached.numbers import FOR_EVER, OVER, Life, life_of, signed_32, unsigned
from n2k_fcgi.servers.memcached.reading import Fault, Input
from tests.support.strategies import relaxed

NOW = 1_764_000_000_500


@pytest.mark.parametrize(
    ("token", "life"),
    [
        (b"0", FOR_EVER), (b"1", Life(1000)), (b"+5", Life(5000)), (b"2592000", Life(2_592_000_000)), (b"2592001", OVER),
        (b"1764000001", Life(500, end=1_764_000_001_000)), (b"1764000000", OVER), (b"-1", OVER), (b"-2147483648", OVER),
        (b"2147483647", Life(383483646500, end=2_147_483_647_000)),
        (b"2147483648", None), (b"", None), (b"x", None), (b"1.5", None), (b"-", None), (b"\xb2", None),
    ],
)  # fmt: skip
def test_what_an_exptime_means(token: bytes, life: Life | None) -> None:
    """Seconds up to 30 days, a Unix time above, over if negative or past."""
    assert life_of(token, NOW) == life


def test_a_time_that_was_named_does_not_move() -> None:
    """However long the value takes to arrive; a number of seconds counts from then on."""
    named, relative = life_of(b"1764000001", NOW), life_of(b"1", NOW)
    assert named and relative
    assert (named.still(NOW + 400), relative.still(NOW + 400)) == (Life(100, end=named.end), Life(1000))
    assert named.still(NOW + 500) == OVER


def test_numbers_have_their_bits() -> None:
    """And nothing but digits."""
    assert (signed_32(b"-2147483648"), signed_32(b"-2147483649"), signed_32(b"2147483647")) == (-(2**31), None, 2**31 - 1)
    assert (unsigned(b"18446744073709551615"), unsigned(b"18446744073709551616"), unsigned(b"-1")) == (2**64 - 1, None, None)
    assert unsigned(b"4294967296", 2**32 - 1) is None


@relaxed
@given(cuts=st.lists(st.integers(1, 9)), skipped=st.integers(0, 6))
def test_input_is_the_same_however_it_is_cut(cuts: list[int], skipped: int) -> None:
    """Lines, blocks, and what is skipped."""
    text = b"one\r\n" + b"skip!!"[:skipped] + b"\n" + b"ab\ncd\r\n" + b"two \n" + b"ab\ncdxx"
    held, found, start = Input(), [], 0
    steps = iter(["line", "skip", "line", "block", "line", "block"])
    step = next(steps)
    for size in [*cuts, 100]:
        held.add(text[start : start + size])
        start += size
        while step:
            taken: object = True
            if step == "skip":
                held.skip(skipped)
            else:
                taken = held.line() if step == "line" else held.block(5)
                if taken is None:
                    break
                found.append(taken)
            step = next(steps, "")
        held.forget()
        if start >= len(text):
            break
    assert found == [b"one", b"", b"ab\ncd", b"two ", Fault.BAD_CHUNK] and not held


def test_marks_are_bounded() -> None:
    """The last 10,000 keys are remembered, 20,000 at most; a mark is of one version."""
    marks, first = Marks(), Entry(b"k0", b"", NOW * 1000)
    for number in range(LEAST_MARKS):
        marks.note(Entry(b"k%d" % number, b"", NOW * 1000), NOW + 2000)
    assert len(marks) == LEAST_MARKS and marks.was_read(first) and marks.idle_seconds(first, NOW + 5000) == 3
    assert (
        not marks.was_read(first._replace(version=NOW * 1000 + 1))
        and marks.idle_seconds(Entry(b"new", b"", NOW * 1000), NOW + 9000) == 9
    )
    marks.note(first, NOW + 4000)
    for number in range(1, LEAST_MARKS):
        assert marks.was_read(first) and marks.idle_seconds(first, NOW + 5000) == 1 and len(marks) < 2 * LEAST_MARKS
        marks.note(Entry(b"n%d" % number, b"", NOW * 1000), NOW)
    for number in range(LEAST_MARKS):
        marks.note(Entry(b"o%d" % number, b"", NOW * 1000), NOW)
    assert not marks.was_read(first) and marks.was_read(Entry(b"o0", b"", NOW * 1000))
