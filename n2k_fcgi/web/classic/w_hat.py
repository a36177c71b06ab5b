"""W-Hat's endpoints, status by status; docs/http.md lists the differences and their reasons."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadKey, BadRequest
from n2k_fcgi.model.keys import NULL_KEY, format_key, parse_key
from n2k_fcgi.model.names import canonical, is_what_name
from n2k_fcgi.web.responses import error, fitting_lines, key_or_null, text

if TYPE_CHECKING:
    from n2k_fcgi.model.avatar import Avatar
    from n2k_fcgi.service.directory.lookup import View
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer
    from n2k_fcgi.web.services import Services

MAX_NAMES = 50
"""The limit on names per ``names=``, as in W-Hat; further ones are ignored."""

_NAMES = r"\w+ \w+|\w+(?:\.\w+)?"


def name2key(request: Request, services: Services) -> Answer:
    """``?keys=``, ``?name=`` with or without ``terse``, ``?names=``, in this order of precedence, or a raw body of keys.

    200 also if nothing was found, for old scripts.
    """
    fields = _fields(request)
    is_terse = "terse" in fields
    if "keys" in fields:
        return _new_keys(request, services, fields["keys"], fields.get("grid"))
    if "name" in fields:
        return _one_name(request, services, fields["name"], is_terse)
    if "names" in fields:
        return _several_names(request, services, fields["names"], is_terse)
    if request.data.strip():
        return _new_keys(request, services, request.data.decode("ascii", "replace"), fields.get("grid"))
    raise BadRequest(why="ask with name=, names= or keys=")


def _fields(request: Request) -> dict[str, str]:
    """Return all fields; with a body of raw keys only those of the query."""
    from n2k_fcgi.service.directory.pending import keys_in  # late: a lookup by the path does not need it

    try:
        return request.fields()
    except BadRequest:
        if request.method == "POST" and keys_in(request.data.decode("ascii", "replace")):
            return request.query
        raise


def _new_keys(request: Request, services: Services, listed: str, grid: str | None) -> Answer:
    """Queue the unknown keys. A resolver finds their names; callers cannot register them here."""
    from n2k_fcgi.service.directory.pending import keys_in  # late: as above

    keys = keys_in(listed)
    if not keys:
        return text("0 new keys.")
    wanted = request.wanted(services.grids, grid)
    return text(f"{services.access().queue(request, services.pending(), keys, services.grids.one(wanted))} new keys.")


def name2key_path(request: Request, services: Services, name: str) -> Answer:
    """200 with the key, 404 with the null key, 400 ``Invalid name``."""
    if not _is_valid(name):
        return _invalid_name()
    view = services.directory.view()
    avatar = _find(view, request, services, name)
    request.found = avatar.grid if avatar else ""
    if avatar is None:
        return text(NULL_KEY, view.generation_name, status=404)
    return text(format_key(avatar.key), view.generation_name)


def key2name_path(request: Request, services: Services, key: str) -> Answer:
    """200 with the canonical name; 404 with an empty body if it is unknown or not a key."""
    wanted = request.wanted(services.grids, request.fields().get("grid"))
    view = services.directory.view()
    try:
        avatar = view.key2name(parse_key(key), wanted.grid, strict=wanted.strict)
    except BadKey:
        avatar = None
    request.found = avatar.grid if avatar else ""
    if avatar is None:
        return text("", view.generation_name, status=404)
    return text(canonical(avatar.name), view.generation_name)


def _one_name(request: Request, services: Services, name: str, is_terse: bool) -> Answer:
    if not _is_valid(name):
        return _invalid_name()
    view = services.directory.view()
    avatar = _find(view, request, services, name)
    request.found = avatar.grid if avatar else ""
    key = format_key(avatar.key) if avatar else None
    if is_terse:
        return key_or_null(key, view.generation_name)
    return text(f"{name} {key}" if key else "None found", view.generation_name)


def _several_names(request: Request, services: Services, names: str, is_terse: bool) -> Answer:
    import re  # late: one name needs none

    view = services.directory.view()
    lines = []
    with view.snapshot():
        asked = re.findall(_NAMES, names.replace("+", " "), re.ASCII)[:MAX_NAMES]
        for name in asked[: view.read_names([canonical(name) for name in asked])]:
            avatar = _find(view, request, services, name)
            services.counts.looked_up(avatar.grid if avatar else "")
            key = format_key(avatar.key) if avatar else NULL_KEY
            lines.append(key if is_terse else f"{name} {key}")
    return text(fitting_lines(lines, request.kept_bytes(request.fields())), view.generation_name)


def _is_valid(name: str) -> bool:
    """W-Hat's rule. A plus sign is a space: servers do not decode it in paths, and scripts escape it twice in queries."""
    return is_what_name(name.replace("+", " ").strip(" "))


def _find(view: View, request: Request, services: Services, name: str) -> Avatar | None:
    wanted = request.wanted(services.grids, request.fields().get("grid"))
    return view.name2key(canonical(name), wanted.grid, strict=wanted.strict)


def _invalid_name() -> Answer:
    return error(400, "Invalid name")
