"""The areas that there are."""

from __future__ import annotations

from functools import cache, wraps

from n2k_fcgi import TYPE_CHECKING, late
from n2k_fcgi.web import api, classic, db, pages
from n2k_fcgi.web.decoding import unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from n2k_fcgi.model.choices import Kind
    from n2k_fcgi.web.area import Area, Route
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer
    from n2k_fcgi.web.services import Services

AREAS: tuple[Area, ...] = (
    api.AREA,
    db.AREA,
    pages.AREA,
    classic.AREA,
)
"""In this order; the last one owns all that no other does."""


def _each(areas: Iterable[Area]) -> Iterator[tuple[Route, str, str]]:
    """Yield (route, endpoint, method) of all addresses."""
    for area in areas:
        for route in area.routes:
            for method in (*route.methods, *(("HEAD",) if "GET" in route.methods else ())):
                yield route, f"{area.folder}.{route.view}", method


def fixed_addresses(areas: Iterable[Area]) -> dict[tuple[bytes, str], str]:
    """(path, method) -> endpoint, of all addresses without a value in them."""
    return {(route.path.encode(), method): endpoint for route, endpoint, method in _each(areas) if "<" not in route.path}


def addresses_of_one(areas: Iterable[Area]) -> dict[tuple[bytes, bytes, str], tuple[str, str]]:
    """(path before a value, path after it, method) -> (endpoint, name of the value), of all with one plain value in them."""
    found = {}
    for route, endpoint, method in _each(areas):
        before, _, rest = route.path.partition("<")
        name, _, after = rest.partition(">")
        if name and ":" not in name and "<" not in after:
            found[before.encode(), after.encode(), method] = endpoint, name
    return found


def kinds(areas: Iterable[Area]) -> dict[tuple[str, str], Kind]:
    """(endpoint, method) -> what its requests are counted as."""
    return {(endpoint, method): route.kind for route, endpoint, method in _each(areas)}


FIXED = fixed_addresses(AREAS)
OF_ONE = addresses_of_one(AREAS)
KINDS = kinds(AREAS)


@cache
def view_of(endpoint: str) -> Callable[..., Answer]:
    """Return the view, (request, services, values from the path) -> answer. Its module is imported at first use.

    Raises MemoryError if there is no room for that.
    """
    module, _, function = endpoint.rpartition(".")
    view: Callable[..., Answer] = getattr(late.module(f"web.{module}"), function)
    (refuse,) = (area.refuse for area in AREAS if area.folder == module.partition(".")[0])
    return view if refuse is None else _after(refuse, view)


def _after(refuse: Callable[[Request], None], view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return *view* for requests that *refuse* lets pass."""

    @wraps(view)
    def checked(request: Request, services: Services, **values: str) -> Answer:
        refuse(request)
        return view(request, services, **values)

    return checked


def area_of(request: Request) -> Area:
    """The area that answers *request*."""
    path = unescaped(request.raw_path, lenient=True)  # as the routes see it
    return next(area for area in AREAS if area.owns(path))
