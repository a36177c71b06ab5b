"""The area of one-line answers: gosl-basics' form at the root, W-Hat's endpoints, its csv list, and health checks.

Errors are one line of text; a browser that asks for an address that there is not gets a page.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.web.area import Area, Route
from n2k_fcgi.web.browser import asks_for_page, wants_page
from n2k_fcgi.web.requests import token_in_headers
from n2k_fcgi.web.responses import error as line

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer, Headers

_FORM = ("GET", "POST")


def error(request: Request, status: int, message: str, headers: Headers) -> Answer:
    """Return one line; to a browser a page, of an address that there is not, and of the search."""
    if (status == 404 and wants_page(request)) or asks_for_page(request):
        from n2k_fcgi.web import pages  # late: lookups have no such error

        return pages.error(request, status, message, headers)
    return line(status, message, headers)


def token(request: Request) -> str:
    """Return the token in a header, else the field ``token`` of a form in the body."""
    return token_in_headers(request) or request.form.get("token", "")


AREA = Area(
    folder="classic",
    prefixes=(b"",),
    routes=(
        Route("/", "root.root", _FORM, Kind.LOOKUP),
        Route("/touch/", "root.root", _FORM, Kind.LOOKUP),
        Route("/touch", "root.root", _FORM, Kind.LOOKUP),
        Route("/name2key", "w_hat.name2key", _FORM, Kind.LOOKUP),
        Route("/name2key/", "w_hat.name2key", _FORM, Kind.LOOKUP),
        Route("/name2key/<path:name>", "w_hat.name2key_path", kind=Kind.LOOKUP),
        Route("/key2name/<path:key>", "w_hat.key2name_path", kind=Kind.LOOKUP),
        Route("/name2key.csv", "name_list.name_list", kind=Kind.LIST),
        Route("/health", "monitoring.health", kind=Kind.HEALTH),
        Route("/metrics", "metrics.metrics", kind=Kind.OWNER),
        Route("/ready", "monitoring.ready", kind=Kind.HEALTH),
    ),
    error=error,
    token=token,
)
