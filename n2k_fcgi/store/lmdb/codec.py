"""Values <-> bytes. The formats are described in docs/storage.md; a change raises ``layout.FORMAT``.

A row of a generation has the number of its origin (``model.origins``), one byte.
"""

from __future__ import annotations

import struct

from n2k_fcgi.model.avatar import Capture, Source, StoredCapture
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.origins import Origin
from n2k_fcgi.store.lmdb.json_text import parsed

NAME_RECORD = 18
"""Bytes of one record in names and former: origin, key, form (``model.renderings``)."""

BARE_NAME_RECORD = 17
"""The same in formats 1 and 2, which have no form."""

_NAME_RECORDS = struct.Struct("B16sB")
_WITHOUT_FORM = struct.Struct("B16sx")
_BARE_NAME_RECORDS = struct.Struct("B16s")


class BadValue(Exception):
    """Bytes that we never wrote: the file is damaged. The message has what they should be, not what they are."""


def pack_name(origin: int, key: bytes, form: int) -> bytes:
    """Return one record of names or former."""
    return _NAME_RECORDS.pack(origin, key, form)


def unpack_names(value: bytes, record: int) -> list[tuple[int, bytes]]:
    """Return all (origin, key) of one name, in the order in which they were packed: the winner first.

    *record*: bytes of one record.
    """
    if len(value) == record:
        return [(value[0], value[1 : 1 + KEY_BYTES])]
    return list((_WITHOUT_FORM if record == NAME_RECORD else _BARE_NAME_RECORDS).iter_unpack(value))


def unpack_records(value: bytes) -> list[tuple[int, bytes, int]]:
    """Return all (origin, key, form) of one name, from format 3 on."""
    return list(_NAME_RECORDS.iter_unpack(value))


def pack_spelling(origin: int, spelling: bytes) -> bytes:
    """Return one record of keys or history; a spelling has at most 255 bytes (``model.names.NAME_BYTES`` is less)."""
    return bytes((origin, len(spelling))) + spelling


def unpack_spellings(value: bytes) -> list[tuple[int, bytes]]:
    """Return all (origin, spelling) of one key."""
    if value and len(value) == value[1] + 2:
        return [(value[0], value[2:])]
    found = []
    at = 0
    while at < len(value):
        end = at + 2 + value[at + 1]
        found.append((value[at], value[at + 2 : end]))
        at = end
    return found


def last_spellings(value: bytes, most: int) -> bytes:
    """Return the last *most* records of one key, still packed."""
    starts = [0]
    while starts[-1] < len(value):
        starts.append(starts[-1] + 2 + value[starts[-1] + 1])
    return value[starts[max(0, len(starts) - 1 - most)] :]


def pack_origins(origins: list[Origin]) -> bytes:
    """Return the table of origins as JSON: the position is the number."""
    import json  # late: lookups only read

    return json.dumps([[origin.grid, origin.as_of] for origin in origins]).encode()


def unpack_origins(value: bytes) -> list[Origin]:
    """The reverse of pack_origins."""
    return [Origin(grid, as_of) for grid, as_of in parsed(value.decode())]


def pack_captures(stored: list[StoredCapture]) -> bytes:
    """Return the captures of one key, one entry per grid, as JSON: small, and readable with LMDB's own tools."""
    import json  # late: as above

    rows = [
        {
            "grid": c.grid,
            "name": c.name,
            "first": c.first_seen,
            "last": c.last_seen,
            "count": c.times_seen,
            "source": list(c.source),
            "former": former,
        }
        for c, former in stored
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def unpack_captures(key: bytes, value: bytes) -> list[StoredCapture]:
    """The reverse of pack_captures. Raises BadValue."""
    try:
        return [
            StoredCapture(
                Capture(key, row["name"], row["grid"], row["first"], row["last"], row["count"], Source(*row["source"])),
                [(name, seen) for name, seen in row["former"]],
            )
            for row in parsed(value.decode())
        ]
    except (ValueError, TypeError, KeyError):
        raise BadValue("a capture cannot be read") from None
