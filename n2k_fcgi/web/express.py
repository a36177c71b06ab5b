"""The fast path: from a request to its view without Werkzeug, whose import doubles a worker's cold start.

``routes`` is the slow path, and decides. The fast path takes the few requests that make nearly all of the traffic, and
addresses with at most one value in them, and only where it would choose the same view; a test runs every golden case both
ways. An area that has other requests of which there are many adds them here.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.web.classic.root import root

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer

Found: TypeAlias = "tuple[Callable[..., Answer], dict[str, str]]"
"""A view, and its values from the path."""

_PATHS = {b"/name2key/": "name", b"/key2name/": "key"}
"""Path of an endpoint of W-Hat -> the argument of its view."""


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
        if ("name" in fields) == ("key" in fields) or "page" in fields:  # a page reads more than a lookup
            return None
        request.kind = Kind.LOOKUP
        return root, {}
    argument = _PATHS.get(path[:10])
    rest = path[10:]
    # Slashes, escaped ones too, are left to the slow path.
    if argument is None or not rest or b"/" in rest or b"%2f" in rest.lower():
        return None
    from n2k_fcgi.web.classic.w_hat import key2name_path, name2key_path  # late: most lookups come to the root

    request.kind = Kind.LOOKUP
    view = name2key_path if argument == "name" else key2name_path
    return view, {argument: request.path[10:]}


def address(request: Request) -> Found | None:
    """Return the view of an address with at most one value, or of the key-value service; None: take the slow path."""
    path = request.raw_path
    if path.startswith(b"/db") and path[3:4] in (b"", b"/"):
        return _of_values(request)
    from n2k_fcgi.web import areas  # late: lookups do not need it

    endpoint = areas.FIXED.get((path, request.method))
    if endpoint is not None:
        request.kind = areas.KINDS[endpoint, request.method]
        return areas.view_of(endpoint), {}
    end = path.rfind(b"/") + 1
    start = path.rfind(b"/", 0, end - 1) + 1
    # The value is the last part of the path, or the one before it. Escapes are left to the slow path.
    for before, value, after in ((path[:end], path[end:], b""), (path[:start], path[start : end - 1], path[end - 1 :])):
        of_one = areas.OF_ONE.get((before, after, request.method))
        if of_one is not None and value and value.isascii() and b"%" not in value:
            endpoint, name = of_one
            request.kind = areas.KINDS[endpoint, request.method]
            return areas.view_of(endpoint), {name: value.decode()}
    return None


def _of_values(request: Request) -> Found | None:
    """Return the view of the key-value service, whatever is done with a value; None for other methods."""
    if request.method not in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        return None
    request.kind = Kind.VALUES
    # late: a worker that only answers lookups needs none of it
    return late.module("web.db.dispatch").answer, {"key": request.path[4:]}
