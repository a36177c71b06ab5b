"""Bytes of a request into text and fields: paths, queries, form bodies.

Paths and queries are decoded here and not by the web server: behind mod_fcgid PATH_INFO is decoded, rewritten, or missing,
while REQUEST_URI arrives as it was sent (tried with Apache, nginx and lighttpd).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import IO, Any

from n2k_fcgi.errors import BadRequest, BodyTooLarge

Environ = dict[str, Any]

MAX_FIELDS = 200

_SLASHES = re.compile(rb"/{2,}")

_HEX = {f"{n:02x}".encode(): bytes((n,)) for n in range(256)}


def unquote(data: bytes, *, lenient: bool = False) -> str:
    """Decode percent escapes and UTF-8. Raises BadRequest for other bytes than UTF-8, and for a broken escape.

    *lenient*: a percent sign that begins no escape stands for itself, as servers that decode paths have it.
    """
    if b"%" in data:
        first, *rest = data.split(b"%")
        pieces = [first]
        for piece in rest:
            byte = _HEX.get(piece[:2].lower())
            if byte is None and not lenient:
                raise BadRequest(why="a percent sign is not followed by two hexadecimal digits")
            pieces.append(b"%" + piece if byte is None else byte + piece[2:])
        data = b"".join(pieces)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(why="it is not in UTF-8") from None


def parse_fields(data: bytes) -> dict[str, str]:
    """Read ``a=b&c=d`` (form fields, or a query), a plus sign being a space.

    ``amp;key`` is read as ``key``: scripts in the world were pasted from web pages that had escaped their ``&``. The
    same field twice with one value is fine; with two values, BadRequest.
    """
    fields: dict[str, str] = {}
    for count, pair in enumerate(data.replace(b"+", b" ").split(b"&")):
        if count >= MAX_FIELDS:
            raise BadRequest(why=f"more than {MAX_FIELDS} fields")
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name = unquote(raw_name).removeprefix("amp;")
        value = unquote(raw_value)
        if fields.setdefault(name, value) != value:
            raise BadRequest(why=f"the field {name!r} comes twice with different values")
    return fields


def read_body(environ: Environ, max_body: int) -> bytes:
    """The whole body. Raises BodyTooLarge above *max_body* bytes, BadRequest for a length that is none."""
    length = environ.get("CONTENT_LENGTH") or ""
    stream: IO[bytes] = environ["wsgi.input"]
    if not length:
        # A chunked body: only read where the server promises an end (PEP 3333 itself promises none).
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
    """Raise BadRequest for a body that is still packed as the header Content-Encoding says.

    The bytes decide: a web server that unpacks a body on its way may leave the header.
    """
    if encoding.strip().lower() in ("", "identity"):
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(why=f"the body is packed, send it as it is (Content-Encoding: {encoding[:20]!r})") from None


def parse_multipart(environ: Environ, data: bytes, max_body: int) -> dict[str, str]:
    """``curl -F`` and web forms with files: rare here, so Werkzeug's parser is imported when one comes."""
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
    """(path below the mount, query), both still escaped."""
    uri: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    script: str = environ.get("SCRIPT_NAME", "")
    if not uri:
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
        query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
        return _requoted(path) or b"/", query
    raw = uri.encode("latin-1", "replace")
    if not raw.startswith(b"/"):  # the absolute form that proxies send
        raw = b"/" + raw.partition(b"://")[2].partition(b"/")[2]
    raw = raw.partition(b"#")[0]
    path, _, query = raw.partition(b"?")
    return _below_mount(path, script.encode("latin-1", "replace")), query


def _requoted(path: bytes) -> bytes:
    """A path that a server decoded, escaped again where it would be misread."""
    return path.replace(b"%", b"%25")


def _below_mount(path: bytes, script: bytes) -> bytes:
    """Remove the script's name from the front, or its folder (then the web server rewrote the request to the script)."""
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
    if b"//" in path and script.count(b"/") > 1:  # web servers find the folder all the same
        return _below_mount(_SLASHES.sub(b"/", path), script)
    return path or b"/"


@lru_cache(maxsize=16)
def _mounts(script: bytes) -> tuple[bytes, ...]:
    """The script and its folder, unless that is the root: a worker sees few scripts."""
    return tuple(mount for mount in (script, script.rpartition(b"/")[0]) if mount not in (b"", b"/"))


def _is_same(escaped: bytes, mount: bytes) -> bool:
    try:
        return unquote(escaped).encode() == mount
    except BadRequest:
        return False
