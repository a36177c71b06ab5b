"""The contract of ``GenerationStore`` and ``GenerationView``; what captures share is in ``test_avatars``."""

import pytest

from n2k_fcgi.errors import NoSuchGeneration
from n2k_fcgi.store.avatars import GenerationView
from n2k_fcgi.store.base import PurgedRows, Store
from tests.contract.engines import Place
from tests.contract.values import HERE, KEY, KEYS, OTHER, THERE, THIRD


def live(store: Store) -> GenerationView:
    """The live generation, which must exist."""
    generation = store.generations.current()
    assert generation is not None
    return generation


def test_before_the_first_import(store: Store) -> None:
    """No generation is live, and that is not an error."""
    assert store.generations.current() is None and store.generations.live() is None and store.generations.hold() is None
    assert store.generations.listed() == ("", [])


def test_a_published_generation_describes_itself(place: Place, store: Store) -> None:
    """Its name, its grids, its counts; the manifest says the same."""
    place.publish(store, (KEY, "Name One"), (OTHER, "Name Two"), as_of=5)
    name = place.publish(store, (KEY, "Name One"), grid=THERE, as_of=7)
    generation, manifest = live(store), store.generations.live()
    assert manifest is not None
    assert generation.name == manifest.name == name
    assert (generation.grids, generation.count()) == (frozenset({HERE, THERE}), 2)
    assert (manifest.rows, manifest.keys, manifest.names, manifest.former) == (3, 2, 2, 0)
    assert (manifest.grid, manifest.as_of, manifest.dump_rows) == (THERE, 7, 1)


def test_the_latest_time_of_a_grid(place: Place, store: Store) -> None:
    """Of the live generation's rows; None for a grid that it does not have, and before the first import."""
    assert store.generations.latest(HERE) is None
    place.publish(store, (KEY, "Name One"), as_of=5)
    place.publish(store, (OTHER, "Name Two"), as_of=7)
    place.publish(store, (KEY, "Name One"), grid=THERE, as_of=3)
    assert (store.generations.latest(HERE), store.generations.latest(THERE), store.generations.latest("Third")) == (7, 3, None)


def test_the_list_begins_with_the_oldest(place: Place, store: Store) -> None:
    """And names the live one, which is in it."""
    names = [place.publish(store, (KEY, f"Name{n}"), as_of=n) for n in (1, 2)]
    assert names == sorted(names)
    current, manifests = store.generations.listed()
    assert current == names[-1] and [manifest.name for manifest in manifests] == names


def test_another_process_sees_a_new_generation_at_once(place: Place, store: Store) -> None:
    """With its next request."""
    with place.peer() as peer:
        assert peer("store.generations.current()") is None
        for n in range(1, 5):
            name = place.publish(store, (KEY, f"Name{n}"), as_of=n)
            assert peer("store.generations.current().name") == peer("store.generations.live().name") == name
            assert [a.name for a in peer("store.generations.current().by_key(key)", key=KEY)] == [f"Name{n}"]


PUBLISH = "place.publish(store, (key, name), as_of=as_of)"
"""By another process, as outside of tests: an engine may not open twice in one process what is held here."""


def test_a_held_generation_is_read_on(place: Place, store: Store) -> None:
    """Whatever is published meanwhile, also if the held one is pruned."""
    place.publish(store, (KEY, "Name One"))
    held = store.generations.hold()
    assert held is not None
    with place.peer() as peer:
        for n in range(2, 6):
            peer(PUBLISH, key=KEY, name=f"Name{n}", as_of=n)
            assert [a.name for a in live(store).by_key(KEY)] == [f"Name{n}"]
    assert [a.name for a in held.view.by_key(KEY)] == ["Name One"]
    assert held.view.name not in {manifest.name for manifest in store.generations.listed()[1]}
    held.release()
    assert [a.name for a in live(store).by_key(KEY)] == ["Name5"]


