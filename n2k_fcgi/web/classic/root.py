"""The root, as in gosl-basics: ``?name=`` asks for a key, ``?key=`` for a name, both together register."""

from __future__ import annotations

import time

from n2k_fcgi import TYPE_CHECKING, late, logs
from n2k_fcgi.errors import BadRequest, NothingHere, shown
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.model.keys import NULL_KEY, format_key, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.web.browser import wants_page
from n2k_fcgi.web.responses import key_or_null, text

if TYPE_CHECKING:
    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Answer
    from n2k_fcgi.web.services import Services

Fields = dict[str, str]


def root(request: Request, services: Services) -> Answer:
    """Look up or register by the parameters ``name`` and ``key``; without them a browser gets the first page."""
    fields = request.fields()
    has_name, has_key = "name" in fields, "key" in fields
    nothing_asked = not (has_name or has_key)
    from_old_page = "page" in fields and has_name != has_key
    if (nothing_asked or from_old_page) and wants_page(request):
        return _page(request, services)
    if nothing_asked:
        request.kind = Kind.PAGE
        raise NothingHere
    in_words = "compat" in fields and fields["compat"].lower() == "false"
    if not has_key:
        return name2key(request, services, fields, in_words=in_words)
    if not has_name:
        return key2name(request, services, fields, in_words=in_words)
    if request.method == "HEAD":
        raise BadRequest(why="HEAD changes nothing: register with GET or POST")
    from n2k_fcgi.web.classic.registering import register  # late: lookups do not need it

    request.kind = Kind.REGISTER
    return register(request, services, fields)


def _page(request: Request, services: Services) -> Answer:
    request.kind = Kind.PAGE
    page: Answer = late.module("web.pages.home").home(request, services)  # late: a worker that answers scripts needs no page
    return page


def name2key(request: Request, services: Services, fields: Fields, *, in_words: bool) -> Answer:
    """200 with the key or the null key and nothing else; *in_words*: a sentence for people."""
    started = time.perf_counter()
    parsed = parse_name(fields["name"], services.grids)
    wanted = parsed.on(request.wanted(services.grids, fields.get("grid")))
    view = services.directory.view()
    avatar = view.name2key(parsed.canonical, wanted.grid, strict=wanted.strict)
    request.found = avatar.grid if avatar else ""
    key = format_key(avatar.key) if avatar else None
    if logs.enabled(logs.DEBUG):  # checked first, to format no line in vain
        logs.timed(f"name2key {parsed.canonical} -> {key}", started)
    if not in_words:
        return key_or_null(key, view.generation_name)
    if avatar is None:
        return text(f"No avatar named {shown(parsed.spelling)} is known.\n", view.generation_name)
    return text(f"{shown(view.spelled(avatar).name)} on {avatar.grid} has the key {key}.\n", view.generation_name)


def key2name(request: Request, services: Services, fields: Fields, *, in_words: bool) -> Answer:
    """200 with the name or an empty body; *in_words*: a sentence for people."""
    started = time.perf_counter()
    # Scripts ask for the null key that they got as an answer: an unknown key, not a mistake.
    key = None if fields["key"].strip() == NULL_KEY else parse_key(fields["key"])
    wanted = request.wanted(services.grids, fields.get("grid"))
    view = services.directory.view()
    avatar = view.key2name(key, wanted.grid, strict=wanted.strict) if key else None
    request.found = avatar.grid if avatar else ""
    if logs.enabled(logs.DEBUG):
        logs.timed(f"key2name {key.hex() if key else NULL_KEY} -> {avatar and avatar.name}", started)
    if not in_words:
        return text(avatar.name if avatar else "", view.generation_name)
    shown_key = format_key(key) if key else NULL_KEY
    if avatar is None:
        return text(f"No avatar with the key {shown_key} is known.\n", view.generation_name)
    return text(f"{shown_key} is the key of {shown(avatar.name)} on {avatar.grid}.\n", view.generation_name)
