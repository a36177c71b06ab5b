"""The root: ``?name=`` asks for a key, ``?key=`` for a name, both together register. gosl-basics' form of the contract."""

import time

from n2k_fcgi import logs
from n2k_fcgi.errors import BadRequest, NothingHere, shown
from n2k_fcgi.model.keys import NULL_KEY, format_key, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.access.tokens import refuse_other_grid
from n2k_fcgi.service.directory.register import Offer
from n2k_fcgi.web.classic.browser import is_from_page, wants_page
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer, key_or_null, text
from n2k_fcgi.web.services import Services


def root(request: Request, services: Services) -> Answer:
    """Dispatch on the parameters ``name`` and ``key``. The page's own form gets the page again, with the answer."""
    fields = request.fields()
    name, key = fields.get("name"), fields.get("key")
    if name is None and key is None:
        return _nothing_asked(request)
    answer = _answer(request, services, name, key)
    if is_from_page(request):
        from n2k_fcgi.web.classic.page import page

        return page(request, answer)
    return answer


def _nothing_asked(request: Request) -> Answer:
    if wants_page(request):
        from n2k_fcgi.web.classic.page import page

        return page(request)
    raise NothingHere


def _answer(request: Request, services: Services, name: str | None, key: str | None) -> Answer:
    if name is not None and key is not None:
        if request.method == "HEAD":
            raise BadRequest(why="HEAD changes nothing: register with GET or POST")
        return register(request, services, name, key)
    if name is not None:
        return name2key(request, services, name)
    assert key is not None
    return key2name(request, services, key)


def name2key(request: Request, services: Services, name: str) -> Answer:
    """200 with the key or the null key and nothing else; a sentence for people with ``compat=false``."""
    started = time.perf_counter()
    parsed = parse_name(name, services.grids)
    wanted = parsed.on(request.wanted(services.grids, request.fields().get("grid")))
    view = services.directory.view()
    avatar = view.name2key(parsed.canonical, wanted.grid, strict=wanted.strict)
    key = format_key(avatar.key) if avatar else None
    if logs.enabled(logs.DEBUG):  # asked here, because every lookup would build a line to be dropped
        logs.timed(f"name2key {parsed.canonical} -> {key}", started)
    if not _for_people(request):
        return key_or_null(key, view.generation_name)
    if avatar is None:
        return text(f"Nobody called {shown(parsed.spelling)} is known.\n", view.generation_name)
    return text(f"{shown(view.spelled(avatar).name)} on {avatar.grid} has the key {key}.\n", view.generation_name)


def key2name(request: Request, services: Services, key: str) -> Answer:
    """200 with the name or an empty body; a sentence for people with ``compat=false``."""
    started = time.perf_counter()
    # The null key is asked by scripts that got it as an answer: nobody, not a mistake.
    avatar_key = None if key.strip() == NULL_KEY else parse_key(key)
    wanted = request.wanted(services.grids, request.fields().get("grid"))
    view = services.directory.view()
    avatar = view.key2name(avatar_key, wanted.grid, strict=wanted.strict) if avatar_key else None
    if logs.enabled(logs.DEBUG):
        logs.timed(f"key2name {avatar_key.hex() if avatar_key else NULL_KEY} -> {avatar and avatar.name}", started)
    if not _for_people(request):
        return text(avatar.name if avatar else "", view.generation_name)
    shown_key = format_key(avatar_key) if avatar_key else NULL_KEY
    if avatar is None:
        return text(f"Nobody with the key {shown_key} is known.\n", view.generation_name)
    return text(f"{shown_key} is the key of {shown(avatar.name)} on {avatar.grid}.\n", view.generation_name)


def register(request: Request, services: Services, name: str, key: str) -> Answer:
    """Bind a name to a key: 200 and one sentence once it is on the disk."""
    started = time.perf_counter()
    parsed = parse_name(name, services.grids)
    wanted = parsed.on(request.wanted(services.grids, request.fields().get("grid")))
    offer = Offer(parsed, key, services.grids.one(wanted))
    token = services.access.may_register(request)
    refuse_other_grid(token, offer.grid)
    services.access.count(request, token)
    done = services.registrar.register(offer, request.source(), token.id if token else "")
    capture = done.capture
    word = "Registered" if done.is_new else "Known:"
    logs.timed(f"register {parsed.canonical} {capture.key.hex()} on {capture.grid}", started)
    return text(f"{word} {capture.name} {format_key(capture.key)} on {capture.grid}\n")


def _for_people(request: Request) -> bool:
    return request.fields().get("compat", "").lower() == "false" or is_from_page(request)
