"""Requests: each part is read when it is first used."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.choices import Kind
from n2k_fcgi.model.keys import is_key_shaped
from n2k_fcgi.web.decoding import parse_fields, parse_multipart, read_body, refuse_packed, target_of, unquote

if TYPE_CHECKING:
    from n2k_fcgi.model.grids import Grids, Wanted
    from n2k_fcgi.web.decoding import Environ

MAX_QUERY = 64 * 1024
"""The limit on the query string in bytes. Most servers have a lower one, about 8 KB."""

IN_WORLD_BYTES = 2048
"""The bytes of a body that llHTTPRequest keeps by default (HTTP_BODY_MAXLENGTH); the rest is dropped without notice."""

LARGEST_BODY = 16384
"""The limit on ``max_bytes``: the largest HTTP_BODY_MAXLENGTH of LSL (in Mono)."""


class Request:
    """One HTTP request over its WSGI environ."""

    __slots__ = (
        "_data",
        "_form_fields",
        "_query_fields",
        "_raw_query",
        "environ",
        "found",
        "kind",
        "max_body",
        "method",
        "raw_path",
        "wants_token",
    )

    def __init__(self, environ: Environ, max_body: int) -> None:
        self.environ = environ
        self.max_body = max_body
        self.method: str = environ.get("REQUEST_METHOD", "GET")
        """In capitals."""
        self.raw_path, self._raw_query = target_of(environ)
        """``raw_path``: the path below our mount point, still escaped, beginning with a slash."""
        self.kind = Kind.OTHER
        """What it is counted as; the route says it, or a view."""
        self.found: str | None = None
        """The label of the grid whose avatar answers a lookup, '' if none does; None: none was looked up."""
        self.wants_token = False
        """Set when a token is looked for: no cache may store the answer."""
        self._query_fields: dict[str, str] | None = None
        self._form_fields: dict[str, str] | None = None
        self._data: bytes | None = None

    @property
    def path(self) -> str:
        """The path below our mount point, decoded."""
        return unquote(self.raw_path, lenient=True)

    @property
    def query(self) -> dict[str, str]:
        """The fields of the query string."""
        if self._query_fields is None:
            raw = self._raw_query
            if len(raw) > MAX_QUERY:
                raise BadRequest(why=f"a query string of more than {MAX_QUERY} bytes")
            self._query_fields = parse_fields(raw) if raw else {}
        return self._query_fields

    @property
    def data(self) -> bytes:
        """The body, empty for other methods than POST and PUT. Raises BodyTooLarge, BadRequest."""
        if self._data is None:
            self._data = read_body(self.environ, self.max_body) if self.method in ("POST", "PUT") else b""
            refuse_packed(self._data, self.environ.get("HTTP_CONTENT_ENCODING", ""))
        return self._data

    @property
    def form(self) -> dict[str, str]:
        """The form fields of the body.

        LSL sends ``text/plain`` by default: such a body is parsed as form fields. Raises BadRequest for other types.
        """
        if self._form_fields is None:
            self._form_fields = self._read_form() if self.method in ("POST", "PUT") else {}
        return self._form_fields

    def fields(self) -> dict[str, str]:
        """Return the fields of query and form. Raises BadRequest for a field that has different values in them."""
        query = self.query
        if self.method not in ("POST", "PUT") or not (form := self.form):
            return query
        for name in query.keys() & form.keys():
            if query[name] != form[name]:
                raise BadRequest(why=f"the field {name!r} comes twice with different values")
        return {**query, **form}

    def header(self, name: str) -> str:
        """Return a header by its WSGI spelling without ``HTTP_``; '' if it is missing. UTF-8 if it is valid, else Latin-1."""
        value: str = self.environ.get("HTTP_" + name, "")
        if value.isascii():
            return value
        try:
            return value.encode("latin-1").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return value

    @property
    def is_in_world(self) -> bool:
        """Whether its headers say that a script sent it: forgeable, used for the form of an answer, never for access."""
        return "HTTP_X_SECONDLIFE_SHARD" in self.environ or "HTTP_X_SECONDLIFE_OWNER_KEY" in self.environ

    def kept_bytes(self, fields: dict[str, str]) -> int | None:
        """Return how many bytes of the answer the caller keeps; None: all. Raises BadRequest if ``max_bytes`` is not a number.

        *fields*: where ``max_bytes`` may be, the query or ``fields()``. A script loses the rest without notice, in mid-line.
        """
        asked = fields.get("max_bytes")
        if asked is not None:
            return min(number(asked, "max_bytes", 1, 10**8), LARGEST_BODY)
        return IN_WORLD_BYTES if self.is_in_world else None

    @property
    def way_to_root(self) -> str:
        """The root as a relative link, which also works behind a proxy that removes a folder from the path. Ends with a slash,
        or is empty."""
        path = _path_asked(self.environ)
        if self.raw_path == b"/" and not path.endswith("/"):  # the folder or the script, without a final slash
            return f"./{path.rpartition('/')[2]}/"
        return "../" * (self.raw_path.count(b"/") - 1)

    def wanted(self, grids: Grids, named: str | None) -> Wanted:
        """Return the grid of the request: *named*, its parameter ``grid``, else the one of X-SecondLife-Shard."""
        return grids.wanted(named, self.header("X_SECONDLIFE_SHARD"))

    def source(self) -> Source:
        """Return the X-SecondLife-* headers, cut to a length that cannot fill a disk."""
        region, shard = self._short_header("X_SECONDLIFE_REGION"), self._short_header("X_SECONDLIFE_SHARD")
        return Source(self._key_header("X_SECONDLIFE_OBJECT_KEY"), self._key_header("X_SECONDLIFE_OWNER_KEY"), region, shard)

    def _short_header(self, name: str) -> str:
        return "".join(c for c in self.header(name) if c.isprintable())[:100]

    def _key_header(self, name: str) -> str:
        key = self.header(name).strip()
        return key.lower() if is_key_shaped(key) else ""

    def _read_form(self) -> dict[str, str]:
        kind = self.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        data = self.data
        if kind == "multipart/form-data":
            return parse_multipart(self.environ, data, self.max_body)
        if kind not in ("", "text/plain", "application/x-www-form-urlencoded"):
            raise BadRequest(why=f"a body of type {kind!r}: send form fields")
        return parse_fields(data.strip()) if data.strip() else {}


def token_in_headers(request: Request) -> str:
    """Return the token of X-N2K-Token or ``Authorization: Bearer``; '' without one."""
    text = request.header("X_N2K_TOKEN")
    scheme, _, credentials = request.header("AUTHORIZATION").partition(" ")
    return credentials.strip() if not text and scheme.lower() == "bearer" else text


def _path_asked(environ: Environ) -> str:
    """Return the path as the browser has it, with the mount."""
    uri: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    return uri.partition("?")[0] if uri else environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")


def number(text: str, name: str, low: int, high: int) -> int:
    """Return a whole number. Raises BadRequest unless it is one from *low* to *high*."""
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= max(9, len(str(high))) else -1
    if not low <= value <= high:
        raise BadRequest(why=f"{name} is a whole number from {low} to {high}")
    return value
