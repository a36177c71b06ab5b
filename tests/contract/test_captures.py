"""The contract of ``CaptureStore``; what generations share is in ``test_avatars``."""

import random

import pytest

from n2k_fcgi.errors import NameTaken, TooManyNames, TooManyNewGrids
from n2k_fcgi.model.avatar import Capture, Source, StoredCapture
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.observations import MOST_GRIDS_BY_ONE
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.bounds import MOST_FORMER, MOST_KEYS
from tests.contract.engines import SECONDS, Place, done
from tests.contract.values import HERE, KEY, KEYS, MOMENTS, NAMES, OTHER, THERE, THIRD, record, seen

SOURCE = Source("object", "owner", "Région du Nord", "Production")


def test_an_empty_store(store: Store) -> None:
    """Nothing is found, and asking is no error."""
    captures = store.captures
    assert captures.stored(KEY) == [] and list(captures.all_stored()) == []
    assert captures.known_among(KEYS) == set() and captures.known_among([]) == set()
    assert (captures.count(), captures.evicted(), captures.created_grids()) == (0, 0, [])
    assert captures.record([], 1) == []


@pytest.mark.parametrize(("name", "now"), [*((name, 1) for name in NAMES), *(("Name One", now) for now in MOMENTS)])
def test_every_field_comes_back(store: Store, name: str, now: int) -> None:
    """Whatever the name and the time, for one key on two grids; ``record`` returns what is stored."""
    expected = [Capture(KEY, name, grid, now, now, 1, SOURCE) for grid in (HERE, THERE)]
    assert [record(store.captures, seen(KEY, name, grid, source=SOURCE), now) for grid in (HERE, THERE)] == expected
    assert sorted(store.captures.stored(KEY)) == sorted(StoredCapture(capture, []) for capture in expected)
    assert sorted(store.captures.all_stored()) == sorted(store.captures.stored(KEY))
    assert store.captures.count() == 1 and store.captures.known_among([OTHER, KEY]) == {KEY}


def test_seeing_again_counts_and_keeps_the_first_time(store: Store) -> None:
    """First and last time are the extremes in any order of observations; the latest source is stored."""
    for now in (100, 300, 200):
        record(store.captures, seen(KEY, "Masakazu Kojima", source=Source(region=f"at {now}")), now)
    ((capture, former),) = store.captures.stored(KEY)
    assert (capture.first_seen, capture.last_seen, capture.times_seen, former) == (100, 300, 3, [])
    assert capture.source.region == "at 200"


def test_a_clock_that_was_far_ahead_does_not_win_for_ever(store: Store) -> None:
    """A time of years ahead is corrected by the next observation; one of a few hours is kept."""
    for first, second, last in ((2**40, 1000, 1000), (1000 + 3600, 1000, 4600)):
        key = KEYS[first % 97]
        record(store.captures, seen(key, f"Name{first}"), first)
        assert record(store.captures, seen(key, f"Name{first}"), second).last_seen == last


def test_a_renamed_key_keeps_its_former_name(store: Store) -> None:
    """The former name leads to the key and says when it was last seen; the key leads to the current name."""
    record(store.captures, seen(KEY, "Masakazu Kojima"), 100)
    record(store.captures, seen(KEY, "New Name"), 200)
    (former,) = store.captures.by_name("masakazu.kojima")
    assert (former.key, former.former, former.seen) == (KEY, True, 100)
    assert [(a.name, a.former) for a in store.captures.by_key(KEY)] == [("New Name", False)]


def test_a_name_that_comes_and_goes_is_a_former_name_once(store: Store) -> None:
    """With its latest spelling and the last time that it was in use; another spelling of the current name is no former one."""
    for now, name in enumerate(("First Name", "Second Name", "first.name", "Third Name", "Second Name", "SECOND NAME"), 1):
        record(store.captures, seen(KEY, name), now)
    ((capture, former),) = store.captures.stored(KEY)
    assert capture.name == "SECOND NAME" and former == [("first.name", 3), ("Third Name", 4)]
    for name in ("first.name", "second.name", "third.name"):
        assert [a.former for a in store.captures.by_name(name)] == [name != "second.name"]


