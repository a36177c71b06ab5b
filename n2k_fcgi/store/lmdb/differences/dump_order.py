"""The rows of a dump in the order of canonical names.

A dump that is sorted, or nearly, passes through a window: rows that are at most as far from their place come out in order.
Any other is sorted on disk once, by name. So are the rows of unknown dumps: whether a dump is large enough to be compared
with all live names is known when it has been read.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from operator import add, gt, itemgetter
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.codec import NAME_RECORD

FULL = 4
"""Windows of rows that are collected before all but one are taken: each is sorted once and a third."""

PLACE_BYTES = 4
CUT = -NAME_RECORD - PLACE_BYTES

_KEY = itemgetter(slice(1, 1 + KEY_BYTES))
"""The key in a record of a name."""


class Rows(NamedTuple):
    """Rows in order, as columns."""

    names: list[bytes]
    """Canonical names."""
    records: list[bytes]
    """Of names: number of the origin, key, form."""
    places: Sequence[int]
    """In the dump."""


class Window:
    """Puts rows right that are at most *size* rows from their place.

    *settle* is called for rows of a key that has several where their order may change: with name, record and place, it
    returns the record to pass on.
    """

    def __init__(self, size: int, settle: Callable[[bytes, bytes, int], bytes]) -> None:
        self._size = size
        self._settle = settle
        self._names: list[bytes] = []
        self._records: list[bytes] = []
        self._places: list[int] = []

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
        order = sorted(range(len(self._names)), key=self._names.__getitem__)
        if any(map(gt, order, islice(order, 1, None))):
            self._settle_repeated()
            self._names = [self._names[at] for at in order]
            self._records = [self._records[at] for at in order]
            self._places = [self._places[at] for at in order]
        names = self._names
        cut = len(names) if everything else max(0, len(names) - self._size)
        while 0 < cut < len(names) and names[cut] == names[cut - 1]:
            cut -= 1
        taken = Rows(names[:cut], self._records[:cut], self._places[:cut])
        self._names, self._records, self._places = names[cut:], self._records[cut:], self._places[cut:]
        return taken

    def _settle_repeated(self) -> None:
        keys = list(map(_KEY, self._records))
        if len(set(keys)) == len(keys):
            return
        counts = Counter(keys)
        for at, key in enumerate(keys):
            if counts[key] > 1:
                self._records[at] = self._settle(self._names[at], self._records[at], self._places[at])


class Sorted:
    """Sorts rows by name on disk. Raises OSError."""

    def __init__(self, path: Path, sizes: Sizes) -> None:
        self._runs = Runs(path, CUT, sizes)
        self.close = self._runs.close

    def add(self, rows: Rows) -> None:
        """Add rows."""
        places = (place.to_bytes(PLACE_BYTES, "big") for place in rows.places)
        self._runs.add(list(map(add, map(add, rows.names, rows.records), places)))

    def parts(self) -> Iterator[Rows]:
        """Yield all rows in order, in parts; rows of one name are in one part. Again from the beginning at each call."""
        for _, _, names, values in self._runs.ranges():
            records = list(map(bytes.__getitem__, values, repeat(slice(None, NAME_RECORD))))
            places = [int.from_bytes(value[NAME_RECORD:], "big") for value in values]
            yield Rows(names, records, places)
