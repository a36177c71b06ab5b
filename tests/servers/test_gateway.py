"""Requests through a WSGI application, without a server."""

import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.validate import validator

import pytest

from n2k_fcgi.servers.gateway import MAX_ERRORS, MAX_WRITTEN, ErrorStream, Reply, new_environ

HEADERS = [("Content-Type", "text/plain")]


def reply_of(application: Callable[..., Iterable[bytes]], body: bytes = b"", **variables: str) -> Reply:
    """A reply that is not yet advanced."""
    return Reply(application, new_environ() | variables, body)


def all_of(reply: Reply) -> list[bytes]:
    """All blocks of a reply."""
    blocks: list[bytes] = []
    while not reply.done:
        blocks += reply.advance()
    return blocks


def test_a_validating_middleware_has_no_complaint() -> None:
    """The environ, the streams and the order of calls are what PEP 3333 asks for, as the standard library checks it."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("text")
        data = environ["wsgi.input"].read(4)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [data]

    reply = reply_of(validator(application), b"body", REQUEST_METHOD="POST", PATH_INFO="/")
    assert b"".join(all_of(reply)) == b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nbody"
    assert reply.errors.getvalue() == b"text"


def test_blocks_are_not_held_back() -> None:
    """Each block of a generator is returned before the next is made."""
    made = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", HEADERS)
        for block in (b"one", b"two"):
            made.append(block)
            yield block

    reply = reply_of(application)
    assert reply.advance()[1] == b"one"
    assert made == [b"one"]
    assert all_of(reply) == [b"two"]


def test_the_last_block_and_the_end_come_together_when_the_length_is_known() -> None:
    """With a Content-Length, an answer out of a generator is done with its last block: one send carries all."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        yield b"one"

    reply = reply_of(application)
    assert reply.advance()[1:] == [b"one"]
    assert reply.done


@pytest.mark.parametrize(
    ("status", "result", "length"),
    [
        ("200 OK", [b"four"], b"4"),
        ("200 OK", (b"",), b"0"),
        ("404 Not Found", [b""], b"0"),
        ("204 No Content", [b""], None),
        ("304 Not Modified", [b""], None),
        ("200 OK", [b"fo", b"ur"], None),
        ("200 OK", [], None),
    ],
)
def test_a_length_is_added_where_it_is_known(status: str, result: list[bytes], length: bytes | None) -> None:
    """For a body of one block; never for an answer that must have none (RFC 9110, 8.6)."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, HEADERS)
        return result

    head = all_of(reply_of(application))[0]
    assert (b"Content-Length: " + (length or b"")) in head if length else b"Content-Length" not in head


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("on", "https"), ("ON", "https"), ("1", "https"), ("off", "http"), ("0", "http"), ("", "http"), (None, "http")],
)
def test_the_scheme_is_what_the_web_server_says(said: str | None, scheme: str) -> None:
    """Apache and nginx send ``on``, others ``1``."""
    reply = reply_of(lambda environ, start_response: [], **({} if said is None else {"HTTPS": said}))
    assert reply._environ["wsgi.url_scheme"] == scheme


def test_closing_early_closes_the_iterable_once() -> None:
    """A reader that is gone ends the generator of the application."""
    closed = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", HEADERS)
        try:
            yield b"one"
            yield b"two"
        finally:
            closed.append(True)

    reply = reply_of(application)
    reply.advance()
    reply.close()
    reply.close()
    assert closed == [True]
    assert reply.done


def test_an_error_in_close_is_logged_and_the_answer_stands(capfd: pytest.CaptureFixture[str]) -> None:
    """An error after the last block does not reach the client."""

    class Stubborn(list[bytes]):
        def close(self) -> None:
            raise RuntimeError("will not close")

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", HEADERS)
        return Stubborn([b"fine"])

    reply = reply_of(application)
    assert all_of(reply)[1] == b"fine"
    assert not reply.failed


def test_an_error_after_the_head_cannot_be_replaced() -> None:
    """start_response with exc_info raises when a block is sent already: the answer is cut off, and marked as failed."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", HEADERS)
        yield b"one"
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Oops", HEADERS, sys.exc_info())
        yield b"two"

    reply = reply_of(application)
    assert all_of(reply)[1:] == [b"one"]
    assert reply.failed


@pytest.mark.parametrize("status, headers", [
    ("200", HEADERS),
    ("OK 200", HEADERS),
    ("200 OK", [("X-Two", "a\r\nSet-Cookie: b")]),
    ("200 OK\r\nX: y", HEADERS),
    ("200 OK", [("Content-Length", "many")]),
    ("200 OK", [("X-Name", "Ω")]),
])  # fmt: skip
def test_a_head_that_cannot_be_sent_is_a_500(status: str, headers: list[tuple[str, str]]) -> None:
    """A bad status, a line break or a letter outside latin-1 in a header never reaches the web server."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, headers)
        return [b"body"]

    assert all_of(reply_of(application))[0].startswith(b"Status: 500 Internal Server Error\r\n")


def test_write_is_bounded() -> None:
    """write() cannot fill the memory of the host: above the limit the request fails, the process goes on."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", HEADERS)
        block = bytes(1 << 20)
        for _ in range(MAX_WRITTEN // len(block) + 1):
            write(block)
        return []

    assert all_of(reply_of(application))[0].startswith(b"Status: 500")


def test_the_error_stream_is_bounded_and_takes_anything() -> None:
    """wsgi.errors keeps its beginning and accepts anything without raising."""
    stream = ErrorStream()
    stream.write("é")
    stream.write(b"\xff")
    stream.write(None)  # type: ignore[arg-type]
    assert stream.getvalue() == b"\xc3\xa9\xffNone"
    stream.write("x" * MAX_ERRORS * 2)
    assert len(stream.getvalue()) == MAX_ERRORS
