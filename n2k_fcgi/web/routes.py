"""The addresses of all areas in one Werkzeug map: an endpoint is area, module and function."""

from collections.abc import Callable, Iterable
from importlib import import_module

from werkzeug.routing import Map, PathConverter, Rule

from n2k_fcgi.web.area import Area
from n2k_fcgi.web.areas import AREAS
from n2k_fcgi.web.responses import Answer


class Rest(PathConverter):
    """``<rest:name>``: all that follows, as it is: empty, with slashes at either end, with line feeds."""

    regex = r"(?s:.*)"
    part_isolating = False  # it goes on after a slash


def routes_of(areas: Iterable[Area]) -> Map:
    """Return the map of all addresses of *areas*."""
    rules = [
        Rule(
            route.path,
            endpoint=f"{area.folder}.{route.view}",
            methods=route.methods,
            strict_slashes=True if "<rest:" in route.path else None,  # a slash at its end is a part of it
        )
        for area in areas
        for route in area.routes
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False, redirect_defaults=False, converters={"rest": Rest})


ROUTES = routes_of(AREAS)


def view_of(endpoint: str) -> Callable[..., Answer]:
    """Return the view, (request, services, values from the path) -> answer. Its module is imported at first use."""
    module, _, function = endpoint.rpartition(".")
    view: Callable[..., Answer] = getattr(import_module(f"n2k_fcgi.web.{module}"), function)
    return view