def test_a_name_of_another_key_is_rejected_and_changes_nothing(store: Store) -> None:
    """Former names too; on another grid, or without *refuse_conflict*, it is stored."""
    record(store.captures, seen(KEY, "Masakazu Kojima"), 100)
    record(store.captures, seen(KEY, "New Name"), 200)
    for taken in ("Masakazu Kojima", "NEW.NAME"):
        with pytest.raises(NameTaken) as refusal:
            record(store.captures, seen(OTHER, taken), 300)
        assert refusal.value.holder == KEY
    assert store.captures.by_key(OTHER) == [] and store.captures.count() == 1
    record(store.captures, seen(THIRD, "New Name", THERE), 300)
    record(store.captures, seen(OTHER, "New Name", refuse=False), 300)
    assert [a.key for a in store.captures.by_name("new.name") if a.grid == HERE] == [OTHER, KEY]


def test_one_call_records_many(store: Store) -> None:
    """Results are in the order of the observations; a rejected one does not affect the others, and later ones see earlier."""
    first, taken, again, last = store.captures.record(
        [seen(KEY, "Name One"), seen(OTHER, "Name One"), seen(KEY, "Name Two"), seen(OTHER, "Name Three")], 5
    )
    assert isinstance(first, Capture) and isinstance(again, Capture) and isinstance(last, Capture)
    assert isinstance(taken, NameTaken) and taken.holder == KEY
    assert (first.name, again.name, again.times_seen, last.key) == ("Name One", "Name Two", 2, OTHER)
    assert [(s.capture.name, s.former) for s in store.captures.all_stored()] == [
        ("Name Two", [("Name One", 5)]),
        ("Name Three", []),
    ]


def test_all_come_in_the_order_of_keys(store: Store) -> None:
    """Each once, however many, and whatever order they were recorded in; those behind the reader may change meanwhile."""
    keys = [n.to_bytes(16, "big") for n in range(1, 2501)]
    store.captures.record([seen(key, f"Name{key.hex()}") for key in random.Random(1).sample(keys, len(keys))], 1)
    found, rows = [], iter(store.captures.all_stored())
    for stored in rows:
        found.append(stored.capture.key)
        if len(found) in (1, 1000, 1001):
            record(store.captures, seen(keys[0], f"Renamed{len(found)}"), 2)
    assert found == keys and store.captures.count() == len(keys)


def test_the_current_holder_of_a_name_comes_before_former_ones(store: Store) -> None:
    """Among those of each kind, the one seen last."""
    for key, name, now in ((KEY, "Same Name", 1), (OTHER, "Same Name", 5), (OTHER, "Other Name", 9), (THIRD, "Same Name", 2)):
        record(store.captures, seen(key, name, refuse=False), now)
    found = store.captures.by_name("same.name")
    assert [(a.key, a.former, a.seen) for a in found] == [(THIRD, False, 2), (KEY, False, 1), (OTHER, True, 5)]


def test_a_name_keeps_so_many_keys_and_the_oldest_are_dropped(store: Store) -> None:
    """Where names may move: a capture with that current name, or only the former name; other grids are not affected."""
    keys, captures = KEYS[:70], store.captures
    record(captures, seen(keys[0], "Shared Name", THERE), 1)
    record(captures, seen(keys[0], "Shared Name", HERE), 2)
    record(captures, seen(keys[1], "Shared Name", HERE, refuse=False), 3)
    record(captures, seen(keys[1], "Own Name", HERE), 4)
    for now, key in enumerate(keys[2:], 5):
        record(captures, seen(key, "Shared Name", HERE, refuse=False), now)
    found = captures.by_name("shared.name")
    assert {a.key for a in found if a.grid == HERE} == set(keys[-MOST_KEYS:])
    assert [a.key for a in found if a.grid == THERE] == keys[:1]
    assert [a.name for a in captures.by_key(keys[1])] == ["Own Name"]
    assert captures.by_key(keys[2]) == [] and captures.evicted() == 6
    record(captures, seen(keys[-1], "Shared Name", HERE, refuse=False), 200)
    assert captures.evicted() == 6