def test_two_answers_hold_the_same_generation(place: Place, store: Store) -> None:
    """Released by one, it is readable for the other, also while it is live."""
    place.publish(store, (KEY, "Name One"))
    one, two, three = (store.generations.hold() for _ in range(3))
    assert one is not None and two is not None and three is not None
    one.release()
    assert [a.name for a in two.view.by_key(KEY)] == ["Name One"]
    with place.peer() as peer:
        peer(PUBLISH, key=KEY, name="Name Two", as_of=2)
    assert [a.name for a in live(store).by_key(KEY)] == ["Name Two"]
    two.release()
    assert [a.name for a in three.view.by_key(KEY)] == ["Name One"]
    three.release()


def test_history(place: Place, store: Store) -> None:
    """Former names, the oldest first, each with the time of its last dump; of many the latest."""
    for n in range(1, 6):
        place.publish(store, (KEY, f"Name{n}"), as_of=n)
    generation = live(store)
    assert [(a.name, a.seen, a.former) for a in generation.history(KEY)] == [(f"Name{n}", n, True) for n in range(1, 5)]
    assert [a.name for a in generation.history(KEY, 2)] == ["Name3", "Name4"]
    assert [a.name for a in generation.history(KEY, 100)] == [f"Name{n}" for n in range(1, 5)]
    assert generation.history(OTHER) == []


def test_is_called(place: Place, store: Store) -> None:
    """By current and former names, on that grid only, however many others have the name."""
    keys = KEYS[:150]
    place.publish(store, *((key, "Shared Name") for key in keys))
    place.publish(store, (keys[0], "New Name"), as_of=2)
    generation = live(store)
    assert all(generation.is_called(key, "shared.name", HERE) for key in keys)
    assert generation.is_called(keys[0], "new.name", HERE)
    assert not generation.is_called(keys[0], "shared.name", THERE)
    assert not generation.is_called(keys[1], "new.name", HERE) and not generation.is_called(KEYS[160], "shared.name", HERE)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_bindings(place: Place, store: Store, limit: int) -> None:
    """Names in order with their avatars, former ones not: one name at least, until there are *limit* avatars."""
    place.publish(store, (KEY, "Former"), (OTHER, "Shared"), (THIRD, "Shared"))
    place.publish(store, (KEY, "Alone"), as_of=2)
    place.publish(store, (KEY, "Last"), grid=THERE, as_of=3)
    generation, found, first = live(store), [], b""
    while rows := generation.bindings(first, limit):
        assert all(rows) and sum(len(avatars) for _, avatars in rows[:-1]) < limit
        found += [(name, {(a.key, a.grid) for a in avatars}) for name, avatars in rows]
        first = rows[-1][0] + b"\0"
    assert found == [(b"alone", {(KEY, HERE)}), (b"last", {(KEY, THERE)}), (b"shared", {(OTHER, HERE), (THIRD, HERE)})]
    assert generation.bindings(b"shared\0", limit) == []


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_keys_in_order(place: Place, store: Store, limit: int) -> None:
    """Each key once, with its current names and then its former ones, on every grid."""
    place.publish(store, (THIRD, "Former"), (OTHER, "Alone"))
    place.publish(store, (THIRD, "Name Three"), as_of=2)
    place.publish(store, (KEY, "First"), (THIRD, "Visitor"), grid=THERE, as_of=3)
    generation, found, first = live(store), [], b""
    while keys := generation.keys_from(first, limit):
        assert len(keys) <= limit
        found += keys
        first = keys[-1][0] + b"\0"
    shown = [(key, sorted((a.name, a.grid, a.former) for a in avatars)) for key, avatars in found]
    assert shown == [
        (KEY, [("First", THERE, False)]),
        (OTHER, [("Alone", HERE, False)]),
        (THIRD, [("Former", HERE, True), ("Name Three", HERE, False), ("Visitor", THERE, False)]),
    ]
    assert [a.former for a in found[2][1]] == [False, False, True]
    with generation.snapshot():
        assert generation.keys_from(OTHER, 1) == found[1:2]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_ambiguous_names(place: Place, store: Store, limit: int) -> None:
    """Those of two avatars on one grid or of one time; not those that grid and time distinguish."""
    place.publish(store, (KEY, "Alone"), (OTHER, "Here Twice"), (THIRD, "Here Twice"), (KEYS[3], "Apart"))
    place.publish(store, (KEYS[4], "Apart"), grid=THERE, as_of=2)
    generation, found = live(store), []
    first: bytes | None = b""
    while first is not None:
        names, first = generation.ambiguous_names(first, limit)
        found += names
    assert found == ["here.twice"]


