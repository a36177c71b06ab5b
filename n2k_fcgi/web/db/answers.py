"""Answers of the key-value service: an entry as bytes or as JSON, and what a write did."""

from n2k_fcgi.model.keyvalue.entry import Entry, ValueType, json_bytes
from n2k_fcgi.store.keyvalue import Applied
from n2k_fcgi.web.db import HEADERS, is_json_wanted
from n2k_fcgi.web.json_bodies import JSON
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.responses import TEXT, Answer, Headers

_CONTENT_TYPES = {ValueType.BYTES: str(ValueType.BYTES), ValueType.JSON: JSON, ValueType.TEXT: TEXT}


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


def json_of(body: bytes, headers: Headers = HEADERS, *, status: int = 200) -> Answer:
    """Return one JSON object, which has no line feed yet."""
    return Answer(status, body + b"\n", JSON, headers)


def numbers(request: Request, fields: dict[str, int | str]) -> Answer:
    """Return one line per number, ``name value``, or a JSON object. Versions are texts."""
    if is_json_wanted(request):
        return json_of(json_bytes(fields))
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
    return json_of(json_bytes(fields), status=status)
