"""The contract of ``CaptureStore.drop_outdated``: what goes, what stays, and that names of Second Life stay reserved."""

import pytest

from n2k_fcgi.errors import NameTaken
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import PRODUCTION, TESTING
from n2k_fcgi.model.keeping import Keeping
from n2k_fcgi.store.base import Store
from tests.contract.values import HERE, KEY, OTHER, THIRD, record, seen

PLACE = Source("object", "owner", "Secret Garden", "Second Life Server")


def test_what_was_seen_last_before_goes(store: Store) -> None:
    """With its former names, on each grid for itself; of the same second stays; both directions are empty then."""
    record(store.captures, seen(KEY, "Former Name"), 10)
    record(store.captures, seen(KEY, "Masakazu Kojima"), 99)
    record(store.captures, seen(KEY, "Masakazu There", TESTING), 100)
    record(store.captures, seen(OTHER, "Someone Else"), 500)
    assert store.captures.drop_outdated(Keeping(100)) == 1
    assert [stored.capture.name for stored in store.captures.all_stored()] == ["Masakazu There", "Someone Else"]
    assert store.captures.by_name("masakazu.kojima") == store.captures.by_name("former.name") == []
    assert [avatar.name for avatar in store.captures.by_key(KEY)] == ["Masakazu There"]
    assert store.captures.drop_outdated(Keeping(100)) == 0


def test_former_names_of_what_stays_stay(store: Store) -> None:
    """A former name is as old as it is: it goes with its capture only."""
    record(store.captures, seen(KEY, "Former Name"), 10)
    record(store.captures, seen(KEY, "Masakazu Kojima"), 200)
    assert store.captures.drop_outdated(Keeping(100)) == 0
    assert [former for _, former in store.captures.all_stored()] == [[("Former Name", 10)]]


def test_places_go_and_all_else_stays(store: Store) -> None:
    """Object and region are emptied; owner, grid, times and names are as they were."""
    record(store.captures, seen(KEY, "Former Name", source=PLACE), 10)
    record(store.captures, seen(KEY, "Masakazu Kojima", source=PLACE), 200)
    (before,) = store.captures.stored(KEY)
    assert store.captures.drop_outdated(Keeping(places=False)) == 0
    (after,) = store.captures.stored(KEY)
    assert after.capture.source == Source("", "owner", "", "Second Life Server")
    assert after == before._replace(capture=before.capture._replace(source=after.capture.source))


@pytest.mark.parametrize("name", ["Masakazu Kojima", "Former Name"])
def test_a_name_of_second_life_is_not_taken_over(store: Store, name: str) -> None:
    """Current or former, another key is refused and stores nothing; the key itself is welcome, as often as it comes."""
    record(store.captures, seen(KEY, "Former Name", PRODUCTION), 10)
    record(store.captures, seen(KEY, "Masakazu Kojima", PRODUCTION), 20)
    for round_ in (1, 2):
        assert store.captures.drop_outdated(Keeping(100)) == 1, round_
        with pytest.raises(NameTaken) as refused:
            record(store.captures, seen(OTHER, name.upper(), PRODUCTION), 30)
        assert refused.value.holder == b"" and store.captures.stored(OTHER) == []
        assert store.captures.reserved_for(KEY, name.lower().replace(" ", ".")) == (True, True)
        assert store.captures.reserved_for(OTHER, name.lower().replace(" ", ".")) == (True, False)
        record(store.captures, seen(KEY, "Former Name", PRODUCTION), 40)
        record(store.captures, seen(KEY, "Masakazu Kojima", PRODUCTION), 50)
    assert store.captures.reserved_for(KEY, "new.name") == (False, False)
    assert record(store.captures, seen(OTHER, "New Name", PRODUCTION), 60).times_seen == 1


def test_elsewhere_a_name_is_free_again(store: Store) -> None:
    """On other grids nothing is reserved: there, names pass to other keys."""
    for grid in (HERE, TESTING):
        record(store.captures, seen(KEY, "Masakazu Kojima", grid), 10)
        store.captures.drop_outdated(Keeping(100))
        assert record(store.captures, seen(OTHER, "Masakazu Kojima", grid), 20).key == OTHER
        assert store.captures.reserved_for(KEY, "masakazu.kojima") == (False, False)


