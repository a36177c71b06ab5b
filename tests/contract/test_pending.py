"""The contract of ``PendingStore``: a bounded queue without duplicates, shared evenly."""

import pytest

from n2k_fcgi.model.observations import Asked
from n2k_fcgi.store.base import Store
from tests.contract.engines import QUEUE, SECONDS, Place, done
from tests.contract.values import HERE, KEYS, MOMENTS, THERE

DAY = 86_400
NOW = 1_764_000_000


def waiting(store: Store) -> list[bytes]:
    """The keys that wait, in order."""
    return [asked.key for asked in store.pending.waiting()]


def test_an_empty_store(store: Store) -> None:
    """No key waits, every key could be queued, and removing finds nothing."""
    pending = store.pending
    assert (
        pending.waiting() == [] and pending.unqueued(KEYS[:3], HERE, NOW) == KEYS[:3] and pending.unqueued([], HERE, NOW) == []
    )
    assert (pending.add([], HERE, NOW), pending.drop(KEYS), pending.mark_unknown(KEYS, HERE, NOW)) == (0, 0, 0)
    assert pending.waiting() == []


@pytest.mark.parametrize("now", MOMENTS)
@pytest.mark.parametrize("grid", [HERE, THERE, "Überall"])
def test_a_key_waits_once(store: Store, grid: str, now: int) -> None:
    """However often it is asked for, in one call or several; on another grid it waits for itself."""
    assert store.pending.add([KEYS[0], KEYS[1], KEYS[0]], grid, now) == 2
    assert store.pending.add(KEYS[:3], grid, now) == 1 and store.pending.unqueued(KEYS[:4], grid, now) == [KEYS[3]]
    assert store.pending.unqueued(KEYS[:1], "another", now) == KEYS[:1] and store.pending.add(KEYS[:1], "another", now) == 1
    assert sorted(store.pending.waiting()) == sorted([*(Asked(key, grid) for key in KEYS[:3]), Asked(KEYS[0], "another")])


def test_the_one_that_waits_longest_comes_first(store: Store) -> None:
    """Whatever the order of the keys is; a repeated request does not move a key."""
    for now, key in enumerate((KEYS[5], KEYS[1], KEYS[9], KEYS[5])):
        store.pending.add([key], HERE, NOW + now)
    assert waiting(store) == [KEYS[5], KEYS[1], KEYS[9]]


def test_keys_are_removed_on_the_grids_that_are_meant(store: Store) -> None:
    """On all, on one, on all but one; the number says how many entries that were. A removed key can be queued again."""
    for grid in (HERE, THERE):
        store.pending.add(KEYS[:3], grid, NOW)
    assert store.pending.drop(KEYS[:1], only=THERE) == 1 and store.pending.drop(KEYS[:1], only=THERE) == 0
    assert store.pending.drop([*KEYS[:2], *KEYS[:2], KEYS[50]], spare=HERE) == 1
    assert set(store.pending.waiting()) == {*(Asked(key, HERE) for key in KEYS[:3]), Asked(KEYS[2], THERE)}
    assert store.pending.drop(KEYS[1:3]) == 3 and store.pending.waiting() == [Asked(KEYS[0], HERE)]
    assert store.pending.add(KEYS[1:2], HERE, NOW) == 1


def test_a_key_marked_as_unknown_rests_for_days(store: Store) -> None:
    """It neither waits nor is queued, on that grid only; after some weeks it may be queued again. Others are not affected."""
    for grid in (HERE, THERE):
        store.pending.add(KEYS[:2], grid, NOW)
    assert store.pending.mark_unknown([KEYS[0], KEYS[9]], HERE, NOW + 5) == 1
    assert set(store.pending.waiting()) == {Asked(KEYS[1], HERE), Asked(KEYS[0], THERE), Asked(KEYS[1], THERE)}
    assert store.pending.unqueued(KEYS[:2], HERE, NOW + DAY) == [] and store.pending.add(KEYS[:1], HERE, NOW + DAY) == 0
    assert store.pending.unqueued(KEYS[:2], HERE, NOW + 20 * DAY) == KEYS[:1]
    assert store.pending.add(KEYS[:1], HERE, NOW + 20 * DAY) == 1
    assert Asked(KEYS[0], HERE) in store.pending.waiting()


