"""Avatars by name and by key, their history, registration."""

from n2k_fcgi.errors import BadRequest, N2KError, NotFound, TokenNotEnough
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.service.access.tokens import refuse_other_grid
from n2k_fcgi.service.directory.history import History, Named
from n2k_fcgi.service.directory.register import Offer, Registered
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import avatar_fields, only_grid, wanted_grid
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

MOST_NAMES = 1000
"""The limit on former names of dumps per history, and on those of captures: the latest are kept."""

MOST_OFFERS = 50
"""The limit on registrations per request."""


def named(request: Request, services: Services) -> Answer:
    """All avatars that have or had the name, under their current names, the likeliest first; perhaps none."""
    text = request.query.get("name")
    if text is None:
        raise BadRequest(why="ask with name=")
    parsed = parse_name(text, services.grids)
    wanted = request.wanted(services.grids, request.query.get("grid"))
    view = services.directory.view()
    with view.snapshot():
        found = [avatar_fields(avatar) for avatar in view.all_called(parsed, wanted)]
    request.found = found[0]["grid"] if found else ""
    body = json_bodies.cut(request, found, lambda items: {"avatars": items})
    return json_bodies.revalidated(request, body, view.generation_name)


def with_key(request: Request, services: Services, key: str) -> Answer:
    """The avatar with this key, on each grid that has it; 404 if none has."""
    grid, avatar_key = only_grid(request, services), parse_key(key)
    view = services.directory.view()
    found = [avatar_fields(avatar) for avatar in view.with_key(avatar_key) if grid in (None, avatar.grid)]
    request.found = found[0]["grid"] if found else ""
    if not found:
        raise NotFound(what=format_key(avatar_key))
    body = json_bodies.cut(request, found, lambda items: {"avatars": items})
    return json_bodies.revalidated(request, body, view.generation_name)


def history(request: Request, services: Services, key: str) -> Answer:
    """All names that it has or had: the current ones first, then former ones, the latest first; 404 if it is unknown."""
    grid, avatar_key = only_grid(request, services), parse_key(key)
    view = services.directory.view()
    names = History(view).names_of(avatar_key, MOST_NAMES)
    found = [_named_fields(each) for each in names if grid in (None, each.avatar.grid)]
    request.found = found[0]["grid"] if found else ""
    if not found:
        raise NotFound(what=format_key(avatar_key))
    body = json_bodies.cut(request, found, lambda items: {"names": items})
    return json_bodies.revalidated(request, body, view.generation_name)


def _named_fields(named: Named) -> json_bodies.Body:
    """Return a name with its times. The source of a capture is private: it says where an avatar was seen."""
    capture = named.capture
    seen = capture and {"first": capture.first_seen, "last": capture.last_seen, "count": capture.times_seen}
    fields = avatar_fields(named.avatar)
    del fields["key"]
    return {**fields, "capture": seen}


def register(request: Request, services: Services) -> Answer:
    """Register one avatar, or a list and return the refused ones. Durable when this answers."""
    token = services.access().may_register(request)
    body = json_bodies.body_of(request)
    if "avatars" in body:
        return _register_list(request, services, token, body)
    offer = _offer(body, wanted_grid(body, request, services), services)
    refuse_other_grid(token, offer.grid)
    services.access().count(request, token)
    done = services.registrar().register(offer, request.source(), token.id if token else "")
    capture = done.capture
    return json_bodies.answer({"key": format_key(capture.key), "name": capture.name, "grid": capture.grid, "new": done.is_new})


def _register_list(request: Request, services: Services, token: Token | None, body: json_bodies.Body) -> Answer:
    listed = body["avatars"]
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadRequest(why="'avatars' must be a list of objects")
    if len(listed) > MOST_OFFERS:
        raise BadRequest(why=f"at most {MOST_OFFERS} avatars at a time")
    for_all = wanted_grid(body, request, services)
    offers = [_offer(each, for_all, services) for each in listed]
    services.access().count(request, token, max(1, len(offers)))
    refused: list[json_bodies.Body] = []
    allowed: list[Offer] = []
    for offer in offers:
        try:
            refuse_other_grid(token, offer.grid)
            allowed.append(offer)
        except TokenNotEnough as refusal:
            if len(refused) == len(offers) - 1:
                raise  # the token permits none of them
            refused.append(_refusal(offer, refusal))
    results = services.registrar().register_all(allowed, request.source(), token.id if token else "")
    for offer, result in zip(allowed, results, strict=True):
        if isinstance(result, N2KError):
            refused.append(_refusal(offer, result))
    stored = sum(isinstance(result, Registered) for result in results)
    return json_bodies.answer(json_bodies.cut(request, refused, lambda items: {"registered": stored, "refused": items}))


def _offer(fields: json_bodies.Body, otherwise: Wanted, services: Services) -> Offer:
    """Return the offer in one object, on the grid that it names, else *otherwise*. Raises BadRequest, BadGrid."""
    name, key = json_bodies.text_of(fields, "name"), json_bodies.text_of(fields, "key")
    named = json_bodies.optional_text(fields, "grid")
    return services.registrar().offer(name, key, otherwise if named is None else services.grids.wanted(named))


def _refusal(offer: Offer, refusal: N2KError) -> json_bodies.Body:
    return {"key": offer.key[:64], "status": refusal.status, "why": refusal.told}
