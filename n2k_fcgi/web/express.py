"""The short way from a request to the view of a lookup, without Werkzeug: importing it doubles a worker's cold start.

``routes.ROUTES`` is the table of what there is. This is a guess at what it would say for the few requests that make nearly
all of the traffic; whatever is not plainly one of them goes through the table. The views are the same functions, and a
test runs every golden case both ways.
"""

from collections.abc import Callable

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.classic.root import root
from n2k_fcgi.web.classic.w_hat import key2name_path, name2key_path
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer

_PATHS: dict[bytes, tuple[Callable[..., Answer], str]] = {
    b"/name2key/": (name2key_path, "name"),
    b"/key2name/": (key2name_path, "key"),
}


def lookup(request: Request) -> tuple[Callable[..., Answer], dict[str, str]] | None:
    """The view of a lookup and what the path holds for it; None: ask the table."""
    if request.method not in ("GET", "HEAD"):
        return None
    path = request.raw_path
    if path == b"/":
        try:
            fields = request.query
        except BadRequest:
            return None
        return (root, {}) if ("name" in fields) != ("key" in fields) else None
    found = _PATHS.get(path[:10])
    rest = path[10:]
    # A slash, or what may be one, is for the table to make sense of.
    if found is None or not rest or b"/" in rest or b"%2f" in rest.lower():
        return None
    view, argument = found
    return view, {argument: request.path[10:]}