def test_a_mark_of_the_future_does_not_count(store: Store) -> None:
    """The clock was wrong then: the key can be queued."""
    store.pending.add(KEYS[:1], HERE, NOW)
    store.pending.mark_unknown(KEYS[:1], HERE, NOW + 1000 * DAY)
    assert store.pending.unqueued(KEYS[:1], HERE, NOW) == KEYS[:1] and store.pending.add(KEYS[:1], HERE, NOW) == 1
    assert waiting(store) == KEYS[:1]


def test_a_full_queue_takes_no_more_of_one_asker(store: Store) -> None:
    """What has no space is not queued and not counted; there is space again when keys are removed."""
    assert store.pending.add(KEYS[: QUEUE + 3], HERE, NOW) == QUEUE
    assert store.pending.add(KEYS[QUEUE : QUEUE + 3], HERE, NOW + 1) == 0 and len(waiting(store)) == QUEUE
    store.pending.drop(KEYS[:2])
    assert store.pending.add(KEYS[QUEUE : QUEUE + 3], HERE, NOW + 1) == 2 and len(waiting(store)) == QUEUE


@pytest.mark.parametrize("since", ["marked", "old", "of the future"])
def test_a_full_queue_drops_what_nobody_names(store: Store, since: str) -> None:
    """What is marked as unknown, what waited for months, what comes from a wrong clock: first of all."""
    store.pending.add(KEYS[:QUEUE], HERE, {"marked": NOW, "old": NOW - 100 * DAY, "of the future": NOW + DAY}[since], "one")
    if since == "marked":
        store.pending.mark_unknown(KEYS[:QUEUE], HERE, NOW)
    assert store.pending.add(KEYS[20 : 20 + QUEUE], HERE, NOW, "one") == QUEUE
    assert sorted(waiting(store)) == KEYS[20 : 20 + QUEUE]


def test_askers_share_a_full_queue(store: Store) -> None:
    """Another asker takes from the one with most keys, the oldest first, up to the same share."""
    for n, key in enumerate(KEYS[:QUEUE]):
        store.pending.add([key], HERE, NOW + n, "one")
    assert store.pending.add(KEYS[20 : 20 + QUEUE], HERE, NOW + 50, "two") == QUEUE // 2
    assert waiting(store) == [*KEYS[QUEUE // 2 : QUEUE], *KEYS[20 : 20 + QUEUE // 2]]
    assert store.pending.add(KEYS[40:50], HERE, NOW + 60, "one") == 0
    assert store.pending.add(KEYS[60:70], HERE, NOW + 70, "three") == QUEUE // 3


def test_another_process_sees_a_write_at_once(place: Place, store: Store) -> None:
    """And queues no key twice."""
    with place.peer() as peer:
        assert peer("store.pending.waiting()") == []
        store.pending.add(KEYS[:2], HERE, NOW)
        assert peer("store.pending.waiting()") == [Asked(key, HERE) for key in KEYS[:2]]
        assert peer("store.pending.add(keys, grid, now)", keys=KEYS[1:3], grid=HERE, now=NOW) == 1
        assert peer("store.pending.drop(keys)", keys=KEYS[:1]) == 1
        assert waiting(store) == KEYS[1:3]


def test_two_processes_write_at_once(place: Place, store: Store) -> None:
    """Each key is new for one of them only, and the bound holds for both together."""
    code = "print(sum(store.pending.add([key], HERE, 1) for key in KEYS[:4]) + store.pending.add(KEYS[10:], HERE, 1))"
    counts = [int(printed) for printed in done(*(place.running(code) for _ in range(2)))]
    assert sum(counts) == QUEUE == len(waiting(store)) and set(KEYS[:4]) <= set(waiting(store))


def test_a_killed_writer_breaks_nothing(place: Place) -> None:
    """What it queued may be lost; the queue is complete, bounded, and can be written."""
    code = "for n in range(10**6):\n    store.pending.add([KEYS[n % 100]], HERE, n)\n"
    code += "    store.pending.drop([KEYS[(n - 3) % 100]])\n    print(n, flush=True)\n"
    with place.running(code) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(10)] == [f"{n}\n" for n in range(10)]
        child.kill()
        child.wait(SECONDS)
    with place.opened() as store:
        assert len(waiting(store)) <= QUEUE and store.pending.drop(KEYS) <= QUEUE
        assert store.pending.add(KEYS, HERE, NOW) == QUEUE
