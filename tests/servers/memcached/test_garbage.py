"""Whatever bytes a client sends: it gets lines or an end, and others are served."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memcached import Client, made, serving
from tests.support.processes import Child
from tests.support.strategies import relaxed

pytestmark = pytest.mark.unmeasured

PIECES = [
    b"\r\n", b"\n", b"\r", b" ", b"\0", b"\x80", b"get ", b"gets", b"gat 0 ", b"set ", b"cas ", b"append ", b"incr ", b"decr ",
    b"touch ", b"delete ", b"flush_all ", b"stats ", b"verbosity ", b"version", b"mg ", b"ms ", b"md ", b"ma ", b"me ", b"mn",
    b"a", b"a ", b"0 ", b"1 ", b"-1 ", b"0 0 5", b"0 0 0", b"2147483647", b"2147483648", b"-2147483648",
    b"99999999999999999999", b"noreply", b"b ", b"v k q", b"O1 ", b"N0 ", b"J5 ", b"D1 ", b"T0 ", b"C1 ", b"MA ", b"YQ== ",
    b"k" * 251, b"x" * 3000, b"settings",
    b"set a 0 0 5\r\nhello\r\n", b"set n 0 0 1\r\n7\r\n", b"ms a S5\r\n", b"ms a 2\r\nhi\r\n",
]  # fmt: skip
garbage = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=30)), max_size=40).map(b"".join)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """Ours, for all examples."""
    data_dir: Path = tmp_path_factory.mktemp("garbage") / "data"
    with made(data_dir), serving(data_dir) as server:
        yield server


@relaxed
@given(sent=garbage)
def test_garbage_is_answered_or_ends_the_connection(server: Child, sent: bytes) -> None:
    """In whole lines; the process stays, answers others, and has logged no error of its own."""
    with Client(server.address) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        told = client.rest()
        assert not told or told.endswith(b"\n")
    with Client(server.address) as other:
        assert other.everything(b"set alive 0 0 1\r\nx\r\nget alive\r\n") == b"STORED\r\nVALUE alive 0 1\r\nx\r\nEND\r\n"
    assert "Traceback" not in server.stderr
