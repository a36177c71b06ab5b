"""Pending keys: a bounded queue without duplicates, emptied by registrations and by resolvers' reports."""

from pathlib import Path

import pytest

from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.service.directory.pending import MOST_A_REQUEST, PendingKeys, keys_in
from n2k_fcgi.store.lmdb.pending import UNKNOWN_FOR, WAITS_FOR, Pending
from n2k_fcgi.wiring import directory
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

KEYS = [n.to_bytes(16, "big") for n in range(1, 20)]
MANY = [n.to_bytes(16, "big") for n in range(100, 130)]


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """The service, called for one grid."""

    def __init__(self, box: Sandbox, clock: Clock, grid: str) -> None:
        self._queue = PendingKeys(directory(box.store, box.settings), box.store.pending, clock=clock)
        self._grid = grid

    def ask(self, keys: list[bytes], asker: str = "") -> int:
        return self._queue.add(keys, self._grid, asker)

    def nobody(self, keys: list[bytes]) -> int:
        return self._queue.mark_unknown(keys, self._grid)

    def waiting(self) -> list[bytes]:
        return [asked.key for asked in self._queue.waiting(self._grid)]


def queue(box: Sandbox, clock: Clock | None = None, grid: str = "Production") -> Queue:
    """The service."""
    return Queue(box, clock or Clock(), grid)


