"""JSON in and out, for every area that speaks it: objects, errors, answers that did not change.

An answer is one JSON object on one line, in UTF-8.
"""

from collections.abc import Callable
from typing import Any

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import Answer, Headers

JSON = "application/json"

EXPOSED: Headers = (("Access-Control-Expose-Headers", "ETag, X-N2K-Generation, Retry-After"),)
"""What a page of another site may read of an answer, beside its body."""

Body = dict[str, Any]


def answer(fields: Body, generation: str = "", *, status: int = 200, headers: Headers = ()) -> Answer:
    """200 and one object."""
    return Answer(status, _encoded(fields), JSON, (*EXPOSED, *headers), generation)


def error(request: Request, status: int, message: str, headers: Headers = ()) -> Answer:
    """One line that says what is wrong, as the field ``error``: the error form of an ``Area``."""
    return answer({"error": message}, status=status, headers=headers)


def revalidated(request: Request, fields: Body, generation: str) -> Answer:
    """``answer`` with an ETag; 304 for a caller who has that already."""
    body = _encoded(fields)
    fingerprint = _fingerprint(body)
    headers: Headers = (*EXPOSED, ("ETag", f'"{fingerprint}"'))
    if _has(request.header("IF_NONE_MATCH"), fingerprint):
        return Answer(304, b"", JSON, headers, generation)
    return Answer(200, body, JSON, headers, generation)


def cut(request: Request, items: list[Body], whole: Callable[[list[Body]], Body]) -> Body:
    """The object that *whole* makes of *items*, of as many as the caller will keep.

    A script loses what is beyond 2,048 bytes without being told (``max_bytes=`` says more), and half an object is none.
    """
    fields = whole(items)
    room = request.kept_bytes(request.query)
    if room is None or len(_encoded(fields)) <= room:
        return fields
    low, high = 0, len(items) - 1  # as many as fit, found by halves: sizes grow with the items
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_encoded(whole(items[:middle]))) <= room else (low, middle - 1)
    return whole(items[: max(low, 0)])


def body_of(request: Request) -> Body:
    """The JSON object that was sent, whatever type its sender called it: LSL says ``text/plain``, curl says a form.

    Raises BadRequest for what is no JSON object, for a name that comes twice with different values, for text that is not UTF-8.
    """
    import json

    data = request.data
    if not data.strip():
        raise BadRequest(why="a JSON object is needed in the body")
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise BadRequest(why="the body is not in UTF-8") from None
    except RecursionError:
        raise BadRequest(why="the body is nested too deeply") from None
    except ValueError:
        raise BadRequest(why="the body is no JSON") from None
    if not isinstance(value, dict):
        raise BadRequest(why="the body is no JSON object")
    return value


def text_of(fields: Body, name: str) -> str:
    """A text that must be there. Raises BadRequest."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadRequest(why=f"{name!r} must be a text")
    return value


def optional_text(fields: Body, name: str) -> str | None:
    """A text, or None when it is missing or null. Raises BadRequest."""
    return None if fields.get(name) is None else text_of(fields, name)


def texts_of(fields: Body, name: str) -> list[str]:
    """A list of texts, empty when it is missing. Raises BadRequest."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRequest(why=f"{name!r} must be a list of texts")
    return value


def _object(pairs: list[tuple[str, Any]]) -> Body:
    fields: Body = {}
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise BadRequest(why=f"{name!r} comes twice with different values")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _encoded(fields: Body) -> bytes:
    import json  # late: a worker that only answers lookups needs none

    # A lone surrogate that a caller sent is written as its escape, which JSON allows; all else is UTF-8 as it is.
    return (json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n").encode("utf-8", "backslashreplace")


def _fingerprint(body: bytes) -> str:
    import hashlib

    return hashlib.blake2b(body, digest_size=12).hexdigest()


def _has(if_none_match: str, fingerprint: str) -> bool:
    """Whether one of the tags in If-None-Match is ours, or was before a filter of the web server compressed the answer.

    nginx makes it weak (``W/"…"``); Apache, Jetty and others add to it (``"…-gzip"``, ``"…--gzip"``, ``"…;br"``). No tag of
    another answer begins with 24 hexadecimal digits of our hash.
    """
    return if_none_match.strip() == "*" or f'"{fingerprint}' in if_none_match
