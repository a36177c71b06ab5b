"""The rows of statistics: one per hour, per day, for all time, and per worker. Values are JSON; a damaged one is none."""

from __future__ import annotations

import contextlib
import json
import struct
from collections import Counter

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.choices import Front
from n2k_fcgi.model.statistics import DAY, DAYS_KEPT, HOUR, HOURS_KEPT, Counted, Period, Worker
from n2k_fcgi.store.counted_lines import MOST, Line
from n2k_fcgi.store.lmdb.layout import OF_A_DAY, OF_A_WORKER, OF_ALL_TIME, OF_AN_HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_OF_A_FAMILY = 300
"""Counters of a period; further ones are counted as ``<family>.more``."""

MOST_WORKERS = 200
"""Rows of workers; the ones that were seen last are kept."""

WORKER_KEPT = DAY
"""Seconds."""

PREFIXES = (OF_AN_HOUR, OF_A_DAY, OF_ALL_TIME, OF_A_WORKER)

_START = struct.Struct(">Q")


def changed(get: Callable[[bytes], bytes | memoryview | None], lines: list[Line]) -> dict[bytes, bytes]:
    """Return the rows that change when *lines* are counted; *get*: finds a row as it is."""
    periods: dict[bytes, dict[str, int]] = {}
    workers: dict[bytes, Worker] = {}
    for worker, counts in lines:
        hour, day = worker.seen - worker.seen % HOUR, worker.seen - worker.seen % DAY
        for db_key in (OF_AN_HOUR + _START.pack(hour), OF_A_DAY + _START.pack(day), OF_ALL_TIME):
            if db_key not in periods:
                periods[db_key] = _numbers(get(db_key))
            _add(periods[db_key], counts)
        if worker.front not in (Front.CGI, Front.COMMAND):
            workers[OF_A_WORKER + str(worker.pid).encode()] = worker
    return {db_key: json.dumps(row, separators=(",", ":")).encode() for db_key, row in {**periods, **workers}.items()}


def _add(total: dict[str, int], counts: dict[str, int]) -> None:
    sizes = Counter(name.partition(".")[0] for name in total)
    for name, count in counts.items():
        family = name.partition(".")[0]
        if name not in total:
            if sizes[family] >= MOST_OF_A_FAMILY:
                name = f"{family}.more"
            sizes[family] += 1
        total[name] = min(total.get(name, 0) + count, MOST)


def outdated(rows: Mapping[bytes, bytes], now: int) -> Iterator[bytes]:
    """Yield the db_keys of rows that are not kept any more; *now*: Unix seconds."""
    for prefix, kept in ((OF_AN_HOUR, HOURS_KEPT * HOUR), (OF_A_DAY, DAYS_KEPT * DAY)):
        for db_key in rows:
            if db_key.startswith(prefix) and not now - kept < _start(db_key) <= now + DAY:
                yield db_key
    seen = sorted(((worker.seen, db_key) for db_key, worker in _workers(rows)), reverse=True)
    for place, (when, db_key) in enumerate(seen):
        if place >= MOST_WORKERS or when < now - WORKER_KEPT:
            yield db_key


def counted(rows: Mapping[bytes, bytes]) -> Counted:
    """Return what *rows* say."""
    workers = sorted((worker for _, worker in _workers(rows)), key=lambda worker: (worker.started, worker.pid))
    hours, days = (tuple(_periods(rows, *kind)) for kind in ((OF_AN_HOUR, HOUR), (OF_A_DAY, DAY)))
    return Counted(hours, days, Period(0, 0, _numbers(rows.get(OF_ALL_TIME))), tuple(workers))


def _start(db_key: bytes) -> int:
    start: int = _START.unpack(db_key[1:])[0] if len(db_key) == 1 + _START.size else 0
    return start


def _periods(rows: Mapping[bytes, bytes], prefix: bytes, seconds: int) -> Iterator[Period]:
    for db_key in sorted(rows):
        if db_key.startswith(prefix) and _start(db_key):
            yield Period(_start(db_key), seconds, _numbers(rows[db_key]))


def _workers(rows: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, Worker]]:
    for db_key, value in rows.items():
        if db_key.startswith(OF_A_WORKER):
            with contextlib.suppress(ValueError, TypeError):
                front, *numbers = json.loads(value)
                yield db_key, Worker(str(front), *map(int, numbers))


def _numbers(value: bytes | memoryview | None) -> dict[str, int]:
    """The counts in a row; {} for one that is damaged, which begins anew."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return {str(name): int(count) for name, count in json.loads(bytes(value or b"{}")).items()}
    return {}
