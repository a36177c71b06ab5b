"""Rate limits over all workers, by the generic cell rate algorithm (ITU-T I.371).

``l`` + subject -> the time (Unix seconds, a float) at which everything counted will be in the past at the subject's rate, and
when that was written. A row whose time has passed means nothing.
"""

from __future__ import annotations

import struct

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, METER
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lmdb

    from n2k_fcgi.model.charges import Charge
    from n2k_fcgi.store.lmdb.volatile import VolatileFile

MINUTE = 60.0
SWEEP_EVERY = 600
"""Seconds between two removals of rows that mean nothing any more."""

LONGEST_WAIT = 3600.0
"""Seconds that one large charge can make its subject wait, at most."""

_MOMENT = struct.Struct("<d")
_ROW = struct.Struct("<dd")
_SWEPT = CAPTURE_META + b"swept"


class Meters:
    """Implements ``store.base.MeterStore``."""

    def __init__(self, file: VolatileFile) -> None:
        self._file = file

    def take(self, charges: Sequence[Charge], now: float) -> float:
        """Count all of *charges* and return 0, or count none and return the seconds to wait."""
        wait = self._wait(charges, now)
        if wait > 0:  # a flood costs one read per request, no write
            return wait

        def change(transaction: lmdb.Transaction) -> float:
            excess = _excess(transaction, charges, now)
            if excess > 0:
                return excess
            _sweep(transaction, now)
            for charge in charges:
                transaction.put(METER + charge.subject, _ROW.pack(_after(transaction, charge, now), now))
            return 0.0

        return self._file.write(change)

    def _wait(self, charges: Sequence[Charge], now: float) -> float:
        with self._file.read() as transaction:
            return _excess(transaction, charges, now)


def _before(transaction: lmdb.Transaction, charge: Charge, now: float) -> float:
    value = transaction.get(METER + charge.subject)
    if value is None:
        return now
    moment, written = _ROW.unpack(value)
    # If it was written in the future, the clock was set back: that must not block callers.
    return float(moment) if written <= now < moment else now


def _after(transaction: lmdb.Transaction, charge: Charge, now: float) -> float:
    return _before(transaction, charge, now) + min(MINUTE / charge.a_minute * charge.weight, LONGEST_WAIT)


def _excess(transaction: lmdb.Transaction, charges: Sequence[Charge], now: float) -> float:
    """Seconds until all of *charges* are admitted; 0 or less: now."""
    return max(_excess_of(transaction, charge, now) for charge in charges)


def _excess_of(transaction: lmdb.Transaction, charge: Charge, now: float) -> float:
    # More than a minute's worth is admitted after a quiet minute, or it never could be; what comes next waits for all of it.
    at_once = min(MINUTE / charge.a_minute * charge.weight, MINUTE)
    # A thousandth of a second is the rounding of floats: the last of a minute's worth is still admitted.
    return _before(transaction, charge, now) + at_once - now - MINUTE - 0.001


def _sweep(transaction: lmdb.Transaction, now: float) -> None:
    value = transaction.get(_SWEPT)
    if value is not None and 0 <= now - _MOMENT.unpack(value)[0] < SWEEP_EVERY:
        return
    transaction.put(_SWEPT, _MOMENT.pack(now))
    for subject, row in list(with_prefix(transaction, METER)):
        if not _ROW.unpack(row)[1] <= now < _ROW.unpack(row)[0]:
            transaction.delete(METER + subject)
