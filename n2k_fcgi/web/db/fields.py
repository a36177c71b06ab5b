"""What a request says beside its key: the value in its body, and numbers in its query."""

from collections.abc import Iterable

from n2k_fcgi.errors import BadRequest, UnsupportedType
from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.model.keyvalue.operations import LEAST, MOST
from n2k_fcgi.service.keyvalue.space import MOST_FLAGS, MOST_TTL
from n2k_fcgi.web.requests import Request, number

_COMMON = frozenset({"key", "ns", "op", "format", "request_id"})
_UTF8 = ("", "utf-8", "utf8", "us-ascii", "ascii")


def allow(request: Request, *fields: str | Iterable[str]) -> None:
    """Raise BadRequest if the query has other fields: a misspelt condition must not be ignored. For writes."""
    allowed = _COMMON.union(*({each} if isinstance(each, str) else each for each in fields))
    for name in request.query:
        if name not in allowed:
            raise BadRequest(why=f"the field {name!r} means nothing here")


def value_of(request: Request) -> tuple[bytes, ValueType]:
    """Return the body as it came, and its type. Raises UnsupportedType, BadRequest, BodyTooLarge.

    Never read as a form: a value may look like one.
    """
    return _body(request), type_of_body(request)


def no_body(request: Request) -> None:
    """Raise BadRequest if there is a body: its fields would be ignored."""
    if _body(request):
        raise BadRequest(why="no body belongs here: fields are read from the query only")


def has_body(request: Request) -> bool:
    """Whether there is a body that is not empty."""
    return bool(_body(request))


def type_of_body(request: Request) -> ValueType:
    """Return the type that the header names. Raises UnsupportedType."""
    header: str = request.environ.get("CONTENT_TYPE", "")
    media, *parameters = (part.strip().lower() for part in header.split(";"))
    if media == ValueType.BYTES:
        return ValueType.BYTES
    if media != ValueType.JSON and not (media.startswith("text/") and len(media) > 5):
        raise UnsupportedType(type=header, why=f"a value is {ValueType.BYTES}, {ValueType.JSON} or text")
    for parameter in parameters:
        name, _, charset = parameter.partition("=")
        if name.strip() == "charset" and charset.strip().strip('"') not in _UTF8:
            raise UnsupportedType(type=header, why="text must be in UTF-8")
    return ValueType.JSON if media == ValueType.JSON else ValueType.TEXT


def is_set(request: Request, name: str) -> bool:
    """Whether the field is 1; 0 is as if it were missing. Raises BadRequest for anything else."""
    value = request.query.get(name, "0")
    if value not in ("0", "1"):
        raise BadRequest(why=f"{name} is 0 or 1")
    return value == "1"


def ttl_of(request: Request) -> int | None:
    """Return ``ttl_ms``; None without it: for ever. Raises BadRequest."""
    text = request.query.get("ttl_ms")
    return None if text is None else number(text, "ttl_ms", 1, MOST_TTL)


def flags_of(request: Request) -> int:
    """Return ``flags``. Raises BadRequest."""
    return number(request.query.get("flags", "0"), "flags", 0, MOST_FLAGS)


def signed(request: Request, name: str, otherwise: int | None) -> int | None:
    """Return a number of 64 bits with sign; *otherwise* if it is missing. Raises BadRequest."""
    text = request.query.get(name)
    if text is None:
        return otherwise
    digits = text[1:] if text[:1] in ("+", "-") else text
    value = int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 20 else MOST + 1
    if not LEAST <= value <= MOST:
        raise BadRequest(why=f"{name} is a whole number of 64 bits with sign")
    return value


def _body(request: Request) -> bytes:
    environ = request.environ
    if not environ.get("CONTENT_LENGTH") and environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("wsgi.input_terminated"):
        raise BadRequest(why="the length of the body is unknown: send Content-Length")
    return request.data
