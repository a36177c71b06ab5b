"""New rows beside an index of the previous generation, in parts that fit into memory."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import eq
from typing import NamedTuple

from n2k_fcgi.store.lmdb.building.runs import Range
from n2k_fcgi.store.lmdb.generation import Generation

FEW = 8
"""Up to one change in so many rows, columns are edited in place; above, sorting all rows again is faster."""

Row = tuple[bytes, bytes]
"""(db_key, value) of a stored index."""


class Stretch(NamedTuple):
    """New rows as two columns, and the stored rows between the same bounds."""

    db_keys: list[bytes]
    values: list[bytes]
    stored: list[Row]
    end: bytes | None
    """The db_key that the next stretch begins with; None after the last."""

    @property
    def needs_merging(self) -> bool:
        """Rows are stored here, or a db_key is repeated; else the columns are the index."""
        return bool(self.stored) or any(map(eq, self.db_keys, islice(self.db_keys, 1, None)))


class Merged:
    """The rows of a stretch while they change: a dictionary for lookups, and few changes to two sorted columns."""

    def __init__(self, stretch: Stretch) -> None:
        self._db_keys, self._values = stretch.db_keys, stretch.values
        self.new = dict(zip(self._db_keys, self._values, strict=True))
        """Unchanged; of a repeated db_key the last row."""
        self._changes: dict[bytes, bytes | None] = {}

    @property
    def has_repeated(self) -> bool:
        """Whether a db_key is repeated."""
        return len(self.new) < len(self._db_keys)

    def get(self, db_key: bytes) -> bytes | None:
        """Return the value with all changes; None if there is no such row."""
        return self._changes[db_key] if db_key in self._changes else self.new.get(db_key)

    def put(self, db_key: bytes, value: bytes | None) -> None:
        """Set a value; None removes the row."""
        self._changes[db_key] = value

    def columns(self) -> tuple[list[bytes], list[bytes]]:
        """Return the rows in order."""
        if self.has_repeated or len(self._changes) > len(self.new) // FEW:
            rows = {**self.new, **self._changes}
            found = sorted((db_key, value) for db_key, value in rows.items() if value is not None)
            return [db_key for db_key, _ in found], [value for _, value in found]
        for db_key, value in self._changes.items():
            self._amend(db_key, value)
        return self._db_keys, self._values

    def _amend(self, db_key: bytes, value: bytes | None) -> None:
        at = bisect_left(self._db_keys, db_key)
        is_there = db_key in self.new
        if value is None and is_there:
            del self._db_keys[at], self._values[at]
        elif value is not None and is_there:
            self._values[at] = value
        elif value is not None:
            self._db_keys.insert(at, db_key)
            self._values.insert(at, value)


def aligned(ranges: Iterable[Range], previous: Generation | None, database: bytes, most: int) -> Iterator[Stretch]:
    """Cut ranges so that none has more than *most* stored rows beside it; *previous* None: nothing is stored."""
    for first, end, db_keys, values in ranges:
        start = first
        while previous is not None:
            stored = previous.chunk(database, start, end, most)
            if len(stored) < most:
                break
            start = stored[-1][0] + b"\0"  # the smallest db_key behind it
            cut = bisect_left(db_keys, start)
            yield Stretch(db_keys[:cut], values[:cut], stored, start)
            db_keys, values = db_keys[cut:], values[cut:]
        else:
            stored = []
        yield Stretch(db_keys, values, stored, end)
