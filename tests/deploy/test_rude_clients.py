"""Clients that disconnect, stop in the middle, send too much or speak old HTTP, with real web servers: others are answered."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deploy.test_homes import SERVICE
from tests.deploy.test_proxies import by_lighttpd, by_nginx
from tests.support.foreground import free_port
from tests.support.machine import Machine
from tests.support.sandbox import MASAKAZU
from tests.support.snippets import snippets

FIND = b"GET /n2k/?name=Masakazu+Kojima HTTP/1.1\r\nHost: example.com\r\n"
LAST = b"Connection: close\r\n\r\n"
BODY = b'{"names":["Masakazu Kojima"]}'
POST = b"POST /n2k/api/v1/lookup HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\n"
FOUND = MASAKAZU.encode()

UPSTREAM = "upstream n2k { server unix:/run/n2k/fcgi.sock; keepalive 4; }\n"
KEPT = "fastcgi_keep_conn on; fastcgi_pass n2k;"


@contextlib.contextmanager
def by_nginx_that_keeps(machine: Machine) -> Iterator[int]:
    """The port of nginx with persistent connections to ``n2k fcgi``, each with many requests."""
    port = free_port()
    snippet = snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port};")
    assert "fastcgi_pass unix:/run/n2k/fcgi.sock;" in snippet
    snippet = UPSTREAM + snippet.replace("fastcgi_pass unix:/run/n2k/fcgi.sock;", KEPT)
    with machine.service(SERVICE), machine.nginx(snippet, port):
        yield port


def sent(port: int, data: bytes) -> bytes:
    """The whole response to *data*, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        found = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it may refuse before it has all; the answer is here
            connection.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                found += piece
        return found


def leave(port: int, data: bytes, *, rudely: bool) -> None:
    """Send *data* and disconnect, with a reset if *rudely*."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        if rudely:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def status(answer: bytes) -> int:
    """The status of the first answer."""
    return int(answer.split()[1])


@pytest.mark.parametrize("server", [by_nginx, by_nginx_that_keeps, by_lighttpd])
def test_rude_clients_cost_the_others_nothing(
    machine: Machine, server: Callable[[Machine], contextlib.AbstractContextManager[int]]
) -> None:
    """Sixty that stop in the middle and two hundred that disconnect, beside six normal ones: those get every answer."""
    parts = [
        b"",
        FIND[:9],
        FIND,
        POST + b"Content-Length: 5000\r\n\r\n" + BODY,
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    ]
    whole = FIND + LAST
    with server(machine) as port, contextlib.ExitStack() as stack, ThreadPoolExecutor(6) as pool:
        for n in range(60):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            connection.sendall(parts[n % len(parts)])
        asked = [pool.submit(sent, port, whole) for _ in range(240)]
        for n in range(200):
            leave(port, whole[: 1 + n * 7 % len(whole)] if n % 2 else whole, rudely=n % 3 == 0)
        assert all(one.result().endswith(FOUND) for one in asked)


@pytest.mark.parametrize("server", [by_nginx, by_nginx_that_keeps, by_lighttpd])
def test_odd_but_lawful_requests(machine: Machine, server: Callable[[Machine], contextlib.AbstractContextManager[int]]) -> None:
    """HTTP/1.0, thirty requests in one packet, a chunked or announced body: answered. What is too long is a 4xx."""
    length = b"Content-Length: %d\r\n" % len(BODY)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
    with server(machine) as port:
        assert sent(port, b"GET /n2k/?name=Masakazu+Kojima HTTP/1.0\r\n\r\n").endswith(FOUND)
        assert sent(port, (FIND + b"\r\n") * 30 + FIND + LAST).count(FOUND) == 31
        assert sent(port, FIND + b"X-Long: " + b"a" * 4000 + b"\r\n" + LAST).endswith(FOUND)
        assert FOUND in sent(port, POST + length + LAST + BODY)
        assert FOUND in sent(port, POST + b"Transfer-Encoding: chunked\r\n" + LAST + chunks)
        assert FOUND in sent(port, POST + b"Expect: 100-continue\r\n" + length + LAST + BODY)
        for n in (16_000, 60_000, 200_000):
            assert 400 <= status(sent(port, FIND + b"X-Long: " + b"a" * n + b"\r\n" + LAST)) < 500
            assert 400 <= status(sent(port, FIND.replace(b"Kojima", b"K" * n) + LAST)) < 500
        assert status(sent(port, FIND.replace(b"Kojima", b"K" * 3000) + LAST)) == 400
        assert status(sent(port, POST + b"Content-Length: 300000\r\n" + LAST + bytes(300_000))) == 413
        assert status(sent(port, POST + b"Content-Length: -5\r\n" + LAST + BODY)) == 400
        assert status(sent(port, POST + b"Content-Length: 5\r\nContent-Length: 9\r\n" + LAST + BODY)) == 400
        assert sent(port, FIND + LAST).endswith(FOUND)