def test_grids_of_all_generations(place: Place, store: Store) -> None:
    """Of the live one and of those before it, also while one is held."""
    assert store.generations.grids() == set()
    place.publish(store, (KEY, "Name One"))
    lease = store.generations.hold()
    assert lease is not None
    with place.peer() as peer, lease as generation:
        peer("place.publish(store, (key, 'Name Two'), grid=grid, as_of=2)", key=OTHER, grid=THERE)
        assert store.generations.grids() == {HERE, THERE}
        assert generation.grids == {HERE} and live(store).grids == {HERE, THERE}
    lease.release()


def test_hidden_avatars_are_dropped(place: Place, store: Store) -> None:
    """From every index; counts follow, the live one stays live, and a generation without them is left alone."""
    place.publish(store, (KEY, "Former"), (OTHER, "Shared"), (THIRD, "Shared"))
    place.publish(store, (KEY, "Name One"), as_of=2)
    store.forgotten.forget([KEY, OTHER], [], 1)
    hidden = store.forgotten.hidden()
    before, _ = store.generations.listed()
    with store.generations.locked():
        assert store.purge(hidden, lambda _: "…") == PurgedRows(generations=2, names=5, captures=0)
        name = live(store).name
        assert store.purge(hidden, str) == PurgedRows(0, 0, 0)
    assert name != before and live(store).name == name
    generation, manifest = live(store), store.generations.live()
    assert generation.by_key(KEY) == generation.by_name("former") == generation.history(KEY) == []
    assert [a.key for a in generation.by_name("shared")] == [THIRD]
    assert manifest is not None and (manifest.name, manifest.source) == (name, "…")
    assert (manifest.rows, manifest.keys, manifest.names, manifest.former) == (1, 1, 1, 0)
    assert list(store.check()) == []


def test_the_live_one_is_there_after_opening_again(place: Place) -> None:
    """With its rows."""
    with place.opened() as store:
        name = place.publish(store, (KEY, "Name One"))
    with place.opened() as store:
        assert live(store).name == name and [a.name for a in live(store).by_key(KEY)] == ["Name One"]
        store.close()
        assert live(store).name == name


def test_two_generations_share_a_past(store: Store, place: Place) -> None:
    """Those of imports one after the other do, in both directions; one that was built beside the live one does not."""
    with pytest.raises(NoSuchGeneration):
        store.generations.shares_past("20200101T000000.000Z")
    first = place.publish(store, (KEY, "Masakazu Kojima"))
    beside = place.publish(store, (KEY, "Masakazu Kojima"), as_of=2)
    third = place.publish(store, (KEY, "Masakazu Newname"), as_of=3)
    assert [store.generations.shares_past(name) for name in (beside, third)] == [True, True]
    with store.generations.locked():
        store.generations.use(beside)
    assert store.generations.shares_past(third)
    fourth = place.publish(store, (KEY, "Masakazu Other"), as_of=4)
    assert not store.generations.shares_past(third), "its past is not that of the live one"
    assert store.generations.shares_past(fourth) and first < beside


def test_a_sealed_generation_is_used_as_any_other(store: Store, place: Place) -> None:
    """One that was built to be copied: nothing of it is changed."""
    name = place.publish(store, (KEY, "Masakazu Kojima"))
    store.generations.seal(name)
    store.generations.refuse_changed(name)
    store.generations.use(name)
    assert store.generations.current_name() == name and live(store).name == name
