"""``/metrics`` for Prometheus."""

from n2k_fcgi import late, logs
from n2k_fcgi.errors import SwitchedOff, TokenNotEnough, is_no_memory
from n2k_fcgi.model.choices import Permission, Scope
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import TEXT, Answer
from n2k_fcgi.web.services import Services

MISSING = "# no metrics: prometheus_client is missing (pip install 'n2k_fcgi[metrics]')\n"
"""A comment is a valid exposition of no metrics: a scrape of it succeeds, and whoever looks sees why."""


def metrics(request: Request, services: Services) -> Answer:
    """What was counted, in the text format of Prometheus, or in OpenMetrics for callers that accept it."""
    if services.metrics is Permission.OFF:
        raise SwitchedOff(what="/metrics", setting="metrics")
    if services.metrics is Permission.TOKEN:
        token = services.access().may(request, Scope.METRICS)
        if token.grid is not None:
            raise TokenNotEnough(why="it is for one grid")
    late.refuse_without_room()
    try:
        with late.uncollected():
            from n2k_fcgi.service.metrics import exposition  # late: an extra, perhaps not installed
    except ImportError as problem:
        if is_no_memory(problem):
            raise
        logs.debug(f"no metrics: {problem}")
        return Answer(200, MISSING.encode(), TEXT)
    counts = services.overview().statistics()
    body, content_type = exposition(services.statistics().read(hours=0, days=0), counts._asdict(), request.header("ACCEPT"))
    return Answer(200, body, content_type)
