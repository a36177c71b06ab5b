"""Sorting rows in bounded memory: sorted runs in a temporary file, merged while they are read again."""

import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path

Row = tuple[bytes, bytes]

RUN_ROWS = 50_000
RUN_BYTES = 8 * 1024 * 1024
"""Of one run: what is in memory at once."""
WINDOW = 32 * 1024
"""Bytes of a run that are in memory while runs are merged; more for a longer row."""

_LENGTHS = struct.Struct(">II")


@contextmanager
def sorted_rows(rows: Iterable[Row], folder: Path) -> Iterator[Iterator[Row]]:
    """Yield *rows* in the order of their keys; of several with one key the last. The temporary file is in *folder*.

    Raises OSError.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        fd = file.fileno()
        runs: list[Iterator[Row]] = []
        at = 0
        for run in _runs(rows):
            run.sort(key=itemgetter(0))  # stable: of one key the last comes last
            packed = b"".join(_LENGTHS.pack(len(key), len(row)) + key + row for key, row in run)
            os.lseek(fd, at, os.SEEK_SET)
            file.write(packed)
            file.flush()
            runs.append(_read(fd, at, at + len(packed)))
            at += len(packed)
        yield (_last(same) for _, same in groupby(merge(*runs, key=itemgetter(0)), itemgetter(0)))


def _runs(rows: Iterable[Row]) -> Iterator[list[Row]]:
    run: list[Row] = []
    size = 0
    for row in rows:
        run.append(row)
        size += len(row[0]) + len(row[1])
        if len(run) >= RUN_ROWS or size >= RUN_BYTES:
            yield run
            run, size = [], 0
    if run:
        yield run


def _read(fd: int, at: int, end: int) -> Iterator[Row]:
    """Yield the rows of the run from *at* to *end*."""
    window, begin = b"", 0
    while at < end or begin < len(window):
        if len(window) - begin >= _LENGTHS.size:
            key_length, row_length = _LENGTHS.unpack_from(window, begin)
            whole = begin + _LENGTHS.size + key_length + row_length
            if whole <= len(window):
                middle = whole - row_length
                yield window[middle - key_length : middle], window[middle:whole]
                begin = whole
                continue
        more = os.pread(fd, min(WINDOW, end - at), at)
        window, begin, at = window[begin:] + more, 0, at + len(more)


def _last(rows: Iterable[Row]) -> Row:
    *_, last = rows
    return last
