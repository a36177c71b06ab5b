"""llHTTPRequest: a real HTTP request, dressed and its answer trimmed as a grid does it.

Not here, because nothing needs it yet: following redirects (the script is shown the 3xx).
"""

import gzip
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from tests.support.grid_rules import Rules

HTTP_METHOD, HTTP_MIMETYPE, HTTP_BODY_MAXLENGTH, HTTP_CUSTOM_HEADER = 0, 1, 2, 5
HTTP_BODY_TRUNCATED = 0
BODY_BYTES, MOST_BODY_BYTES, LEAST_BODY_BYTES = 2048, 16384, 64
NO_ANSWER, UNSUPPORTED_TYPE, BAD_METHOD = 499, 415, 405


class ScriptError(Exception):
    """What a grid shouts on the debug channel: the script is wrong and its handler ends."""


@dataclass(frozen=True)
class Request:
    """One llHTTPRequest as the script meant it, with the headers its prim adds."""

    method: str
    url: str
    headers: dict[str, str]
    body: str
    most_bytes: int


@dataclass(frozen=True)
class Answer:
    """What http_response is told, *delay* seconds (of the simulated clock) after the request."""

    status: int
    body: str
    delay: float
    metadata: list[Any] = field(default_factory=list)


LATENCY = 0.25
"""Simulated seconds between a request and its answer."""


def read_request(rules: Rules, url: str, options: list[Any], body: str, prim_headers: dict[str, str]) -> Request:
    """Read llHTTPRequest's arguments. Raises ScriptError for an option this grid does not know."""
    method, most_bytes = "GET", BODY_BYTES
    headers = {"Content-Type": "text/plain;charset=utf-8", **rules.agent_headers, **prim_headers}
    rest = iter(options)
    for option in rest:
        if option > rules.last_option:
            raise ScriptError(f"llHTTPRequest: unknown option {option}")
        value = next(rest)
        if option == HTTP_METHOD:
            method = value
        elif option == HTTP_MIMETYPE:
            headers["Content-Type"] = value
        elif option == HTTP_BODY_MAXLENGTH:
            most_bytes = min(max(value, LEAST_BODY_BYTES), MOST_BODY_BYTES)
        elif option == HTTP_CUSTOM_HEADER:
            headers[value] = next(rest)
    return Request(method, url, headers, body, most_bytes)


def perform(rules: Rules, request: Request, real_seconds: float) -> Answer:
    """Send *request* and wait for its answer, *real_seconds* at most; never raises, as scripts only hear a status."""
    if rules.methods is not None and request.method not in rules.methods:
        return Answer(BAD_METHOD, "", LATENCY)
    where = urlsplit(request.url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    try:
        connection = kind(where.hostname or "", where.port, timeout=real_seconds)
    except (HTTPException, ValueError):
        return Answer(NO_ANSWER, "", LATENCY)
    try:
        headers = {name: rules.header(value) for name, value in request.headers.items()}
    except ValueError:
        return Answer(rules.unsendable, "", LATENCY)
    try:
        _send(connection, request, headers)
        reply = connection.getresponse()
        return _trim(rules, request, reply, reply.read())
    except TimeoutError:
        return Answer(NO_ANSWER, "", rules.timeout)
    except (HTTPException, OSError):
        return Answer(NO_ANSWER, "", LATENCY)
    finally:
        connection.close()


def _send(connection: HTTPConnection, request: Request, headers: dict[str, bytes]) -> None:
    where = urlsplit(request.url)
    target = (where.path or "/") + (f"?{where.query}" if where.query else "")
    body = b"" if request.method == "GET" else request.body.encode()
    connection.putrequest(request.method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if request.method != "GET":
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)


def _trim(rules: Rules, request: Request, reply: HTTPResponse, body: bytes) -> Answer:
    if reply.getheader("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    kind = reply.getheader("Content-Type", "text/plain").partition(";")[0].strip().lower()
    if rules.content_types is not None and not rules.content_types.fullmatch(kind):
        return Answer(UNSUPPORTED_TYPE, "", LATENCY)
    cut = len(body) > request.most_bytes
    text = body[: request.most_bytes].decode("utf-8", "replace")
    if rules.unifies_line_ends:
        text = text.replace("\r\n", "\n")
    metadata = [HTTP_BODY_TRUNCATED, request.most_bytes] if cut and rules.tells_truncation else []
    return Answer(reply.status, text, LATENCY, metadata)
