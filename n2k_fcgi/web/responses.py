"""Answers: plain text by default, never compressed, cut at line ends for scripts, which would cut in mid-line."""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.keys import NULL_KEY
from n2k_fcgi.named import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from n2k_fcgi.web.decoding import Environ

StartResponse: TypeAlias = "Callable[..., Any]"

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

Headers = tuple[tuple[str, str], ...]

FROM_ANYWHERE: Headers = (("Access-Control-Allow-Origin", "*"),)
"""Pages of other sites may read every answer: without cookies they can do what a token permits, and no more."""

_PREFLIGHT_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, X-KV-Request-Id, X-N2K-Token"
_PREFLIGHT_SECONDS = "86400"

ALWAYS: Headers = (("X-Content-Type-Options", "nosniff"), *FROM_ANYWHERE)
"""Headers of every answer."""

REVALIDATED: Headers = (*ALWAYS, ("Cache-Control", "no-cache"))
"""Headers of answers that caches may store. A host may let all that is fetched from a site be kept for a month (Apache's
mod_expires does not ask whether it is a file or an answer): ``no-cache`` is obeyed beside what it adds."""

KEPT: Headers = (*ALWAYS, ("Cache-Control", "public, max-age=31536000, immutable"))
"""Headers of answers whose address names their content: another content has another address."""

PRIVATE: Headers = (*ALWAYS, ("Cache-Control", "no-store"))
"""Headers of answers to requests that need a token."""

REASONS = {
    200: "200 OK",
    201: "201 Created",
    303: "303 See Other",
    304: "304 Not Modified",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    406: "406 Not Acceptable",
    409: "409 Conflict",
    410: "410 Gone",
    412: "412 Precondition Failed",
    413: "413 Content Too Large",
    415: "415 Unsupported Media Type",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
    507: "507 Insufficient Storage",
}


class Answer(NamedTuple):
    """One response: status, body, and headers beyond type, length and generation."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Headers = ()
    generation: str = ""
    """For X-N2K-Generation; '' if no generation was read."""
    stream: Iterable[bytes] | None = None
    """Instead of ``body``: blocks that are made while they are sent. May have ``close``, as in PEP 3333."""
    private: bool = False
    """Whether it is for this caller alone, as with a token: no cache may store it."""
    kept: bool = False
    """Whether its address names its content, so that caches may keep it for ever."""


def wsgi_headers(answer: Answer) -> list[tuple[str, str]]:
    """Return all headers of *answer*."""
    shared = PRIVATE if answer.private else KEPT if answer.kept else REVALIDATED
    if answer.status == 304:  # it has no body, and its length would be that of the whole answer (RFC 9110, 15.4.5)
        headers = [*shared]
    elif answer.stream is None:
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *shared]
    else:
        headers = [("Content-Type", answer.content_type), *shared]
    if answer.headers:
        headers += answer.headers
    if answer.generation:
        headers.append(("X-N2K-Generation", answer.generation))
    return headers


def text(line: str, generation: str = "", *, status: int = 200, headers: Headers = ()) -> Answer:
    """Return plain text. No line feed is added: the forms of the root have none."""
    return Answer(status, line.encode(), TEXT, headers, generation)


def key_or_null(key: str | None, generation: str) -> Answer:
    """Return 200 with the key or the null key: scripts compare 36 characters, and take a 404 for an error."""
    return text(key or NULL_KEY, generation)


def error(status: int, message: str, headers: Headers = ()) -> Answer:
    """Return an error of one line."""
    return text(message + "\n", status=status, headers=headers)


def revalidated(answer: Answer, if_none_match: str) -> Answer:
    """Return *answer* with an ETag, or 304 if the caller has it already: *if_none_match* is its header If-None-Match."""
    import hashlib  # late: lookups have no ETag

    fingerprint = hashlib.blake2b(answer.body, digest_size=12).hexdigest()
    tagged = answer._replace(headers=(*answer.headers, ("ETag", f'"{fingerprint}"')))
    return tagged._replace(status=304, body=b"") if _has(if_none_match, fingerprint) else tagged


def _has(if_none_match: str, fingerprint: str) -> bool:
    """Whether If-None-Match has our tag, also as changed by a web server that compressed the answer.

    nginx makes it weak (``W/"…"``); Apache, Jetty and others append to it (``"…-gzip"``, ``"…--gzip"``, ``"…;br"``). No tag
    of another answer begins with the 24 hexadecimal digits of our hash.
    """
    return if_none_match.strip() == "*" or f'"{fingerprint}' in if_none_match


def options(allow: str) -> Answer:
    """Return the methods of an address, also as the preflight answer to a browser (CORS)."""
    headers: Headers = (
        ("Allow", allow),
        ("Access-Control-Allow-Methods", allow),
        ("Access-Control-Allow-Headers", _PREFLIGHT_HEADERS),
        ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
    )
    return Answer(200, b"", headers=headers)


def fitting_lines(lines: list[str], max_bytes: int | None) -> str:
    """Return as many lines, joined with line feeds, as fit *max_bytes* of UTF-8 (None: all)."""
    if max_bytes is None:
        return "\n".join(lines)
    kept: list[str] = []
    size = -1
    for line in lines:
        size += len(line.encode()) + 1
        if size > max_bytes:
            break
        kept.append(line)
    return "\n".join(kept)


def respond(answer: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send an answer the WSGI way; a HEAD request gets the headers alone."""
    start_response(REASONS[answer.status], wsgi_headers(answer))
    is_head = environ.get("REQUEST_METHOD") == "HEAD"
    if answer.stream is None:
        return [] if is_head else [answer.body]
    if is_head:
        close(answer.stream)
        return []
    return answer.stream


def close(stream: Iterable[bytes] | None) -> None:
    """Close the stream of an answer that nobody will read, if it has something to close (PEP 3333)."""
    end = getattr(stream, "close", None)
    if end is not None:
        end()
