"""The fast path of lookups: from a request to its view without Werkzeug, whose import doubles a worker's cold start.

``routes.ROUTES`` is the slow path, and decides. The fast path takes the few requests that make nearly all of the traffic, and
only where ``ROUTES`` would choose the same view; a test runs every golden case both ways. An area that has such requests adds
them here.
"""

from collections.abc import Callable

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.classic.root import root
from n2k_fcgi.web.classic.w_hat import key2name_path, name2key_path
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer

Found = tuple[Callable[..., Answer], dict[str, str]]
"""A view, and its values from the path."""

_PATHS: dict[bytes, tuple[Callable[..., Answer], str]] = {
    b"/name2key/": (name2key_path, "name"),
    b"/key2name/": (key2name_path, "key"),
}


def lookup(request: Request) -> Found | None:
    """Return the view of a lookup; None: it is another request."""
    path = request.raw_path
    if request.method not in ("GET", "HEAD"):
        return None
    if path == b"/":
        try:
            fields = request.query
        except BadRequest:
            return None
        return (root, {}) if ("name" in fields) != ("key" in fields) else None
    found = _PATHS.get(path[:10])
    rest = path[10:]
    # Slashes, escaped ones too, are left to the slow path.
    if found is None or not rest or b"/" in rest or b"%2f" in rest.lower():
        return None
    view, argument = found
    return view, {argument: request.path[10:]}


def values(request: Request) -> Found | None:
    """Return the view of the key-value service, whatever is done with a value; None for other methods and requests."""
    path = request.raw_path
    if not path.startswith(b"/db") or path[3:4] not in (b"", b"/"):
        return None
    if request.method not in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        return None
    from n2k_fcgi.web.db.dispatch import answer  # late: a worker that only answers lookups needs none of it

    return answer, {"key": request.path[4:]}
