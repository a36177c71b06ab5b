"""A real web server with one path per behaviour: a well-behaved one for a file, and all the troubles of the world."""

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODIFIED = 1_780_000_000
"""When files were modified, unix seconds: 2026-05-28."""

MODIFIED_DATE = formatdate(MODIFIED, usegmt=True)

CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""Key and certificate of localhost and 127.0.0.1, signed by itself, for tests only; valid until 2126."""


class Handler(BaseHTTPRequestHandler):
    """Hands a request to the behaviour of its path."""

    web: "WebServer"

    def do_GET(self) -> None:
        """The only method that is asked here."""
        path = self.path.partition("?")[0]
        self.web.requests.append((path, dict(self.headers)))
        with suppress(ConnectionError):  # who asked may leave
            self.web.paths[path](self)

    def head(self, status: int, length: int | None, **headers: str) -> None:
        """Status and headers; underscores become dashes, '' leaves one out."""
        self.send_response(status)
        usual = {"Content-Type": "application/octet-stream", "Last-Modified": MODIFIED_DATE, "Connection": "close"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {**usual, **given}.items():
            if value:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """Waits for its threads when it is closed."""

    daemon_threads = False


Answer = Callable[[Handler], None]


@dataclass
class WebServer:
    """A running server: answers by path, and the requests so far as (path, headers)."""

    paths: dict[str, Answer]
    port: int = 0
    scheme: str = "http"
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, user: str = "") -> str:
        """The address of *path*; *user* is ``name:password``."""
        return f"{self.scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    def headers(self, number: int = -1) -> dict[str, str]:
        """The headers of a request, the last one by default."""
        return self.requests[number][1]


@contextmanager
def web_server(*, https: bool = False, **paths: Answer) -> Iterator[WebServer]:
    """Serve on a loopback port while the block runs; ``dump=...`` answers ``/dump``, as well as ``web.paths`` later."""
    web = WebServer({f"/{name}": answer for name, answer in paths.items()})
    handler = type("BoundHandler", (Handler,), {"web": web})
    with Server(("127.0.0.1", 0), handler) as server:
        if https:
            _encrypt(server)
            web.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        web.port = server.server_port
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()


def _encrypt(server: Server) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    # The handshake is the handler's, so that a client that breaks it off does not hurt the server.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def file(content: bytes, etag: str = '"one"', *, ranges: bool = True, **headers: str) -> Answer:
    """A file as a good web server gives it: conditional requests and, with *ranges*, If-Range and Range."""

    def answer(handler: Handler) -> None:
        asked = handler.headers
        since = asked["If-Modified-Since"] == MODIFIED_DATE and not asked["If-None-Match"]
        if (etag and asked["If-None-Match"] == etag) or since:
            handler.head(304, None, ETag=etag)
            return
        start = int((asked["Range"] or "bytes=0-")[6:-1]) if ranges and asked["If-Range"] in (etag, MODIFIED_DATE) else 0
        if start:
            handler.head(206, len(content) - start, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}", ETag=etag)
        else:
            handler.head(200, len(content), ETag=etag, **headers)
        handler.wfile.write(content[start:])

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Each answer once, in this order, the last one for ever."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def cut(content: bytes, *then: Answer, at: int | None = None, etag: str = '"one"') -> Answer:
    """Break the connection in the middle, or *at* a place; *then* behave otherwise, in turn."""
    return in_turn(sent(content[: len(content) // 2 if at is None else at], length=len(content), ETag=etag), *then)


def stalled(content: bytes) -> Answer:
    """Half of it, then not a byte more."""

    def answer(handler: Handler) -> None:
        handler.head(200, len(content))
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        handler.web.closing.wait()

    return answer


def dripping(handler: Handler) -> None:
    """A byte now and then, for ever, but never silent for long."""
    handler.head(200, None)
    while not handler.web.closing.wait(0.02):
        handler.wfile.write(b"x")


def endless(handler: Handler) -> None:
    """As much as anybody takes."""
    handler.head(200, None)
    while not handler.web.closing.is_set():
        handler.wfile.write(bytes(range(97, 123)) * 1000)


def sent(content: bytes, status: int = 200, length: int | None = None, **headers: str) -> Answer:
    """Just this, whatever was asked for; *length*: what Content-Length claims, if not the truth."""

    def answer(handler: Handler) -> None:
        handler.head(status, len(content) if length is None else length, **headers)
        handler.wfile.write(content)

    return answer


def gzipped(content: bytes) -> Answer:
    """The content in a gzip encoding that nobody asked for."""
    return sent(gzip.compress(content, mtime=0), Content_Encoding="gzip")


def redirect(to: str, status: int = 302) -> Answer:
    """Somewhere else."""
    return sent(b"moved", status, Location=to)
