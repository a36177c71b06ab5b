"""``main``: FastCGI when descriptor 0 listens, one CGI request when it does not."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.coverage import measured
from tests.support.fastcgi_client import get, variables
from tests.support.processes import REPOSITORY, SECONDS, listening, running

CGI = "from n2k_fcgi.servers.cgi import answer; from tests.support.apps import Dispatch; answer(Dispatch(%d))"
DISPATCH = "from n2k_fcgi.servers.fastcgi import main; main(data_dir=%r)"


def ask(code: str, uri: str, method: str = "GET", body: bytes = b"", stdin: Any = None, **more: str) -> tuple[bytes, bytes]:
    """Run *code* as a web server runs a CGI script; return standard output and standard error."""
    given = {"input": body} if stdin is None else {"stdin": stdin}
    environment = {**measured(), **variables(uri, method, body, **more)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, timeout=SECONDS, check=True, **given
    )
    return done.stdout, done.stderr


def test_a_request_is_answered() -> None:
    """Headers, empty line, body; no body for HEAD."""
    head = b"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
    assert ask(CGI % 100, "/hello") == (head + b"hello", b"")
    assert ask(CGI % 100, "/hello", "HEAD") == (head, b"")


def test_the_environ_is_that_of_one_request() -> None:
    """run_once is true, and text is latin-1 as in PEP 3333."""
    said = json.loads(ask(CGI % 100, "/environment", HTTP_X="é")[0].partition(b"\r\n\r\n")[2])
    assert (said["wsgi.run_once"], said["wsgi.multiprocess"], said["wsgi.multithread"]) == (True, True, False)
    assert said["HTTP_X"] == "Ã©"


def test_a_body_is_read_to_its_length_and_no_further() -> None:
    """CONTENT_LENGTH bytes are read; a chunked body is read to its end; without either nothing is read."""
    assert ask(CGI % 100, "/echo", "POST", b"body")[0].endswith(b"\r\n\r\nbody")
    assert ask(CGI % 100, "/echo", "POST", b"body", CONTENT_LENGTH="2")[0].endswith(b"\r\n\r\nbo")
    assert ask(CGI % 100, "/echo", "POST", b"body", CONTENT_LENGTH="99")[0].endswith(b"\r\n\r\nbody")
    chunked = ask(CGI % 100, "/echo", "POST", b"body", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    assert chunked[0].endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize("more", [{}, {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}])
@pytest.mark.measured
def test_of_a_body_above_the_cap_the_application_gets_the_length(more: dict[str, str]) -> None:
    """And none of its bytes, as with FastCGI."""
    head, _, body = ask(CGI % 100, "/echo", "POST", bytes(101), **more)[0].partition(b"\r\n\r\n")
    assert b"X-Length: 101\r\n" in head and body == b""


@pytest.mark.measured
def test_an_exception_is_a_plain_500() -> None:
    """The client gets one line, standard error the traceback, and the exit code is 0."""
    out, err = ask(CGI % 100, "/boom")
    assert out.startswith(b"Status: 500 Internal Server Error\r\n")
    assert out.endswith(b"\r\n\r\ninternal error: the log of the server says what happened\n")
    assert b"RuntimeError: secret detail" in err


def test_what_the_application_says_goes_to_standard_error() -> None:
    """wsgi.errors, text or bytes."""
    assert ask(CGI % 100, "/errors")[1] == "text é\nbytes\nline \\ud800\n".encode()


def test_a_reader_that_goes_away_ends_the_process_quietly() -> None:
    """A broken pipe leaves no traceback in the log of the web server."""
    with subprocess.Popen(
        [sys.executable, "-c", CGI % 100],
        cwd=REPOSITORY,
        env=variables("/endless"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.read(100)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("stdin", ["null", "pipe"])
def test_main_without_a_socket_is_cgi(tmp_path: Path, stdin: str) -> None:
    """Standard input that is a file or a pipe means one request, answered by the real application."""
    out, _ = ask(DISPATCH % str(tmp_path), "/health", stdin=subprocess.DEVNULL if stdin == "null" else None)
    assert out.startswith(b"Status: 200 OK\r\n")


def test_main_with_a_connected_socket_is_cgi(tmp_path: Path) -> None:
    """Apache's mod_cgid gives a script its connection as standard input; the body is read from it."""
    web_server, script = socket.socketpair()
    with web_server, script:
        web_server.sendall(b"name=a+b")
        out, _ = ask(DISPATCH % str(tmp_path), "/", "POST", b"name=a+b", stdin=script)
    assert out.startswith(b"Status: 503 ") and out.count(b"\n", out.index(b"\r\n\r\n") + 4) == 1


@pytest.mark.measured
def test_main_with_a_listening_socket_is_fastcgi(tmp_path: Path) -> None:
    """The same call serves requests until it is stopped; a missing data directory is a 503 of one line."""
    command = [sys.executable, "-c", DISPATCH % str(tmp_path / "none")]
    with listening(tmp_path) as bound, running(command, stdin=bound, stderr=subprocess.DEVNULL) as process:
        address = str(tmp_path / "socket")
        assert get(address, "/health").status == "200 OK"
        answer = get(address, "/?name=a.b")
        assert answer.status.startswith("503 ")
        assert answer.body.count(b"\n") == 1
        process.terminate()
        assert process.wait(SECONDS) == 0
