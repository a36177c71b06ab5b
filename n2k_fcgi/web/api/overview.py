"""The directory itself: its description, counts, generations and conflicts."""

from pathlib import Path

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.statistics import DAYS_KEPT, HOURS_KEPT
from n2k_fcgi.service.access.tokens import own_grid
from n2k_fcgi.service.statistics import usage_fields
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

OPENAPI = Path(__file__).with_name("openapi.json")


def openapi(request: Request, services: Services) -> Answer:
    """The OpenAPI description of this area."""
    return Answer(200, OPENAPI.read_bytes(), json_bodies.JSON, json_bodies.EXPOSED)


def statistics(request: Request, services: Services) -> Answer:
    """Counts, at most a few seconds old."""
    counts = services.overview().statistics()
    return json_bodies.answer(counts._asdict(), counts.generation)


def usage(request: Request, services: Services) -> Answer:
    """What was counted by hour and day, and the workers that run, for the owner of the service."""
    services.access().may(request, Scope.ADMIN)
    hours = number(request.query["hours"], "hours", 1, HOURS_KEPT) if "hours" in request.query else 24
    days = number(request.query["days"], "days", 1, DAYS_KEPT) if "days" in request.query else 30
    return json_bodies.answer(usage_fields(services.statistics().read(hours=hours, days=days), hours=hours, days=days))


def generations(request: Request, services: Services) -> Answer:
    """All generations, the latest first."""
    live, manifests = services.overview().generations()
    rows: list[json_bodies.Body] = [
        {
            "name": m.name,
            "live": m.name == live,
            "created": m.created,
            "grid": m.grid,
            "as_of": m.as_of,
            "rows": m.rows,
            "names": m.names,
            "former": m.former,
            "added": m.added,
            "changed": m.changed,
            "removed": m.removed,
            "unchanged": m.unchanged,
            "refused": m.refused,
            "conflicts": m.conflicts,
        }
        for m in reversed(manifests)
    ]
    return json_bodies.answer(json_bodies.cut(request, rows, lambda items: {"generations": items}), live or "none")


def conflicts(request: Request, services: Services) -> Answer:
    """The conflicts, the latest first, for the owner of the service; with a token for one grid only those of that grid."""
    grid = own_grid(services.access().may(request, Scope.ADMIN), services.grids)
    rows: list[json_bodies.Body] = [
        {
            "name": c.name,
            "grid": c.grid,
            "holder": format_key(c.holder),
            "key": format_key(c.key),
            "first": c.first_seen,
            "last": c.last_seen,
            "count": c.times_seen,
            "origin": c.provenance,
        }
        for c in services.overview().conflicts()
        if grid in (None, c.grid)
    ]
    return json_bodies.answer(json_bodies.cut(request, rows, lambda items: {"conflicts": items}))
