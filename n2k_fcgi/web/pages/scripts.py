"""The scripts for prims, with the address of this service filled in, and never a token."""

from n2k_fcgi.errors import NothingHere
from n2k_fcgi.service.scripts.catalogue import SCRIPTS, Script, filled_in
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.pages import frame
from n2k_fcgi.web.pages.headers import SAFE
from n2k_fcgi.web.pages.own_address import own_address
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer, text
from n2k_fcgi.web.services import Services

_SUFFIX = ".lsl"


def scripts(request: Request, services: Services) -> Answer:
    """All scripts and what they are for."""
    if request.query.get("format") == "json":
        body = json_bodies.encoded({"scripts": [_fields(script) for script in SCRIPTS.values()]})
        return json_bodies.revalidated(request, body, "")
    return frame.page(
        request, "scripts.html", {"here": "scripts", "scripts": list(SCRIPTS.values())}, json=("scripts", {"format": "json"})
    )


def script(request: Request, services: Services, name: str) -> Answer:
    """One script: its page; with ``.lsl`` behind its name the text alone, to be downloaded."""
    found = SCRIPTS.get(name.removesuffix(_SUFFIX))
    if found is None:
        raise NothingHere
    grid = services.grids.one(services.grids.wanted(request.query.get("grid") or None))
    source = filled_in(found, url=own_address(request, services), grid=grid)
    if name.endswith(_SUFFIX):
        return text(source, headers=(*SAFE, ("Content-Disposition", f'attachment; filename="{name}"')))
    if request.query.get("format") == "json":
        return json_bodies.revalidated(request, json_bodies.encoded({**_fields(found), "text": source}), "")
    values = {"here": "scripts", "script": found, "source": source, "labels": services.grids.labels, "grid": grid}
    return frame.page(request, "script.html", values, json=(f"scripts/{name}", {"grid": grid, "format": "json"}))


def _fields(script: Script) -> json_bodies.Body:
    return {"name": script.name, "purpose": script.purpose, "scope": script.scope}
