"""What was counted, as lines of text: with sparklines on a terminal, without them elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

from n2k_fcgi.model.statistics import Family, Histogram
from n2k_fcgi.service.statistics import PERCENTILES, Usage

_STEPS = "▁▂▃▄▅▆▇█"
HOURS, DAYS = 24, 30
"""That a sparkline shows."""


def sparkline(values: Sequence[int]) -> str:
    """Return one character per value: a blank for 0, else its height beside the largest."""
    most = max(values, default=0)
    return "".join(_STEPS[(value * len(_STEPS) - 1) // most] if value else " " for value in values)


def usage_lines(usage: Usage, *, is_drawn: bool) -> Iterator[str]:
    """Yield lines ``name: value``; *is_drawn*: with sparklines."""
    if usage.problem:
        yield f"statistics: {usage.problem}"
        return
    hours, days, total = usage.hours(HOURS), usage.days(DAYS), usage.counted.total
    day, month = usage.last_hours(HOURS), usage.last_days(DAYS)
    yield f"lookups in 24 hours: {day.hits + day.misses} ({day.hits} hits, {day.misses} misses)"
    if is_drawn:
        yield _drawn("hits an hour", [hour.hits for hour in hours])
        yield _drawn("misses an hour", [hour.misses for hour in hours])
    yield f"answers in 24 hours: {_listed(day.by_kind())}"
    yield f"by status: {_listed(day.by_status())}"
    yield f"time to answer scripts: {_times(day.latency_for_scripts())}"
    yield f"grids: {_shares(day.of(Family.GRIDS))}"
    yield f"registered in {DAYS} days: {month.registers}"
    if is_drawn:
        yield _drawn("registered a day", [each.registers for each in days])
    for name, family in (
        ("forgets", Family.FORGETS),
        ("imports", Family.IMPORTS),
        ("purges", Family.PURGES),
        ("limits that bit", Family.LIMITS),
        ("key-value operations", Family.VALUES),
        ("memcached commands", Family.MEMCACHED),
        ("starts", Family.STARTS),
    ):
        yield f"{name} in {DAYS} days: {_listed(month.of(family))}"
    yield f"answers since the first count: {total.answers}"
    for worker in usage.workers():
        megabytes = worker.memory / 1024**2
        yield (
            f"worker {worker.pid}: {worker.front}, {megabytes:.0f} MB, {worker.answers} answers, "
            f"for {_duration(usage.now - worker.started)}"
        )


def _drawn(name: str, values: Sequence[int]) -> str:
    return f"{name}: {sparkline(values)} {max(values)} at most"


def _listed(counts: dict[str, int]) -> str:
    return (
        ", ".join(f"{word} {count}" for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))) or "none"
    )


def _shares(counts: dict[str, int]) -> str:
    whole = sum(counts.values())
    return _joined(f"{word} {count / whole:.1%}" for word, count in sorted(counts.items(), key=lambda item: -item[1]))


def _times(times: Histogram) -> str:
    if not times.answers:
        return "none"
    return _joined(f"{percent} % within {times.percentile(percent) * 1000:.3g} ms" for percent in PERCENTILES)


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "none"


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} seconds"
