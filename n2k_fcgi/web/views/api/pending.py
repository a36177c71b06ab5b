"""Keys without a name: asked about by anybody, named by a resolver in-world."""

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.service.pending import MOST_A_REQUEST
from n2k_fcgi.web import api
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

PAGE = 100
"""Keys of one answer when the caller does not say."""


def ask(request: Request, services: Services) -> Answer:
    """Queue the keys that nobody knows; anybody may, as with W-Hat's ``?keys=``."""
    keys = _keys(request)
    services.access.count(request, None)
    return api.answer({"new": services.unknown.ask(keys)})


def waiting(request: Request, services: Services) -> Answer:
    """Keys to be named, the one that waits longest first, and how many wait in all."""
    services.access.may(request, "register")
    asked = request.query.get("limit")
    limit = PAGE if asked is None else number(asked, "limit", 1, MOST_A_REQUEST)
    keys = services.unknown.waiting()
    shown: list[api.Body] = [{"key": format_key(key)} for key in keys[:limit]]

    def whole(items: list[api.Body]) -> api.Body:
        return {"keys": [item["key"] for item in items], "waiting": len(keys)}

    return api.answer(api.cut(request, shown, whole))


def nobody(request: Request, services: Services) -> Answer:
    """A resolver says that nobody in-world has these keys: they are not handed out again for some days."""
    token = services.access.may(request, "register")
    keys = _keys(request)
    services.access.count(request, token)
    return api.answer({"dropped": services.unknown.nobody(keys)})


def _keys(request: Request) -> list[bytes]:
    keys = api.texts_of(api.body_of(request), "keys")
    if len(keys) > MOST_A_REQUEST:
        raise BadRequest(why=f"at most {MOST_A_REQUEST} keys at a time")
    return [parse_key(key) for key in keys]
