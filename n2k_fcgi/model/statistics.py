"""What was counted: periods of an hour or a day, a histogram of times, the workers."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.choices import Choice, Kind
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HOUR = 3600
DAY = 24 * HOUR
HOURS_KEPT = 14 * 24
DAYS_KEPT = 731
"""Two years."""

BUCKETS = 25
"""Of a histogram. The first has the times below 2**10 ns, about a microsecond; bucket *n* those of at least 2**(n+9) and less
than 2**(n+10) ns; the last all from 8.6 s on. A bound is a power of two, so that ``int.bit_length`` finds the bucket."""

BOUNDS = tuple(2 ** (n + 10) / 1e9 for n in range(BUCKETS - 1))
"""Seconds: the upper bounds of all buckets but the last."""


class Family(Choice):
    """What a counter counts. Its name is the family's, a dot, and what exactly: ``answers.lookup.200``."""

    ANSWERS = "answers"
    """By kind of request and status."""
    LATENCY = "latency"
    """Times to make an answer, by kind of request and bucket."""
    MICROSECONDS = "microseconds"
    """The sum of these times, by kind of request."""
    LOOKUPS = "lookups"
    """``hit`` and ``miss``: one for each name or key that was asked for."""
    GRIDS = "grids"
    """Hits, by the grid of the avatar that answered."""
    REGISTERS = "registers"
    """``new``, ``known`` (was registered before) and ``refused`` offers."""
    FORGETS = "forgets"
    """``hidden`` and ``undone``."""
    IMPORTS = "imports"
    """``done``, ``rows``, ``added``, ``changed``, ``removed``, ``bytes`` (of the generation's file), ``milliseconds``."""
    PURGES = "purges"
    """``done``, ``names`` and ``captures`` that were removed."""
    LIMITS = "limits"
    """Requests that a limit refused, by limit."""
    VALUES = "values"
    """Operations of the key-value service over HTTP."""
    MEMCACHED = "memcached"
    """Commands of clients of memcached."""
    STARTS = "starts"
    """Processes that began to answer, by kind."""


class Histogram(NamedTuple):
    """How many times fell into each of BUCKETS."""

    buckets: tuple[int, ...] = (0,) * BUCKETS
    microseconds: int = 0
    """The sum of all times."""

    @property
    def answers(self) -> int:
        """How many times there are."""
        return sum(self.buckets)

    def percentile(self, percent: float) -> float:
        """Return the seconds within which *percent* of the answers were made, interpolated inside a bucket; 0.0 without any."""
        wanted = self.answers * percent / 100
        below = 0
        for number, here in enumerate(self.buckets):
            if here and below + here >= wanted:
                low = BOUNDS[number - 1] if number else 0.0
                high = BOUNDS[number] if number < len(BOUNDS) else 2 * low
                return low + (high - low) * max(0.0, wanted - below) / here
            below += here
        return 0.0


class Period(NamedTuple):
    """What was counted from *start* (Unix seconds, a whole hour or day in UTC) for *seconds*."""

    start: int
    seconds: int
    counts: Mapping[str, int]
    """Name of a counter -> its value; those that are 0 are left out."""

    def of(self, family: Family) -> dict[str, int]:
        """The counters of a family, by the rest of their names."""
        prefix = f"{family}."
        return {name[len(prefix) :]: count for name, count in self.counts.items() if name.startswith(prefix)}

    @property
    def hits(self) -> int:
        """Lookups that found an avatar."""
        return self.counts.get(f"{Family.LOOKUPS}.hit", 0)

    @property
    def misses(self) -> int:
        """Lookups that found none."""
        return self.counts.get(f"{Family.LOOKUPS}.miss", 0)

    @property
    def registers(self) -> int:
        """Avatars that were registered, new ones and known ones."""
        done = self.of(Family.REGISTERS)
        return done.get("new", 0) + done.get("known", 0)

    def by_kind(self) -> dict[str, int]:
        """Answers by kind of request."""
        return _summed((name.rpartition(".")[0], count) for name, count in self.of(Family.ANSWERS).items())

    def by_status(self) -> dict[str, int]:
        """Answers by HTTP status."""
        return _summed((name.rpartition(".")[2], count) for name, count in self.of(Family.ANSWERS).items())

    @property
    def answers(self) -> int:
        """All answers."""
        return sum(self.of(Family.ANSWERS).values())

    def latency(self, kind: str | None = None) -> Histogram:
        """Times to make the answers to requests of *kind*; None: to all."""
        return self._times(lambda of: kind in (None, of))

    def latency_for_scripts(self) -> Histogram:
        """Times to make all answers but the pages that people read."""
        return self._times(lambda of: of not in (Kind.PAGE, Kind.OWNER))

    def _times(self, is_wanted: Callable[[str], bool]) -> Histogram:
        buckets = [0] * BUCKETS
        for name, count in self.of(Family.LATENCY).items():
            of, _, number = name.rpartition(".")
            if is_wanted(of) and number.isdecimal() and int(number) < BUCKETS:
                buckets[int(number)] += count
        microseconds = sum(count for of, count in self.of(Family.MICROSECONDS).items() if is_wanted(of))
        return Histogram(tuple(buckets), microseconds)


class Worker(NamedTuple):
    """A process that answers requests, as it last told of itself."""

    front: str
    """Kind of process: a value of ``choices.Front``."""
    pid: int
    started: int
    """Unix seconds."""
    seen: int
    """Unix seconds."""
    memory: int
    """Resident bytes, with the pages of its maps."""
    answers: int
    """That it has made since its start."""


class Counted(NamedTuple):
    """All that is kept. Periods in which nothing was counted are left out."""

    hours: tuple[Period, ...] = ()
    """The oldest first, HOURS_KEPT at most."""
    days: tuple[Period, ...] = ()
    """The oldest first, DAYS_KEPT at most."""
    total: Period = Period(0, 0, {})
    """From the first count on."""
    workers: tuple[Worker, ...] = ()
    """Those that told of themselves within a day, whether they still run or not."""


def merged(periods: Iterable[Period], start: int, seconds: int) -> Period:
    """Return one period with all that *periods* counted."""
    return Period(start, seconds, _summed(item for period in periods for item in period.counts.items()))


def _summed(items: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, count in items:
        total[name] = total.get(name, 0) + count
    return total
