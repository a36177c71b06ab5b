"""What is counted: whether it can be read and merged, and whether Prometheus gets it."""

from collections.abc import Iterator
from importlib.util import find_spec

from n2k_fcgi.config import Settings
from n2k_fcgi.model.choices import Permission
from n2k_fcgi.model.findings import Finding, ok, warning
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.counts import MOST_WAITING
from n2k_fcgi.wiring import statistics


def examine(settings: Settings, store: Store) -> Iterator[Finding]:
    """Examine the file of statistics, its lines, and the setting ``metrics``."""
    usage = statistics(store).read(hours=0, days=0)
    if usage.problem:
        yield warning("statistics", usage.problem, "remove statistics.mdb: counting begins anew")
    elif store.counts.waiting() > MOST_WAITING:
        yield warning("statistics", "no process merges the lines that wait", "restore owner and mode of statistics.*")
    else:
        yield ok("statistics", f"{usage.counted.total.answers} answers were counted")
    if settings.metrics is not Permission.OFF:
        if find_spec("prometheus_client") is None:
            yield warning("metrics", "/metrics is empty, since prometheus_client is missing", "pip install prometheus_client")
        else:
            yield ok("metrics", f"{settings.metrics} at /metrics")
