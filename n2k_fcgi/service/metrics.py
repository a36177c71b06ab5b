"""What was counted as metrics of Prometheus: families that a collector makes anew for each scrape."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from n2k_fcgi.model.choices import Kind
from n2k_fcgi.model.statistics import BOUNDS, Family, Period
from n2k_fcgi.service.statistics import Usage

_COUNTERS = (
    (Family.GRIDS, "n2k_hits", "Lookups that found an avatar, by its grid.", "grid"),
    (Family.REGISTERS, "n2k_registrations", "Offers of an avatar.", "result"),
    (Family.FORGETS, "n2k_forgets", "Avatars that were hidden, or shown again.", "what"),
    (Family.LIMITS, "n2k_refusals", "Requests that a limit refused.", "limit"),
    (Family.VALUES, "n2k_values_operations", "Operations of the key-value service over HTTP.", "operation"),
    (Family.MEMCACHED, "n2k_memcached_commands", "Commands of clients of memcached.", "command"),
    (Family.STARTS, "n2k_starts", "Processes that began to answer.", "front"),
)
"""Family -> name, help and label of a counter with one label."""

_KINDS = frozenset(str(kind) for kind in Kind)
"""Others are of a later version, or in lines that somebody else wrote: each would be twenty lines of a scrape."""

_STATUS = re.compile("[1-5][0-9][0-9]")

_ROWS = ("rows", "added", "changed", "removed")


def exposition(usage: Usage, counts: Mapping[str, Any], accept: str) -> tuple[bytes, str]:
    """Return the metrics and their content type: OpenMetrics if *accept*, a header of HTTP, asks for it, else plain text.

    *counts*: of the directory (``service.directory.overview.Statistics``), by name.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counted(usage, counts))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type


class _Counted(Collector):
    """Everything of one moment."""

    def __init__(self, usage: Usage, counts: Mapping[str, Any]) -> None:
        self._usage = usage
        self._counts = counts

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are not registered, since the registry is for one answer."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        total = self._usage.counted.total
        yield from _of_requests(total)
        for family, name, meaning, label in _COUNTERS:
            yield _counter(name, meaning, [label], [((word,), count) for word, count in total.of(family).items()])
        yield from _of_imports(total)
        yield from self._of_workers()
        yield from self._of_the_directory()

    def _of_workers(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("n2k_workers", "Processes that answer requests.", labels=["front"])
        memory = GaugeMetricFamily(
            "n2k_workers_resident_bytes", "Their resident memory together, maps included.", labels=["front"]
        )
        workers = self._usage.workers()
        for front in sorted({worker.front for worker in workers}):
            running.add_metric([front], sum(worker.front == front for worker in workers))
            memory.add_metric([front], sum(worker.memory for worker in workers if worker.front == front))
        yield running
        yield memory

    def _of_the_directory(self) -> Iterator[Metric]:
        counts = self._counts
        for name, meaning, value in (
            ("n2k_avatars", "Avatars of the live generation.", counts["avatars"]),
            ("n2k_captures", "Registered avatars.", counts["captures"]),
            ("n2k_pending_keys", "Keys that wait for a resolver.", counts["pending"]),
            ("n2k_forgotten", "Hidden avatars and names.", counts["forgotten"]),
            ("n2k_generation_as_of_seconds", "The time that the live generation describes, in Unix seconds.", counts["as_of"]),
        ):
            yield GaugeMetricFamily(name, meaning, value=value)


def _of_requests(total: Period) -> Iterator[Metric]:
    answers = [
        ((kind, status), count)
        for (kind, _, status), count in ((name.rpartition("."), count) for name, count in total.of(Family.ANSWERS).items())
        if kind in _KINDS and _STATUS.fullmatch(status)
    ]
    yield _counter("n2k_answers", "Answers, by kind of request and HTTP status.", ["kind", "status"], answers)
    results = [((word,), total.of(Family.LOOKUPS).get(word, 0)) for word in ("hit", "miss")]
    yield _counter("n2k_lookups", "Names and keys that were asked for.", ["result"], results)
    times = HistogramMetricFamily("n2k_answer_seconds", "Time to make an answer, by kind of request.", labels=["kind"])
    for kind in sorted(_KINDS & total.by_kind().keys()):
        latency = total.latency(kind)
        bounds = [*map(repr, BOUNDS), "+Inf"]
        below = [sum(latency.buckets[: number + 1]) for number in range(len(bounds))]
        times.add_metric([kind], list(zip(bounds, below, strict=True)), latency.microseconds / 1e6)
    yield times


def _of_imports(total: Period) -> Iterator[Metric]:
    imports, purges = total.of(Family.IMPORTS), total.of(Family.PURGES)
    yield _counter("n2k_imports", "Dumps that were imported.", [], [((), imports.get("done", 0))])
    rows = [((word,), imports.get(word, 0)) for word in _ROWS]
    yield _counter("n2k_import_rows", "Rows that imports read, and what they did.", ["what"], rows)
    yield _counter("n2k_import_bytes", "Bytes of the generations that were written.", [], [((), imports.get("bytes", 0))])
    yield _counter("n2k_import_seconds", "Time that imports took.", [], [((), imports.get("milliseconds", 0) / 1000)])
    yield _counter("n2k_purges", "Purges.", [], [((), purges.get("done", 0))])


def _counter(name: str, meaning: str, labels: list[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    metric = CounterMetricFamily(name, meaning, labels=labels)
    for words, value in sorted(values):
        metric.add_metric(list(words), value)
    return metric
