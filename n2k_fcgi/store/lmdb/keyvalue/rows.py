"""Rows of a namespace's file and their bytes. All are in LMDB's main database; the first byte of a db_key is the kind.

| db_key | value |
|---|---|
| ``e`` + expires + key | bytes of the key and its value |
| ``l`` + version | kind of change + key |
| ``mcounters`` | ``Counters`` |
| ``mlive`` | ``Live``: which dataset is live, which overlay has the writes since, when a flush is due |
| ``mterms`` | ``Terms`` |
| ``mformat`` | as in every file, see ``layout`` |
| ``mreplaced`` | the inode of the file that replaces this one, and when, in Unix seconds: see ``file`` |
| ``o`` + name of a dataset | ``Parked``: its overlay, while another one is live |
| ``x`` + overlay | nothing: the rows of this overlay are removed bit by bit |
| ``q`` + version + digest | nothing: the index of requests, the oldest first |
| ``r`` + digest | version and time of a request, and its results |
| ``s`` + name | the next number of a sequence |
| ``v`` + key | header + value; of an overlay also ``TOMBSTONE``: the key of the dataset is deleted |
| ``V`` + overlay + key, ``E`` + overlay + expires + key | ``v`` and ``e`` of the overlays above 0 |

A dataset is a file of its own with the rows ``v``, ``e``, ``mcounters`` and ``mformat``, and ``mlargest``: the length of the
longest value. Its versions are 0.

Numbers are big-endian, so that their rows are in order. The log ends just before the counters, so
that a write changes one page for both.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from n2k_fcgi.model.keyvalue.entry import MAX_KEY, Entry, ValueType
from n2k_fcgi.store.keyvalue import Change, Kind, Result, Terms
from n2k_fcgi.store.lmdb.codec import BadValue
from n2k_fcgi.store.lmdb.layout import CAPTURE_META
from n2k_fcgi.store.lmdb.sealing import DIGEST_SIZE

EXPIRY = b"e"
LOG = b"l"
REQUEST_AGE = b"q"
REQUEST = b"r"
SEQUENCE = b"s"
VALUE = b"v"
AFTER_VALUES = b"w"
COUNTERS = CAPTURE_META + b"counters"
TERMS = CAPTURE_META + b"terms"
LIVE = CAPTURE_META + b"live"
VALUE_OF = b"V"
EXPIRY_OF = b"E"
PARKED = b"o"
LARGEST = CAPTURE_META + b"largest"
DROPPED = b"x"
REPLACED = CAPTURE_META + b"replaced"

TOMBSTONE = b"-"

FORMATS = range(1, 3)
"""Versions of these rows that can be read. Format 1 had no ``mlive``, ``o``, ``x``, ``V``, ``E``: a flush removed all rows."""

Buffer = bytes | memoryview
"""What a transaction returns: bytes, or a view that is valid inside it."""

NUMBER = struct.Struct(">Q")
_HEADER = struct.Struct(">QQIBQ")
"""Version, expires, flags, type, id."""
HEADER_SIZE = _HEADER.size
_EXPIRES = struct.Struct(">8xQ13x")
_COUNTERS = struct.Struct(">8Q")
_TERMS = struct.Struct(">QQ?")
_MARK = struct.Struct(">QQ")
_REQUEST = struct.Struct(">QQ")
_LIVE = struct.Struct(f">Q{DIGEST_SIZE}sH?Q")
OVERLAY = struct.Struct(">H")
_PARKED = struct.Struct(f">H{DIGEST_SIZE}sQQ?")
_RESULT = struct.Struct(">?Q?QIBQH")
"""Created, version, whether an entry is stored, and its expires, flags, type, id; length of the value that follows."""

PLAIN = 500
"""Bytes of the results of a request above which they are compressed: those of 1,000 operations are 33,000, much alike."""
ZLIB = b"x"
"""The first byte of compressed results; that of others is 0 or 1."""

_TYPES = (ValueType.BYTES, ValueType.JSON, ValueType.TEXT)
_TYPE_CODES = {kind: code for code, kind in enumerate(_TYPES)}
_KINDS = {b"p": Kind.PUT, b"d": Kind.DELETE, b"e": Kind.EXPIRE, b"f": Kind.FLUSH}
_KIND_CODES = {kind: code for code, kind in _KINDS.items()}


@dataclass
class Counters:
    """What is known of a namespace without reading its entries."""

    version: int = 0
    """Of the last write."""
    keys: int = 0
    bytes: int = 0
    """Of keys and values; what has expired and is not swept is counted. Like *keys* of the live overlay alone."""
    changes: int = 0
    """Records of the log."""
    floor: int = 0
    """The log has every change after this version."""
    last_id: int = 0
    requests: int = 0
    """Requests that are remembered."""
    sequences: int = 0


class Live(NamedTuple):
    """What is read: a dataset, below the overlay of what was written since."""

    version: int = 0
    """Of the swap, and so of every value of the dataset; 0: there was none."""
    digest: bytes = b""
    """Of the dataset's file: no other file is taken for it, whatever its name."""
    overlay: int = 0
    """The number of the overlay."""
    emptied: bool = False
    """Whether the overlay hides the whole dataset: it was flushed."""
    flush_at: int = 0
    """Unix milliseconds from which all that was written before is gone; 0: no flush is to come."""
    name: str = ""
    """Of the dataset; '': none."""

    def is_flushed(self, now: int) -> bool:
        """Whether everything is gone. The first write from then on does the flush, so that nothing newer is gone with it."""
        return bool(self.flush_at) and now >= self.flush_at


