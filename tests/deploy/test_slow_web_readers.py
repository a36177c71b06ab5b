"""Clients that do not read the csv, through a real Apache: mod_fcgid has few processes, each with one connection."""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.apache import Apache, apache
from tests.support.hosting import Account
from tests.support.processes import SECONDS, eventually
from tests.support.sandbox import Sandbox, csv

ROWS = 200_000
"""About 10 MB of text: more than the buffers of Apache and of the sockets hold."""

IMPATIENT = """
from n2k_fcgi.servers.fastcgi import main
from n2k_fcgi.servers.limits import DEFAULT
main(DEFAULT._replace(rate=300_000, period=0.5), data_dir={data!r})
"""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """A site with an open csv, whose worker requires 300 KB/s over half a second."""
    made = Account(tmp_path_factory.mktemp("account") / "home")
    made.settings("csv = open")
    box = Sandbox(made.data)
    try:
        box.import_text(csv(*[(f"{n:08x}-0000-4000-8000-000000000009", f"Name{n:06} Last") for n in range(ROWS)]), as_of=1)
    finally:
        box.close()
    made.n2k("deploy", str(made.site))
    start, _, _ = made.script.read_text().partition("from n2k_fcgi")
    made.script.write_text(start + IMPATIENT.format(data=str(made.data)))
    return made


@contextlib.contextmanager
def unread(server: Apache) -> Iterator[socket.socket]:
    """A client that requested the csv and reads nothing by itself."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(SECONDS)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /name2key.csv HTTP/1.1\r\nHost: h\r\n\r\n")
        yield client


def rest(client: socket.socket, *, pause: float = 0.0) -> bytes:
    """The rest of the answer, until the connection ends."""
    got = bytearray()
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while data := client.recv(4000):
            got += data
            time.sleep(pause)
    return bytes(got)


def gets_all(server: Apache) -> bool:
    """Whether the whole csv comes: not while the slot is taken, nor if the machine keeps us from reading for half a second."""
    with contextlib.suppress(ConnectionError, http.client.IncompleteRead):
        return server.get("/name2key.csv").body.count(b"\n") >= ROWS
    return False


def test_as_many_unread_lists_as_there_are_processes(account: Account) -> None:
    """And twice as many: one has the slot, the others get 429, and other requests are answered."""
    with apache(account.site) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(unread(server)) for _ in range(4)]
        for _ in range(5):
            assert server.get("/health").status == 200
            assert server.get("/?name=masakazu.kojima").body == b"a27b84f0-2757-4176-9579-43a181d4a5a0"
        heads = sorted(client.recv(12) for client in clients)
        assert heads == [b"HTTP/1.1 200"] + [b"HTTP/1.1 429"] * 3


def test_a_list_that_is_cut_off_looks_cut_off(account: Account) -> None:
    """A slow reader gets a part, followed by Apache's error page; the process serves the whole csv to the next one."""
    with apache(account.site) as server:
        with unread(server) as client:
            got = rest(client, pause=0.02)
        assert got.startswith(b"HTTP/1.1 200") and b"Transfer-Encoding: chunked" in got
        assert len(got) < 40 * ROWS and (b"500 Internal Server Error" in got or not got.endswith(b"0\r\n\r\n"))
        assert eventually(lambda: gets_all(server))


def test_a_cgi_process_ends(account: Account) -> None:
    """With one process per request, the process of a client that does not read ends by itself and frees the slot."""
    with apache(account.site, gateway="cgid") as server, unread(server):
        assert eventually(lambda: len(server.workers(account.script)) == 1)
        assert server.get("/health").status == 200
        assert eventually(lambda: server.workers(account.script) == [])
        assert eventually(lambda: gets_all(server))
