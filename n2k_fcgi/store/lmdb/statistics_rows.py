"""The rows of statistics: one per hour, per day, for all time, and per worker. Values are JSON, of periods compressed.

What is damaged is none, whoever damaged it: a number of it may be any.
"""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
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

MOST_BYTES = 1024 * 1024
"""Of the JSON of a row: ten times as many as counters of all families have."""

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
    return {
        **{db_key: zlib.compress(_json(row)) for db_key, row in periods.items()},
        **{db_key: _json(worker) for db_key, worker in workers.items()},
    }


def _json(row: dict[str, int] | Worker) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


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


def firsts(now: int, hours: int, days: int) -> dict[bytes, bytes | None]:
    """Return where the last *hours* and *days* begin: prefix -> rest of the first db_key; None: none is wanted."""
    return {
        prefix: _START.pack(max(0, now - now % seconds - (count - 1) * seconds)) if count else None
        for prefix, seconds, count in ((OF_AN_HOUR, HOUR, hours), (OF_A_DAY, DAY, days))
    }


def counted(rows: Mapping[bytes, bytes], first: Mapping[bytes, bytes | None]) -> Counted:
    """Return what *rows* say; *first*: of ``firsts``: of earlier periods there is only what lines added."""
    workers = sorted((worker for _, worker in _workers(rows)), key=lambda worker: (worker.started, worker.pid))
    hours, days = (tuple(_periods(rows, *kind, first[kind[0]])) for kind in ((OF_AN_HOUR, HOUR), (OF_A_DAY, DAY)))
    return Counted(hours, days, Period(0, 0, _numbers(rows.get(OF_ALL_TIME))), tuple(workers))


def _start(db_key: bytes) -> int:
    start: int = _START.unpack(db_key[1:])[0] if len(db_key) == 1 + _START.size else 0
    return start


def _periods(rows: Mapping[bytes, bytes], prefix: bytes, seconds: int, first: bytes | None) -> Iterator[Period]:
    if first is None:
        return
    for db_key in sorted(rows):
        if db_key.startswith(prefix) and _start(db_key) and db_key[len(prefix) :] >= first:
            yield Period(_start(db_key), seconds, _numbers(rows[db_key]))


def _workers(rows: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, Worker]]:
    for db_key, value in rows.items():
        if db_key.startswith(OF_A_WORKER):
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                front, *numbers = json.loads(value)
                yield db_key, Worker(Front(front), *map(_number, numbers))


def _numbers(value: bytes | memoryview | None) -> dict[str, int]:
    """The counts in a row; {} for one that is damaged, which begins anew."""
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError, zlib.error):
        text = bytes(value or b"{}")
        if not text.startswith(b"{"):  # as rows were before they were compressed
            text = zlib.decompressobj().decompress(text, MOST_BYTES)
        return {str(name): _number(count) for name, count in json.loads(text).items()}
    return {}


def _number(value: object) -> int:
    """Return a count as it may be in a row. Raises ValueError."""
    if type(value) is int and 0 <= value <= MOST:
        return value
    raise ValueError
