"""The rows of a generation: those of its own file and, where that has the differences against a base, those of the base.

A row of the differences hides the base's row of its db_key; an empty value there says that there is none (an *empty row*).
Nothing is merged in a value.
"""

from __future__ import annotations

import contextlib
from itertools import groupby
from operator import itemgetter

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.store.lmdb.resident import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from n2k_fcgi.store.lmdb.generation_file import GenerationFile

Row = tuple[bytes, bytes]
"""(db_key, raw value)."""

FEW = 16
"""Up to one row of the differences to so many of the base, they are put in one by one; above, sorting all is faster."""


class Layers:
    """Reads rows of one generation. *base* None: *own* is whole.

    *resident_limit*: bytes of resident memory of this process above which long reading releases the maps' pages. *release*
    ends the use of both files.
    """

    def __init__(
        self,
        name: str,
        own: GenerationFile,
        base: GenerationFile | None,
        *,
        resident_limit: int,
        release: Callable[[GenerationFile], None],
    ) -> None:
        self.name = name
        self.own = own
        self.base = base
        self.holds = 0
        """The number of leases on it (``generations.Lease``)."""
        self._resident_limit = resident_limit
        self._release = release
        self._is_open = True
        self.where = own.where
        self.origins = own.origins
        self.former_origins = own.former_origins
        self.past = own.past
        self.record = own.record

    @property
    def path(self) -> Path:
        """See ``GenerationFile.path``."""
        return self.own.path

    def refuse_changed(self) -> None:
        """Raise StoreDamaged if a byte of its own file is not as it was built. A file without a seal is not read."""
        self.own.refuse_changed()

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything inside in one transaction of each file; see ``GenerationFile.snapshot``."""
        if self.holds:
            self.trim()
        return self.own.snapshot() if self.base is None else self._of_both(self.base)

    @contextlib.contextmanager
    def _of_both(self, base: GenerationFile) -> Iterator[None]:
        with self.own.snapshot(), base.snapshot():
            yield

    def reopen(self) -> None:
        """See ``GenerationFile.reopen``."""
        self.own.reopen()
        if self.base is not None:
            self.base.reopen()

    def trim(self) -> None:
        """``reopen`` if this process has grown, unless a ``snapshot`` is open. Called between two steps of long reading."""
        if resident_bytes() > self._resident_limit:
            self.reopen()

    def close(self) -> None:
        """End the use of the files; the last user of a file closes it. Idempotent."""
        for file in (self.own, self.base) if self._is_open else ():
            if file is not None:
                self._release(file)
        self._is_open = False

    def get(self, database: bytes, db_key: bytes) -> bytes | None:
        """Return one raw value."""
        if self.base is None:
            return self.own.get(database, db_key)
        value = self.own.get(database, db_key)
        if value is None:
            value = self.base.get(database, db_key)
        return value or None

    def pair(self, first: bytes, second: bytes, db_key: bytes) -> tuple[bytes | None, bytes | None]:
        """Return the raw values of one db_key in two databases; the differences have the first one's if they have any."""
        own, base = self.own, self.base
        if base is None:
            return own.pair(first, second, db_key)
        value = own.get(first, db_key)
        return base.pair(first, second, db_key) if value is None else (value, own.get(second, db_key))

    def has(self, database: bytes) -> bool:
        """Whether this generation has the database: one of format 1 has no holders."""
        return self.own.has(database)

    def entries(self, database: bytes) -> int:
        """Count the db_keys of a database; with a base, one by one."""
        return self.own.entries(database) if self.base is None else sum(1 for _ in self.rows(database))

    def rows(self, database: bytes, first: bytes = b"", end: bytes | None = None) -> Generator[Row, None, None]:
        """Yield the raw (db_key, value) at or above *first* and below *end*, in order."""
        if self.base is None:
            yield from self.own.rows(database, first, end)
            return
        import heapq  # late: lookups need it not

        layers = (self.own.rows(database, first, end), self.base.rows(database, first, end))
        yield from _upper(heapq.merge(*layers, key=itemgetter(0)))  # of equal ones the first layer's comes first

    def backwards(self, database: bytes, first: bytes, end: bytes) -> Generator[Row, None, None]:
        """Yield the raw (db_key, value) below *end* and at or above *first*, the last one first."""
        if self.base is None:
            yield from self.own.backwards(database, first, end)
            return
        import heapq  # late: as above

        layers = (self.own.backwards(database, first, end), self.base.backwards(database, first, end))
        yield from _upper(heapq.merge(*layers, key=itemgetter(0), reverse=True))

    def chunk(self, database: bytes, first: bytes, end: bytes | None, limit: int) -> list[Row]:
        """Return the first *limit* of ``rows``, read without a step of Python for each."""
        if self.base is None:
            return self.own.chunk(database, first, end, limit)
        found: list[Row] = []
        while len(found) < limit:
            wanted = limit - len(found)
            lower = self.base.chunk(database, first, end, wanted)
            is_last = len(lower) < wanted
            stop = end if is_last else lower[-1][0] + b"\0"  # the smallest db_key above it
            upper = self.own.chunk(database, first, stop, wanted)
            if len(upper) == wanted:
                is_last, stop = False, upper[-1][0] + b"\0"
                lower = [row for row in lower if row[0] < stop]
            found += merged(lower, upper)
            if is_last or stop is None:
                break
            first = stop
        del found[limit:]  # rows that only the differences have
        return found

    def chunks(self, database: bytes, limit: int) -> Iterator[list[Row]]:
        """Yield all rows of a database, at most *limit* at a time, with ``trim`` between; none if there is no such database."""
        return self._chunks(self.chunk, database, limit)

    def own_chunks(self, database: bytes, limit: int) -> Iterator[list[Row]]:
        """The same of its own file: of differences also empty rows, and nothing of the base."""
        return self._chunks(self.own.chunk, database, limit)

    def _chunks(
        self, chunk: Callable[[bytes, bytes, bytes | None, int], list[Row]], database: bytes, limit: int
    ) -> Iterator[list[Row]]:
        start = b""
        while self.has(database) and (rows := chunk(database, start, None, limit)):
            yield rows
            start = rows[-1][0] + b"\0"
            self.trim()


def merged(lower: list[Row], upper: list[Row]) -> list[Row]:
    """Return *lower*, which is changed, with the rows of *upper*, both in order; an empty row removes one."""
    if len(upper) * FEW > len(lower):
        rows = {**dict(lower), **dict(upper)}
        return sorted(row for row in rows.items() if row[1])
    from bisect import bisect_left  # late: lookups merge nothing

    for row in upper:
        at = bisect_left(lower, row[:1])
        is_there = at < len(lower) and lower[at][0] == row[0]
        lower[at : at + is_there] = [row] if row[1] else []
    return lower


def _upper(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the first row of each db_key, unless it is empty."""
    for _, same in groupby(rows, key=itemgetter(0)):
        row = next(same)
        if row[1]:
            yield row
