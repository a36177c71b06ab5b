"""How avatars look in JSON, and the grid of a request."""

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.web.json_bodies import Body, optional_text
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.services import Services


def avatar_fields(avatar: Avatar) -> Body:
    """Return one avatar. ``seen``: Unix seconds; ``former``: the name is not its current one."""
    return {
        "key": format_key(avatar.key),
        "name": avatar.name,
        "grid": avatar.grid,
        "seen": avatar.seen,
        "origin": avatar.provenance,
        "former": avatar.former,
    }


def wanted_grid(fields: Body, request: Request, services: Services) -> Wanted:
    """Return the grid of a body, by its field ``grid``, else by the request. Raises BadGrid, BadRequest."""
    return request.wanted(services.grids, optional_text(fields, "grid"))


def only_grid(request: Request, services: Services) -> str | None:
    """Return the grid of ``grid=``, to which results are limited; None: all grids. Raises BadGrid."""
    return services.grids.wanted(request.query.get("grid")).grid
