"""The area of values, below ``/db``: the key-value service. Bodies are values, tokens come in headers only.

Errors are one line of text, or ``{"error": …}`` with ``format=json``. No answer can act in a browser as a page of this site: a
value may hold anything, and the owner's pages have the same origin.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.json_bodies import JSON, encoded
from n2k_fcgi.web.requests import token_in_headers
from n2k_fcgi.web.responses import TEXT, Answer

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Headers

HEADERS: Headers = (
    ("Content-Security-Policy", "sandbox; default-src 'none'"),
    ("Access-Control-Expose-Headers", "ETag, X-KV-Version, X-KV-TTL-Ms, X-KV-Flags, X-KV-Cursor, Retry-After"),
)
"""Headers of every answer of this area."""

_METHODS = ("GET", "PUT", "POST", "DELETE")


def is_json_wanted(request: Request) -> bool:
    """Whether the caller asks for JSON. Raises BadRequest for another ``format=``."""
    form = request.query.get("format")
    if form not in (None, "json"):
        raise BadRequest(why="format is json, or left out")
    return form is not None


def error(request: Request, status: int, message: str, headers: Headers) -> Answer:
    """Return one line, or a JSON object with it; a line too if the query cannot be read."""
    try:
        as_json = is_json_wanted(request)
    except BadRequest:
        as_json = False
    if as_json:
        return Answer(status, encoded({"error": message}), JSON, (*HEADERS, *headers))
    return Answer(status, f"{message}\n".encode(), TEXT, (*HEADERS, *headers))


AREA = Area(
    folder="db",
    prefixes=(b"/db",),
    routes=(
        Route("/db", "dispatch.answer", _METHODS, Kind.VALUES),
        Route("/db/<rest:key>", "dispatch.answer", _METHODS, Kind.VALUES),
    ),
    error=error,
    token=token_in_headers,
    hint="keys are at /db/KEY and /db?key=KEY",
)
