"""Answers of the key-value service: an entry as bytes or as JSON, and what a write did."""

import contextlib
import json

from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.store.keyvalue import Applied
from n2k_fcgi.web.db import HEADERS, is_json_wanted
from n2k_fcgi.web.json_bodies import JSON, Body, encoded
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import TEXT, Answer, Headers

_CONTENT_TYPES = {ValueType.BYTES: str(ValueType.BYTES), ValueType.JSON: JSON, ValueType.TEXT: TEXT}
_NO_LINE_FEEDS = bytes.maketrans(b"\r\n", b"  ")


def entry_headers(entry: Entry, now: int) -> Headers:
    """Return the headers that describe *entry*; *now* in milliseconds. One that never expires has no X-KV-TTL-Ms."""
    version, ttl = str(entry.version), entry.ttl(now)
    headers: Headers = (
        *HEADERS,
        ("ETag", f'"{version}"'),
        ("X-KV-Version", version),
        ("X-KV-Flags", str(entry.flags)),
    )
    return headers if ttl is None else (*headers, ("X-KV-TTL-Ms", str(ttl)))


def entry_bytes(entry: Entry, part: bytes, now: int) -> Answer:
    """Return *part* of the value of *entry* as it was stored."""
    return Answer(200, part, _CONTENT_TYPES[entry.type], entry_headers(entry, now))


def entry_json(entry: Entry, now: int, part: bytes | None = None, *, exact: bool = False) -> bytes:
    """Return *entry* as one JSON object on one line, without a line feed: for scripts, which see no headers.

    Its value is ``text``, ``json`` or ``base64``; *exact*: always the last. *part*: of the value, and ``size`` is the number
    of bytes of all of it.
    """
    fields: Body = {
        "key": entry.key.decode(),
        "version": str(entry.version),
        "ttl_ms": entry.ttl(now),
        "flags": entry.flags,
        "type": str(entry.type),
    }
    if entry.id:
        fields["id"] = str(entry.id)
    if part is None:
        return with_value(fields, entry.value, ValueType.BYTES if exact else entry.type)
    form = ValueType.TEXT if entry.type is ValueType.JSON else entry.type
    return with_value({**fields, "size": len(entry.value)}, part, form)


def with_value(fields: Body, value: bytes, form: ValueType) -> bytes:
    """Return one JSON object on one line, without a line feed: *fields*, and *value* as ``text``, ``json`` or ``base64``.

    JSON is as it was written, since another writer of numbers might change them; line feeds are blanks between its values.
    Text that is cut inside a character is ``base64``.
    """
    if form is ValueType.JSON:
        return encoded(fields)[:-2] + b',"json":' + value.translate(_NO_LINE_FEEDS).strip() + b"}"
    if form is ValueType.TEXT:
        with contextlib.suppress(UnicodeDecodeError):
            return encoded({**fields, "text": value.decode()})[:-1]
    return encoded({**fields, "base64": _base64(value)})[:-1]


def json_of(body: bytes, headers: Headers = HEADERS, *, status: int = 200) -> Answer:
    """Return one JSON object, which has no line feed yet."""
    return Answer(status, body + b"\n", JSON, headers)


def numbers(request: Request, fields: dict[str, int | str]) -> Answer:
    """Return one line per number, ``name value``, or a JSON object. Versions are texts."""
    if is_json_wanted(request):
        return json_of(encoded(fields)[:-1])
    return Answer(200, "\n".join(f"{name} {value}" for name, value in fields.items()).encode(), TEXT, HEADERS)


def written(request: Request, applied: Applied, line: str = "", **more: str) -> Answer:
    """Return what a write of one entry did: *line* or, without it, the new version; in JSON *more*, too."""
    (result,) = applied.results
    status = 201 if result.created else 200
    if not is_json_wanted(request):
        return Answer(status, (line or str(result.version)).encode(), TEXT, HEADERS)
    fields = {
        "version": str(result.version),
        "created": result.created,
        "free_bytes": applied.space.free,
        "free_keys": applied.space.free_keys,
        **more,
    }
    return json_of(json.dumps(fields, separators=(",", ":")).encode(), status=status)


def _base64(value: bytes) -> str:
    from base64 import b64encode  # late: for bytes in JSON only

    return b64encode(value).decode()
