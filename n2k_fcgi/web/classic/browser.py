"""Whether a person asks with a browser, and by the form of our page at the root."""

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.requests import Request

ROOTS = (b"/", b"/touch", b"/touch/")
"""Addresses at which names and keys are asked by ``?name=`` and ``?key=``."""


def wants_page(request: Request) -> bool:
    """Whether a browser asks: an explicit ``text/html``. LSL's own Accept has ``text/*``, which is not that."""
    return "text/html" in request.environ.get("HTTP_ACCEPT", "") and not request.is_in_world


def is_from_page(request: Request) -> bool:
    """Whether the form of our page asks: a browser, with the field ``page``."""
    try:
        return "page" in request.query and request.raw_path in ROOTS and wants_page(request)
    except BadRequest:
        return False
