"""The golden cases through every front end that needs no separate web server."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.web import express
from n2k_fcgi.web.requests import Request
from tests.support.asking import cgi_environ, over_cgi, over_fastcgi, over_http, wsgi
from tests.support.fastcgi_client import PARAMS, STDIN, Client, begin, pairs, stream
from tests.support.golden import CASES_FILE, prepare, run_all
from tests.support.processes import SECONDS
from tests.support.standalone import WITHOUT_GRANIAN, serving

CASES = len(CASES_FILE.read_text("utf-8").splitlines())


@pytest.mark.parametrize("mount", ["", "/sub", "/deep/er"])
def test_application(tmp_path: Path, mount: str) -> None:
    """The application itself, at the root and below a prefix, with the variables of Apache's rewriting."""
    golden = prepare(tmp_path / "data")
    application = LiveApplication({"data_dir": str(golden.data_dir)})
    try:
        assert run_all(wsgi(application, mount), golden) == CASES
    finally:
        application.close()


def test_fast_and_slow_path_return_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every golden case by the slow path; and most of them could take the fast path."""
    golden = prepare(tmp_path / "data")
    taken = []

    def never(request: Request) -> None:
        taken.append((by_lookup(request) or by_address(request)) is not None)

    by_lookup, by_address = express.lookup, express.address
    monkeypatch.setattr(express, "lookup", never)
    monkeypatch.setattr(express, "address", lambda request: None)
    application = LiveApplication({"data_dir": str(golden.data_dir)})
    try:
        assert run_all(wsgi(application, "/sub"), golden) == CASES
    finally:
        application.close()
    assert sum(taken) > CASES / 2


@pytest.mark.parametrize("mount", ["", "/names"])
def test_standalone(tmp_path: Path, mount: str) -> None:
    """``n2k serve`` with granian, at the root and with --prefix."""
    golden = prepare(tmp_path / "data")
    options = ["--prefix", mount] if mount else []
    with serving(golden.data_dir, *options) as (host, port, _):
        assert run_all(over_http(host, port, mount), golden) == CASES
        if mount:
            assert over_http(host, port)("GET", "/?name=username", {}, b"").status == 404


@pytest.mark.parametrize("mount", ["", "/names"])
def test_standalone_without_granian(tmp_path: Path, mount: str) -> None:
    """Werkzeug's own server, which warns, returns the same answers."""
    golden = prepare(tmp_path / "data")
    options = ["--prefix", mount] if mount else []
    with serving(golden.data_dir, *options, program=("-c", WITHOUT_GRANIAN)) as (host, port, _):
        assert run_all(over_http(host, port, mount), golden) == CASES


@pytest.mark.parametrize("mount", ["", "/sub"])
@pytest.mark.parametrize("listening", ["--socket", "--listen"])
def test_fastcgi(tmp_path: Path, listening: str, mount: str) -> None:
    """``n2k fcgi`` on a unix socket and on TCP."""
    golden = prepare(tmp_path / "data")
    where = str(tmp_path / "fcgi.sock") if listening == "--socket" else "127.0.0.1:0"
    command = [sys.executable, "-m", "n2k_fcgi", "--dir", str(golden.data_dir), "fcgi", listening, where]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            said = server.stderr.readline().strip().removeprefix("FastCGI on ")
            host, _, port = said.rpartition(":")
            address = (host, int(port)) if port.isdecimal() else said
            assert run_all(over_fastcgi(address, mount), golden) == CASES
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(SECONDS) == 0


def test_cgi(tmp_path: Path) -> None:
    """The checkout's dispatch.fcgi run as plain CGI, in a web server's bare environment, for one case of each kind."""
    golden = prepare(tmp_path / "data")
    script = Path(__file__).parents[2] / "dispatch.fcgi"
    environment = {"N2K_DIR": str(golden.data_dir), "PATH": os.environ["PATH"]}
    application = LiveApplication({"data_dir": str(golden.data_dir)})
    try:
        asked = over_cgi([sys.executable, str(script)], environment, "/sub")
        assert run_all(asked, golden, others=wsgi(application, "/sub")) == CASES
    finally:
        application.close()


def test_a_body_that_was_cut_registers_nobody(tmp_path: Path) -> None:
    """Fewer bytes than announced, over FastCGI: half a name is not registered."""
    golden = prepare(tmp_path / "data")
    body = b"name=Half+Na&key=99999999-2222-3333-4444-555555555555"
    environ = cgi_environ("POST", "/", {"X-N2K-Token": golden.placeholders["{TOKEN}"]}, body) | {"CONTENT_LENGTH": "99"}
    socket = str(tmp_path / "fcgi.sock")
    command = [sys.executable, "-m", "n2k_fcgi", "--dir", str(golden.data_dir), "fcgi", "--socket", socket]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None and server.stderr.readline()
            with Client(socket) as client:
                answer = client.send(begin() + stream(PARAMS, 1, pairs(environ)) + stream(STDIN, 1, body)).answer()
            assert answer.status.startswith("400") and b"shorter than its Content-Length" in answer.body
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(SECONDS) == 0
