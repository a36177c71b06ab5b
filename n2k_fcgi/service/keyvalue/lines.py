"""Entries as JSON lines: what lists and commands print, and what ``n2k kv export`` writes and ``n2k kv import`` reads.

A line of an export is an object with ``key``, ``type``, one of ``text`` and ``base64`` (the exact bytes; JSON values are text),
``version`` (a text), and if set ``flags``, ``expires_ms`` (Unix milliseconds) and ``id``; or it is the next number of a
sequence: ``{"sequence": NAME, "next": N}``. An import also takes ``json`` instead of ``text``, and ``ttl_ms`` instead of
``expires_ms``, as lists over HTTP have them; the version is not restored.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

from n2k_fcgi.errors import BadEntryLine
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType, parse_entry_key, type_of
from n2k_fcgi.model.keyvalue.operations import MOST, Restore
from n2k_fcgi.service.keyvalue.space import MOST_FLAGS, MOST_TTL, Reader

Fields = dict[str, Any]

_FORMS = {"text": ValueType.TEXT, "json": ValueType.JSON, "base64": ValueType.BYTES}
"""The fields that hold a value, and its type unless ``type`` says another."""
_OF_AN_ENTRY = {*_FORMS, "key", "type", "version", "flags", "expires_ms", "ttl_ms", "id"}
_OF_A_SEQUENCE = {"sequence", "next"}
_LATEST = 10**15
"""Unix milliseconds, in the year 33658."""


class NextNumber(NamedTuple):
    """The number that a sequence leases next."""

    name: str
    number: int


def described(entry: Entry, now: int) -> Fields:
    """Return what is known of an entry besides its value; *now* in milliseconds."""
    fields: Fields = {
        "key": entry.key.decode(),
        "version": str(entry.version),
        "ttl_ms": entry.ttl(now),
        "flags": entry.flags,
        "type": str(entry.type),
    }
    if entry.id:
        fields["id"] = str(entry.id)
    return fields


def as_json(entry: Entry, now: int) -> str:
    """Return an entry with its value as a JSON object on one line: ``text``, ``json`` or ``base64``."""
    fields = described(entry, now)
    if entry.type is ValueType.JSON:
        # As it was written: another writer of numbers might change them. Line feeds are blanks between values.
        value = entry.text.translate({10: " ", 13: " "}).strip()
        return f'{_encoded(fields)[:-1]},"json":{value}}}'
    return _encoded(fields | _exact(entry))


def exported(reader: Reader) -> Iterator[bytes]:
    """Yield the lines of an export: all entries, in the order of their keys, and all sequences."""
    for entry in reader.scan():
        fields: Fields = {"key": entry.key.decode(), "type": str(entry.type), **_exact(entry), "version": str(entry.version)}
        if entry.flags:
            fields["flags"] = entry.flags
        if entry.expires:
            fields["expires_ms"] = entry.expires
        if entry.id:
            fields["id"] = str(entry.id)
        yield _encoded(fields).encode() + b"\n"
    for name, number in reader.sequences().items():
        yield _encoded({"sequence": name.decode(), "next": str(number)}).encode() + b"\n"


def parse_line(line: bytes, now: int, *, keep: bool = False) -> Restore | NextNumber:
    """Return what a line of an export stores. Raises BadEntryLine, BadEntryKey.

    *now*: from which ``ttl_ms`` counts. *keep*: for ``Restore``.
    """
    try:
        fields = json.loads(line.decode())
    except UnicodeDecodeError:
        raise BadEntryLine(why="it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise BadEntryLine(why="it is not JSON") from None
    if not isinstance(fields, dict):
        raise BadEntryLine(why="it is not a JSON object")
    if "sequence" in fields:
        _refuse_others(fields, _OF_A_SEQUENCE)
        return NextNumber(parse_entry_key(_text(fields, "sequence")).decode(), _whole(fields, "next", 1, MOST))
    _refuse_others(fields, _OF_AN_ENTRY)
    value, form = _value(fields)
    wanted = _type(fields, form)
    if type_of(value, wanted) is not wanted:
        raise BadEntryLine(why=f"the value is not {'JSON' if wanted is ValueType.JSON else 'text in UTF-8'}")
    entry = Entry(
        parse_entry_key(_text(fields, "key")),
        value,
        expires=_expires(fields, now),
        flags=_whole(fields, "flags", 0, MOST_FLAGS),
        type=wanted,
        id=_whole(fields, "id", 0, MOST),
    )
    return Restore(entry, keep)


def _exact(entry: Entry) -> Fields:
    if entry.type is ValueType.BYTES:
        return {"base64": b64encode(entry.value).decode()}
    return {"text": entry.text}


def _encoded(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _value(fields: Fields) -> tuple[bytes, ValueType]:
    given = [name for name in _FORMS if name in fields]
    if len(given) != 1:
        raise BadEntryLine(why=f"one of {', '.join(map(repr, _FORMS))} is needed")
    name = given[0]
    if name == "json":
        return _json(fields[name]), ValueType.JSON
    text = _text(fields, name)
    try:
        return (b64decode(text, validate=True) if name == "base64" else text.encode()), _FORMS[name]
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        raise BadEntryLine(why=f"{name!r} cannot be written as UTF-8") from None
    except ValueError:
        raise BadEntryLine(why=f"{name!r} is not base64") from None


def _json(value: object) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # NaN, or 1e999 that was read as infinity
        raise BadEntryLine(why="'json' has a number that JSON cannot hold") from None
    return text.encode("utf-8", "backslashreplace")  # half of a surrogate pair as its escape


def _type(fields: Fields, form: ValueType) -> ValueType:
    if "type" not in fields:
        return form
    try:
        return ValueType(_text(fields, "type"))
    except ValueError:
        raise BadEntryLine(why=f"'type' is one of {', '.join(ValueType)}") from None


def _expires(fields: Fields, now: int) -> int:
    ttl = _whole(fields, "ttl_ms", 1, MOST_TTL)
    expires = _whole(fields, "expires_ms", 1, _LATEST)
    if ttl and expires:
        raise BadEntryLine(why="'ttl_ms' and 'expires_ms' exclude each other")
    return now + ttl if ttl else expires


def _whole(fields: Fields, name: str, low: int, high: int) -> int:
    """Return a whole number, also one in a text; 0 if it is missing or null. Raises BadEntryLine."""
    value = fields.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadEntryLine(why=f"{name!r} is a whole number from {low} to {high}")
    return value


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadEntryLine(why=f"{name!r} must be a text")
    return value


def _refuse_others(fields: Fields, allowed: set[str]) -> None:
    for name in fields:
        if name not in allowed:
            raise BadEntryLine(why=f"unknown field {name!r}")
