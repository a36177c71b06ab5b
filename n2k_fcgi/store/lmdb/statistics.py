"""The file of statistics: one row per hour, per day, for all time, and per worker. Values are JSON.

It may be lost as a whole. Lines that wait are merged in one transaction, each once: first the file of lines is renamed, so that
nobody adds to it; its digest is stored with what was in it; and the next merge removes it, when that is certain.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import struct
import time
from collections import Counter

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.choices import Front
from n2k_fcgi.model.statistics import DAY, DAYS_KEPT, HOUR, HOURS_KEPT, Counted, Period, Worker
from n2k_fcgi.store.counted_lines import MOST, Line, parse
from n2k_fcgi.store.counts import MOST_WAITING
from n2k_fcgi.store.datadir import COUNTED, MERGING, STATISTICS
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, OF_A_DAY, OF_A_WORKER, OF_ALL_TIME, OF_AN_HOUR
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from n2k_fcgi.files import Modes

MOST_OF_A_FAMILY = 300
"""Counters of a period; further ones are counted as ``<family>.more``."""

MOST_WORKERS = 200
"""Rows of workers; the ones that were seen last are kept."""

WORKER_KEPT = DAY
"""Seconds."""

_MERGED = CAPTURE_META + b"merged"
_START = struct.Struct(">Q")


class StatisticsFile:
    """Implements ``store.base.StatisticsStore``. The file is open only while it is read or written."""

    def __init__(self, data_dir: str, modes: Modes) -> None:
        self._lines = os.path.join(data_dir, COUNTED)
        self._merging = os.path.join(data_dir, MERGING)
        self._volatile = VolatileFile(data_dir, modes, STATISTICS)

    def merge(self) -> bool:
        """See ``store.base.StatisticsStore``."""
        try:
            if self._volatile.file.is_busy():
                return False
            self._volatile.write(self._merge)
            if os.path.exists(self._lines):  # what a killed process had taken away was merged first
                self._volatile.write(self._merge)
        except (N2KError, OSError) as problem:
            logs.debug(f"statistics are not merged: {problem}")
            return False
        finally:
            self._volatile.close()
        return True

    def read(self) -> Counted:
        """See ``store.base.StatisticsStore``."""
        try:
            with self._volatile.read() as transaction:
                return _counted(transaction)
        finally:
            self._volatile.close()

    def _merge(self, transaction: lmdb.Transaction) -> None:
        """Merge what waits. Run again, it does the same: a file that was renamed already is there."""
        now = int(time.time())
        merged = transaction.get(_MERGED)
        waiting = _content(self._merging)
        if waiting is None or merged == _digest(waiting):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._merging)
            self._take_away()
            waiting = _content(self._merging)
        if waiting is None:
            return
        _put(transaction, parse(waiting, now))
        _drop_old(transaction, now)
        transaction.put(_MERGED, _digest(waiting))

    def _take_away(self) -> None:
        """Rename the file of lines, unless a process is adding to it just now: then the next merge takes it."""
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            fd = os.open(self._lines, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    os.rename(self._lines, self._merging)
            finally:
                os.close(fd)


def _content(path: str) -> bytes | None:
    """What is in the file of lines that nobody adds to any more; None: there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
        return file.read(2 * MOST_WAITING) if stat.S_ISREG(os.fstat(fd).st_mode) else None


def _digest(content: bytes) -> bytes:
    """What tells these lines from all others, in a copy of the directory too: each has its time and its process."""
    return hashlib.sha256(content).digest()


def _put(transaction: lmdb.Transaction, lines: list[Line]) -> None:
    periods: dict[bytes, dict[str, int]] = {}
    workers: dict[bytes, Worker] = {}
    for worker, counts in lines:
        hour, day = worker.seen - worker.seen % HOUR, worker.seen - worker.seen % DAY
        for db_key in (OF_AN_HOUR + _START.pack(hour), OF_A_DAY + _START.pack(day), OF_ALL_TIME):
            if db_key not in periods:
                periods[db_key] = _numbers(transaction.get(db_key))
            _add(periods[db_key], counts)
        if worker.front not in (Front.CGI, Front.COMMAND):
            workers[OF_A_WORKER + f"{worker.pid}:{worker.started}".encode()] = worker
    for db_key, counts in periods.items():
        transaction.put(db_key, json.dumps(counts, separators=(",", ":")).encode())
    for db_key, worker in workers.items():
        transaction.put(db_key, json.dumps(worker).encode())


def _add(total: dict[str, int], counts: dict[str, int]) -> None:
    sizes = Counter(name.partition(".")[0] for name in total)
    for name, count in counts.items():
        family = name.partition(".")[0]
        if name not in total:
            if sizes[family] >= MOST_OF_A_FAMILY:
                name = f"{family}.more"
            sizes[family] += 1
        total[name] = min(total.get(name, 0) + count, MOST)


def _drop_old(transaction: lmdb.Transaction, now: int) -> None:
    for prefix, kept in ((OF_AN_HOUR, HOURS_KEPT * HOUR), (OF_A_DAY, DAYS_KEPT * DAY)):
        for start, _ in list(with_prefix(transaction, prefix)):
            if len(start) != _START.size or not now - kept < _START.unpack(start)[0] <= now + DAY:
                transaction.delete(prefix + start)
    seen = sorted(((worker.seen, db_key) for db_key, worker in _workers(transaction)), reverse=True)
    for place, (when, db_key) in enumerate(seen):
        if place >= MOST_WORKERS or when < now - WORKER_KEPT:
            transaction.delete(OF_A_WORKER + db_key)


def _counted(transaction: lmdb.Transaction) -> Counted:
    workers = sorted((worker for _, worker in _workers(transaction)), key=lambda worker: (worker.started, worker.pid))
    return Counted(
        tuple(_periods(transaction, OF_AN_HOUR, HOUR)),
        tuple(_periods(transaction, OF_A_DAY, DAY)),
        Period(0, 0, _numbers(transaction.get(OF_ALL_TIME))),
        tuple(workers),
    )


def _periods(transaction: lmdb.Transaction, prefix: bytes, seconds: int) -> Iterator[Period]:
    for start, value in with_prefix(transaction, prefix):
        if len(start) == _START.size:
            yield Period(_START.unpack(start)[0], seconds, _numbers(value))


def _workers(transaction: lmdb.Transaction) -> Iterator[tuple[bytes, Worker]]:
    for db_key, value in with_prefix(transaction, OF_A_WORKER):
        with contextlib.suppress(ValueError, TypeError):
            front, *numbers = json.loads(value)
            yield db_key, Worker(str(front), *map(int, numbers))


def _numbers(value: bytes | memoryview | None) -> dict[str, int]:
    """The counts in a row; {} for one that is damaged, which begins anew."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return {str(name): int(count) for name, count in json.loads(bytes(value or b"{}")).items()}
    return {}
