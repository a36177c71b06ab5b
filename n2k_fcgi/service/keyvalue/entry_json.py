"""An entry as a JSON object on one line: for scripts, which see no headers, for lists, and for the commands."""

import contextlib
from typing import Any

from n2k_fcgi.model.keyvalue.entry import Entry, ValueType, json_bytes

Fields = dict[str, Any]

_NO_LINE_FEEDS = bytes.maketrans(b"\r\n", b"  ")


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


def entry_json(entry: Entry, now: int, part: bytes | None = None, *, exact: bool = False) -> bytes:
    """Return an entry with its value as one JSON object, without a line feed: ``text``, ``json`` or ``base64``.

    *exact*: always the last. *part*: of the value, instead of all of it; then ``size`` is the number of bytes of all of it.
    """
    fields = described(entry, now)
    if part is None:
        return with_value(fields, entry.value, ValueType.BYTES if exact else entry.type)
    form = ValueType.TEXT if entry.type is ValueType.JSON else entry.type
    return with_value({**fields, "size": len(entry.value)}, part, form)


def with_value(fields: Fields, value: bytes, form: ValueType) -> bytes:
    """Return one JSON object, without a line feed: *fields*, and *value* as ``text``, ``json`` or ``base64``.

    JSON is as it was written, since another writer of numbers might change them; line feeds are blanks between its values.
    Text that is cut inside a character is ``base64``.
    """
    if form is ValueType.JSON:
        return json_bytes(fields)[:-1] + b',"json":' + value.translate(_NO_LINE_FEEDS).strip() + b"}"
    if form is ValueType.TEXT:
        with contextlib.suppress(UnicodeDecodeError):
            return json_bytes({**fields, "text": value.decode()})
    return json_bytes({**fields, "base64": base64_of(value)})


def base64_of(value: bytes) -> str:
    """Return *value* in base64."""
    from base64 import b64encode  # late: for bytes in JSON only

    return b64encode(value).decode()