def test_only_unknown_keys_are_queued_and_each_once(sandbox: Sandbox) -> None:
    """Known keys, the null key and keys in the queue are not counted as new."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.record(GOVERNOR, "Governor Linden", 5)
    asked = [parse_key(MASAKAZU), parse_key(GOVERNOR), bytes(16), KEYS[0], KEYS[0], KEYS[1]]
    assert queue(sandbox).ask(asked) == 2
    assert queue(sandbox).ask(asked) == 0
    assert sorted(queue(sandbox).waiting()) == KEYS[:2]


def test_the_one_that_waits_longest_comes_first(sandbox: Sandbox) -> None:
    """Whatever the order of the keys is."""
    clock = Clock()
    for key in (KEYS[5], KEYS[1], KEYS[9]):
        queue(sandbox, clock).ask([key])
        clock.now += 1
    assert queue(sandbox).waiting() == [KEYS[5], KEYS[1], KEYS[9]]


def test_a_name_takes_a_key_out(sandbox: Sandbox) -> None:
    """By a registration at once, by an import at the next read."""
    queue(sandbox).ask([parse_key(MASAKAZU), parse_key(USERNAME), KEYS[0]])
    sandbox.register("Masakazu Kojima", MASAKAZU)
    assert [asked.key for asked in sandbox.store.pending.waiting()] == [KEYS[0], parse_key(USERNAME)]
    sandbox.import_text(csv((USERNAME, "Username Resident")))
    assert queue(sandbox).waiting() == [KEYS[0]]
    assert len(sandbox.store.pending.waiting()) == 1


def test_a_key_that_is_nobodys_rests_for_days(sandbox: Sandbox) -> None:
    """It is neither pending nor new until it may belong to a new avatar."""
    clock = Clock()
    queue(sandbox, clock).ask(KEYS[:2])
    assert queue(sandbox, clock).nobody([KEYS[0], KEYS[7]]) == 1
    assert queue(sandbox, clock).waiting() == [KEYS[1]]
    assert queue(sandbox, clock).ask(KEYS[:2]) == 0
    clock.now += UNKNOWN_FOR + 1
    assert queue(sandbox, clock).ask(KEYS[:2]) == 1
    assert queue(sandbox, clock).waiting() == [KEYS[1], KEYS[0]]


def test_nobody_on_one_grid_may_be_somebody_on_another(sandbox: Sandbox) -> None:
    """A resolver knows its own grid only: it gets the keys that were asked for there, and its reports count there."""
    here, there = queue(sandbox), queue(sandbox, grid="OpenSim")
    assert (here.ask(KEYS[:2]), there.ask(KEYS[1:3])) == (2, 2)
    assert there.nobody(KEYS[:3]) == 2
    assert (here.waiting(), there.waiting()) == (KEYS[:2], [])
    sandbox.register("Name One", format_key(KEYS[1]))
    assert here.waiting() == KEYS[:1]
    assert sandbox.store.pending.drop(KEYS[1:3]) == 1


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """With a full queue a key is neither queued nor counted as new; keys marked unknown and registrations free space."""
    box = Sandbox(tmp_path / "data", max_pending="3")
    try:
        clock = Clock()
        assert queue(box, clock).ask(KEYS[:5]) == 3
        assert queue(box, clock).ask(KEYS[5:9]) == 0
        queue(box, clock).nobody(KEYS[:1])
        assert queue(box, clock).ask(KEYS[5:9]) == 1
        box.register("Name One", format_key(KEYS[1]))
        assert queue(box, clock).ask(KEYS[9:12]) == 1
        assert len(queue(box, clock).waiting()) == 3
    finally:
        box.close()


def test_a_full_queue_has_room_for_the_next_asker(tmp_path: Path) -> None:
    """The caller with most keys loses the oldest, one by one, until the shares are equal; no caller displaces its own keys."""
    box = Sandbox(tmp_path / "data", max_pending="10")
    try:
        clock = Clock()
        one = queue(box, clock)
        for key in KEYS[:8]:
            assert one.ask([key], "192.0.2.1") == 1
            clock.now += 1
        assert one.ask(KEYS[8:14], "192.0.2.1") == 2
        assert one.ask(KEYS[14:15], "192.0.2.1") == 0
        assert one.ask(KEYS[14:16], "198.51.100.1") == 2
        assert set(one.waiting()) == {*KEYS[2:10], *KEYS[14:16]}
        assert one.ask(MANY, "198.51.100.2") == 4
        assert len(one.waiting()) == 10 and set(KEYS[14:16]) < set(one.waiting())
        assert one.ask(MANY, "198.51.100.2") == 0
    finally:
        box.close()


def test_what_nobody_names_makes_room_in_time(tmp_path: Path) -> None:
    """A full queue first drops keys that waited for a month, of any caller."""
    box = Sandbox(tmp_path / "data", max_pending="3")
    try:
        clock = Clock()
        one = queue(box, clock)
        assert one.ask(KEYS[:3], "192.0.2.1") == 3
        clock.now += WAITS_FOR
        assert one.ask(KEYS[3:5], "192.0.2.1") == 0
        clock.now += 1
        assert one.ask(KEYS[3:5], "192.0.2.1") == 2
        assert one.waiting() == KEYS[3:5]
    finally:
        box.close()


def test_times_still_to_come_hold_nothing_up(sandbox: Sandbox) -> None:
    """Times of a clock that was years ahead: keys marked unknown are pending again, and waiting ones are dropped first."""
    clock = Clock()
    clock.now = 2_000_000_000.0
    assert queue(sandbox, clock).ask(KEYS[:2]) == 2 and queue(sandbox, clock).nobody(KEYS[:1]) == 1
    assert queue(sandbox).ask(KEYS[:1]) == 1 and queue(sandbox).waiting() == [KEYS[0], KEYS[1]]
    store = Pending(sandbox.store.volatile, 2)
    assert store.add(KEYS[2:3], "Production", 1001) == 1
    assert [asked.key for asked in store.waiting()] == [KEYS[0], KEYS[2]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MASAKAZU, 1),
        (MASAKAZU.upper(), 1),
        (f"{MASAKAZU},{GOVERNOR} {USERNAME}\n<{MASAKAZU}>", 3),
        (f"x{MASAKAZU}y", 1),
        (MASAKAZU.replace("-", ""), 0),
        (f"0{MASAKAZU}", 0),
        (f"{MASAKAZU}-{GOVERNOR}", 0),
        ("", 0),
        ("\0\ufffd" * 10_000, 0),
        ("a" * 100_000, 0),
        ("00000000-" * 20_000, 0),
    ],
)
def test_keys_are_found_in_any_text(text: str, found: int) -> None:
    """By W-Hat's rule, in upper case, too; longer strings of digits contain none."""
    assert len(keys_in(text)) == found


def test_of_too_many_keys_the_first_count() -> None:
    """The number of lookups per request is limited."""
    text = ",".join(format_key(n.to_bytes(16, "big")) for n in range(1, MOST_A_REQUEST + 500))
    assert len(keys_in(text)) == MOST_A_REQUEST
