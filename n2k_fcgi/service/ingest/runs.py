"""Sorting more lines than memory holds: sorted runs on disk, taken back range by range.

A line is ``sort key`` + the rest; lines of one sort key come back in the order in which they were added (Python's sort is
stable and runs are in order), so "the later row wins" survives. Concatenated sorted pieces are what timsort likes best.
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.errors import CountsDisagree
from n2k_fcgi.store.lmdb.environment import refuse_os_error

RANGE_LINES = 32_768
"""Lines that a range holds about; twice as many in memory at the worst, but for equal sort keys."""

RUN_LINES = 65_536
"""Lines of a run. More take memory while a run is sorted, fewer while all runs are read together."""

SAMPLE_EVERY = 256
"""Lines between two sort keys that are remembered to cut ranges by."""

BLOCK = 16 * 1024
"""Bytes read of a run at a time: times the number of runs, this is memory."""


Row = tuple[bytes, bytes]
"""(db_key, value) of a stored index."""


class Range(NamedTuple):
    """Sorted lines whose sort keys are at or above ``first`` and below ``end`` (None: to the last)."""

    first: bytes
    end: bytes | None
    lines: list[bytes]


class Runs:
    """Collects lines in batches (``add``), then yields them sorted (``ranges``), then is closed.

    *sort_key* cuts a line's sort key out: an ``operator.itemgetter`` of a slice, for speed. Lines hold no line feed.
    """

    def __init__(self, path: Path, sort_key: Callable[[bytes], bytes]) -> None:
        self._path = path
        self.sort_key = sort_key
        self._runs: list[tuple[int, int]] = []
        self._samples: list[bytes] = []
        self._pending: list[bytes] = []
        self._end = 0
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            refuse_os_error(path, error)

    def add(self, lines: list[bytes]) -> None:
        """Take more lines; RUN_LINES of them or more are written as one run."""
        self._pending += lines
        if len(self._pending) >= RUN_LINES:
            self._write_run()

    def _write_run(self) -> None:
        lines, self._pending = self._pending, []
        if not lines:
            return
        lines.sort(key=self.sort_key)
        self._samples.extend(map(self.sort_key, lines[::SAMPLE_EVERY]))
        data = memoryview(b"\n".join(lines) + b"\n")
        start = self._end
        self._end += len(data)
        self._runs.append((start, self._end))
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            refuse_os_error(self._path, error)

    def boundaries(self) -> list[bytes]:
        """Sort keys that cut all lines into ranges of about RANGE_LINES."""
        samples = sorted(self._samples)
        step = max(1, RANGE_LINES // SAMPLE_EVERY)
        return sorted(set(samples[step::step]))

    def ranges(self) -> Iterator[Range]:
        """Everything in order, from the empty sort key to the end: the ranges leave no gap. Always at least one."""
        cursor = self.cursor()  # writes the last run: before the boundaries are drawn
        first = b""
        for end in (*self.boundaries(), None):
            yield Range(first, end, cursor.take(end))
            if end is not None:
                first = end

    def cursor(self) -> "Cursor":
        """Everything in order, to be taken up to sort keys of the caller's choice. Nothing is added any more."""
        self._write_run()
        return Cursor([_Reader(self._fd, start, end, self.sort_key) for start, end in self._runs], self.sort_key)

    def close(self) -> None:
        """Close and remove the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)


class Cursor:
    """Takes sorted lines out of all runs."""

    def __init__(self, readers: "list[_Reader]", sort_key: Callable[[bytes], bytes]) -> None:
        self._readers = readers
        self._sort_key = sort_key

    def take(self, end: bytes | None) -> list[bytes]:
        """The next lines with sort keys below *end* (None: all that are left), sorted."""
        lines: list[bytes] = []
        for reader in self._readers:
            lines += reader.take(end)
        lines.sort(key=self._sort_key)
        return lines


class Index(NamedTuple):
    """A stored index to walk beside runs: how to read it, and how its db_keys and the runs' sort keys translate."""

    rows: Callable[[bytes, bytes | None], Iterator[Row]]
    """The rows from one db_key up to but without another."""
    sort_key_of: Callable[[bytes], bytes]
    db_key_of: Callable[[bytes], bytes]


class Stretch(NamedTuple):
    """A part of runs and of an index, both bounded."""

    lines: list[bytes]
    stored: list[Row]
    end: bytes | None
    """The sort key that the next stretch begins with; None after the last."""


def aligned(runs: Runs, index: Index | None) -> Iterator[Stretch]:
    """Walk runs and a stored index (None: nothing is stored) side by side.

    Between two stretches no iterator of the index is open, so its map may be given back.
    """
    for first, end, lines in runs.ranges():
        if index is None:
            yield Stretch(lines, [], end)
            continue
        start, stop = index.db_key_of(first), end and index.db_key_of(end)
        while len(chunk := list(islice(index.rows(start, stop), RANGE_LINES))) == RANGE_LINES:
            last = chunk[-1][0]
            start, behind = last + b"\0", index.sort_key_of(last) + b"\0"  # the smallest that come after it
            cut = bisect_left(lines, behind, key=runs.sort_key)
            yield Stretch(lines[:cut], chunk, behind)
            lines = lines[cut:]
        yield Stretch(lines, chunk, end)


class _Reader:
    """Reads one run, in order."""

    __slots__ = ("_at", "_carry", "_end", "_fd", "_lines", "_sort_key")

    def __init__(self, fd: int, start: int, end: int, sort_key: Callable[[bytes], bytes]) -> None:
        self._fd = fd
        self._at = start
        self._end = end
        self._sort_key = sort_key
        self._lines: list[bytes] = []
        self._carry = b""

    def take(self, end: bytes | None) -> list[bytes]:
        """The next lines with sort keys below *end*."""
        taken: list[bytes] = []
        while True:
            lines = self._lines
            if lines and end is not None and self._sort_key(lines[-1]) >= end:
                cut = bisect_left(lines, end, key=self._sort_key)
                taken += lines[:cut]
                self._lines = lines[cut:]
                return taken
            taken += lines
            self._lines = []
            if self._at >= self._end:
                return taken
            self._read()

    def _read(self) -> None:
        data = os.pread(self._fd, min(BLOCK, self._end - self._at), self._at)
        if not data:
            raise CountsDisagree(what="reading a spill file back (it was cut)", given=self._end, kept=self._at)
        self._at += len(data)
        lines = (self._carry + data).split(b"\n")
        self._carry = lines.pop()
        self._lines = lines
