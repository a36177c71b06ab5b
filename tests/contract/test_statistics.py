"""Counts of processes, and the statistics that they are merged into."""

import os
import time

from n2k_fcgi.model.choices import Front, Kind
from n2k_fcgi.model.statistics import DAY, HOUR, Family
from n2k_fcgi.store.base import Store


def test_what_was_counted_is_read(store: Store) -> None:
    """Each answer, lookup and event once, in the hour, the day and the total; noted and merged as often as one likes."""
    counts = store.counts
    counts.begin(Front.FASTCGI)
    for number in range(10):
        counts.answered(Kind.LOOKUP, 200, 100_000 * (number + 1), "" if number == 9 else None)
        if number < 9:
            counts.looked_up("Production" if number < 7 else "")
    counts.answered(Kind.VALUES, 413, 500_000_000)
    counts.add("limits.quota")
    counts.add("imports.rows", 10**9)
    assert counts
    before = int(time.time())
    for _ in range(3):
        counts.note()
        assert store.statistics.merge()
    assert not counts
    read = store.statistics.read()
    for period, seconds in ((read.hours[-1], HOUR), (read.days[-1], DAY), (read.total, 0)):
        assert period.seconds == seconds and (not seconds or 0 <= before - period.start <= seconds)
        assert (period.hits, period.misses, period.answers) == (7, 3, 11)
        assert period.by_kind() == {"lookup": 10, "values": 1} and period.by_status() == {"200": 10, "413": 1}
        assert period.of(Family.GRIDS) == {"Production": 7} and period.of(Family.LIMITS) == {"quota": 1}
        assert period.of(Family.IMPORTS) == {"rows": 10**9} and period.of(Family.STARTS) == {"fastcgi": 1}
        assert period.latency("lookup").answers == 10 and period.latency("values").microseconds == 500_000
        assert 0.0002 < period.latency("lookup").percentile(50) < 0.001 < period.latency().percentile(99) <= 0.525
    (worker,) = read.workers
    assert (worker.front, worker.pid, worker.answers) == ("fastcgi", os.getpid(), 11) and worker.memory > 10**6


def test_nothing_is_read_of_nothing(store: Store) -> None:
    """Before the first count, and reading makes no file."""
    assert store.statistics.read().hours == () and store.statistics.read().total.counts == {}
