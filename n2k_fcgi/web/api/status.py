"""How the service is doing, as JSON, for its owner."""

from n2k_fcgi.errors import TokenNotEnough
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.service.keyvalue.namespaces import Listed
from n2k_fcgi.service.statistics import usage_fields
from n2k_fcgi.service.status.reading import DAYS, HOURS, LEFT_OUT, NamespaceState, Status
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


def status(request: Request, services: Services) -> Answer:
    """All that the status page shows, for a token with the scope admin and no grid."""
    token = services.access().may(request, Scope.ADMIN)
    if token.grid is not None:
        raise TokenNotEnough(why="it is for one grid")
    return json_bodies.answer(fields_of(services.status().read()))


def fields_of(status: Status) -> json_bodies.Body:
    """The object."""
    return {
        "now": status.now,
        "counts": status.counts._asdict(),
        "usage": usage_fields(status.usage, hours=HOURS, days=DAYS),
        "usage_problem": status.usage.problem or None,
        "space": {
            "parts": dict(status.space.parts),
            "free": status.space.free,
            "disk": status.space.disk,
            "quota_left": status.space.quota,
        },
        "generations": [
            {**manifest._asdict(), "live": manifest.name == status.live} for manifest in reversed(status.generations)
        ],
        "namespaces": list(map(_namespace, status.namespaces)),
        "datasets": list(map(_dataset, status.datasets)),
        "tokens": list(map(_token, status.tokens)),
        "findings": [
            {"verdict": found.verdict.value, "subject": found.subject, "text": found.text, "advice": found.advice}
            for found in status.findings
        ],
        "not_examined": list(LEFT_OUT),
    }


def _namespace(state: NamespaceState) -> json_bodies.Body:
    summary = state.summary._asdict() if state.summary else {}
    return {**summary, "namespace": state.name, "dataset": state.dataset, "problem": state.problem or None}


def _dataset(listed: Listed) -> json_bodies.Body:
    found = listed.dataset._asdict() if listed.dataset else {}
    problem = listed.problem.told if listed.problem else None
    return {**found, "name": listed.name, "namespaces": listed.namespaces, "problem": problem}


def _token(token: Token) -> json_bodies.Body:
    return {name: value for name, value in token._asdict().items() if name != "digest"}
