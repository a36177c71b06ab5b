"""Records that no well-behaved web server sends, and the rarer ones that it may send."""

import contextlib
import json
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.servers.fastcgi.request import MAX_DISCARDED
from tests.support import fastcgi_client as fcgi
from tests.support.fastcgi_client import (
    ABORT,
    BEGIN,
    DATA,
    END,
    GET_VALUES,
    KEEP,
    PARAMS,
    SECONDS,
    STDIN,
    UNKNOWN,
    VALUES_RESULT,
    Client,
    begin,
    get,
    pairs,
    record,
    request,
    stream,
    variables,
)
from tests.support.processes import Child, eventually, serving


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One process for all tests of this file; at the end it still serves and has no connection open."""
    with serving(tmp_path_factory.mktemp("streams")) as running:
        get(running.address, "/boom")  # imports the logger, so that its descriptors count from the start
        before = running.descriptors()
        yield running
        assert get(running.address, "/hello").body == b"hello"
        assert eventually(lambda: running.descriptors() == before)
        running.process.terminate()
        assert running.exit_code() == 0


PAIRS = pairs(variables("/hello"))
MALFORMED = {
    "another version": b"\x02" + request("/hello")[1:],
    "http": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "short begin": record(BEGIN, 1, b"\0\1"),
    "empty begin": record(BEGIN, 1),
    "long begin": record(BEGIN, 1, bytes(16)),
    "begin twice": begin() + begin(),
    "begin with the id 0": begin(0),
    "params with the id 0": record(PARAMS, 0, PAIRS),
    "cut name": begin() + record(PARAMS, 1, b"\x05\x00ab") + record(PARAMS, 1) + record(STDIN, 1),
    "cut value": begin() + record(PARAMS, 1, b"\x01\x7fab") + record(PARAMS, 1) + record(STDIN, 1),
    "cut length": begin() + record(PARAMS, 1, b"\xff\xff") + record(PARAMS, 1) + record(STDIN, 1),
    "huge length": begin() + record(PARAMS, 1, b"\xff" * 8 + b"ab") + record(PARAMS, 1) + record(STDIN, 1),
    "endless params": begin() + record(PARAMS, 1, bytes(65000)) * 5,
    "params after their end": begin() + stream(PARAMS, 1, PAIRS) + record(PARAMS, 1, PAIRS),
    "stdin after its end": begin() + record(STDIN, 1) + record(STDIN, 1, b"x"),
    "cut values": record(GET_VALUES, 0, b"\x05\x00ab"),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.measured
def test_a_malformed_stream_is_dropped(child: Child, name: str) -> None:
    """The server closes the connection by itself, sends nothing, and answers the next one."""
    with Client(child.address) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(MALFORMED[name])
        assert client.at_end()
    assert get(child.address, "/hello").body == b"hello"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(
                record,
                st.integers(0, 13),
                st.integers(0, 2),
                st.one_of(st.binary(max_size=40), st.just(PAIRS), st.just(b"\0\1\0\0\0\0\0\0")),
                st.integers(0, 9),
            ),
        ),
        max_size=12,
    )
)
def test_no_stream_hangs_or_kills(child: Child, pieces: list[bytes]) -> None:
    """Whatever arrives, the connection ends when the client sends no more, and other requests are answered."""
    with Client(child.address) as client:
        try:
            client.send(b"".join(pieces))
            client.socket.shutdown(1)
            while client.socket.recv(65536):
                pass
        except OSError as problem:
            assert not isinstance(problem, TimeoutError)
    assert get(child.address, "/hello").body == b"hello"


@pytest.mark.parametrize("size", [1, 3, 17, 100])
def test_pairs_may_be_split_over_records(child: Child, size: int) -> None:
    """PARAMS cut anywhere, within a length too, and padded, are one stream."""
    params = pairs(variables("/environment", X_LONG="y" * 300))
    with Client(child.address) as client:
        client.send(begin() + stream(PARAMS, 1, params, size, padding=7) + record(STDIN, 1))
        assert b"y" * 300 in client.answer().body


def test_bytes_may_arrive_one_by_one(child: Child) -> None:
    """A request cut into single bytes, padding included, is the same request."""
    params = pairs(variables("/echo", "POST", b"body"))
    data = begin() + stream(PARAMS, 1, params, padding=3) + stream(STDIN, 1, b"body", padding=4)
    with Client(child.address) as client:
        for byte in data:
            client.send(bytes([byte]))
            get(child.address, "/hello")  # the server has seen the byte
        assert client.answer().body == b"body"
        assert client.at_end()


def test_a_kept_connection_serves_many_requests(child: Child) -> None:
    """With KEEP_CONN the connection is kept open, after failures and refusals too, until a request without it."""
    with Client(child.address) as client:
        for path, status in (("hello", "200 OK"), ("boom", "500 Internal Server Error"), ("errors", "200 OK")) * 5:
            assert client.send(request(f"/{path}", flags=KEEP)).answer().status == status
            assert client.send(request(f"/{path}", "POST", b"x", flags=KEEP)).answer().status == status
        too_much = request("/echo", "POST", bytes(200_000), flags=KEEP)
        assert client.send(too_much).answer().headers["X-Length"] == "200000"
        assert client.send(request("/hello")).answer().body == b"hello"
        assert client.at_end()


def test_requests_may_be_pipelined(child: Child) -> None:
    """Several whole requests in one write are answered in order, each with its own id."""
    with Client(child.address) as client:
        client.send(b"".join(request("/hello", request_id=i, flags=KEEP) for i in (1, 2, 3)))
        assert [answer.body for answer in client.answers([1, 2, 3]).values()] == [b"hello"] * 3


def test_requests_may_be_interleaved(child: Child) -> None:
    """Records of several requests, mixed on one connection, are sorted by id; large answers are mixed as well."""
    ids = [1, 2, 65535]
    with Client(child.address) as client:
        client.send(b"".join(begin(i, flags=KEEP) for i in ids))
        for i in ids:
            client.send(stream(PARAMS, i, pairs(variables(f"/echo?{i}", "POST", b"xx")), 50))
        for part in (b"first %d ", b"second %d"):
            client.send(b"".join(record(STDIN, i, part % i) for i in ids))
        client.send(b"".join(record(STDIN, i) for i in ids))
        answers = client.answers(ids)
        assert {i: answers[i].body for i in ids} == {i: b"first %d second %d" % (i, i) for i in ids}
        client.send(b"".join(request("/pieces?2000000", request_id=i, flags=KEEP) for i in ids))
        assert {len(answer.body) for answer in client.answers(ids).values()} == {2_000_000}


def test_too_many_open_requests_are_refused(child: Child) -> None:
    """Above the limit a request ends with OVERLOADED, and the others go on."""
    with Client(child.address) as client:
        client.send(b"".join(begin(i, flags=KEEP) for i in range(1, 18)))
        assert client.record() == (END, 17, struct.pack("!LB3x", 0, 2))
        client.send(request("/hello", request_id=1, flags=KEEP)[16:])
        assert client.answer(1).body == b"hello"


def test_an_unknown_role_is_refused(child: Child) -> None:
    """An authorizer is refused with the reason; a web server in the middle of writing the request can still read it."""
    with Client(child.address) as client:
        client.send(begin(role=fcgi.AUTHORIZER))
        assert client.record() == (END, 1, struct.pack("!LB3x", 0, 3))
        client.send(stream(PARAMS, 1, PAIRS) + record(STDIN, 1, bytes(60000)))
        assert client.at_end()


def test_values_are_answered(child: Child) -> None:
    """GET_VALUES returns what is asked for and known, and leaves out the rest."""
    with Client(child.address) as client:
        client.send(record(GET_VALUES, 0, pairs({"FCGI_MPXS_CONNS": "", "FCGI_MAX_REQS": "", "COLOUR": ""})))
        kind, request_id, content = client.record()
    assert (kind, request_id) == (VALUES_RESULT, 0)
    assert content.startswith(pairs({"FCGI_MPXS_CONNS": "1"}))
    assert b"FCGI_MAX_REQS" in content
    assert b"COLOUR" not in content


@pytest.mark.parametrize("kind", [0, 10, 12, 255])
def test_an_unknown_type_is_answered(child: Child, kind: int) -> None:
    """A management record of another type gets UNKNOWN_TYPE, and the connection goes on."""
    with Client(child.address) as client:
        client.send(record(kind, 0, b"whatever"))
        assert client.record() == (UNKNOWN, 0, bytes([kind, 0, 0, 0, 0, 0, 0, 0]))
        assert client.send(request("/hello")).answer().body == b"hello"


def test_a_peer_that_asks_and_never_reads_is_not_read_any_more(child: Child) -> None:
    """Answers wait in a bounded queue: above the limit the peer cannot send until it reads, then all goes on."""
    with Client(child.address) as client:
        client.socket.settimeout(1.0)
        with pytest.raises(TimeoutError):
            for _ in range(300):
                client.send(record(0, 0) * 8000)
        client.socket.settimeout(SECONDS)
        assert get(child.address, "/hello").body == b"hello"
        assert [client.record()[0] for _ in range(8000)] == [UNKNOWN] * 8000


def test_records_of_no_open_request_are_ignored(child: Child) -> None:
    """Streams of other ids, data for filters and unknown types within a request disturb nothing."""
    noise = record(STDIN, 9, b"x") + record(PARAMS, 9, b"x") + record(ABORT, 9) + record(77, 1) + record(DATA, 1, b"x")
    with Client(child.address) as client:
        client.send(begin() + noise + stream(PARAMS, 1, PAIRS) + noise + record(STDIN, 1))
        assert client.answer().body == b"hello"


def test_a_body_without_an_end_is_dropped(child: Child) -> None:
    """Above MAX_DISCARDED bytes the connection is dropped; a body that is a megabyte smaller is answered."""
    piece, start = record(STDIN, 1, bytes(65_000)) * 10, begin() + stream(PARAMS, 1, pairs(variables("/echo", "POST", b"x")))
    pieces = MAX_DISCARDED // 650_000
    with Client(child.address) as client:
        client.send(start)
        for _ in range(pieces):
            client.send(piece)
        assert client.send(record(STDIN, 1)).answer().headers["X-Length"] == str(pieces * 650_000)
    with Client(child.address) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(start)
            for _ in range(pieces + 2):
                client.send(piece)
        assert client.at_end()


def test_an_aborted_request_ends(child: Child) -> None:
    """ABORT ends a request that has not arrived yet, and one that is being answered; the connection goes on."""
    with Client(child.address) as client:
        client.send(begin(flags=KEEP) + record(ABORT, 1))
        assert client.answer().status == ""
        before = json.loads(get(child.address, "/counters").body)["closed"]
        client.send(request("/endless", flags=KEEP))
        assert client.record()[2].startswith(b"Status: 200 OK")
        client.send(record(ABORT, 1))
        while client.record()[0] != END:
            pass
        assert json.loads(get(child.address, "/counters").body)["closed"] == before + 1
        assert client.send(request("/hello", flags=KEEP)).answer().body == b"hello"


def test_a_half_closed_connection_gets_its_answer(child: Child) -> None:
    """A client that sends no more and closed its writing side is still answered, with a big answer too."""
    with Client(child.address) as client:
        client.send(request("/pieces?5000000", "POST", b"x")).socket.shutdown(1)
        assert len(client.answer().body) == 5_000_000