def test_a_key_keeps_so_many_former_names(store: Store) -> None:
    """Where names may move, the oldest are dropped and return nothing, unless the key has them on another grid."""
    for n in range(MOST_FORMER + 3):
        record(store.captures, seen(KEY, f"Name{n}"), n)
    record(store.captures, seen(KEY, "Name0", THERE), 500)
    record(store.captures, seen(KEY, "Last One"), 600)
    named = {n for n in range(MOST_FORMER + 3) if store.captures.by_name(f"name{n}")}
    assert named == {0, *range(3, MOST_FORMER + 3)}
    assert [a.grid for a in store.captures.by_name("name0")] == [THERE]
    assert store.captures.evicted() == 3


def test_in_second_life_nothing_is_dropped(store: Store) -> None:
    """A dropped name could pass to another key: one more key, or one more name, is rejected."""
    keys, captures = KEYS[: MOST_KEYS + 1], store.captures
    captures.record([seen(key, "Shared Name", PRODUCTION, refuse=False) for key in keys[:-1]], 1)
    with pytest.raises(TooManyNames, match="64 keys of the name 'Shared Name' on Production are the most allowed"):
        record(captures, seen(keys[-1], "Shared Name", PRODUCTION, refuse=False), 2)
    record(captures, seen(keys[0], "Shared Name", PRODUCTION, refuse=False), 3)
    assert {a.key for a in captures.by_name("shared.name")} == set(keys[:-1]) and captures.by_key(keys[-1]) == []
    captures.record([seen(THIRD, f"Name{n}", PRODUCTION) for n in range(MOST_FORMER)], 4)
    with pytest.raises(TooManyNames):
        record(captures, seen(THIRD, "One More", PRODUCTION), 5)
    assert captures.by_name("one.more") == [] and captures.evicted() == 0


def test_observations_create_so_many_grids(store: Store) -> None:
    """*grids_left* in all, MOST_GRIDS_BY_ONE by one token; observations on an existing grid do not count."""
    captures = store.captures
    for n in range(MOST_GRIDS_BY_ONE):
        record(captures, seen(KEY, "Name", f"grid{n}", grids_left=10, by="one"))
    record(captures, seen(OTHER, "Other", "grid0", grids_left=10, by="one"))
    with pytest.raises(TooManyNewGrids):
        record(captures, seen(KEY, "Name", "more", grids_left=10, by="one"))
    for grid in ("another", "Überall"):
        record(captures, seen(KEY, "Name", grid, grids_left=10, by="two"))
    with pytest.raises(TooManyNewGrids):
        record(captures, seen(KEY, "Name", "more", grids_left=10, by="three"))
    record(captures, seen(KEY, "Name", "configured"))
    assert captures.created_grids() == sorted(["another", "Überall", *(f"grid{n}" for n in range(MOST_GRIDS_BY_ONE))])
    assert "more" not in {a.grid for a in captures.by_key(KEY)}


def test_a_created_grid_is_dropped_with_its_captures(store: Store) -> None:
    """What the same keys and names have on other grids remains, and there is space for another grid."""
    captures = store.captures
    for key, name in ((KEY, "Name One"), (OTHER, "Name Two")):
        record(captures, seen(key, name, "created", grids_left=1))
    record(captures, seen(KEY, "Name One", HERE))
    assert captures.drop_grid("created") == 2 and captures.drop_grid("created") == 0
    assert [a.grid for a in captures.by_name("name.one")] == [HERE] and captures.by_name("name.two") == []
    assert captures.created_grids() == [] and captures.count() == 1
    record(captures, seen(OTHER, "Name Two", "another", grids_left=1))


def test_another_process_sees_a_write_at_once(place: Place, store: Store) -> None:
    """And this process what the other writes, conflicts included."""
    with place.peer() as peer:
        assert peer("store.captures.by_name('masakazu.kojima')") == []
        for now, name in enumerate(("Masakazu Kojima", "Second Name", "Third Name")):
            record(store.captures, seen(KEY, name), now)
            assert [a.key for a in peer("store.captures.by_name(name)", name=canonical(name))] == [KEY]
        (refusal,) = peer("[type(r).__name__ for r in store.captures.record([one], 5)]", one=seen(OTHER, "Third Name"))
        assert refusal == "NameTaken"
        peer("store.captures.record([one], 5)", one=seen(OTHER, "Other Name"))
        assert store.captures.known_among([KEY, OTHER]) == {KEY, OTHER}


