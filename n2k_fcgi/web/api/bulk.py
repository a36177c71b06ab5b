"""Bulk lookups."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from n2k_fcgi.errors import BadRequest, N2KError
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.keys import KEY_BYTES, NULL_KEY, format_key, parse_key
from n2k_fcgi.model.names import ParsedName, parse_name
from n2k_fcgi.web import json_bodies
from n2k_fcgi.web.api.shapes import wanted_grid
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer
from n2k_fcgi.web.services import Services

MOST_ASKED = 1000
"""The limit on names and keys per bulk lookup."""

_NULL = bytes(KEY_BYTES)

Asked = TypeVar("Asked", ParsedName, bytes)


def lookup(request: Request, services: Services) -> Answer:
    """One result per name, then per key, in order: the question and the avatar, or null.

    ``more``: how many have no result, because a script would lose it or those before took too much reading.
    """
    body = json_bodies.body_of(request)
    names, keys = json_bodies.texts_of(body, "names"), json_bodies.texts_of(body, "keys")
    if len(names) + len(keys) > MOST_ASKED:
        raise BadRequest(why=f"at most {MOST_ASKED} names and keys at a time")
    wanted = wanted_grid(body, request, services)
    view = services.directory.view()
    with view.snapshot():
        found = results(names, partial(parse_name, grids=services.grids), lambda parsed: view.each_called(parsed, wanted))
        if len(found) == len(names) and not view.is_enough():
            found += results(keys, parsed_key, lambda parsed: view.each_with_key(parsed, wanted))
    for result in found:
        services.counts.looked_up(result["grid"] or "")
    count = len(names) + len(keys)
    cut = json_bodies.cut(request, found, lambda items: {"results": items, "more": count - len(items)})
    return json_bodies.answer(cut, view.generation_name)


def results(
    asked: list[str], parse: Callable[[str], Asked], find: Callable[[list[Asked]], list[Avatar | None]]
) -> list[json_bodies.Body]:
    """One for each of *asked*, as long as *find* has an answer; what *parse* refuses is answered by its error."""
    parsed: list[Asked | N2KError] = []
    for text in asked:
        try:
            parsed.append(parse(text))
        except N2KError as problem:
            parsed.append(problem)
    found = find([one for one in parsed if not isinstance(one, N2KError)])
    answers: list[json_bodies.Body] = []
    number = 0
    for text, one in zip(asked, parsed, strict=True):
        if isinstance(one, N2KError):
            answers.append({**result(text, None), "error": str(one)})
        elif number < len(found):
            answers.append(result(text, found[number]))
            number += 1
        else:
            break
    return answers


def parsed_key(text: str) -> bytes:
    """Return the key in *text*; the null key too, which a script got as an answer. Raises BadKey."""
    return _NULL if text.strip() == NULL_KEY else parse_key(text)


def result(asked: str, avatar: Avatar | None) -> json_bodies.Body:
    """Return one result: what was asked, and the avatar or nulls."""
    if avatar is None:
        return {"asked": asked, "key": None, "name": None, "grid": None}
    return {"asked": asked, "key": format_key(avatar.key), "name": avatar.name, "grid": avatar.grid}
