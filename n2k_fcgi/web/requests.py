"""Reading a request, as little of it as an endpoint needs.

Paths and queries are decoded here and not by the web server: behind mod_fcgid PATH_INFO is decoded, rewritten, or missing,
while REQUEST_URI arrives as it was sent (tried with Apache, nginx and lighttpd).
"""

from collections.abc import Iterable
from typing import IO, Any

from n2k_fcgi.errors import BadRequest, BodyTooLarge
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import parse_grid
from n2k_fcgi.model.keys import is_key_shaped

Environ = dict[str, Any]

MAX_QUERY = 64 * 1024
"""Bytes of a query string. Servers allow 8 KB or so; this bounds what a generous one lets through."""

MAX_FIELDS = 200

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
    for count, pair in enumerate(data.split(b"&")):
        if count >= MAX_FIELDS:
            raise BadRequest(why=f"more than {MAX_FIELDS} fields")
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name = unquote(raw_name.replace(b"+", b" ")).removeprefix("amp;")
        value = unquote(raw_value.replace(b"+", b" "))
        if fields.setdefault(name, value) != value:
            raise BadRequest(why=f"the field {name!r} comes twice with different values")
    return fields


class Request:
    """One HTTP request over its WSGI environ."""

    __slots__ = ("_body_fields", "_query_fields", "_target", "environ", "max_body")

    def __init__(self, environ: Environ, max_body: int) -> None:
        self.environ = environ
        self.max_body = max_body
        self._target: tuple[bytes, bytes] | None = None
        self._query_fields: dict[str, str] | None = None
        self._body_fields: dict[str, str] | None = None

    @property
    def method(self) -> str:
        """The method, in capitals."""
        method: str = self.environ.get("REQUEST_METHOD", "GET")
        return method

    @property
    def raw_path(self) -> bytes:
        """The path below our mount point, still escaped, beginning with a slash."""
        return self._split()[0]

    @property
    def path(self) -> str:
        """The path below our mount point, decoded."""
        return unquote(self.raw_path, lenient=True)

    @property
    def query(self) -> dict[str, str]:
        """The fields of the query string."""
        if self._query_fields is None:
            raw = self._split()[1]
            if len(raw) > MAX_QUERY:
                raise BadRequest(why=f"a query string of more than {MAX_QUERY} bytes")
            self._query_fields = parse_fields(raw) if raw else {}
        return self._query_fields

    @property
    def body(self) -> dict[str, str]:
        """The form fields of a body, empty for other methods than POST and PUT.

        LSL sends ``text/plain`` unless told otherwise: such a body that reads as form fields is taken as form fields.
        """
        if self._body_fields is None:
            self._body_fields = self._read_body() if self.method in ("POST", "PUT") else {}
        return self._body_fields

    def fields(self) -> dict[str, str]:
        """The fields of query and body together; one that is in both with two values is a BadRequest."""
        query = self.query
        body = self.body
        if not body:
            return query
        for name in query.keys() & body.keys():
            if query[name] != body[name]:
                raise BadRequest(why=f"the field {name!r} comes twice with different values")
        return {**query, **body}

    def header(self, name: str) -> str:
        """A header by its WSGI spelling without ``HTTP_``; '' when it is missing. Latin-1 read as UTF-8 where it is that."""
        value: str = self.environ.get("HTTP_" + name, "")
        if value.isascii():
            return value
        try:
            return value.encode("latin-1").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return value

    @property
    def is_in_world(self) -> bool:
        """Whether it says that a script sent it (forgeable: for the form of an answer, never for access)."""
        return "HTTP_X_SECONDLIFE_SHARD" in self.environ or "HTTP_X_SECONDLIFE_OWNER_KEY" in self.environ

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks: an explicit ``text/html``. LSL's own Accept has ``text/*``, which is not that."""
        return "text/html" in self.environ.get("HTTP_ACCEPT", "") and not self.is_in_world

    def asked_grid(self, known: tuple[str, ...]) -> tuple[str | None, bool]:
        """(grid, strict): the one in ``grid=`` and no other, or the one in X-SecondLife-Shard before others, or None."""
        explicit = self.fields().get("grid")
        if explicit is not None:
            return parse_grid(explicit, known), True
        shard = self.header("X_SECONDLIFE_SHARD")
        return (parse_grid(shard, known) if shard else None), False

    def source(self) -> Source:
        """Who says so, from X-SecondLife-* headers, cut to a length that nobody can fill a disk with."""
        region = "".join(c for c in self.header("X_SECONDLIFE_REGION") if c.isprintable())[:100]
        return Source(self._key_header("X_SECONDLIFE_OBJECT_KEY"), self._key_header("X_SECONDLIFE_OWNER_KEY"), region)

    def _key_header(self, name: str) -> str:
        key = self.header(name).strip()
        return key.lower() if is_key_shaped(key) else ""

    def _split(self) -> tuple[bytes, bytes]:
        if self._target is None:
            self._target = _target(self.environ)
        return self._target

    def _read_body(self) -> dict[str, str]:
        kind = self.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return _multipart(self.environ, self.max_body)
        data = read_body(self.environ, self.max_body)
        if kind not in ("", "text/plain", "application/x-www-form-urlencoded"):
            raise BadRequest(why=f"a body of type {kind!r}: send form fields")
        return parse_fields(data.strip()) if data.strip() else {}


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


def _multipart(environ: Environ, max_body: int) -> dict[str, str]:
    """``curl -F`` and web forms with files: rare here, so Werkzeug's parser is imported when one comes."""
    import io

    from werkzeug.exceptions import HTTPException
    from werkzeug.formparser import FormDataParser
    from werkzeug.http import parse_options_header

    data = read_body(environ, max_body)
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


def _target(environ: Environ) -> tuple[bytes, bytes]:
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
    """Take the script's name off the front, or the folder it lies in (the web server rewrote to the script then)."""
    for mount in (script, script.rpartition(b"/")[0]):
        if mount and mount != b"/":
            depth = mount.count(b"/")
            pieces = path.split(b"/", depth + 1)
            front = b"/".join(pieces[: depth + 1])
            if front == mount or _is_same(front, mount):
                return b"/" + (pieces[depth + 1] if len(pieces) > depth + 1 else b"")
    return path or b"/"


def _is_same(escaped: bytes, mount: bytes) -> bool:
    if b"%" not in escaped:
        return False
    try:
        return unquote(escaped).encode() == mount
    except BadRequest:
        return False
