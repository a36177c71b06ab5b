"""FastCGI on the wire: records and name-value pairs, read and written.

The rules are those of the FastCGI 1.0 specification (sections 3.3 to 5.5). The constants are flup's, the code is not: flup
decodes PARAMS record by record, although a pair may be split over two, and copies the rest of the output for each record.
"""

from __future__ import annotations

import struct

from flup.server.fcgi_base import (
    FCGI_BEGIN_REQUEST,
    FCGI_END_REQUEST,
    FCGI_KEEP_CONN,
    FCGI_PARAMS,
    FCGI_REQUEST_COMPLETE,
    FCGI_RESPONDER,
    FCGI_STDERR,
    FCGI_STDIN,
    FCGI_STDOUT,
    FCGI_VERSION_1,
    FCGI_BeginRequestBody,
    FCGI_EndRequestBody,
    FCGI_Header,
)

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from n2k_fcgi.servers.connection import Buffer

MAX_CONTENT = 65528
"""Content of one record: the largest multiple of eight below 64 KiB, so that no record needs padding for alignment."""

HEADER = struct.Struct(FCGI_Header)
BEGIN_BODY = struct.Struct(FCGI_BeginRequestBody)
_OF_PROXIES = (b"HTTP_X_FORWARDED_FOR", b"HTTP_FORWARDED")
_END_BODY = struct.Struct(FCGI_EndRequestBody)
_ENDING = struct.Struct("!BBHHBx BBHHBx LB3x")
"""The end of FCGI_STDOUT, and END_REQUEST with its body."""
_LENGTH = struct.Struct("!L")
_WHOLE_START = struct.Struct("!BBHHBx HB5x BBHHBx")
"""BEGIN_REQUEST with its body, and the header of the first PARAMS record."""
_TWO_HEADERS = struct.Struct("!BBHHBx BBHHBx")


class Malformed(ValueError):
    """Bytes that are not FastCGI, or exceed a limit: the connection is dropped."""


def decode_pairs(data: bytes, pairs: dict[str, str]) -> None:
    """Add the name-value pairs of a whole PARAMS stream to *pairs*, as latin-1 text (PEP 3333). Raises Malformed.

    If a name comes twice, the last value counts. Headers of proxies that come twice are removed: one of the two is the caller's
    own (``X_Forwarded_For`` beside ``X-Forwarded-For``, where the web server accepts underscores).
    """
    text = data.decode("latin-1")
    position, end = 0, len(data)
    try:
        while position < end:
            name_length = data[position]
            value_length = data[position + 1]
            if name_length < 128 and value_length < 128:  # one byte each: nearly always, and this runs 36 times per request
                position += 2
            else:
                name_length, position = length_at(data, position)
                value_length, position = length_at(data, position)
            value = position + name_length
            name = text[position:value]
            position = value + value_length
            pairs[name] = text[value:position]
    except (IndexError, struct.error):
        position = end + 1
    if position != end:
        raise Malformed("a name-value pair is cut off")
    for header in _OF_PROXIES:
        if data.count(header) > 1 and _names(data).count(header.decode()) > 1:
            del pairs[header.decode()]


def _names(data: bytes) -> list[str]:
    """The names of all pairs, with repetitions; *data* is valid."""
    names, position = [], 0
    while position < len(data):
        name_length, position = length_at(data, position)
        value_length, position = length_at(data, position)
        names.append(data[position : position + name_length].decode("latin-1"))
        position += name_length + value_length
    return names


def length_at(data: bytes, position: int) -> tuple[int, int]:
    """A length of one byte or four, and where it ends."""
    if data[position] < 128:
        return data[position], position + 1
    return _LENGTH.unpack_from(data, position)[0] & 0x7FFFFFFF, position + 4


def whole_request(data: bytes) -> tuple[int, bytes] | None:
    """Read what mod_fcgid sends for a lookup: one Responder request without a body, on a connection that then closes.

    Return the id of the request and its PARAMS. None: it is something else, or incomplete, to be read record by record.
    """
    if len(data) < _WHOLE_START.size:
        return None
    version, kind, request_id, length, padding, role, flags, *params = _WHOLE_START.unpack_from(data)
    if (version, kind, length, padding, role) != (FCGI_VERSION_1, FCGI_BEGIN_REQUEST, 8, 0, FCGI_RESPONDER):
        return None
    version, kind, params_id, length, padding = params
    end = _WHOLE_START.size + length
    if (version, kind, params_id) != (FCGI_VERSION_1, FCGI_PARAMS, request_id) or not length or not request_id:
        return None
    tail = _TWO_HEADERS.pack(FCGI_VERSION_1, FCGI_PARAMS, request_id, 0, 0, FCGI_VERSION_1, FCGI_STDIN, request_id, 0, 0)
    if flags & FCGI_KEEP_CONN or data[end + padding :] != tail:
        return None
    return request_id, data[_WHOLE_START.size : end]


def record(kind: int, request_id: int, content: bytes = b"") -> bytes:
    """One small record: at most MAX_CONTENT bytes."""
    return HEADER.pack(FCGI_VERSION_1, kind, request_id, len(content), 0) + content


def refusal(request_id: int, protocol_status: int) -> bytes:
    """The END_REQUEST record of a request that is not run."""
    return record(FCGI_END_REQUEST, request_id, _END_BODY.pack(0, protocol_status))


def output_header(request_id: int, size: int) -> bytes:
    """The header of an FCGI_STDOUT record with *size* bytes, at most MAX_CONTENT."""
    return HEADER.pack(FCGI_VERSION_1, FCGI_STDOUT, request_id, size, 0)


def output(request_id: int, blocks: list[bytes], ending: bytes = b"") -> list[Buffer]:
    """Frame *blocks* as FCGI_STDOUT, followed by *ending*: one buffer when one record holds them, else views, no copies."""
    size = sum(map(len, blocks))
    if size == 0:
        return [ending] if ending else []
    if size <= MAX_CONTENT:
        return [b"".join((output_header(request_id, size), *blocks, ending))]
    buffers = [buffer for block in blocks for buffer in _records(request_id, block)]
    return [*buffers, ending] if ending else buffers


def ending(request_id: int, errors: bytes, app_status: int) -> bytes:
    """The end of an answer: the text written to ``wsgi.errors``, the end of FCGI_STDOUT, END_REQUEST."""
    end = _ENDING.pack(
        *(FCGI_VERSION_1, FCGI_STDOUT, request_id, 0, 0),
        *(FCGI_VERSION_1, FCGI_END_REQUEST, request_id, _END_BODY.size, 0, app_status, FCGI_REQUEST_COMPLETE),
    )
    if errors:
        return record(FCGI_STDERR, request_id, errors) + record(FCGI_STDERR, request_id) + end
    return end


def _records(request_id: int, block: bytes) -> Iterator[Buffer]:
    view = memoryview(block)
    for start in range(0, len(view), MAX_CONTENT):
        content = view[start : start + MAX_CONTENT]
        yield output_header(request_id, len(content))
        yield content
