"""A proxy that loses answers: between a client and a real service, it does to each request what a plan says."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Fate(Enum):
    """What happens to a request."""

    PASS = "pass"
    """It is passed on, and so is its answer."""
    LOSE_ANSWER = "lose the answer"
    """The service answers, and the connection to the client is closed instead."""
    CUT_ANSWER = "cut the answer"
    """The same in the middle of the answer."""
    LOSE_REQUEST = "lose the request"
    """The connection is closed, and the service never sees it."""
    HOLD = "hold"
    """The service answers, and the client hears nothing until the end."""


class Canned(NamedTuple):
    """An answer that is given instead of the service's."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""


class LossyProxy:
    """``plan`` has what happens to the next requests; without one they pass. ``before``: called with each request."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.url = ""
        self.plan: list[Fate | Canned] = []
        self.seen: list[Seen] = []
        self.before: Callable[[Seen], object] = lambda seen: None
        self.closing = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: LossyProxy

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.proxy.seen.append(seen)
        self.proxy.before(seen)
        fate = self.proxy.plan.pop(0) if self.proxy.plan else Fate.PASS
        if isinstance(fate, Canned):
            self._answer(fate.status, {**fate.headers, "Content-Length": str(len(fate.body))}, fate.body)
            return
        if fate is Fate.LOSE_REQUEST:
            self._hang_up()
            return
        upstream = http.client.HTTPConnection(self.proxy.host, self.proxy.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
            given = {
                name: value for name, value in answer.getheaders() if name.lower() not in ("connection", "transfer-encoding")
            }
        finally:
            upstream.close()
        given["Content-Length"] = str(len(content))
        if fate is Fate.HOLD:
            self.proxy.closing.wait()
        if fate in (Fate.LOSE_ANSWER, Fate.HOLD):
            self._hang_up()
        elif fate is Fate.CUT_ANSWER:
            self._answer(answer.status, {**given, "Content-Length": str(len(content) + 10)}, content)
            self._hang_up()
        else:
            self._answer(answer.status, given, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False


@contextmanager
def lossy_proxy(host: str, port: int, mount: str = "") -> Iterator[LossyProxy]:
    """Run a proxy before the service at *host*:*port* and *mount* until the block ends; its ``url`` is the service's."""
    proxy = LossyProxy(host, port)
    with _Server(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"proxy": proxy})) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}{mount}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            server.shutdown()
            thread.join()
