"""The rows of a dump in the order of canonical names.

A dump that is sorted, or nearly, passes through a window: rows that are not far from their place come out in order. Any
other is sorted on disk once, by name. So are the rows of unknown dumps: whether a dump is large enough to be compared with
all live names is known when it has been read.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from operator import add, gt, itemgetter
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.codec import NAME_RECORD

FULL = 4
"""Windows of rows that are collected before all but one are taken."""

FEW = 16
"""Up to one row in so many that is not in order, rows are moved one by one; above, all are sorted."""

FAR = 4
"""Rows that are passed, for each row of the window, before moving one by one is given up."""

PLACE_BYTES = 4
CUT = -NAME_RECORD - PLACE_BYTES
_RECORDS = Struct(f"{NAME_RECORD}s")
_FIELDS = Struct(f"B{KEY_BYTES}sB")
_RECORD = itemgetter(slice(None, NAME_RECORD))


class Rows(NamedTuple):
    """Rows in order, as columns."""

    names: list[bytes]
    """Canonical names."""
    records: bytes
    """Of names: number of the origin, key, form; NAME_RECORD bytes each."""
    places: list[int]
    """In the dump."""

    def record(self, at: int) -> bytes:
        """Return one record."""
        return self.records[at * NAME_RECORD : (at + 1) * NAME_RECORD]

    def part(self, first: int, end: int) -> "Rows":
        """Return some rows."""
        return Rows(self.names[first:end], self.records[first * NAME_RECORD : end * NAME_RECORD], self.places[first:end])


class Window:
    """Puts rows right that are at most *size* rows from their place.

    *settle* is called for rows of one key whose order changes: with name, record and place, it returns the record to pass
    on.
    """

    def __init__(self, size: int, settle: Callable[[bytes, bytes, int], bytes]) -> None:
        self._size = size
        self._settle = settle
        self._names: list[bytes] = []
        self._records = bytearray()
        self._places: list[int] = []
        self._in_order = 0
        """Of so many rows the order was looked at."""

    def add(self, rows: Rows) -> None:
        """Add rows, in the order of the dump."""
        self._names += rows.names
        self._records += rows.records
        self._places += rows.places

    @property
    def is_full(self) -> bool:
        """Whether there are enough rows to take some."""
        return len(self._names) >= FULL * self._size

    def is_orderly(self) -> bool:
        """Whether no row is further than the window from its place, so far."""
        order = sorted(range(len(self._names)), key=self._names.__getitem__)
        return all(abs(at - before) <= self._size for at, before in enumerate(order))

    def take(self, *, everything: bool = False) -> Rows:
        """Return the first rows in order; rows of one name are not taken apart."""
        self._put_right()
        names = self._names
        cut = len(names) if everything else max(0, len(names) - self._size)
        while 0 < cut < len(names) and names[cut] == names[cut - 1]:
            cut -= 1
        taken = Rows(names[:cut], bytes(self._records[: cut * NAME_RECORD]), self._places[:cut])
        del self._names[:cut], self._records[: cut * NAME_RECORD], self._places[:cut]
        self._in_order -= cut
        return taken

    def _put_right(self) -> None:
        names, first = self._names, max(0, self._in_order - 1)
        descends = bytes(map(gt, islice(names, first, None), islice(names, first + 1, None)))
        self._in_order = len(names)
        if descends.count(1) * FEW > len(descends):
            self._sort()
            return
        at, moved = descends.find(1), 0
        while at >= 0:
            moved += self._insert(first + at + 1)
            if moved > FAR * len(names):
                self._sort()
                return
            # The row behind a moved one may now be behind a larger one.
            descends = descends[: at + 1] + bytes((self._descends(first + at + 1),)) + descends[at + 2 :]
            at = descends.find(1, at + 1)

    def _sort(self) -> None:
        """Sort all rows; those of keys that have several are settled."""
        keys = [key for _, key, _ in _FIELDS.iter_unpack(self._records)]
        counts = Counter(keys) if len(set(keys)) < len(keys) else {}
        records = list(chain.from_iterable(_RECORDS.iter_unpack(self._records)))
        for at, key in enumerate(keys) if counts else ():
            if counts[key] > 1:
                records[at] = self._settle(self._names[at], records[at], self._places[at])
        order = sorted(range(len(keys)), key=self._names.__getitem__)
        self._names = [self._names[at] for at in order]
        self._records = bytearray(b"".join(records[at] for at in order))
        self._places = [self._places[at] for at in order]

    def _descends(self, at: int) -> bool:
        return at + 1 < len(self._names) and self._names[at] > self._names[at + 1]

    def _insert(self, at: int) -> int:
        """Move the row at *at* to its place among those before it, which are in order; return how far that is."""
        names, records, places = self._names, self._records, self._places
        to = bisect_right(names, names[at], 0, at)
        begin, row, end = to * NAME_RECORD, at * NAME_RECORD, (at + 1) * NAME_RECORD
        record = bytes(records[row:end])
        if record[1 : 1 + KEY_BYTES] in bytes(records[begin:row]):
            record = self._settle_all(record, to, at)
        names[to : at + 1] = [names[at], *names[to:at]]
        records[begin:end] = record + records[begin:row]
        places[to : at + 1] = [places[at], *places[to:at]]
        return at - to

    def _settle_all(self, record: bytes, to: int, at: int) -> bytes:
        """Settle rows of the key of *record* that it will be put before."""
        key = record[1 : 1 + KEY_BYTES]
        for before in range(to, at + 1):
            cut = slice(before * NAME_RECORD, (before + 1) * NAME_RECORD)
            other = bytes(self._records[cut])
            if other[1 : 1 + KEY_BYTES] == key:
                self._records[cut] = self._settle(self._names[before], other, self._places[before])
        return bytes(self._records[at * NAME_RECORD : (at + 1) * NAME_RECORD])


class Sorted:
    """Sorts rows by name on disk. Raises OSError."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self._runs = Runs(path, CUT, sizes)
        self.close = self._runs.close

    def add(self, rows: Rows) -> None:
        """Add rows."""
        places = (place.to_bytes(PLACE_BYTES, "big") for place in rows.places)
        records = chain.from_iterable(_RECORDS.iter_unpack(rows.records))
        self._runs.add(list(map(add, map(add, rows.names, records), places)))

    def parts(self) -> Iterator[Rows]:
        """Yield all rows in order, in parts; rows of one name are in one part. Again from the beginning at each call."""
        for _, _, names, values in self._runs.ranges():
            places = [int.from_bytes(value[NAME_RECORD:], "big") for value in values]
            yield Rows(names, b"".join(map(_RECORD, values)), places)
