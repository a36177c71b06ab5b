"""How avatars look in JSON, and reading what a caller wrote of them."""

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.grids import parse_grid
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
        "origin": avatar.origin,
        "former": avatar.former,
    }


def asked_grid(request: Request, services: Services) -> str | None:
    """The grid in ``grid=``: only its avatars are wanted. Raises BadGrid."""
    text = request.query.get("grid")
    return None if text is None else parse_grid(text, services.known_grids)


def grid_of(fields: Body, request: Request, services: Services, otherwise: str | None = None) -> str:
    """The grid of something to be stored: as it says, else *otherwise*, else the shard's, else the default one."""
    text = optional_text(fields, "grid")
    if text is not None:
        return parse_grid(text, services.known_grids)
    return otherwise or request.shard_grid(services.grids) or services.default_grid
