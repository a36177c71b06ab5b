"""The first page: the search. One box takes a name, a key, the beginning of a name, or a list."""

from typing import Any

from n2k_fcgi.errors import BadGrid
from n2k_fcgi.model.choices import Permission
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import avatar_fields
from n2k_fcgi.web.pages import asked, frame, refuse
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services


def home(request: Request, services: Services) -> Answer:
    """The search, with what was found; ``name=`` and ``key=`` are read as ``q=``: pages of version 0.1 had them."""
    refuse(request)
    text = _text(request)
    values = {"here": "", "is_open": services.search is Permission.OPEN, **_found(request, services, text)}
    json = ("found", {"q": text, "grid": values["grid"], "after": values["after"], "format": "json"})
    return frame.page(request, "home.html", values, json=json, generation=values["found"].generation)


def found(request: Request, services: Services) -> Answer:
    """What was found, alone: as the part of the page that changes while one types, or (``format=json``) as JSON."""
    values = _found(request, services, _text(request))
    here: asked.Found = values["found"]
    if request.query.get("format") != "json":
        return frame.fragment(request, "found.html", values, generation=here.generation)
    body: json_bodies.Body = {"asked": values["asked"]}
    if here.rows:
        body |= {"results": here.rows, "more": here.more}
    else:
        body |= {"avatars": [avatar_fields(avatar) for avatar in here.avatars]}
        body |= {"beginning": [avatar_fields(avatar) for avatar in here.beginning], "next": here.next}
    return json_bodies.revalidated(request, json_bodies.encoded(body), here.generation)


def _text(request: Request) -> str:
    query = request.query
    return query.get("q") or query.get("name") or query.get("key") or ""


def _found(request: Request, services: Services, text: str) -> dict[str, Any]:
    """Return what both templates need. A grid that is none is as good as no grid: nobody typed it."""
    grid, after = request.query.get("grid") or None, request.query.get("after") or None
    try:
        wanted = services.grids.wanted(grid)
    except BadGrid:
        wanted = services.grids.wanted(None)
    found = asked.find(text, wanted, services, after=after)
    values = {"asked": text, "is_asked": bool(asked.entries(text)), "grid": grid, "after": after}
    return {**values, "found": found, "is_new": found.generation == NO_GENERATION}