class Parked(NamedTuple):
    """An overlay that is not live."""

    overlay: int
    digest: bytes = b""
    """Of the dataset's file: another one of its name was not flushed."""
    keys: int = 0
    bytes: int = 0
    emptied: bool = False


class Prefixes(NamedTuple):
    """What the db_keys of one overlay begin with."""

    values: bytes = VALUE
    after_values: bytes = AFTER_VALUES
    expiry: bytes = EXPIRY


PLAIN_PREFIXES = Prefixes()
MOST_OVERLAYS = 2**16 - 1


def prefixes_of(overlay: int) -> Prefixes:
    """Return the prefixes of an overlay. Number 0 has those of a namespace that never had a dataset."""
    if not overlay:
        return PLAIN_PREFIXES
    number, following = OVERLAY.pack(overlay), OVERLAY.pack(overlay + 1)
    return Prefixes(VALUE_OF + number, VALUE_OF + following, EXPIRY_OF + number)


def pack_live(live: Live) -> bytes:
    """Return the row of what is live."""
    *numbers, name = live
    return _LIVE.pack(*numbers) + name.encode()


def unpack_live(row: Buffer) -> Live:
    """The reverse of pack_live. Raises BadValue."""
    try:
        version, digest, overlay, emptied, flush_at = _LIVE.unpack_from(row)
        return Live(version, digest, overlay, emptied, flush_at, bytes(row[_LIVE.size :]).decode())
    except (struct.error, UnicodeDecodeError):
        raise BadValue("the live dataset cannot be read") from None


def pack_parked(parked: Parked) -> bytes:
    """Return the row of an overlay that is not live."""
    return _PARKED.pack(*parked)


def unpack_parked(row: Buffer) -> Parked:
    """The reverse of pack_parked. Raises BadValue."""
    try:
        return Parked(*_PARKED.unpack(row))
    except struct.error:
        raise BadValue("an overlay cannot be read") from None


def pack_counters(counters: Counters) -> bytes:
    """Return the row of the counters."""
    return _COUNTERS.pack(*vars(counters).values())


def unpack_counters(row: Buffer | None) -> Counters:
    """The reverse of pack_counters; a missing row has zeros. Raises BadValue."""
    if row is None:
        return Counters()
    try:
        return Counters(*_COUNTERS.unpack(row))
    except struct.error:
        raise BadValue("the counters cannot be read") from None


def pack_terms(terms: Terms) -> bytes:
    """Return the row of the terms."""
    return _TERMS.pack(*terms)


def unpack_terms(row: Buffer | None) -> Terms:
    """The reverse of pack_terms; without a row nothing may be stored. Raises BadValue."""
    if row is None:
        return Terms(0, 0)
    try:
        return Terms(*_TERMS.unpack(row))
    except struct.error:
        raise BadValue("the terms cannot be read") from None


def pack_mark(inode: int, seconds: int) -> bytes:
    """Return the row of the mark that says which file replaces this one."""
    return _MARK.pack(inode, seconds)


