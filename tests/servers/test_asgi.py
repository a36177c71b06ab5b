"""The application under granian: a client that stops in the middle of a body or an answer delays no other."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from n2k_fcgi.servers.asgi import environ_of
from tests.support.asking import over_http
from tests.support.golden import prepare
from tests.support.processes import SECONDS, eventually
from tests.support.standalone import Standalone, serving

STALLS = {
    "an unread csv": b"GET /name2key.csv HTTP/1.1\r\nHost: h\r\n\r\n",
    "a body that stalls": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nname=",
    "a chunked body that stops": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nname=\r\n",
    "a head that stops": b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: ",
    "a body announced and never sent": b"POST /api/v1/lookup HTTP/1.1\r\nHost: h\r\nContent-Length: 131072\r\n\r\n",
}


@contextmanager
def connected(host: str, port: int, data: bytes) -> Iterator[socket.socket]:
    """A client that has sent *data* and reads nothing."""
    with socket.create_connection((host, port), timeout=SECONDS) as client:
        client.sendall(data)
        yield client


def whole(client: socket.socket) -> bytes:
    """One answer that announces its length, in however many pieces it comes."""
    with client.makefile("rb") as file:
        head = b"".join(iter(file.readline, b"\r\n"))
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        assert length, head
        return head + b"\r\n" + file.read(int(length[1]))


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Standalone]:
    """The adapter with deadlines of a second, and the file of its messages."""
    with adapter(tmp_path, 1) as server:
        yield server


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Standalone]:
    """With deadlines that no machine keeps us from meeting."""
    with adapter(tmp_path, 60) as server:
        yield server


@contextmanager
def adapter(tmp_path: Path, patience: float) -> Iterator[Standalone]:
    """The adapter, and the file of its messages in *tmp_path*."""
    with (tmp_path / "said").open("w") as said:
        command = [sys.executable, "-m", "tests.support.asgi_app"]
        environment = {**os.environ, "PATIENCE": str(patience)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment) as server:
            try:
                assert server.stdout is not None
                url = urlsplit(server.stdout.readline().strip())
                assert url.hostname and url.port
                assert eventually(lambda: _is_listening(url.hostname or "", url.port or 0))
                yield Standalone(url.hostname, url.port, server)
            finally:
                server.send_signal(signal.SIGTERM)
                assert server.wait(SECONDS) == 0


def _is_listening(host: str, port: int) -> bool:
    try:
        over_http(host, port)("GET", "/", {}, b"")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("stall", STALLS)
def test_one_that_stops_delays_no_other(tmp_path: Path, stall: str) -> None:
    """Five of each kind, held open, under the one worker: other requests are answered at once, and correctly."""
    golden = prepare(tmp_path / "data")
    (golden.data_dir / "n2k.ini").write_text("[n2k]\ncsv = open\ncsv_streams = 5\n")
    with serving(golden.data_dir) as server:
        ask = over_http(server.host, server.port)
        clients = [connected(server.host, server.port, STALLS[stall]) for _ in range(5)]
        for client in clients:
            client.__enter__()
        try:
            for _ in range(3):
                assert ask("GET", "/health", {}, b"").status == 200
                assert ask("GET", "/?name=masakazu.kojima", {}, b"").body == b"a27b84f0-2757-4176-9579-43a181d4a5a0"
        finally:
            for client in clients:
                client.__exit__(None, None, None)
        assert ask("GET", "/health", {}, b"").status == 200


@pytest.mark.parametrize(
    "begun",
    [b"Content-Length: 100\r\n\r\nname=", b"Transfer-Encoding: chunked\r\n\r\n5\r\nname=\r\n", b"Content-Length: 9\r\n\r\n"],
)
def test_a_body_that_does_not_come_is_told_so(short: Standalone, begun: bytes) -> None:
    """408 and one line after its deadline."""
    with connected(short.host, short.port, b"POST / HTTP/1.1\r\nHost: h\r\n" + begun) as client:
        answer = whole(client)
    assert answer.startswith(b"HTTP/1.1 408 ") and answer.endswith(b"send it again, all at once\n")


@pytest.mark.parametrize("size", [b"ZZ", b"-1", b"5\r\nabcdefg"])
def test_a_body_that_is_not_chunked_as_it_says_is_the_fault_of_its_sender(patient: Standalone, size: bytes) -> None:
    """400 and one line, whether the first chunk is broken or a later one."""
    for before in (b"", b"3\r\nabc\r\n"):
        with connected(
            patient.host,
            patient.port,
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + before + size + b"\r\n",
        ) as client:
            answer = whole(client)
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"is not chunked as its header says\n")


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"Content-Length: 5\r\n\r\nabcde", b"5"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", b"7"),
        (b"Content-Length: 0\r\n\r\n", b"0"),
        (b"\r\n", b"0"),
        (b"Content-Length: 1000\r\n\r\n" + b"x" * 1000, b"1000"),
        (b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n", b"1001"),
    ],
)
def test_bodies_of_every_kind_arrive(patient: Standalone, sent: bytes, body: bytes) -> None:
    """Announced, chunked, empty; of one that is too large one byte more than the limit, which the application refuses."""
    with connected(patient.host, patient.port, b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + sent) as client:
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.rpartition(b"\r\n\r\n")[2].strip(b"\r\n") == body


def test_an_answer_that_is_read_too_slowly_is_cut_off(short: Standalone, tmp_path: Path) -> None:
    """The stream is closed, memory does not grow by what is not read, and the body has no valid end."""
    with connected(short.host, short.port, b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n") as client:
        assert eventually(lambda: "stream closed" in (tmp_path / "said").read_text())
        got = 0
        try:
            while data := client.recv(1 << 20):
                got += len(data)
                assert not data.endswith(b"0\r\n\r\n")
        except ConnectionResetError:
            pass
    assert 0 < got < 50_000_000
    assert over_http(short.host, short.port)("POST", "/", {}, b"abc").body == b"3"


def test_an_answer_that_is_read_comes_whole(patient: Standalone) -> None:
    """100 MB for a client that reads them."""
    answer = over_http(patient.host, patient.port)("GET", "/stream", {}, b"")
    assert (answer.status, len(answer.body)) == (200, 100_000_000)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /endless HTTP/1.0\r\n\r\n",
        b"POST /endless HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /endless HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
    ],
)
def test_for_a_reader_that_went_away_nothing_more_is_made(patient: Standalone, tmp_path: Path, sent: bytes) -> None:
    """An endless stream is closed when the client disconnects, whatever came with the request; others are answered."""
    with connected(patient.host, patient.port, sent) as client:
        assert client.recv(1000)
    assert eventually(lambda: "stream closed" in (tmp_path / "said").read_text())
    assert over_http(patient.host, patient.port)("POST", "/", {}, b"abc").body == b"3"


@pytest.mark.parametrize(
    "begun", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello"]
)
def test_only_http_1_is_spoken(tmp_path: Path, begun: bytes) -> None:
    """The version is not waited for: granian would wait without a limit, and so keep every silent connection."""
    golden = prepare(tmp_path / "data")
    with serving(golden.data_dir) as server, connected(server.host, server.port, begun) as client:
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer


@pytest.mark.parametrize(
    "headers", [{"X_Forwarded_For": "203.0.113.7"}, {"X_FORWARDED-FOR": "203.0.113.7"}, {"x_forwarded_for": "203.0.113.7"}]
)
def test_a_header_with_an_underscore_is_dropped(tmp_path: Path, headers: dict[str, str]) -> None:
    """Behind a trusted proxy a caller is counted by the address that the proxy names, whatever the caller sent itself."""
    golden = prepare(tmp_path / "data")
    (golden.data_dir / "n2k.ini").write_text("[n2k]\ntrusted_proxies = 127.0.0.1\nfailure_limit = 3\n")
    with serving(golden.data_dir) as server:
        ask = over_http(server.host, server.port)
        body = json.dumps({"key": "11111111-2222-3333-4444-555555555555"}).encode()
        fixed = {"X-Forwarded-For": "198.51.100.9", "Content-Type": "application/json", "X-N2K-Token": "n2k_wrong_wrong"}
        statuses = []
        for n in range(8):
            spoofed = {name: value + str(n) for name, value in headers.items()}
            statuses.append(ask("POST", "/api/v1/forgotten", {**spoofed, **fixed}, body).status)
    assert statuses == [401] * 3 + [429] * 5


def test_the_variables_of_a_request() -> None:
    """The path as it was sent, and repeated headers joined; none of those with an underscore."""
    scope = {
        "method": "GET",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"x=%41",
        "http_version": "1.1",
        "client": ("192.0.2.1", "1234"),
        "server": ("127.0.0.1", "3000"),
        "headers": [
            (b"x-forwarded-for", b"1.1.1.1"),
            (b"x_forwarded_for", b"2.2.2.2"),
            (b"x-forwarded-for", b"3.3.3.3"),
            (b"content-type", b"text/plain"),
            (b"content-length", b"3"),
        ],
    }
    environ = environ_of(scope, b"abc")
    assert (environ["REQUEST_URI"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/a%20b?x=%41", "/a b", "x=%41")
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.1.1.1,3.3.3.3"
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"], environ["REMOTE_ADDR"]) == ("text/plain", "3", "192.0.2.1")
    assert "HTTP_CONTENT_LENGTH" not in environ and environ["wsgi.input"].read() == b"abc"
