"""JSON in requests and answers, for every area that uses it.

An answer is one JSON object on one line, in UTF-8.
"""

from __future__ import annotations

from functools import lru_cache

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadRequest
from n2k_fcgi.web import responses
from n2k_fcgi.web.responses import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from json import JSONEncoder
    from typing import Any, TypeAlias

    from n2k_fcgi.web.requests import Request
    from n2k_fcgi.web.responses import Headers

JSON = "application/json"

EXPOSED: Headers = (("Access-Control-Expose-Headers", "ETag, X-N2K-Generation, Retry-After"),)
"""Headers that pages of other sites may read."""

Body: TypeAlias = "dict[str, Any]"


def answer(fields: Body | bytes, generation: str = "", *, status: int = 200, headers: Headers = ()) -> Answer:
    """Return one object; bytes: one that is ``encoded``."""
    body = fields if isinstance(fields, bytes) else encoded(fields)
    return Answer(status, body, JSON, (*EXPOSED, *headers), generation)


def error(request: Request, status: int, message: str, headers: Headers = ()) -> Answer:
    """One line that says what is wrong, as the field ``error``: the error form of an ``Area``."""
    return answer({"error": message}, status=status, headers=headers)


def revalidated(request: Request, body: bytes, generation: str) -> Answer:
    """Return the object of ``cut`` with an ETag, or 304 if the caller has that already."""
    return responses.revalidated(Answer(200, body, JSON, EXPOSED, generation), request.header("IF_NONE_MATCH"))


def cut(request: Request, items: list[Body], whole: Callable[[list[Body]], Body]) -> bytes:
    """Return the object that *whole* makes of as many of *items* as the caller keeps, ``encoded``.

    A script loses all beyond 2,048 bytes without notice (``max_bytes=`` may say more), and half an object cannot be read.
    """
    body = encoded(whole(items))
    room = request.kept_bytes(request.query)
    if room is None or len(body) <= room:
        return body
    low, high = 0, len(items) - 1  # binary search: the size grows with the items
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(encoded(whole(items[:middle]))) <= room else (low, middle - 1)
    return encoded(whole(items[: max(low, 0)]))


def body_of(request: Request) -> Body:
    """Return the JSON object of the body, whatever its Content-Type: LSL sends ``text/plain``, curl a form's type.

    Raises BadRequest unless it is a JSON object in UTF-8, without a name that comes twice with different values.
    """
    import json  # late: lookups of one name need no JSON

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
        raise BadRequest(why="the body is not JSON") from None
    if not isinstance(value, dict):
        raise BadRequest(why="the body is not a JSON object")
    return value


def text_of(fields: Body, name: str) -> str:
    """Return a text. Raises BadRequest if it is missing or something else."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadRequest(why=f"{name!r} must be a text")
    return value


def optional_text(fields: Body, name: str) -> str | None:
    """Return a text, or None if it is missing or null. Raises BadRequest."""
    return None if fields.get(name) is None else text_of(fields, name)


def texts_of(fields: Body, name: str) -> list[str]:
    """Return a list of texts, empty if it is missing. Raises BadRequest."""
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
    raise ValueError(name)  # NaN and Infinity are not JSON


def encoded(fields: Body) -> bytes:
    """Return one object on one line, with its line feed."""
    # A lone surrogate is written as its escape, which JSON permits; all else as UTF-8.
    return (_encoder().encode(fields) + "\n").encode("utf-8", "backslashreplace")


@lru_cache(maxsize=1)
def _encoder() -> JSONEncoder:
    """Kept: ``json.dumps`` makes one each time for options that are not its own, which takes as long as a small object."""
    from json import JSONEncoder  # late: lookups need no JSON

    return JSONEncoder(ensure_ascii=False, separators=(",", ":"))
