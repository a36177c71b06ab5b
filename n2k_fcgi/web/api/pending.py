"""Pending keys: callers add unknown keys, and a resolver in-world fetches them."""

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.service.access.tokens import own_grid, refuse_other_grid
from n2k_fcgi.service.directory.pending import MOST_A_REQUEST
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import only_grid, wanted_grid
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

PAGE = 100
"""The default number of keys per answer."""


def add(request: Request, services: Services) -> Answer:
    """Queue the unknown keys; no token is needed, as with W-Hat's ``?keys=``."""
    body = json_bodies.body_of(request)
    keys, grid = _keys(body), services.grids.one(wanted_grid(body, request, services))
    return json_bodies.answer({"new": services.access().queue(request, services.pending(), keys, grid)})


def waiting(request: Request, services: Services) -> Answer:
    """The pending keys, the one that waits longest first, and how many there are.

    A resolver knows only its own grid: those of ``grid=``, else of the token's grid, else of the shard's; without any, all.
    """
    token = services.access().may(request, Scope.REGISTER)
    own = only_grid(request, services) or own_grid(token, services.grids)
    grid = own or request.wanted(services.grids, None).grid
    if grid is not None:
        refuse_other_grid(token, grid)
    asked = request.query.get("limit")
    limit = PAGE if asked is None else number(asked, "limit", 1, MOST_A_REQUEST)
    found = services.pending().waiting(grid)
    shown: list[json_bodies.Body] = [{"key": format_key(each.key)} for each in found[:limit]]

    def whole(items: list[json_bodies.Body]) -> json_bodies.Body:
        return {"keys": [item["key"] for item in items], "waiting": len(found)}

    return json_bodies.answer(json_bodies.cut(request, shown, whole))


def mark_unknown(request: Request, services: Services) -> Answer:
    """A resolver reports that its grid has no avatars with these keys: they are not pending there for some days."""
    token = services.access().may(request, Scope.REGISTER)
    body = json_bodies.body_of(request)
    keys, grid = _keys(body), services.grids.one(wanted_grid(body, request, services))
    refuse_other_grid(token, grid)
    services.access().count(request, token, max(1, len(keys)))
    return json_bodies.answer({"dropped": services.pending().mark_unknown(keys, grid)})


def _keys(body: json_bodies.Body) -> list[bytes]:
    if "keys" not in body:
        raise BadRequest(why="'keys' is missing, a list of keys")
    keys = json_bodies.texts_of(body, "keys")
    if len(keys) > MOST_A_REQUEST:
        raise BadRequest(why=f"at most {MOST_A_REQUEST} keys at a time")
    return [parse_key(key) for key in keys]
