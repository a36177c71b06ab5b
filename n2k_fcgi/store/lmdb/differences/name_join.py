"""The names of a dump beside the live ones, both in order: equal rows are passed at the speed of C, the others become lines.

A live row that the dump has as it is, name, key and spelling, is confirmed: nothing is written for it.
"""

from bisect import bisect_left
from collections import Counter

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.renderings import NameForm, spelled
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, unpack_names
from n2k_fcgi.store.lmdb.differences.changes import Changes, Kind, Line
from n2k_fcgi.store.lmdb.differences.dump_order import Rows
from n2k_fcgi.store.lmdb.differences.numbers import Numbers
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layers import Row
from n2k_fcgi.store.lmdb.layout import NAMES

ALREADY = NameForm.OTHER + 1
"""The form of a row that is a line already: it equals no stored one, which must be looked up by key."""

ROWS = 8_192
"""Live rows that are compared at a time."""


class NameJoin:
    """Compares rows in order. *replaced*: the grid whose live names go unless the dump has them."""

    def __init__(self, live: Generation, numbers: Numbers, changes: Changes, replaced: str | None) -> None:
        self._live = live
        self._numbers = numbers
        self._changes = changes
        self._gone = frozenset(
            number
            for number, origin in enumerate(live.origins)
            if origin.grid == replaced or (numbers.renews and number == numbers.bulk)
        )
        """Live numbers whose rows are lines if the dump does not have them."""
        self.position = b""
        """All live names below were compared."""
        self.confirmed = 0
        """Rows of the dump that are live as they are."""

    def compare(self, rows: Rows) -> None:
        """Compare rows in order, none below ``position``."""
        if rows.names:
            self._up_to(rows, rows.names[-1] + b"\0")

    def finish(self) -> None:
        """Compare the live names that are left with no row."""
        if self._gone:
            self._up_to(Rows([], [], []), None)
        self._changes.flush()

    def _up_to(self, rows: Rows, end: bytes | None) -> None:
        done = 0
        while True:
            stored = self._live.chunk(NAMES, self.position, end, ROWS)
            is_last = len(stored) < ROWS
            stop = end if is_last else stored[-1][0] + b"\0"
            cut = len(rows.names) if is_last else bisect_left(rows.names, stored[-1][0] + b"\0", done)
            self._compare(Rows(rows.names[done:cut], rows.records[done:cut], rows.places[done:cut]), stored)
            self._live.trim()
            done = cut
            if stop is not None:
                self.position = stop
            if is_last:
                return

    def _compare(self, rows: Rows, stored: list[Row]) -> None:
        new = dict(zip(rows.names, rows.records, strict=True))
        repeated = {name for name, count in Counter(rows.names).items() if count > 1} if len(new) < len(rows.names) else set()
        for name in repeated:
            del new[name]
        get = new.get
        unlike = [row for row in stored if get(row[0]) != row[1]]
        confirmed = len(stored) - len(unlike)
        self.confirmed += confirmed
        if len(new) > confirmed:
            known = dict(stored)
            others = new.keys() - known.keys()
            others.update(name for name, _ in unlike if name in new)
            for name in sorted(others):
                at = bisect_left(rows.names, name)
                kind = Kind.SHARED if len(known.get(name, b"")) > NAME_RECORD else Kind.CAME
                self._come(name, rows.records[at], rows.places[at], kind)
        for name, record, place in zip(*rows, strict=True) if repeated else ():
            if name in repeated:
                self._come(name, record, place, Kind.SHARED)
        gone = self._gone
        if gone and unlike:
            self._changes.gone(
                [
                    key
                    for _, value in unlike
                    if value[0] in gone or len(value) > NAME_RECORD
                    for number, key in unpack_names(value, NAME_RECORD)
                    if number in gone
                ]
            )
        self._changes.flush()

    def _come(self, name: bytes, record: bytes, place: int, kind: Kind) -> None:
        key, form = record[1 : 1 + KEY_BYTES], record[-1]
        if form != ALREADY:
            self._changes.came(key, Line(place, 0, spelled(name, form), kind))
        elif kind is Kind.SHARED:
            self._changes.at(key, Kind.MARK, place)
