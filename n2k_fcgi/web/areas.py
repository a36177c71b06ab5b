"""The areas that there are."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.web import api, classic, db
from n2k_fcgi.web.decoding import unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from n2k_fcgi.web.area import Area
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer

AREAS: tuple[Area, ...] = (
    api.AREA,
    db.AREA,
    classic.AREA,
)
"""In this order; the last one owns all that no other does."""


def fixed_addresses(areas: Iterable[Area]) -> dict[tuple[bytes, str], str]:
    """(path, method) -> endpoint, of all addresses without a value in them."""
    return {
        (route.path.encode(), method): f"{area.folder}.{route.view}"
        for area in areas
        for route in area.routes
        if "<" not in route.path
        for method in (*route.methods, *(("HEAD",) if "GET" in route.methods else ()))
    }


FIXED = fixed_addresses(AREAS)


def view_of(endpoint: str) -> Callable[..., Answer]:
    """Return the view, (request, services, values from the path) -> answer. Its module is imported at first use."""
    module, _, function = endpoint.rpartition(".")
    view: Callable[..., Answer] = getattr(__import__(f"n2k_fcgi.web.{module}", fromlist=[function]), function)
    return view


def area_of(request: Request) -> Area:
    """The area that answers *request*."""
    path = unescaped(request.raw_path, lenient=True)  # as the routes see it
    return next(area for area in AREAS if area.owns(path))