def test_a_snapshot_is_of_one_moment(place: Place, store: Store) -> None:
    """Writes of another process are not in it, and are found afterwards."""
    record(store.captures, seen(KEY, "Name One"))
    with place.peer() as peer:
        with store.captures.snapshot():
            before = store.captures.by_key(KEY), store.captures.by_name("name.one"), store.captures.count()
            peer("store.captures.record(all, 5)", all=[seen(KEY, "Name Two"), seen(OTHER, "Name Three")])
            assert (store.captures.by_key(KEY), store.captures.by_name("name.one"), store.captures.count()) == before
            assert store.captures.by_name("name.three") == [] and store.captures.known_among([OTHER]) == set()
            assert store.captures.names_between(b"", b"\xff", 10, reverse=False) == [b"name.one"]
        assert [a.name for a in store.captures.by_key(KEY)] == ["Name Two"] and store.captures.count() == 2


def test_all_is_there_after_opening_again(place: Place) -> None:
    """Captures, former names, created grids, counts."""

    def look(store: Store) -> object:
        captures = store.captures
        return list(captures.all_stored()), captures.created_grids(), captures.evicted(), captures.by_name("former.name")

    with place.opened() as store:
        for n in range(MOST_FORMER + 3):
            record(store.captures, seen(KEY, f"Name{n}"), n)
        record(store.captures, seen(OTHER, "Former Name", "created", grids_left=1, source=SOURCE), 1)
        record(store.captures, seen(OTHER, "New Name", "created", grids_left=1), 2)
        before = look(store)
    with place.opened() as store:
        assert look(store) == before
        store.close()
        assert look(store) == before


WRITER = """
from n2k_fcgi.errors import StoreBusy
first, count, n = int(sys.argv[3]), int(sys.argv[4]), 0
while n < count:
    try:
        record(store.captures, seen((first + n).to_bytes(16, "big"), f"Name{first + n}"))
    except StoreBusy:  # the machine is
        continue
    print(first + n, flush=True)
    n += 1
"""


def test_two_processes_write_at_once(place: Place, store: Store) -> None:
    """Every acknowledged observation of both is stored, in both directions."""
    children = [place.running(WRITER, first, 100) for first in (1, 1001)]
    acknowledged = [int(line) for printed in done(*children) for line in printed.split()]
    assert len(acknowledged) == 200 and store.captures.count() == 200
    for n in acknowledged:
        assert [a.key for a in store.captures.by_name(f"name{n}")] == [n.to_bytes(16, "big")]


def test_two_processes_want_the_same_names(place: Place, store: Store) -> None:
    """Each name is bound to one key, the acknowledged one; every other attempt was rejected."""
    code = "for n in range(50):\n    (one,) = store.captures.record([seen(KEYS[int(sys.argv[3])], f'Name{n}')], n)\n"
    code += "    print(getattr(one, 'name', ''), flush=True)\n"
    children = [place.running(code, number) for number in (0, 1)]
    won = [set(printed.split()) for printed in done(*children)]
    assert not won[0] & won[1] and won[0] | won[1] == {f"Name{n}" for n in range(50)}
    for key, names in zip(KEYS, won, strict=False):
        for name in names:
            assert [a.key for a in store.captures.by_name(name.lower())] == [key]


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_killed_writer_loses_nothing_that_was_acknowledged(place: Place, after: int) -> None:
    """Killed in the middle of its writes: each acknowledged one is stored in both directions, and other processes can write."""
    with place.running(WRITER, 1, 100_000) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(after)]
        child.kill()
        acknowledged += [int(line) for line in child.stdout.read().split("\n")[:-1]]
        child.wait(SECONDS)
    with place.opened() as store:
        found = [stored.capture.key for stored in store.captures.all_stored()]
        assert found == [n.to_bytes(16, "big") for n in range(1, len(found) + 1)]
        assert len(acknowledged) <= len(found) <= len(acknowledged) + 1
        for n, key in enumerate(found, 1):
            assert [a.key for a in store.captures.by_name(f"name{n}")] == [key]
        record(store.captures, seen(KEYS[-1], "Another Name"))
        assert store.captures.count() == len(found) + (KEYS[-1] not in found)
