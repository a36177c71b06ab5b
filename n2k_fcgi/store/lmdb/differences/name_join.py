"""The names of a dump beside the live ones, both in order: equal stretches pass at the speed of C, other rows become lines.

A live row that the dump has as it is, name, key and spelling, is confirmed: nothing is written for it.
"""

from bisect import bisect_left
from collections.abc import Callable
from operator import itemgetter

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.renderings import NameForm
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, unpack_names
from n2k_fcgi.store.lmdb.differences.changes import Changes, Kind, Line
from n2k_fcgi.store.lmdb.differences.dump_order import Rows
from n2k_fcgi.store.lmdb.differences.numbers import Numbers
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layers import Row
from n2k_fcgi.store.lmdb.layout import NAMES
from n2k_fcgi.store.ration import spend

ALREADY = NameForm.OTHER + 1
"""The form of a row that is a line already: it equals no stored one, which must be looked up by key."""

ROWS = 8_192
"""Live rows that are read at a time."""

STRETCH = 16
"""Rows that are compared at once. Of a hundred rows one or two differ, so most stretches are equal."""

_VALUE = itemgetter(1)
_NAME = itemgetter(0)
_SEVERAL = bytes(NAME_RECORD)
"""Stands for the records of a name that has several: no row of a dump equals it, since no key is all zeros."""


class NameJoin:
    """Compares rows in order. *replaced*: the grid whose live names go unless the dump has them.

    *spelling* gives that of a row's name and record.
    """

    def __init__(
        self,
        live: Generation,
        numbers: Numbers,
        changes: Changes,
        replaced: str | None,
        *,
        spelling: Callable[[bytes, bytes], bytes],
    ) -> None:
        self._spelling = spelling
        self._live = live
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
        self._came_at = -1
        """The row that became a line last."""

    def compare(self, rows: Rows) -> None:
        """Compare rows in order, none below ``position``."""
        if rows.names:
            self._up_to(rows, rows.names[-1] + b"\0")

    def finish(self) -> None:
        """Compare the live names that are left with no row."""
        if self._gone:
            self._up_to(Rows([], b"", []), None)
        self._changes.flush()

    def _up_to(self, rows: Rows, end: bytes | None) -> None:
        done = 0
        while True:
            stored = self._live.chunk(NAMES, self.position, end, ROWS)
            is_last = len(stored) < ROWS
            stop = end if is_last else stored[-1][0] + b"\0"
            cut = len(rows.names) if is_last else bisect_left(rows.names, stored[-1][0] + b"\0", done)
            self._compare(rows.part(done, cut), stored)
            self._changes.flush()
            self._live.trim()
            spend()
            done = cut
            if stop is not None:
                self.position = stop
            if is_last:
                return

    def _compare(self, rows: Rows, stored: list[Row]) -> None:
        names, records, _ = rows
        known, values = list(map(_NAME, stored)), b"".join(map(_VALUE, stored))
        if len(values) != len(known) * NAME_RECORD:
            values = b"".join(value if len(value) == NAME_RECORD else _SEVERAL for _, value in stored)
        at = other = 0
        self._came_at = -1
        while at < len(names) and other < len(known):
            length = min(STRETCH, len(names) - at, len(known) - other)
            end, other_end = at + length, other + length
            if (
                records[at * NAME_RECORD : end * NAME_RECORD] == values[other * NAME_RECORD : other_end * NAME_RECORD]
                and names[at:end] == known[other:other_end]
            ):
                at, other = end, other_end
                self.confirmed += length
                continue
            while at < end and other < other_end:
                name, live_name = names[at], known[other]
                if name == live_name:
                    if rows.record(at) == values[other * NAME_RECORD : (other + 1) * NAME_RECORD]:
                        self.confirmed += 1
                    else:
                        self._come(rows, at, is_shared=len(stored[other][1]) > NAME_RECORD)
                        self._go(stored[other][1])
                    at += 1
                    other += 1
                elif name < live_name:
                    self._come(rows, at)
                    at += 1
                else:
                    self._go(stored[other][1])
                    other += 1
        for left in range(at, len(names)):
            self._come(rows, left)
        for _, value in stored[other:]:
            self._go(value)

    def _come(self, rows: Rows, at: int, *, is_shared: bool = False) -> None:
        """Make a row a line; also the one before it, if that has the same name and was confirmed."""
        if at and rows.names[at] == rows.names[at - 1]:
            is_shared = True
            if self._came_at != at - 1:
                self.confirmed -= 1
                self._go(rows.record(at - 1))
                self._add(rows, at - 1, Kind.SHARED)
        self._came_at = at
        self._add(rows, at, Kind.SHARED if is_shared else Kind.CAME)

    def _add(self, rows: Rows, at: int, kind: Kind) -> None:
        record = rows.record(at)
        key, form = record[1 : 1 + KEY_BYTES], record[-1]
        if form != ALREADY:
            self._changes.came(key, Line(rows.places[at], 0, self._spelling(rows.names[at], record), kind))
        elif kind is Kind.SHARED:
            self._changes.at(key, Kind.MARK, rows.places[at])

    def _go(self, value: bytes) -> None:
        """The dump does not have this live value as it is."""
        gone = self._gone
        if not gone or (value[0] not in gone and len(value) == NAME_RECORD):
            return
        keys = [key for number, key in unpack_names(value, NAME_RECORD) if number in gone]
        if keys:
            self._changes.gone(keys)
