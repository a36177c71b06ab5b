"""Sorting more rows than fit into memory: sorted runs on disk, merged range by range.

A line is a row of an index in one piece, ``db_key`` + ``value``. Lines of one db_key are returned in the order in which they
were added, so that "the later row wins" holds: Python's sort is stable, and runs are in order. Concatenated sorted pieces
are the best case of timsort.
"""

import marshal
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.errors import CountsDisagree
from n2k_fcgi.files import PRIVATE, open_new, write_all
from n2k_fcgi.store.lmdb.building.sizes import Sizes

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

    def __init__(self, path: Path, cut: Cut, sizes: Sizes) -> None:
        self._path = path
        self._cut = cut
        self._sizes = sizes
        self._db_key = itemgetter(slice(None, cut))
        self._runs: list[list[int]] = []
        """Of each run, the offsets of its blocks in the file, and of its end."""
        self._samples: list[bytes] = []
        self._pending: list[bytes] = []
        self._end = 0
        self._fd = open_new(path, PRIVATE.file)

    def add(self, lines: list[bytes]) -> None:
        """Add lines; ``run_rows`` of them or more are written as one run."""
        self._pending += lines
        if len(self._pending) >= self._sizes.run_rows:
            self._write_run()

    def _write_run(self) -> None:
        lines, self._pending = self._pending, []
        if not lines:
            return
        lines = self._sorted(lines)
        self._samples.extend(map(self._db_key, lines[:: self._sizes.sample_every]))
        places = [self._end]
        for at in range(0, len(lines), self._sizes.block_rows):
            data = memoryview(marshal.dumps(lines[at : at + self._sizes.block_rows], MARSHAL))
            places.append(places[-1] + len(data))
            write_all(self._fd, data)
        self._runs.append(places)
        self._end = places[-1]

    def _sorted(self, lines: list[bytes]) -> list[bytes]:
        """Sort by db_key; equal ones keep their order."""
        if self._cut < 0:
            lines.sort(key=self._db_key)
            return lines
        # Keys are random: split by their first byte, they sort in two thirds of the time.
        dealt: list[list[bytes]] = [[] for _ in range(256)]
        for line in lines:
            dealt[line[0]].append(line)
        for few in dealt:
            few.sort(key=self._db_key)
        return list(chain.from_iterable(dealt))

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
        return Cursor([_Reader(self._fd, places, self._db_key) for places in self._runs], self._cut)

    def close(self) -> None:
        """Close and remove the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)


class Cursor:
    """Merges the sorted lines of all runs."""

    def __init__(self, readers: "list[_Reader]", cut: Cut) -> None:
        self._readers = readers
        self._db_key = itemgetter(slice(None, cut))
        self._value = itemgetter(slice(cut, None))

    def take(self, end: bytes | None) -> tuple[list[bytes], list[bytes]]:
        """Return the next db_keys below *end* (None: all that are left), sorted, and their values."""
        lines: list[bytes] = []
        for reader in self._readers:
            lines += reader.take(end)
        lines.sort(key=self._db_key)
        return list(map(self._db_key, lines)), list(map(self._value, lines))


class _Reader:
    """Reads one run, in order."""

    __slots__ = ("_block", "_db_key", "_fd", "_lines", "_places")

    def __init__(self, fd: int, places: list[int], db_key: Callable[[bytes], bytes]) -> None:
        self._fd = fd
        self._places = places
        self._block = 0
        self._db_key = db_key
        self._lines: list[bytes] = []

    def take(self, end: bytes | None) -> list[bytes]:
        """Return the next lines with db_keys below *end*."""
        taken: list[bytes] = []
        while True:
            lines = self._lines
            if lines and end is not None and self._db_key(lines[-1]) >= end:
                cut = bisect_left(lines, end, key=self._db_key)
                taken += lines[:cut]
                self._lines = lines[cut:]
                return taken
            taken += lines
            self._lines = []
            if self._block == len(self._places) - 1:
                return taken
            self._read()

    def _read(self) -> None:
        start, end = self._places[self._block : self._block + 2]
        self._block += 1
        data = os.pread(self._fd, end - start, start)
        if len(data) != end - start:
            raise CountsDisagree(what="reading a spill file back (it was cut)", given=end - start, kept=len(data))
        self._lines = marshal.loads(data)
