"""The contract of ``MeterStore``: rates per minute, over all processes."""

import pytest

from n2k_fcgi.model.charges import Charge
from n2k_fcgi.store.base import Store
from tests.contract.engines import SECONDS, Place, done

NOW = 1_764_000_000.123


@pytest.mark.parametrize("now", [0.0, 0.5, NOW, 2.0**31, 2.0**33])
@pytest.mark.parametrize("a_minute", [1, 7, 60, 997])
def test_a_minutes_worth_is_admitted_at_once(store: Store, a_minute: int, now: float) -> None:
    """Exactly as many as the rate; the next one waits for one share of a minute, and is admitted then."""
    charges = [Charge(b"x", a_minute)]
    assert [store.meters.take(charges, now) for _ in range(a_minute)] == [0.0] * a_minute
    wait = store.meters.take(charges, now)
    assert wait == pytest.approx(60 / a_minute, abs=0.01)
    assert store.meters.take(charges, now + wait - 0.01) > 0 or a_minute > 900
    assert store.meters.take(charges, now + wait) == 0


@pytest.mark.parametrize("subject", [b"x", b"\0", b"\xff" * 40, "Straße".encode(), b"a2001:db8::1"])
def test_subjects_are_counted_apart(store: Store, subject: bytes) -> None:
    """For any bytes; also if one begins with another."""
    assert store.meters.take([Charge(subject, 1)], NOW) == 0 and store.meters.take([Charge(subject, 1)], NOW) > 0
    for other in (subject + b"\0", subject + b"x", b"y" + subject):
        assert store.meters.take([Charge(other, 1)], NOW) == 0


def test_what_is_rejected_counts_nothing(store: Store) -> None:
    """Neither its own charges, nor the others of the same call."""
    store.meters.take([Charge(b"full", 1)], NOW)
    for _ in range(50):
        assert store.meters.take([Charge(b"other", 1), Charge(b"full", 1)], NOW) > 0
    assert store.meters.take([Charge(b"other", 1)], NOW) == 0
    assert store.meters.take([Charge(b"full", 1)], NOW + 60) == 0


def test_all_charges_of_a_call_are_counted(store: Store) -> None:
    """The wait is that of the one that waits longest."""
    assert store.meters.take([Charge(b"fast", 60), Charge(b"slow", 1)], NOW) == 0
    assert 59 < store.meters.take([Charge(b"fast", 60), Charge(b"slow", 1)], NOW) <= 60
    for _ in range(59):
        assert store.meters.take([Charge(b"fast", 60)], NOW) == 0
    assert store.meters.take([Charge(b"fast", 60)], NOW) > 0


def test_a_weight_counts_so_many(store: Store) -> None:
    """A weight above the rate is admitted after a quiet minute, and blocks until it has expired."""
    assert store.meters.take([Charge(b"x", 10, 8)], NOW) == 0
    assert store.meters.take([Charge(b"x", 10, 3)], NOW) > 0 and store.meters.take([Charge(b"x", 10, 2)], NOW) == 0
    assert store.meters.take([Charge(b"large", 10, 50)], NOW) == 0
    assert store.meters.take([Charge(b"large", 10)], NOW + 239) > 0
    assert store.meters.take([Charge(b"large", 10)], NOW + 247) == 0


def test_a_clock_that_was_set_back_locks_nobody_out(store: Store) -> None:
    """Counts of a time that is now in the future are dropped."""
    assert store.meters.take([Charge(b"x", 1, 50)], NOW) == 0
    assert store.meters.take([Charge(b"x", 1)], NOW - 600) == 0
    assert store.meters.take([Charge(b"x", 1)], NOW - 600) > 0


def test_a_quiet_subject_starts_from_nothing(store: Store) -> None:
    """However many others were counted meanwhile; a busy one does not."""
    store.meters.take([Charge(b"quiet", 2, 2)], NOW)
    for n in range(300):
        store.meters.take([Charge(b"%d" % n, 2)], NOW + 5 * n)
        if n > 280:
            store.meters.take([Charge(b"busy", 4)], NOW + 5 * n)
    assert store.meters.take([Charge(b"quiet", 2, 2)], NOW + 1500) == 0
    assert store.meters.take([Charge(b"busy", 4, 4)], NOW + 1500) > 0


def test_processes_count_together(place: Place, store: Store) -> None:
    """Three processes, twenty tries each, a limit of forty: forty are admitted in all, and none here afterwards."""
    code = "from n2k_fcgi.model.charges import Charge\n"
    code += "print(sum(store.meters.take([Charge(b'together', 40)], 1e6) == 0 for _ in range(20)))"
    assert sum(map(int, done(*(place.running(code) for _ in range(3))))) == 40
    assert store.meters.take([Charge(b"together", 40)], 1e6) > 0


def test_a_killed_writer_breaks_nothing(place: Place) -> None:
    """What it counted may be lost; counting continues."""
    code = "from n2k_fcgi.model.charges import Charge\n"
    code += "for n in range(10**6):\n    store.meters.take([Charge(b'%d' % n, 1)], 1e6)\n    print(n, flush=True)\n"
    with place.running(code) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(10)] == [f"{n}\n" for n in range(10)]
        child.kill()
        child.wait(SECONDS)
    with place.opened() as store:
        assert store.meters.take([Charge(b"new", 1)], 1e6) == 0 and store.meters.take([Charge(b"new", 1)], 1e6) > 0
