"""Rate limits in the volatile file."""

from collections.abc import Sequence

from n2k_fcgi.model.charges import Charge
from n2k_fcgi.store.lmdb.layout import METER
from n2k_fcgi.store.lmdb.meters import SWEEP_EVERY, Meters
from tests.support.sandbox import Sandbox

NOW = 1_000_000.0


def test_a_write_between_reading_and_counting_is_counted(sandbox: Sandbox) -> None:
    """Another process may write after this one has read: the read inside the write transaction decides, for all charges."""

    class Late(Meters):
        """Its first read sees no charges."""

        def _wait(self, charges: Sequence[Charge], now: float) -> float:
            return 0.0

    late = Late(sandbox.store.volatile)
    assert late.take([Charge(b"x", 1)], NOW) == 0
    assert 59 < late.take([Charge(b"y", 1), Charge(b"x", 1)], NOW) <= 60
    assert sandbox.store.meters.take([Charge(b"y", 1)], NOW) == 0


def test_rows_of_quiet_subjects_are_removed(sandbox: Sandbox) -> None:
    """A thousand addresses leave no rows after some quiet minutes."""
    for n in range(1000):
        sandbox.store.meters.take([Charge(b"a%d" % n, 10)], NOW)
    sandbox.store.meters.take([Charge(b"again", 10)], NOW + SWEEP_EVERY)
    with sandbox.store.volatile.read() as transaction:
        left = [bytes(key) for key, _ in transaction.cursor() if bytes(key).startswith(METER)]
    assert left == [METER + b"again"]
