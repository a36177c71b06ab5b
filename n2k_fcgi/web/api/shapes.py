"""How avatars look in JSON, and which grid a body means."""

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.web.json_bodies import Body, optional_text
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.services import Services


def avatar_fields(avatar: Avatar) -> Body:
    """One avatar. ``seen``: unix seconds; ``former``: it was found by a name that is not its current one."""
    return {
        "key": format_key(avatar.key),
        "name": avatar.name,
        "grid": avatar.grid,
        "seen": avatar.seen,
        "origin": avatar.provenance,
        "former": avatar.former,
    }


def wanted_grid(fields: Body, request: Request, services: Services) -> Wanted:
    """The grid that a body is about, by its field ``grid``, else by the request. Raises BadGrid, BadRequest."""
    return request.wanted(services.grids, optional_text(fields, "grid"))


def only_grid(request: Request, services: Services) -> str | None:
    """The grid in ``grid=``: only its avatars are wanted. None: all. Raises BadGrid."""
    return services.grids.wanted(request.query.get("grid")).grid
