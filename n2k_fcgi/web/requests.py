"""Reading a request, as little of it as an endpoint needs."""

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import Grids, Wanted
from n2k_fcgi.model.keys import is_key_shaped
from n2k_fcgi.web.decoding import Environ, parse_fields, parse_multipart, read_body, refuse_packed, target_of, unquote

MAX_QUERY = 64 * 1024
"""Bytes of a query string. Servers allow 8 KB or so; this bounds what a generous one lets through."""

IN_WORLD_BYTES = 2048
"""What llHTTPRequest keeps of a body unless HTTP_BODY_MAXLENGTH says more; the rest is dropped without a word."""

LARGEST_BODY = 16384
"""The most that ``max_bytes`` can ask for: what LSL can be told to keep (HTTP_BODY_MAXLENGTH in Mono)."""


class Request:
    """One HTTP request over its WSGI environ."""

    __slots__ = (
        "_data",
        "_form_fields",
        "_query_fields",
        "_raw_query",
        "environ",
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
        """The body as it was sent, empty for other methods than POST and PUT. Raises BodyTooLarge, BadRequest."""
        if self._data is None:
            self._data = read_body(self.environ, self.max_body) if self.method in ("POST", "PUT") else b""
            refuse_packed(self._data, self.environ.get("HTTP_CONTENT_ENCODING", ""))
        return self._data

    @property
    def form(self) -> dict[str, str]:
        """The form fields of the body.

        LSL sends ``text/plain`` unless told otherwise: such a body that reads as form fields is taken as form fields.
        Raises BadRequest for a type that is no form.
        """
        if self._form_fields is None:
            self._form_fields = self._read_form() if self.method in ("POST", "PUT") else {}
        return self._form_fields

    def fields(self) -> dict[str, str]:
        """The fields of query and body together; one that is in both with two values is a BadRequest."""
        query = self.query
        if self.method not in ("POST", "PUT") or not (form := self.form):
            return query
        for name in query.keys() & form.keys():
            if query[name] != form[name]:
                raise BadRequest(why=f"the field {name!r} comes twice with different values")
        return {**query, **form}

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

    def kept_bytes(self, fields: dict[str, str]) -> int | None:
        """How many bytes of the answer the caller keeps; None: all. Raises BadRequest if ``max_bytes`` is not a number.

        *fields*: where ``max_bytes`` may be, the query or ``fields()``. A script loses the rest without notice, in mid-line.
        """
        asked = fields.get("max_bytes")
        if asked is not None:
            return min(number(asked, "max_bytes", 1, 10**8), LARGEST_BODY)
        return IN_WORLD_BYTES if self.is_in_world else None

    @property
    def way_to_root(self) -> str:
        """The root as a relative link, which holds behind a proxy that takes a folder off the path, too. Ends with a slash, or
        is empty."""
        path = _path_asked(self.environ)
        if self.raw_path == b"/" and not path.endswith("/"):  # the folder or the script itself, without the slash
            return f"./{path.rpartition('/')[2]}/"
        return "../" * (self.raw_path.count(b"/") - 1)

    def wanted(self, grids: Grids, named: str | None) -> Wanted:
        """The grid that the request is about: *named*, what its ``grid`` says, else the one of X-SecondLife-Shard."""
        return grids.wanted(named, self.header("X_SECONDLIFE_SHARD"))

    def source(self) -> Source:
        """Who says so, from X-SecondLife-* headers, cut to a length that nobody can fill a disk with."""
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
    """The token that X-N2K-Token has, or ``Authorization: Bearer``; '' without one."""
    text = request.header("X_N2K_TOKEN")
    scheme, _, credentials = request.header("AUTHORIZATION").partition(" ")
    return credentials.strip() if not text and scheme.lower() == "bearer" else text


def _path_asked(environ: Environ) -> str:
    """The path as the browser has it, mount and all."""
    uri: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    return uri.partition("?")[0] if uri else environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")


def number(text: str, name: str, low: int, high: int) -> int:
    """Read a whole number that a parameter is. Raises BadRequest."""
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    if not low <= value <= high:
        raise BadRequest(why=f"{name} is a whole number from {low} to {high}")
    return value
