"""The contract of ``ConflictStore``: the latest conflicts, a bounded list."""

import pytest

from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.store.base import Store
from tests.contract.engines import SECONDS, Place, done
from tests.contract.values import HERE, KEY, KEYS, MOMENTS, NAMES, OTHER, THERE, THIRD

CONFLICT = Conflict("Wanted Name", HERE, KEY, OTHER, 5, 5, 1, Provenance.CAPTURE)


def test_an_empty_store(store: Store) -> None:
    """No conflicts; noting an empty list changes nothing."""
    store.conflicts.note([])
    assert store.conflicts.conflicts() == []


@pytest.mark.parametrize(("name", "now"), [*((name, 1) for name in NAMES), *(("Name One", now) for now in MOMENTS)])
def test_every_field_comes_back(store: Store, name: str, now: int) -> None:
    """Whatever the name and the time, of a registration and of a dump."""
    for provenance in Provenance:
        conflict = Conflict(name, THERE, KEY, OTHER if provenance is Provenance.DUMP else THIRD, now, now, 3, provenance)
        store.conflicts.note([conflict])
        assert conflict in store.conflicts.conflicts()
    assert len(store.conflicts.conflicts()) == 2


def test_the_same_conflict_is_counted_again(store: Store) -> None:
    """The same grid, rejected key and canonical name: the first time is kept, other fields are the latest ones."""
    store.conflicts.note([CONFLICT, CONFLICT._replace(name="wanted.NAME", first_seen=9, last_seen=9, holder=THIRD)])
    store.conflicts.note([CONFLICT._replace(first_seen=11, last_seen=11, times_seen=4)])
    expected = CONFLICT._replace(first_seen=5, last_seen=11, times_seen=6)
    assert store.conflicts.conflicts() == [expected]
    others = [CONFLICT._replace(grid=THERE), CONFLICT._replace(key=THIRD), CONFLICT._replace(name="Another Name")]
    store.conflicts.note(others)
    assert sorted(store.conflicts.conflicts()) == sorted([expected, *others])


def test_the_latest_come_first_and_the_oldest_are_dropped(store: Store) -> None:
    """However they were noted, some hundred at least are kept, and the list does not grow without end."""
    for start in (1, 1501, 3001):
        store.conflicts.note(
            CONFLICT._replace(name=f"Name{n}", first_seen=n, last_seen=n) for n in reversed(range(start, start + 1500))
        )
    found = [conflict.last_seen for conflict in store.conflicts.conflicts()]
    assert 100 <= len(found) <= 1500 and found == list(range(4500, 4500 - len(found), -1))


def test_another_process_sees_a_write_at_once(place: Place, store: Store) -> None:
    """And continues the count."""
    with place.peer() as peer:
        assert peer("store.conflicts.conflicts()") == []
        store.conflicts.note([CONFLICT])
        assert peer("store.conflicts.conflicts()") == [CONFLICT]
        peer("store.conflicts.note([one])", one=CONFLICT)
        assert [conflict.times_seen for conflict in store.conflicts.conflicts()] == [2]


WRITER = """
from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.choices import Provenance
for n in range(int(sys.argv[3])):
    store.conflicts.note([Conflict("Wanted Name", HERE, key, OTHER, n, n, 1, Provenance.DUMP) for key in KEYS[:1]])
    print(n, flush=True)
"""


def test_two_processes_write_at_once(place: Place, store: Store) -> None:
    """Every one of both is counted."""
    done(*(place.running(WRITER, 50) for _ in range(2)))
    assert [conflict.times_seen for conflict in store.conflicts.conflicts()] == [100]


def test_a_killed_writer_breaks_nothing(place: Place) -> None:
    """What it noted may be lost; the list is complete and can be written."""
    with place.running(WRITER, 10**6) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(10)] == [f"{n}\n" for n in range(10)]
        child.kill()
        child.wait(SECONDS)
    with place.opened() as store:
        assert len(store.conflicts.conflicts()) <= 1
        store.conflicts.note([CONFLICT._replace(key=KEYS[50])])
        assert KEYS[50] in {conflict.key for conflict in store.conflicts.conflicts()}
