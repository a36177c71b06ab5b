"""Requests of browsers: they get pages (``web/pages/``) where scripts get one line."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.web.decoding import target_of

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request

ROOTS = (b"/", b"/touch", b"/touch/")


def wants_page(request: Request) -> bool:
    """Whether it accepts ``text/html`` by that name. LSL's Accept has only ``text/*``."""
    return "text/html" in request.environ.get("HTTP_ACCEPT", "") and not request.is_in_world


def asks_for_page(request: Request) -> bool:
    """Whether a browser asks for the search, and not as a script does for one line: also if the query cannot be read."""
    if request.raw_path not in ROOTS:
        return False
    query = target_of(request.environ)[1]
    return b"name=" not in query and b"key=" not in query and wants_page(request)  # last: lookups read no such header
