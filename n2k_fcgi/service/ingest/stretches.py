"""Walking new rows and an index of the previous generation side by side, in parts that fit into memory."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import eq
from typing import NamedTuple

from n2k_fcgi.service.ingest.runs import RANGE_LINES, Range
from n2k_fcgi.store.lmdb.generation import Generation

Row = tuple[bytes, bytes]
"""(db_key, value) of a stored index."""


class Stretch(NamedTuple):
    """New rows, as two columns, and the stored ones between the same bounds."""

    db_keys: list[bytes]
    values: list[bytes]
    stored: list[Row]
    end: bytes | None
    """The db_key that the next stretch begins with; None after the last."""

    @property
    def needs_merging(self) -> bool:
        """Something is stored here, or a db_key comes twice: else the columns are the index."""
        return bool(self.stored) or any(map(eq, self.db_keys, islice(self.db_keys, 1, None)))


def aligned(ranges: Iterable[Range], previous: Generation | None, database: bytes) -> Iterator[Stretch]:
    """Cut ranges so that none has more than RANGE_LINES stored rows beside it; *previous* None: nothing is stored."""
    for first, end, db_keys, values in ranges:
        start = first
        while previous is not None:
            stored = previous.chunk(database, start, end, RANGE_LINES)
            if len(stored) < RANGE_LINES:
                break
            start = stored[-1][0] + b"\0"  # the smallest db_key behind it
            cut = bisect_left(db_keys, start)
            yield Stretch(db_keys[:cut], values[:cut], stored, start)
            db_keys, values = db_keys[cut:], values[cut:]
        else:
            stored = []
        yield Stretch(db_keys, values, stored, end)
