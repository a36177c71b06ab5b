"""Requests of browsers, and of the form on our page."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadRequest

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request

ROOTS = (b"/", b"/touch", b"/touch/")
"""Addresses of lookups by ``?name=`` and ``?key=``."""


def wants_page(request: Request) -> bool:
    """Whether it accepts ``text/html`` by that name. LSL's Accept has only ``text/*``."""
    return "text/html" in request.environ.get("HTTP_ACCEPT", "") and not request.is_in_world


def is_from_page(request: Request) -> bool:
    """Whether it comes from the form on our page: from a browser, with the field ``page``."""
    try:
        return "page" in request.query and request.raw_path in ROOTS and wants_page(request)
    except BadRequest:
        return False
