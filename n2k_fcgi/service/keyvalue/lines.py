"""Entries as JSON lines: what ``n2k kv export`` writes and ``n2k kv import`` reads.

A line of an export is an object with ``key``, ``type``, one of ``text`` and ``base64`` (the exact bytes; JSON values are text),
``version`` (a text), and if set ``flags``, ``expires_ms`` (Unix milliseconds) and ``id``; or it is the next number of a
sequence: ``{"sequence": NAME, "next": N}``. An import also takes ``json`` instead of ``text``, and ``ttl_ms`` instead of
``expires_ms``, as lists over HTTP have them; the version is not restored.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from n2k_fcgi.errors import BadItem
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType, json_bytes, parse_entry_key, type_of
from n2k_fcgi.model.keyvalue.operations import MOST, Restore
from n2k_fcgi.service.keyvalue.entry_json import Fields, base64_of
from n2k_fcgi.service.keyvalue.json_fields import FORMS, refuse_others, text_of, type_of_fields, value_of, whole_of
from n2k_fcgi.service.keyvalue.space import MOST_FLAGS, MOST_TTL, Reader

_OF_AN_ENTRY = {*FORMS, "key", "type", "version", "flags", "expires_ms", "ttl_ms", "id"}
_OF_A_SEQUENCE = {"sequence", "next"}
_LATEST = 10**15
"""Unix milliseconds, in the year 33658."""


class NextNumber(NamedTuple):
    """The number that a sequence leases next."""

    name: str
    number: int


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
        yield json_bytes(fields) + b"\n"
    for name, number in reader.sequences().items():
        yield json_bytes({"sequence": name.decode(), "next": str(number)}) + b"\n"


def parse_line(line: bytes, now: int, *, keep: bool = False) -> Restore | NextNumber:
    """Return what a line of an export stores. Raises BadItem, BadEntryKey.

    *now*: from which ``ttl_ms`` counts. *keep*: for ``Restore``.
    """
    try:
        fields = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadItem(why="it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise BadItem(why="it is not JSON") from None
    if not isinstance(fields, dict):
        raise BadItem(why="it is not a JSON object")
    if "sequence" in fields:
        refuse_others(fields, _OF_A_SEQUENCE)
        return NextNumber(parse_entry_key(text_of(fields, "sequence")).decode(), whole_of(fields, "next", 1, MOST) or 1)
    refuse_others(fields, _OF_AN_ENTRY)
    value, form = value_of(fields)
    wanted = type_of_fields(fields, form)
    if type_of(value, wanted) is not wanted:
        raise BadItem(why=f"the value is not {'JSON' if wanted is ValueType.JSON else 'text in UTF-8'}")
    entry = Entry(
        parse_entry_key(text_of(fields, "key")),
        value,
        expires=_expires(fields, now),
        flags=whole_of(fields, "flags", 0, MOST_FLAGS) or 0,
        type=wanted,
        id=whole_of(fields, "id", 0, MOST) or 0,
    )
    return Restore(entry, keep)


def _exact(entry: Entry) -> Fields:
    if entry.type is ValueType.BYTES:
        return {"base64": base64_of(entry.value)}
    return {"text": entry.text}


def _expires(fields: Fields, now: int) -> int:
    ttl = whole_of(fields, "ttl_ms", 1, MOST_TTL)
    expires = whole_of(fields, "expires_ms", 1, _LATEST) or 0
    if ttl and expires:
        raise BadItem(why="'ttl_ms' and 'expires_ms' exclude each other")
    return now + ttl if ttl else expires