def test_reserved_names_outlive_every_rewriting(store: Store) -> None:
    """A purge, a removed grid, another dropping: the name stays reserved. Several keys of one name all keep it."""
    for key, now in ((KEY, 10), (OTHER, 20)):
        record(store.captures, seen(key, "Masakazu Kojima", PRODUCTION, refuse=False), now)
    store.captures.drop_outdated(Keeping(100))
    record(store.captures, seen(THIRD, "Third Person", "new grid", grids_left=5), 200)
    store.captures.drop_grid("new grid")
    with store.generations.locked():
        store.purge(store.forgotten.hidden(), str, Keeping())
    store.captures.drop_outdated(Keeping(300))
    assert [store.captures.reserved_for(key, "masakazu.kojima")[1] for key in (KEY, OTHER, THIRD)] == [True, True, False]
    with pytest.raises(NameTaken):
        record(store.captures, seen(THIRD, "Masakazu Kojima", PRODUCTION), 400)


def test_a_purge_drops_them_too(store: Store) -> None:
    """One rewriting: hidden captures, outdated ones, and the places of the others; all are counted that went."""
    record(store.captures, seen(KEY, "Hidden Person", PRODUCTION), 500)
    record(store.captures, seen(OTHER, "Outdated Person", PRODUCTION), 10)
    record(store.captures, seen(THIRD, "Third Person", PRODUCTION, source=PLACE), 500)
    store.forgotten.forget([KEY], [], 501)
    with store.generations.locked():
        assert store.purge(store.forgotten.hidden(), str, Keeping(100, places=False)).captures == 2
    (left,) = store.captures.all_stored()
    assert left.capture.name == "Third Person" and left.capture.source.region == ""
    assert store.captures.reserved_for(OTHER, "outdated.person") == (True, True)
    assert store.captures.reserved_for(KEY, "hidden.person") == (False, False)  # a tombstone keeps that one


@pytest.mark.parametrize("purged", [True, False])
@pytest.mark.parametrize("by", ["key", "name"])
def test_who_is_shown_again_after_a_purge_begins_anew(store: Store, purged: bool, by: str) -> None:
    """A name that was registered for a wrong key is freed by forget, purge and undo of that key.

    Without a purge nothing is freed, and nothing by the name alone.
    """
    for key, name in ((KEY, "Masakazu Kojima"), (THIRD, "Third Person")):
        record(store.captures, seen(key, name, PRODUCTION), 10)
    store.captures.drop_outdated(Keeping(100))
    keys, names = ([KEY], []) if by == "key" else ([], [(PRODUCTION, "masakazu.kojima")])
    store.forgotten.forget(keys, names, 200)
    if purged:
        store.forgotten.note_purge(300)
    assert store.captures.reserved_for(KEY, "masakazu.kojima") == (True, True)
    assert store.forgotten.undo(keys, names, 400) == 200
    is_freed = purged and by == "key"
    assert store.captures.reserved_for(KEY, "masakazu.kojima") == ((False, False) if is_freed else (True, True))
    assert store.captures.reserved_for(THIRD, "third.person") == (True, True)
    if is_freed:
        assert record(store.captures, seen(OTHER, "Masakazu Kojima", PRODUCTION), 500).key == OTHER
    else:  # a name alone does not say whose it is: perhaps it is reserved for somebody who never left
        with pytest.raises(NameTaken):
            record(store.captures, seen(OTHER, "Masakazu Kojima", PRODUCTION), 500)


def test_a_name_of_two_keys_stays_with_the_other(store: Store) -> None:
    """Of a name that is reserved for two keys only the one that is shown again is freed; on another grid nothing is."""
    for key, now in ((KEY, 10), (OTHER, 20)):
        record(store.captures, seen(key, "Masakazu Kojima", PRODUCTION, refuse=False), now)
    store.captures.drop_outdated(Keeping(100))
    for only in (HERE, None):
        store.forgotten.forget([KEY], [], 200, only)
        store.forgotten.note_purge(300)
        store.forgotten.undo([KEY], [], 400, only)
        assert store.captures.reserved_for(KEY, "masakazu.kojima") == (True, only is not None)
    assert store.captures.reserved_for(OTHER, "masakazu.kojima") == (True, True)
