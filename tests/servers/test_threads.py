"""Servers with threads: one thread at a time runs the application, and none waits for a slow reader."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from werkzeug.serving import make_server

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.dumps.sample import Sample, csv_lines
from n2k_fcgi.store.keyvalue import Terms
from tests.support.asking import over_http
from tests.support.processes import SECONDS
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.unmeasured

THREADS, EACH = 8, 25
MANY = 150_000
"""Avatars: a list of 8 MB. A socket of Linux buffers at most 4 MB to be sent (tcp_wmem)."""


class ThreadedServer(ThreadingMixIn, WSGIServer):
    """The standard library's server, with a thread per connection. Its ``wsgi.multithread`` is False all the same."""

    block_on_close = True


class Quiet(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def threaded_wsgiref(application: Any) -> WSGIServer:
    """Bound to a free port."""
    server = ThreadedServer(("127.0.0.1", 0), Quiet)
    server.set_app(application)
    return server


def threaded_werkzeug(application: Any) -> Any:
    """Bound to a free port."""
    return make_server("127.0.0.1", 0, application, threaded=True)


class Watched:
    """An application that notes when two threads are in it at once."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._inside = 0
        self.overlaps = 0
        self.calls = 0

    @contextmanager
    def _entered(self) -> Iterator[None]:
        self._inside += 1
        self.calls += 1
        self.overlaps += self._inside > 1
        time.sleep(0.0005)  # another thread gets its turn
        try:
            yield
        finally:
            self._inside -= 1

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._entered():
            result = self._application(environ, start_response)
        return result if isinstance(result, list) and environ["REQUEST_METHOD"] != "HEAD" else WatchedBlocks(self, result)


class WatchedBlocks:
    """The blocks of such an answer."""

    def __init__(self, watched: Watched, result: Any) -> None:
        self._watched, self._result, self._rest = watched, result, iter(result)

    def __iter__(self) -> "WatchedBlocks":
        return self

    def __next__(self) -> bytes:
        with self._watched._entered():
            return bytes(next(self._rest))

    def close(self) -> None:
        """PEP 3333's."""
        with self._watched._entered():
            getattr(self._result, "close", lambda: None)()


@contextmanager
def served(sandbox: Sandbox, make: Any) -> Iterator[tuple[int, Watched]]:
    """The application behind a threaded server; its port."""
    sandbox.store.close()
    application = LiveApplication({"data_dir": str(sandbox.data_dir), "csv": "open", "token_limit": "1000000"})
    inner = application._application
    watched = Watched(inner)
    application._application = watched
    server = make(application)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05} if make is threaded_wsgiref else {})
    thread.start()
    try:
        yield server.server_port, watched
    finally:
        server.shutdown()
        thread.join(SECONDS)
        server.server_close()
        application.close()


@pytest.mark.parametrize("make", [threaded_wsgiref, threaded_werkzeug])
def test_one_thread_at_a_time_runs_the_application(sandbox: Sandbox, make: Any) -> None:
    """Eight threads count, read and get a stream: no two are in the application at once, and no count is lost."""
    sandbox.import_text(b"".join(csv_lines(Sample(2000, 1).shuffled())))
    sandbox.store.keyvalue.create("shop", Terms(10**6, 1000))
    token = create_token(sandbox.store.tokens, ("keyvalue",), namespace="shop").text
    with served(sandbox, make) as (port, watched):
        ask = over_http("127.0.0.1", port)

        def work(number: int) -> int:
            total = 0
            for _ in range(EACH):
                reply = ask("POST", "/db/count?op=incr&initial=1", {"X-N2K-Token": token}, b"")
                assert reply.status in (200, 201)
                total += ask("GET", "/db/count", {"X-N2K-Token": token}, b"").status == 200
            assert len(ask("GET", "/name2key.csv", {}, b"").body.splitlines()) in (1, 2000)  # or: too many downloads
            return total

        with ThreadPoolExecutor(THREADS) as pool:
            assert list(pool.map(work, range(THREADS))) == [EACH] * THREADS
        assert ask("GET", "/db/count", {"X-N2K-Token": token}, b"").body == b"%d" % (THREADS * EACH)
    assert watched.overlaps == 0 and watched.calls > 2 * THREADS * EACH


@pytest.fixture(scope="module")
def long_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose list is more than the buffers of a socket hold."""
    box = Sandbox(tmp_path_factory.mktemp("long") / "data")
    box.import_text(b"".join(csv_lines(Sample(MANY, 1).shuffled())))
    box.close()
    return box.data_dir


@pytest.mark.parametrize("make", [threaded_wsgiref, threaded_werkzeug])
def test_a_reader_that_stops_holds_up_nobody(sandbox: Sandbox, long_list: Path, make: Any) -> None:
    """While a block of a long list waits to be sent, other threads get answers; the list goes on when it is read."""
    sandbox.begin_with(long_list)
    with served(sandbox, make) as (port, _), socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(SECONDS)
        slow.connect(("127.0.0.1", port))
        slow.sendall(b"GET /name2key.csv HTTP/1.0\r\n\r\n")
        begun = slow.recv(1)
        ask = over_http("127.0.0.1", port)
        for _ in range(20):
            assert ask("GET", "/health", {}, b"").status == 200
            assert ask("GET", "/name2key.csv", {}, b"").status == 429  # the slow one is still being sent
        response = bytearray(begun)
        while data := slow.recv(1 << 20):
            response += data
    assert response.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200")) and response.count(b"\n") > MANY


def test_headers_are_sent(sandbox: Sandbox) -> None:
    """The standard library's server sends the headers of ours, PUT and DELETE included."""
    sandbox.store.keyvalue.create("shop", Terms(10**6, 1000))
    token = create_token(sandbox.store.tokens, ("keyvalue",), namespace="shop").text
    with served(sandbox, threaded_wsgiref) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        headers = {"X-N2K-Token": token, "Content-Type": "application/octet-stream"}
        for method, status in (("PUT", 201), ("HEAD", 200), ("DELETE", 200), ("DELETE", 404)):
            connection.request(method, "/db/a", b"\0\xff" if method == "PUT" else None, headers)
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("X-Content-Type-Options")) == (status, "nosniff")
            answer.read()
            connection.close()
