"""The contract of ``AvatarIndex``, for both sources of avatars: a generation, and the captures."""

from collections.abc import Callable
from itertools import count

import pytest

from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.avatars import AvatarIndex
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.bounds import MOST_KEYS
from tests.contract.engines import Place
from tests.contract.values import HERE, KEY, KEYS, NAMES, OTHER, THERE, THIRD, record, seen

Fill = Callable[..., AvatarIndex]

END = b"\xff"
"""Above every name: no UTF-8 has this byte."""


@pytest.fixture(params=["captures", "generation"])
def fill(request: pytest.FixtureRequest, place: Place, store: Store) -> Fill:
    """Store (key, name) rows on a grid, later than all rows before; return the source that has them all."""
    clock = count(1)

    def captured(*rows: tuple[bytes, str], grid: str = HERE) -> AvatarIndex:
        now = next(clock)
        for result in store.captures.record([seen(key, name, grid, refuse=False) for key, name in rows], now):
            assert not isinstance(result, Exception)
        return store.captures

    def imported(*rows: tuple[bytes, str], grid: str = HERE) -> AvatarIndex:
        place.publish(store, *rows, grid=grid, as_of=next(clock))
        generation = store.generations.current()
        assert generation is not None
        return generation

    return captured if request.param == "captures" else imported


def test_what_is_not_there(fill: Fill) -> None:
    """No names, no keys, no pages."""
    index = fill((KEY, "Name One"))
    assert index.by_name("name") == [] and index.by_name("name.one.two") == []
    assert index.by_key(OTHER) == [] and index.by_key(bytes(16)) == []
    assert index.names_between(b"o", END, 10, reverse=False) == index.names_between(b"", b"n", 10, reverse=True) == []


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_kinds(fill: Fill, name: str) -> None:
    """Found by their canonical form, with the spelling by key: no two of these names are taken for one."""
    others = {
        canonical(other): key for other, key in zip(NAMES, KEYS[10:], strict=False) if canonical(other) != canonical(name)
    }
    index = fill((KEY, name), *((key, other) for other, key in others.items()))
    assert [(a.key, a.grid, a.former) for a in index.by_name(canonical(name))] == [(KEY, HERE, False)]
    assert [(a.key, a.grid, a.former, a.name) for a in index.by_key(KEY)] == [(KEY, HERE, False, name)]
    for other, key in others.items():
        assert [a.key for a in index.by_name(other)] == [key]
    assert index.names_between(b"", END, 100, reverse=False) == sorted(form.encode() for form in (*others, canonical(name)))


def test_keys_of_all_kinds(fill: Fill) -> None:
    """The least and the greatest, those that differ in one bit, those with zeros and line ends in them."""
    keys = [bytes(15) + b"\x01", b"\xff" * 16, b"\xff" * 15 + b"\xfe", b"\n" * 16, b"k" * 16, b"\x01" + bytes(15)]
    index = fill(*((key, f"Name{n}") for n, key in enumerate(keys)))
    for n, key in enumerate(keys):
        assert [a.name for a in index.by_key(key)] == [f"Name{n}"]
        assert [a.key for a in index.by_name(f"name{n}")] == [key]


def test_grids_are_apart(fill: Fill) -> None:
    """A key has one name per grid, a name one key per grid."""
    fill((KEY, "Name One"), (OTHER, "Name Two"))
    index = fill((KEY, "Name Two"), grid=THERE)
    assert {(a.grid, a.name) for a in index.by_key(KEY)} == {(HERE, "Name One"), (THERE, "Name Two")}
    assert {(a.grid, a.key) for a in index.by_name("name.two")} == {(HERE, OTHER), (THERE, KEY)}
    assert {(a.grid, a.seen) for a in index.by_key(KEY)} == {(HERE, 1), (THERE, 2)}


def test_former_names_lead_to_the_key(fill: Fill) -> None:
    """And the key to the current name only; a name's current key comes before its former one."""
    fill((KEY, "Name One"))
    index = fill((KEY, "Name Two"))
    assert [(a.key, a.former) for a in index.by_name("name.one")] == [(KEY, True)]
    assert [(a.name, a.former) for a in index.by_key(KEY)] == [("Name Two", False)]
    index = fill((OTHER, "Name One"))
    assert [(a.key, a.former) for a in index.by_name("name.one")] == [(OTHER, False), (KEY, True)]


def test_a_name_of_many_keys(fill: Fill) -> None:
    """MOST_KEYS of each grid at most: many on one grid do not push out those of another."""
    fill(*((key, "Shared Name") for key in KEYS[: MOST_KEYS + 6]))
    index = fill((KEY, "Shared Name"), (OTHER, "Shared Name"), grid=THERE)
    found = index.by_name("shared.name")
    assert sum(a.grid == HERE for a in found) == MOST_KEYS
    assert {a.key for a in found if a.grid == THERE} == {KEY, OTHER}
    assert len({(a.key, a.grid) for a in found}) == len(found)


