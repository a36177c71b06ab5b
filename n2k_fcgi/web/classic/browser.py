"""Requests of browsers: they get pages (``web/pages/``) where scripts get one line."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request


def wants_page(request: Request) -> bool:
    """Whether it accepts ``text/html`` by that name. LSL's Accept has only ``text/*``."""
    return "text/html" in request.environ.get("HTTP_ACCEPT", "") and not request.is_in_world
