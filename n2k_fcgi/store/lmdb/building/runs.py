"""Sorting more rows than fit into memory: sorted runs on disk, merged range by range.

A line is a row of an index in one piece, ``db_key`` + ``value``. Lines of one db_key are returned in the order in which they
were added, so that "the later row wins" holds: Python's sort is stable, and runs are in order. Concatenated sorted pieces
are the best case of timsort. Rows that come in order, as those of a sorted dump, are one run and never sorted.
"""

import marshal
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain, islice
from operator import itemgetter, le
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.spill import Spill

MARSHAL = 2
"""Version of the marshal format: later ones look for repeated objects, of which there are none."""

Cut = int
"""Where a line's db_key ends: its fixed length, or minus the fixed length of the value."""


class Range(NamedTuple):
    """Sorted rows with db_keys at or above ``first`` and below ``end`` (None: to the last), as two columns."""

    first: bytes
    end: bytes | None
    db_keys: list[bytes]
    values: list[bytes]


class Runs:
    """Collects lines (``add``), then yields them sorted (``ranges``), then is closed.

    Raises OSError if the disk is full or fails.
    """

    def __init__(self, path: Path, cut: Cut, sizes: Sizes, *, memory: int = 0) -> None:
        """*memory*: bytes that are kept in memory before a file is made."""
        self._cut = cut
        self._sizes = sizes
        self._db_key = itemgetter(slice(None, cut))
        self._runs: list[list[int]] = []
        """Of each run, the offsets of its blocks in the file, and of its end."""
        self._samples: list[bytes] = []
        self._pending: list[bytes] = []
        self._last = b""
        """The last db_key of rows that came in order and are the latest run; empty: such rows begin another run."""
        self._spill = Spill(path, memory)

    def add(self, lines: list[bytes]) -> None:
        """Add lines; ``run_rows`` of them or more are written as one run."""
        self._pending += lines
        if len(self._pending) >= self._sizes.run_rows:
            self._write_run()

    def goes_on(self, db_keys: list[bytes]) -> bool:
        """Whether rows with these db_keys, one at least, may be added by ``add_in_order``."""
        return not self._pending and self._last <= db_keys[0] and is_in_order(db_keys)

    def add_in_order(self, db_keys: list[bytes], values: bytes) -> None:
        """Add rows that ``goes_on`` accepts; *values* are joined. Only where they have a fixed length (*cut* is below 0)."""
        if not self._last:
            self._runs.append([self._spill.end])
        self._last = db_keys[-1]
        self._samples += db_keys[:: self._sizes.sample_every]
        rows = self._sizes.block_rows
        for at in range(0, len(db_keys), rows):
            self._write_block((db_keys[at : at + rows], values[-self._cut * at : -self._cut * (at + rows)]))

    def _write_run(self) -> None:
        lines, self._pending = self._pending, []
        if not lines:
            return
        lines.sort(key=self._db_key)
        self._samples.extend(map(self._db_key, lines[:: self._sizes.sample_every]))
        self._runs.append([self._spill.end])
        for at in range(0, len(lines), self._sizes.block_rows):
            self._write_block(lines[at : at + self._sizes.block_rows])
        self._last = b""

    def _write_block(self, block: "list[bytes] | tuple[list[bytes], bytes]") -> None:
        """Append a block of rows, as lines or as columns, to the latest run."""
        self._spill.append(marshal.dumps(block, MARSHAL))
        self._runs[-1].append(self._spill.end)

    def boundaries(self) -> list[bytes]:
        """Return db_keys that cut all lines into ranges of about ``range_rows``."""
        samples = sorted(self._samples)
        step = max(1, self._sizes.range_rows // self._sizes.sample_every)
        return sorted(set(samples[step::step]))

    def ranges(self) -> Iterator[Range]:
        """Yield everything in order, from the empty db_key to the end, without a gap; one range at least."""
        cursor = self.cursor()  # writes the last run, so first
        first = b""
        for end in (*self.boundaries(), None):
            yield Range(first, end, *cursor.take(end))
            if end is not None:
                first = end

    def cursor(self) -> "Cursor":
        """Return everything in order, to be taken up to db_keys of the caller's choice. No ``add`` follows."""
        self._write_run()
        return Cursor([_Reader(self._spill, places, self._cut) for places in self._runs])

    def close(self) -> None:
        """Close and remove the file."""
        self._spill.close()


class Cursor:
    """Merges the rows of all runs."""

    def __init__(self, readers: "list[_Reader]") -> None:
        self._readers = readers

    def take(self, end: bytes | None) -> tuple[list[bytes], list[bytes]]:
        """Return the next db_keys below *end* (None: all that are left), sorted, and their values."""
        db_keys: list[bytes] = []
        values: list[bytes] = []
        for reader in self._readers:
            reader.take(end, db_keys, values)
        if is_in_order(db_keys):
            return db_keys, values
        order = sorted(range(len(db_keys)), key=db_keys.__getitem__)
        return list(map(db_keys.__getitem__, order)), list(map(values.__getitem__, order))


class _Reader:
    """Reads one run, in order."""

    __slots__ = ("_block", "_cut", "_db_keys", "_places", "_spill", "_values")

    def __init__(self, spill: Spill, places: list[int], cut: Cut) -> None:
        self._spill = spill
        self._places = places
        self._block = 0
        self._cut = cut
        self._db_keys: list[bytes] = []
        self._values: list[bytes] = []

    def take(self, end: bytes | None, db_keys: list[bytes], values: list[bytes]) -> None:
        """Append the next rows with db_keys below *end* to both columns."""
        while True:
            if self._db_keys and end is not None and self._db_keys[-1] >= end:
                here = bisect_left(self._db_keys, end)
                db_keys += self._db_keys[:here]
                values += self._values[:here]
                del self._db_keys[:here], self._values[:here]
                return
            db_keys += self._db_keys
            values += self._values
            self._db_keys, self._values = [], []
            if self._block == len(self._places) - 1:
                return
            self._read()

    def _read(self) -> None:
        block = marshal.loads(self._spill.read(*self._places[self._block : self._block + 2]))
        self._block += 1
        if isinstance(block, tuple):
            self._db_keys, values = block
            self._values = list(chain.from_iterable(Struct(f"{-self._cut}s").iter_unpack(values)))
        else:
            self._db_keys = list(map(itemgetter(slice(None, self._cut)), block))
            self._values = list(map(itemgetter(slice(self._cut, None)), block))


def is_in_order(db_keys: list[bytes]) -> bool:
    """Whether none is below the one before it."""
    return all(map(le, db_keys, islice(db_keys, 1, None)))