FORMS = sorted(
    form.encode()
    for form in ("a", "a.b", "a0", "ab", "abc", "b", "z", "zz", "é", "ﬁ".casefold(), "名", "\uff5e", "\U00010428", "\U0001f600")
)
"""Canonical names in the order of their UTF-8, which is not that of UTF-16."""


@pytest.mark.parametrize("limit", [1, 2, 5, len(FORMS), 100])
@pytest.mark.parametrize("reverse", [False, True])
def test_pages(fill: Fill, limit: int, reverse: bool) -> None:
    """From page to page, both ways, each name is met once, in the order of UTF-8; the last page may be short."""
    index = fill(*((key, form.decode()) for key, form in zip(KEYS, FORMS, strict=False)))
    found: list[bytes] = []
    first, end = b"", END
    while page := index.names_between(first, end, limit, reverse=reverse):
        assert len(page) <= limit
        found += page
        if reverse:
            end = page[-1]
        else:
            first = page[-1] + b"\0"
    assert found == (FORMS[::-1] if reverse else FORMS)


def test_bounds_of_a_page(fill: Fill) -> None:
    """The first is in it, the end is not, whether they are names or lie between names; both may be the same."""
    index = fill(*((key, form.decode()) for key, form in zip(KEYS, FORMS, strict=False)))
    edges = [b"", *FORMS, *(form + b"\0" for form in FORMS), END]
    for first in edges:
        for end in edges:
            expected = [form for form in FORMS if first <= form < end]
            assert index.names_between(first, end, 100, reverse=False) == expected
            assert index.names_between(first, end, 100, reverse=True) == expected[::-1]
            assert index.names_between(first, end, 2, reverse=True) == expected[::-1][:2]
    assert index.names_between(b"", END, 0, reverse=False) == []


def test_a_snapshot_answers_the_same(fill: Fill) -> None:
    """And what is written after it is seen after it."""
    index = fill((KEY, "Name One"), (OTHER, "Name Two"))
    with index.snapshot():
        inside = index.by_name("name.one"), index.by_key(OTHER), index.names_between(b"", END, 9, reverse=True)
    assert inside == (index.by_name("name.one"), index.by_key(OTHER), index.names_between(b"", END, 9, reverse=True))
    assert [a.key for a in fill((KEY, "Name Three")).by_name("name.three")] == [KEY]


def test_many_at_once(fill: Fill) -> None:
    """As one by one, in the order of the question, repeated and unknown ones too; inside of a snapshot and outside."""
    fill((KEY, "Name One"), (OTHER, "Name Two"), (THIRD, "Name Two"))
    index = fill((KEY, "Name Three"))
    names, keys = ["name.two", "nobody", "name.one", "name.three", "name.two"], [OTHER, bytes(16), KEY, OTHER]
    named, known = [index.by_name(name) for name in names], [index.by_key(key) for key in keys]
    assert index.by_names(names, 100) == named and index.by_keys(keys, 100) == known
    with index.snapshot():
        assert index.by_names(names, 100) == named and index.by_keys(keys, 100) == known
        assert index.by_name("name.three") == named[3], "the snapshot goes on"
    assert index.by_names([], 100) == index.by_keys([], 100) == []


def test_many_at_once_end_early(fill: Fill) -> None:
    """If the previous ones took as much reading as is allowed; at least one is answered."""
    index = fill(*((key, "Shared Name") for key in KEYS[:20]), (THIRD, "Other Name"))
    names = ["shared.name", "nobody", "shared.name", "other.name"]
    assert [len(found) for found in index.by_names(names, 1)] == [20]
    assert len(index.by_names(names, -5)) == 1 and len(index.by_keys(KEYS[:20], 0)) == 1
    assert 1 <= len(index.by_names(names, 21)) <= 3, "two of the shared name are more"
    assert len(index.by_names(names, 1000)) == 4 and len(index.by_keys(KEYS[:20], 1000)) == 20


def test_rows_read_grows_with_what_an_answer_costs(fill: Fill) -> None:
    """By at least the names that a lookup returned, in a snapshot and outside of one."""
    index = fill(*((key, "Shared Name") for key in KEYS[:20]))
    before = index.rows_read
    assert len(index.by_name("shared.name")) == 20 and index.rows_read >= before + 20
    with index.snapshot():
        before = index.rows_read
        index.by_name("shared.name")
        assert index.rows_read >= before + 20


def test_values_outlive_what_they_were_read_from(place: Place) -> None:
    """Avatars do not depend on the engine's memory."""
    with place.opened() as store:
        record(store.captures, seen(KEY, "Name One"))
        place.publish(store, (OTHER, "Name Two"))
        generation = store.generations.current()
        assert generation is not None
        found = [*store.captures.by_key(KEY), *generation.by_key(OTHER), *generation.by_name("name.two")]
        place.publish(store, (OTHER, "Name Three"), as_of=2)
    assert [(a.key, a.name) for a in found] == [(KEY, "Name One"), (OTHER, "Name Two"), (OTHER, "")]
