"""Many names and keys in one request, and names by their beginning."""

from n2k_fcgi.errors import BadRequest, N2KError
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.grids import Grids, Wanted
from n2k_fcgi.model.keys import NULL_KEY, format_key, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.service.directory.search import MOST_AVATARS, search
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import avatar_fields, only_grid, wanted_grid
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

MOST_ASKED = 1000
"""Names and keys of one bulk lookup."""

PAGE = 100
"""Avatars of a page when the caller does not say."""


def lookup(request: Request, services: Services) -> Answer:
    """A line of one-line answers: for each name, then each key, in order, what was asked and who that is (or null).

    ``more``: how many are not answered, because a script would lose them or the names and keys before took too long.
    """
    body = json_bodies.body_of(request)
    names, keys = json_bodies.texts_of(body, "names"), json_bodies.texts_of(body, "keys")
    if len(names) + len(keys) > MOST_ASKED:
        raise BadRequest(why=f"at most {MOST_ASKED} names and keys at a time")
    wanted = wanted_grid(body, request, services)
    view = services.directory.view()
    results: list[json_bodies.Body] = []
    with view.snapshot():
        for number, asked in enumerate([*names, *keys]):
            if view.is_enough():
                break
            if number < len(names):
                results.append(_by_name(view, asked, wanted, services.grids))
            else:
                results.append(_by_key(view, asked, wanted))
    count = len(names) + len(keys)
    fields = json_bodies.cut(request, results, lambda items: {"results": items, "more": count - len(items)})
    return json_bodies.answer(fields, view.generation_name)


def _by_name(view: View, name: str, wanted: Wanted, grids: Grids) -> json_bodies.Body:
    try:
        parsed = parse_name(name, grids)
    except N2KError as problem:
        return {**_result(name, None), "error": str(problem)}
    return _result(name, view.called(parsed, wanted))


def _by_key(view: View, key: str, wanted: Wanted) -> json_bodies.Body:
    if key.strip() == NULL_KEY:
        return _result(key, None)
    try:
        return _result(key, view.key2name(parse_key(key), wanted.grid, strict=wanted.strict))
    except N2KError as problem:
        return {**_result(key, None), "error": str(problem)}


def _result(asked: str, avatar: Avatar | None) -> json_bodies.Body:
    if avatar is None:
        return {"asked": asked, "key": None, "name": None, "grid": None}
    return {"asked": asked, "key": format_key(avatar.key), "name": avatar.name, "grid": avatar.grid}


def search_names(request: Request, services: Services) -> Answer:
    """A page of the avatars whose names begin with ``prefix=``, in order or (``reverse=1``) backwards, and where to go on."""
    query = request.query
    if "prefix" not in query:
        raise BadRequest(why="ask with prefix=")
    reverse = query.get("reverse", "0")
    if reverse not in ("0", "1"):
        raise BadRequest(why="reverse is 0 or 1")
    view = services.directory.view()
    limit = number(query["limit"], "limit", 1, MOST_AVATARS) if "limit" in query else PAGE
    grid = only_grid(request, services)
    with view.snapshot():
        page = search(view, query["prefix"], limit=limit, cursor=query.get("cursor"), reverse=reverse == "1", grid=grid)
    groups: list[json_bodies.Body] = [{"name": name, "avatars": avatars} for name, avatars in page.names]

    def whole(shown: list[json_bodies.Body]) -> json_bodies.Body:
        """A page cut short goes on behind the last name shown. Raises BadRequest when not even one fits."""
        if groups and not shown:
            raise BadRequest(why="not even the first name fits: ask with a larger max_bytes")
        following = page.next if len(shown) == len(groups) else shown[-1]["name"]
        return {"avatars": [avatar_fields(a) for group in shown for a in group["avatars"]], "next": following}

    return json_bodies.revalidated(request, json_bodies.cut(request, groups, whole), view.generation_name)
