"""What a web server gets from a real FastCGI process, one request at a time."""

import json
from collections.abc import Iterator

import pytest

from tests.support.apps import pattern
from tests.support.fastcgi_client import Client, get, request
from tests.support.processes import Child, serving

FAILED = b"internal error: the log of the server says what happened\n"


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One process for all tests of this file: after all of them it still serves."""
    with serving(tmp_path_factory.mktemp("answers"), HTTPS="on") as running:
        yield running
        assert get(running.address, "/hello").body == b"hello"
        running.process.terminate()
        assert running.exit_code() == 0


@pytest.mark.parametrize("path", ["boom", "leave", "twice", "text", "silent"])
@pytest.mark.parametrize("body", [b"", b"x"], ids=["short road", "general road"])
@pytest.mark.measured
def test_an_exception_of_the_application_is_a_plain_500(child: Child, path: str, body: bytes) -> None:
    """One line without the traceback, at once, and the process continues; the traceback is in the log."""
    answer = get(child.address, f"/{path}", "POST", body)
    assert (answer.status, answer.body) == ("500 Internal Server Error", FAILED)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.stderr == b""
    assert f"uncaught exception answering POST /{path}" in child.stderr
    assert "Traceback" in child.stderr


def test_an_exception_in_mid_answer_cuts_it_off(child: Child) -> None:
    """What was sent is kept, the request ends with a failure, and the iterable is closed."""
    before = json.loads(get(child.address, "/counters").body)["closed"]
    answer = get(child.address, "/late")
    assert (answer.status, answer.body, answer.app_status) == ("200 OK", b"first", 1)
    assert json.loads(get(child.address, "/counters").body)["closed"] == before + 1


@pytest.mark.parametrize("body", [b"", b"x"], ids=["short road", "general road"])
def test_the_error_stream_takes_text_and_bytes(child: Child, body: bytes) -> None:
    """Both arrive in FCGI_STDERR and the answer is whole."""
    answer = get(child.address, "/errors", "POST", body)
    assert answer.body == b"fine"
    assert answer.stderr == "text é\nbytes\nline \\ud800\n".encode()


@pytest.mark.parametrize("value, status", [
    ("José", "200 OK"),
    ("Ωmega", "500 Internal Server Error"),
    ("a\r\nSet-Cookie: b", "500 Internal Server Error"),
])  # fmt: skip
def test_a_header_outside_latin_1_does_not_hang(child: Child, value: str, status: str) -> None:
    """Latin-1 is sent; what cannot be in a header is a logged 500 of one line."""
    answer = get(child.address, "/header", X_VALUE=json.dumps(value))
    assert answer.status == status
    assert answer.headers.get("X-Name") == (value if status == "200 OK" else None)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("variables", [
    {"PATH_INFO": "", "SCRIPT_NAME": "/d.fcgi", "REQUEST_URI": "/environment/d.fcgi"},
    {"PATH_INFO": "/a b", "SCRIPT_NAME": "", "REQUEST_URI": "/environment/a%20b?x=1", "QUERY_STRING": ""},
    {"PATH_INFO": "/Ã©", "REQUEST_URI": "/environment/%C3%A9//%25"},
])  # fmt: skip
def test_paths_pass_untouched(child: Child, variables: dict[str, str]) -> None:
    """An empty PATH_INFO is kept and nothing is derived from REQUEST_URI: the application does that."""
    said = json.loads(get(child.address, "/environment", **variables).body)
    assert {name: said[name] for name in variables} == variables


def test_the_environ_is_complete(child: Child) -> None:
    """What WSGI requires is set even if the web server sends hardly anything; nothing of the process environment is in it."""
    with Client(child.address) as client:
        bare = request("/hello").replace(b"REQUEST_URI", b"REQUEST_URX")
        assert client.send(bare).answer().body == b"hello"
    said = json.loads(get(child.address, "/environment", "FETCH", HTTPS="on").body)
    assert said["REQUEST_METHOD"] == "FETCH"
    assert (said["wsgi.multithread"], said["wsgi.multiprocess"], said["wsgi.run_once"]) == (False, True, False)
    assert said["wsgi.url_scheme"] == "https"
    assert "PATH" not in said
    assert json.loads(get(child.address, "/environment").body)["wsgi.url_scheme"] == "http"


@pytest.mark.parametrize("path, status, length", [
    ("hello", "200 OK", "5"),
    ("big?3000000", "200 OK", "3000000"),
    ("pieces?300000", "200 OK", None),
    ("boom", "500 Internal Server Error", str(len(FAILED))),
    ("empty", "204 No Content", None),
])  # fmt: skip
def test_head_has_no_body(child: Child, path: str, status: str, length: str | None) -> None:
    """A HEAD request gets the status and headers of the GET, and no body."""
    answer = get(child.address, f"/{path}", "HEAD")
    assert (answer.status, answer.headers.get("Content-Length"), answer.body) == (status, length, b"")
    assert get(child.address, f"/{path}").status == status


@pytest.mark.parametrize("path", ["big", "pieces"])
@pytest.mark.parametrize("size", [0, 65528, 65529, 30_000_000])
def test_a_big_answer_is_exact(child: Child, path: str, size: int) -> None:
    """Every byte arrives in order, in one block or in many."""
    assert get(child.address, f"/{path}?{size}").body == pattern(size)


def test_a_body_arrives_as_it_was_sent(child: Child) -> None:
    """Bodies up to the limit, in records of any size, are the input of the application."""
    body = pattern(131072)
    assert get(child.address, "/echo", "POST", body).body == body
    assert get(child.address, "/lines", "POST", b"one\ntwo").body == b"[b'one\\n', b'two']"


@pytest.mark.parametrize("said", ["0", "3", "999999", "-1", "many", ""])
@pytest.mark.parametrize("body", [b"", b"12345"])
def test_a_wrong_content_length_delays_nothing(child: Child, said: str, body: bytes) -> None:
    """The body is what arrived, with its length; of a body that was cut on its way the announced length is kept."""
    answer = get(child.address, "/echo", "POST", body, CONTENT_LENGTH=said)
    assert answer.body == body
    was_cut = said.isdecimal() and int(said) > len(body)
    assert answer.headers["X-Length"] == (said if was_cut else "" if not said and not body else str(len(body)))


@pytest.mark.parametrize("size", [131073, 5_000_000])
def test_of_a_body_above_the_cap_the_application_gets_the_length(child: Child, size: int) -> None:
    """The web server may send all of it; none of it is kept. The application of n2k refuses the length (a golden case)."""
    answer = get(child.address, "/echo", "POST", bytes(size))
    assert (answer.headers["X-Length"], answer.body) == (str(size), b"")


def test_write_and_late_changes_of_mind_follow_pep_3333(child: Child) -> None:
    """write() comes before the blocks; exc_info replaces headers that are not sent; the body is cut at Content-Length."""
    assert get(child.address, "/written").body == b"one two three"
    assert get(child.address, "/replaced").status == "418 Teapot"
    assert get(child.address, "/longer").body == b"hello"


def test_a_plain_request_takes_one_receive_and_one_send(child: Child) -> None:
    """Thirty requests that have arrived when the server looks cost thirty of each call, with a body or without."""
    before = json.loads(get(child.address, "/counters").body)
    many = [request("/hello"), request("/hello", "POST", b"body"), request("/hello", request_id=300)] * 10
    with child.paused():  # all are sent before the first is accepted
        clients = [Client(child.address).send(data) for data in many]
    for client, data in zip(clients, many, strict=True):
        with client:
            assert client.answer(int.from_bytes(data[2:4], "big")).body == b"hello"
            assert client.at_end()
    after = json.loads(get(child.address, "/counters").body)
    cost = {name: after[name] - before[name] for name in ("accepts", "receives", "requests", "sends")}
    # The two questions for the counters may be accepted before their bytes are there.
    assert (cost["accepts"], cost["requests"], cost["sends"]) == (31, 31, 31)
    assert 31 <= cost["receives"] <= 32
