"""A single key: read, write, remove, count, append, expire, number."""

from n2k_fcgi.errors import NoSuchEntry
from n2k_fcgi.model.keyvalue.entry import Entry, parse_entry_key
from n2k_fcgi.model.keyvalue.operations import Append, AssignId, Delete, Increment, Put, Touch
from n2k_fcgi.service.keyvalue.entry_json import entry_json
from n2k_fcgi.store.keyvalue import Applied
from n2k_fcgi.web.db import answers, conditions, is_json_wanted
from n2k_fcgi.web.db.access import reading, writing
from n2k_fcgi.web.db.conditions import condition_of
from n2k_fcgi.web.db.fields import allow, flags_of, has_body, no_body, signed, ttl_of, value_of
from n2k_fcgi.web.requests import Request, number
from n2k_fcgi.web.responses import TEXT, Answer
from n2k_fcgi.web.services import Services

_PUT_FIELDS = conditions.FIELDS | {"ttl_ms", "flags"}
_LONGEST = 10**9
"""Bytes: no value is as long."""


def read(request: Request, services: Services, key: str) -> Answer:
    """Return the value as it was stored, or a part of it; 304 if the caller has this version; 404."""
    as_json = is_json_wanted(request)
    space = reading(request, services)
    entry = space.get(key)
    if entry is None:
        raise NoSuchEntry
    now = space.now
    if conditions.check_read(request, entry.version):
        return Answer(304, b"", TEXT, answers.entry_headers(entry, now))
    part = _part(request, entry.value)
    if as_json:
        return answers.json_of(entry_json(entry, now, part), answers.entry_headers(entry, now))
    return answers.entry_bytes(entry, entry.value if part is None else part, now)


def _part(request: Request, value: bytes) -> bytes | None:
    """Return the part of a value that ``from=`` and ``bytes=`` ask for, perhaps empty; None: all of it."""
    fields = request.query
    if "from" not in fields and "bytes" not in fields:
        return None
    start = number(fields.get("from", "0"), "from", 0, _LONGEST)
    return value[start : start + number(fields.get("bytes", str(_LONGEST)), "bytes", 0, _LONGEST)]


def put(request: Request, services: Services, key: str) -> Answer:
    """Store the body: 201 if there was no such key, 200 if there was."""
    writer = writing(request, services)
    allow(request, _PUT_FIELDS)
    return answers.written(request, writer.apply(_put(request, key)))


def _put(request: Request, key: str) -> Put:
    value, kind = value_of(request)
    return Put(parse_entry_key(key), value, kind, ttl_of(request), flags_of(request), condition_of(request))


def delete(request: Request, services: Services, key: str) -> Answer:
    """Remove the entry: 200, 404."""
    writer = writing(request, services)
    allow(request, conditions.FIELDS)
    return answers.written(request, writer.apply(Delete(parse_entry_key(key), condition_of(request))))


def increment(request: Request, services: Services, key: str) -> Answer:
    """Add ``by`` to a number, or store ``initial``; the answer is the new number."""
    writer = writing(request, services)
    allow(request, conditions.FIELDS, "by", "initial", "ttl_ms")
    no_body(request)
    by, initial = signed(request, "by", 1), signed(request, "initial", None)
    condition = condition_of(request)
    applied = writer.apply(Increment(parse_entry_key(key), 1 if by is None else by, initial, ttl_of(request), condition))
    number = _entry(applied).text
    return answers.written(request, applied, number, number=number)


def append(request: Request, services: Services, key: str) -> Answer:
    """Add the body behind the value."""
    return _append(request, services, key, before=False)


def prepend(request: Request, services: Services, key: str) -> Answer:
    """Add the body before the value."""
    return _append(request, services, key, before=True)


def _append(request: Request, services: Services, key: str, *, before: bool) -> Answer:
    writer = writing(request, services)
    allow(request, conditions.FIELDS)
    value, _ = value_of(request)
    operation = Append(parse_entry_key(key), value, before, condition=condition_of(request))
    return answers.written(request, writer.apply(operation))


def touch(request: Request, services: Services, key: str) -> Answer:
    """Set the time that the entry still lives; for ever without ``ttl_ms``."""
    writer = writing(request, services)
    allow(request, conditions.FIELDS, "ttl_ms")
    no_body(request)
    return answers.written(request, writer.apply(Touch(parse_entry_key(key), ttl_of(request), condition_of(request))))


def assign_id(request: Request, services: Services, key: str) -> Answer:
    """Give the entry an id that overwrites keep, and store the body if there is one; the answer is the id."""
    writer = writing(request, services)
    if has_body(request):
        allow(request, _PUT_FIELDS)
        put = _put(request, key)
        operation = AssignId(put.key, put, put.condition)
    else:
        allow(request, conditions.FIELDS)
        operation = AssignId(parse_entry_key(key), None, condition_of(request))
    applied = writer.apply(operation)
    given = str(_entry(applied).id)
    return answers.written(request, applied, given, id=given)


def _entry(applied: Applied) -> Entry:
    entry = applied.results[0].entry
    assert entry is not None  # it was not removed
    return entry
