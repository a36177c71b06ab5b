"""Forgetting avatars, and undoing it."""

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.access.tokens import own_grid, refuse_other_grid
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import wanted_grid
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


def forget(request: Request, services: Services) -> Answer:
    """Hide an avatar, by its key or by a name on a grid, at once and in both directions. Idempotent.

    With a token for one grid it is hidden on that grid only.
    """
    token = services.access().may(request, Scope.FORGET)
    body = json_bodies.body_of(request)
    key, name = json_bodies.optional_text(body, "key"), json_bodies.optional_text(body, "name")
    if (key is None) == (name is None):
        raise BadRequest(why="name the avatar by 'key' or by 'name'")
    forgetting = services.forgetting()
    if key is not None:
        leaving = forgetting.with_key(parse_key(key), own_grid(token, services.grids))
    else:
        parsed = parse_name(name or "", services.grids)
        grid = services.grids.one(parsed.on(wanted_grid(body, request, services)))
        refuse_other_grid(token, grid)
        leaving = forgetting.called(parsed.canonical, grid, only_there=token.grid is not None)
    if leaving.elsewhere is not None:
        refuse_other_grid(token, leaving.elsewhere)
    services.access().count(request, token)
    forgetting.forget(leaving)
    return json_bodies.answer({"forgotten": True})


def undo(request: Request, services: Services, key: str) -> Answer:
    """Show the avatar again, on the grid of the token if it is bound; for the owner of the service. 404 if it is not hidden."""
    token = services.access().may(request, Scope.ADMIN)
    avatar_key = parse_key(key)
    services.access().count(request, token)
    services.forgetting().undo_key(avatar_key, own_grid(token, services.grids))
    return json_bodies.answer({"forgotten": False})
