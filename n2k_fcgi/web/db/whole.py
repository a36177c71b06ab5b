"""A namespace as a whole: how full it is, its sequences, and removing everything."""

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.keyvalue.entry import json_bytes
from n2k_fcgi.service.keyvalue.space import MOST_LEASED
from n2k_fcgi.web.db import HEADERS, is_json_wanted
from n2k_fcgi.web.db.access import reading, writing
from n2k_fcgi.web.db.answers import json_of, numbers
from n2k_fcgi.web.db.fields import allow, no_body
from n2k_fcgi.web.json_bodies import Body
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import TEXT, Answer
from n2k_fcgi.web.services import Services


def space(request: Request, services: Services) -> Answer:
    """How full the namespace is, and its last version, which was read before: changes after it are changes since then."""
    found = reading(request, services)
    version, full = found.version(), found.space()
    fields: dict[str, int | str] = {
        "used": full.used,
        "quota": full.quota,
        "free": full.free,
        "keys": full.keys,
        "most_keys": full.most_keys,
        "free_keys": full.free_keys,
        "version": str(version),
    }
    return numbers(request, fields)


def sequence(request: Request, services: Services) -> Answer:
    """Lease ``count`` numbers that were never leased before and never will be; the answer is the first."""
    writer = writing(request, services)
    allow(request, "name", "count")
    no_body(request)
    name = request.query.get("name")
    if name is None:
        raise BadRequest(why="name the sequence: name=NAME")
    count = number(request.query.get("count", "1"), "count", 1, MOST_LEASED)
    writer.count()
    first = writer.space.sequence(name, count)
    return _answered(request, str(first), {"first": str(first), "count": count})


def flush(request: Request, services: Services) -> Answer:
    """Remove all entries, as one change; the answer is how many there were."""
    writer = writing(request, services)
    allow(request)
    no_body(request)
    writer.count()
    removed = writer.space.flush()
    return _answered(request, str(removed), {"removed": removed})


def _answered(request: Request, line: str, fields: Body) -> Answer:
    if is_json_wanted(request):
        return json_of(json_bytes(fields))
    return Answer(200, line.encode(), TEXT, HEADERS)
