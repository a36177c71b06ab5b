"""What was counted, as pictures and tables show it: periods without gaps, the workers that run, all of it as JSON."""

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.statistics import DAY, DAYS_KEPT, HOUR, HOURS_KEPT, Counted, Family, Histogram, Period, Worker, merged
from n2k_fcgi.store.base import Store

PERCENTILES = (50, 90, 99)


class Usage(NamedTuple):
    """What was counted until *now*."""

    now: int
    """Unix seconds."""
    counted: Counted
    problem: str = ""
    """Why nothing can be read, for the owner; '' if it can."""

    def hours(self, count: int) -> list[Period]:
        """Return the last *count* hours, the present one last; one without counts is empty."""
        return _without_gaps(self.counted.hours, self.now, HOUR, count)

    def days(self, count: int) -> list[Period]:
        """Return the last *count* days, the present one last."""
        return _without_gaps(self.counted.days, self.now, DAY, count)

    def last_hours(self, count: int) -> Period:
        """Return what the last *count* hours counted together."""
        hours = self.hours(count)
        return merged(hours, hours[0].start, count * HOUR)

    def last_days(self, count: int) -> Period:
        """Return what the last *count* days counted together."""
        days = self.days(count)
        return merged(days, days[0].start, count * DAY)

    def workers(self) -> list[Worker]:
        """Return the processes that still run on this machine, the oldest first; of several with one number the latest."""
        latest = {worker.pid: worker for worker in sorted(self.counted.workers, key=lambda worker: worker.started)}
        return sorted(filter(lambda worker: is_running(worker.pid), latest.values()), key=lambda worker: worker.started)


class StatisticsReader:
    """Reads what was counted in *store*."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def read(self, *, hours: int = HOURS_KEPT, days: int = DAYS_KEPT) -> Usage:
        """Return what was counted, by this process until now, by others until their last note. Raises no N2KError.

        *hours*, *days*: how many of them; each is decoded.
        """
        store = self._store
        store.counts.note()
        now = int(self._clock())
        try:
            return Usage(now, store.statistics.read(hours=hours, days=days))
        except (N2KError, OSError) as problem:
            return Usage(now, Counted(), str(problem))


def is_running(pid: int) -> bool:
    """Whether there is a process *pid*; perhaps another one than the worker that had this number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True


def _without_gaps(periods: tuple[Period, ...], now: int, seconds: int, count: int) -> list[Period]:
    found = {period.start: period for period in periods}
    last = now - now % seconds
    starts = range(last - (count - 1) * seconds, last + seconds, seconds)
    return [found.get(start, Period(start, seconds, {})) for start in starts]


# --- JSON --------------------------------------------------------------------------------------------------------------


def usage_fields(usage: Usage, *, hours: int, days: int) -> dict[str, Any]:
    """Return all of it as JSON has it: for the API, the command and pages."""
    return {
        "now": usage.now,
        "hours": [period_fields(period) for period in usage.hours(hours)],
        "days": [period_fields(period) for period in usage.days(days)],
        "total": period_fields(usage.counted.total),
        "workers": [worker_fields(worker, usage.now) for worker in usage.workers()],
    }


def period_fields(period: Period) -> dict[str, Any]:
    """Return a period: what is drawn most, then every family of counters."""
    counters = {family.value: period.of(family) for family in Family if family not in (Family.LATENCY, Family.MICROSECONDS)}
    return {
        "start": period.start,
        "seconds": period.seconds,
        "hits": period.hits,
        "misses": period.misses,
        "registered": period.registers,
        "by_kind": period.by_kind(),
        "by_status": period.by_status(),
        "latency": latency_fields(period.latency()),
        **counters,
    }


def latency_fields(times: Histogram) -> dict[str, float]:
    """Return how many answers there were, and the milliseconds within which so many percent were made."""
    percentiles = {f"p{percent}_ms": round(times.percentile(percent) * 1000, 3) for percent in PERCENTILES}
    return {"answers": times.answers, **percentiles}


def worker_fields(worker: Worker, now: int) -> dict[str, Any]:
    """Return a worker, with its age in seconds."""
    return {**worker._asdict(), "age": max(0, now - worker.started)}
