"""Counting per minute across all workers: who wrote how much of late.

``l`` + subject -> the moment (unix seconds, a float) until which what was counted lies in the past at the subject's rate:
the generic cell rate algorithm (ITU-T I.371). One number a subject is all there is to keep, and old ones mean nothing.
"""

import struct
from collections.abc import Sequence

import lmdb

from n2k_fcgi.store.base import Charge
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, METER
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from n2k_fcgi.store.lmdb.writable import with_prefix

MINUTE = 60.0
SWEEP_EVERY = 600
"""Seconds between two looks for subjects that were quiet for long."""

_MOMENT = struct.Struct("<d")
_SWEPT = CAPTURE_META + b"swept"


class Meters:
    """Implements ``store.base.MeterStore``."""

    def __init__(self, file: VolatileFile) -> None:
        self._file = file

    def wait(self, charges: Sequence[Charge], now: float) -> float:
        """Seconds until all of *charges* would be admitted; 0: now. Counts nothing."""
        with self._file.read() as transaction:
            return max(_excess(transaction, charge, now) for charge in charges)

    def take(self, charges: Sequence[Charge], now: float) -> float:
        """Count all of *charges* and give 0, or count none and give the seconds to wait."""
        wait = self.wait(charges, now)
        if wait > 0:  # a flood costs a read a request, no write
            return wait

        def change(transaction: lmdb.Transaction) -> float:
            excess = max(_excess(transaction, charge, now) for charge in charges)
            if excess > 0:
                return excess
            _sweep(transaction, now)
            for charge in charges:
                transaction.put(METER + charge.subject, _MOMENT.pack(_after(transaction, charge, now)))
            return 0.0

        return self._file.write(change)


def _after(transaction: lmdb.Transaction, charge: Charge, now: float) -> float:
    value = transaction.get(METER + charge.subject)
    moment: float = now if value is None else _MOMENT.unpack(value)[0]
    # Never more than a minute ahead, but when the clock was set back: that must lock nobody out.
    before = moment if now < moment <= now + MINUTE + 1 else now
    return before + MINUTE / charge.a_minute * min(charge.weight, charge.a_minute)


def _excess(transaction: lmdb.Transaction, charge: Charge, now: float) -> float:
    # A thousandth of a second is the rounding of floats: the last of a minute's worth is still admitted.
    return _after(transaction, charge, now) - now - MINUTE - 0.001


def _sweep(transaction: lmdb.Transaction, now: float) -> None:
    value = transaction.get(_SWEPT)
    if value is not None and 0 <= now - _MOMENT.unpack(value)[0] < SWEEP_EVERY:
        return
    transaction.put(_SWEPT, _MOMENT.pack(now))
    for subject, moment in list(with_prefix(transaction, METER)):
        if not now < _MOMENT.unpack(moment)[0] < now + 2 * MINUTE:
            transaction.delete(METER + subject)
