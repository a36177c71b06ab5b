"""Bytes of a request into text and fields: paths, queries, form bodies.

Paths and queries are decoded here and not by the web server: behind mod_fcgid PATH_INFO is decoded, rewritten, or missing,
while REQUEST_URI arrives as it was sent (tried with Apache, nginx and lighttpd).
"""

from __future__ import annotations

from functools import lru_cache

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadRequest, BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, Any, TypeAlias


Environ: TypeAlias = "dict[str, Any]"

LOOKUP_VARIABLES = ("REQUEST_METHOD", "REQUEST_URI", "SCRIPT_NAME", "HTTP_X_SECONDLIFE_SHARD")
"""What a lookup reads of its environ when the web server sends REQUEST_URI."""

MAX_FIELDS = 200

_HEX = {f"{n:02x}".encode(): bytes((n,)) for n in range(256)}


def unquote(data: bytes, *, lenient: bool = False) -> str:
    """Decode percent escapes and UTF-8. Raises BadRequest for invalid UTF-8 and invalid escapes.

    *lenient*: as for ``unescaped``.
    """
    try:
        return unescaped(data, lenient=lenient).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(why="it is not in UTF-8") from None


def unescaped(data: bytes, *, lenient: bool = False) -> bytes:
    """Decode percent escapes. Raises BadRequest for invalid ones.

    *lenient*: a percent sign without an escape is kept, as in servers that decode paths.
    """
    if b"%" not in data:
        return data
    first, *rest = data.split(b"%")
    pieces = [first]
    for piece in rest:
        byte = _HEX.get(piece[:2].lower())
        if byte is None and not lenient:
            raise BadRequest(why="a percent sign is not followed by two hexadecimal digits")
        pieces.append(b"%" + piece if byte is None else byte + piece[2:])
    return b"".join(pieces)


def parse_fields(data: bytes) -> dict[str, str]:
    """Parse ``a=b&c=d``, form fields or a query; a plus sign is a space.

    ``amp;key`` is read as ``key``: scripts were pasted from web pages that had escaped their ``&``. Raises BadRequest for
    a field with two values, and for more than MAX_FIELDS.
    """
    if data.count(b"&") >= MAX_FIELDS:
        raise BadRequest(why=f"more than {MAX_FIELDS} fields")
    data = data.replace(b"+", b" ")
    if b"%" in data:
        pairs = [tuple(map(unquote, pair.partition(b"="))) for pair in data.split(b"&")]
    else:  # the common case, decoded at once
        pairs = [pair.partition("=") for pair in unquote(data).split("&")]
    fields: dict[str, str] = {}
    for name, separator, value in pairs:
        if not (name or separator):
            continue
        name = name.removeprefix("amp;")
        if fields.setdefault(name, value) != value:
            raise BadRequest(why=f"the field {name!r} comes twice with different values")
    return fields


def read_body(environ: Environ, max_body: int) -> bytes:
    """The whole body. Raises BodyTooLarge above *max_body* bytes, BadRequest for an invalid Content-Length."""
    length = environ.get("CONTENT_LENGTH") or ""
    stream: IO[bytes] = environ["wsgi.input"]
    if not length:
        # A chunked body: read only if the server marks its end, which PEP 3333 does not require.
        if not environ.get("wsgi.input_terminated"):
            return b""
        try:
            data = stream.read(max_body + 1)
        except (OSError, ValueError):
            raise BadRequest(why="the body cannot be read") from None
        if len(data) > max_body:
            raise BodyTooLarge(limit=max_body)
        return data
    if not length.isdecimal() or not length.isascii():
        raise BadRequest(why="Content-Length is not a number")
    if len(length) > 12 or int(length) > max_body:
        raise BodyTooLarge(limit=max_body)
    data = b""
    wanted = int(length)
    while len(data) < wanted:
        piece = stream.read(wanted - len(data))
        if not piece:
            raise BadRequest(why="the body is shorter than its Content-Length")
        data += piece
    return data


def refuse_packed(data: bytes, encoding: str) -> None:
    """Raise BadRequest for a compressed body (Content-Encoding).

    The bytes decide: a web server that decompresses a body may leave the header.
    """
    if encoding.strip().lower() in ("", "identity"):
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(why=f"the body is compressed, send it uncompressed (Content-Encoding: {encoding[:20]!r})") from None


def parse_multipart(environ: Environ, data: bytes, max_body: int) -> dict[str, str]:
    """Parse a multipart form, as of ``curl -F``: rare, so Werkzeug's parser is imported late."""
    import io

    from werkzeug.exceptions import HTTPException
    from werkzeug.formparser import FormDataParser
    from werkzeug.http import parse_options_header

    _, options = parse_options_header(environ.get("CONTENT_TYPE", ""))
    parser = FormDataParser(max_form_memory_size=max_body, max_form_parts=MAX_FIELDS, silent=False)
    try:
        _, form, _ = parser.parse(io.BytesIO(data), "multipart/form-data", len(data), options)
    except (ValueError, HTTPException):
        raise BadRequest(why="a broken multipart body") from None
    fields: dict[str, str] = {}
    pairs: Iterable[tuple[str, str]] = form.items(multi=True)
    for name, value in pairs:
        if fields.setdefault(name, value) != value:
            raise BadRequest(why=f"the field {name!r} comes twice with different values")
    return fields


def target_of(environ: Environ) -> tuple[bytes, bytes]:
    """Return (path below the mount, query), both still escaped."""
    uri: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    script: str = environ.get("SCRIPT_NAME", "")
    if not uri:
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
        query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
        return b"/" + _requoted(path).removeprefix(b"/"), query
    raw = uri.encode("latin-1", "replace")
    if not raw.startswith(b"/"):  # the absolute form that proxies send
        raw = b"/" + raw.partition(b"://")[2].partition(b"/")[2]
    raw = raw.partition(b"#")[0]
    path, _, query = raw.partition(b"?")
    return _below_mount(path, script.encode("latin-1", "replace")), query


def _requoted(path: bytes) -> bytes:
    """Return a path that a server decoded, with its percent signs escaped again."""
    return path.replace(b"%", b"%25")


def _below_mount(path: bytes, script: bytes) -> bytes:
    """Remove the script's path from the front, or that of its folder (if the web server rewrites requests to the script)."""
    for mount in _mounts(script):
        if b"%" not in path:
            if path.startswith(mount) and path[len(mount) : len(mount) + 1] in (b"", b"/"):
                return path[len(mount) :] or b"/"
            continue
        depth = mount.count(b"/")
        pieces = path.split(b"/", depth + 1)
        front = b"/".join(pieces[: depth + 1])
        if front == mount or _is_same(front, mount):
            return b"/" + (pieces[depth + 1] if len(pieces) > depth + 1 else b"")
    if b"//" in path and script.count(b"/") > 1:  # web servers find the folder in spite of them
        while b"//" in path:
            path = path.replace(b"//", b"/")
        return _below_mount(path, script)
    return path or b"/"


@lru_cache(maxsize=16)
def _mounts(script: bytes) -> tuple[bytes, ...]:
    """Return the paths of the script and of its folder, unless that is the root. A worker sees few scripts."""
    return tuple(mount for mount in (script, script.rpartition(b"/")[0]) if mount not in (b"", b"/"))


def _is_same(escaped: bytes, mount: bytes) -> bool:
    try:
        return unquote(escaped).encode() == mount
    except BadRequest:
        return False