def unpack_mark(row: Buffer) -> tuple[int, int]:
    """The reverse of pack_mark. Raises BadValue."""
    try:
        inode, seconds = _MARK.unpack(row)
    except struct.error:
        raise BadValue("the mark of a replaced file cannot be read") from None
    return inode, seconds


def pack_entry(entry: Entry) -> bytes:
    """Return the row of an entry."""
    _, value, version, expires, flags, kind, number = entry
    return _HEADER.pack(version, expires, flags, _TYPE_CODES[kind], number) + value


def unpack_entry(key: bytes, row: Buffer, *, value: bool = True) -> Entry:
    """The reverse of pack_entry; *value*: with the value. Raises BadValue."""
    try:
        version, expires, flags, code, number = _HEADER.unpack_from(row)
        return Entry(key, bytes(row[HEADER_SIZE:]) if value else b"", version, expires, flags, _TYPES[code], number)
    except (struct.error, IndexError):
        raise BadValue("an entry cannot be read") from None


def is_live(row: Buffer, now: int) -> bool:
    """Whether the entry of a row exists at *now*. Raises BadValue."""
    try:
        (expires,) = _EXPIRES.unpack_from(row)
    except struct.error:
        raise BadValue("an entry cannot be read") from None
    return not expires or now < expires


def size_of(key: bytes, row: Buffer) -> int:
    """Return the bytes of a key and the value of its row."""
    return len(key) + len(row) - HEADER_SIZE


def expiry_key(expires: int, key: bytes, prefix: bytes = EXPIRY) -> bytes:
    """Return the db_key of a row in the index of expiry; *prefix*: that of the overlay."""
    return prefix + NUMBER.pack(expires) + key


def pack_change(kind: Kind, key: bytes) -> bytes:
    """Return the row of a change."""
    return _KIND_CODES[kind] + key


def unpack_change(db_key: Buffer, row: Buffer) -> Change:
    """The reverse of pack_change, for the row of *db_key*. Raises BadValue."""
    kind = _KINDS.get(bytes(row[:1]))
    if kind is None or len(db_key) != 1 + NUMBER.size:
        raise BadValue("a change cannot be read")
    return Change(int.from_bytes(db_key[1:], "big"), kind, bytes(row[1:]))


def number_of(row: Buffer) -> int:
    """Return the number of a row. Raises BadValue."""
    if len(row) != NUMBER.size:
        raise BadValue("a number cannot be read")
    return int.from_bytes(row, "big")


def pack_request(version: int, now: int, results: Iterable[Result], valued: frozenset[int]) -> bytes:
    """Return the row of a request; *valued*: the indexes of results that are kept with the value (a number)."""
    head, rows = _REQUEST.pack(version, now), []
    for index, (entry, created, changed) in enumerate(results):
        if entry is None:
            rows.append(_RESULT.pack(created, changed, False, 0, 0, 0, 0, 0))
            continue
        value = entry.value if index in valued else b""
        code = _TYPE_CODES[entry.type]
        rows += (_RESULT.pack(created, changed, True, entry.expires, entry.flags, code, entry.id, len(value)), value)
    packed = b"".join(rows)
    return head + (packed if len(packed) <= PLAIN else zlib.compress(packed, 1))


def applied_at(row: Buffer) -> int:
    """Return the time of a request. Raises BadValue."""
    return number_of(row[NUMBER.size : _REQUEST.size])


def unpack_request(row: Buffer, keys: Sequence[bytes]) -> tuple[int, int, list[Result]]:
    """The reverse of pack_request: version, time, results. *keys*: those of its operations. Raises BadValue."""
    try:
        version, now = _REQUEST.unpack_from(row)
        packed = bytes(row[_REQUEST.size :])
        if packed[:1] == ZLIB:
            packed = zlib.decompress(packed)
        at, results = 0, []
        for key in keys:
            created, changed, is_stored, expires, flags, code, number, size = _RESULT.unpack_from(packed, at)
            at += _RESULT.size + size
            value = packed[at - size : at]
            entry = Entry(key, value, changed, expires, flags, _TYPES[code], number) if is_stored else None
            results.append(Result(entry, created, changed))
    except (struct.error, IndexError, zlib.error):
        raise BadValue("a request cannot be read") from None
    return version, now, results


assert len(expiry_key(0, bytes(MAX_KEY), prefixes_of(1).expiry)) <= 511, "LMDB's longest db_key"
