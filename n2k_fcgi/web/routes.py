"""The addresses of all areas in one Werkzeug map: an endpoint is area, module and function."""

from collections.abc import Callable
from importlib import import_module

from werkzeug.routing import Map, Rule

from n2k_fcgi.web.areas import AREAS
from n2k_fcgi.web.responses import Answer

ROUTES = Map(
    [
        Rule(route.path, endpoint=f"{area.folder}.{route.view}", methods=route.methods)
        for area in AREAS
        for route in area.routes
    ],
    strict_slashes=False,
    merge_slashes=False,
    redirect_defaults=False,
)


def view_of(endpoint: str) -> Callable[..., Answer]:
    """Return the view, (request, services, values from the path) -> answer. Its module is imported at first use."""
    module, _, function = endpoint.rpartition(".")
    view: Callable[..., Answer] = getattr(import_module(f"n2k_fcgi.web.{module}"), function)
    return view
