"""The search by prefix: the one way, beside the csv, to see names that one does not know. So its owner may close it."""

from n2k_fcgi.errors import BadRequest, SwitchedOff, TokenNotEnough
from n2k_fcgi.model.choices import Permission, Scope
from n2k_fcgi.service.access.tokens import own_grid
from n2k_fcgi.service.directory.search import MOST_AVATARS, search
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import avatar_fields, only_grid
from n2k_fcgi.web.requests import LARGEST_BODY, Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

PAGE = 100
"""The default number of avatars per page."""


def search_names(request: Request, services: Services) -> Answer:
    """One page of the avatars whose names begin with ``prefix=``, ascending or (``reverse=1``) descending, and a cursor."""
    own = _grid_of_caller(request, services)
    query = request.query
    if "prefix" not in query:
        raise BadRequest(why="ask with prefix=")
    reverse = query.get("reverse", "0")
    if reverse not in ("0", "1"):
        raise BadRequest(why="reverse is 0 or 1")
    view = services.directory.view()
    limit = number(query["limit"], "limit", 1, MOST_AVATARS) if "limit" in query else PAGE
    grid = only_grid(request, services) or own
    if own is not None and grid != own:
        raise TokenNotEnough(why=f"it is for the grid {own!r} only")
    with view.snapshot():
        page = search(view, query["prefix"], limit=limit, cursor=query.get("cursor"), reverse=reverse == "1", grid=grid)
    groups: list[json_bodies.Body] = [{"name": name, "avatars": avatars} for name, avatars in page.names]

    def whole(shown: list[json_bodies.Body]) -> json_bodies.Body:
        """Return the page; a cut one continues after the last name shown. Raises BadRequest if not even one name fits."""
        if groups and not shown:
            raise BadRequest(why=f"not even the first name fits, give a larger max_bytes (up to {LARGEST_BODY:,}) or a grid")
        following = page.next if len(shown) == len(groups) else shown[-1]["name"]
        return {"avatars": [avatar_fields(a) for group in shown for a in group["avatars"]], "next": following}

    return json_bodies.revalidated(request, json_bodies.cut(request, groups, whole), view.generation_name)


def _grid_of_caller(request: Request, services: Services) -> str | None:
    """Return the one grid that the caller's token is for; None: all grids. Raises SwitchedOff and what ``Access.may`` does."""
    if services.search is Permission.OFF:
        raise SwitchedOff(what="/api/v1/search", setting="search")
    if services.search is Permission.OPEN:
        return None
    return own_grid(services.access().may(request, Scope.READ), services.grids)
