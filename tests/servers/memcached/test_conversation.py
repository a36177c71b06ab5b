"""One client: bytes cut anywhere, pipelines, silence, and what breaks the rules."""

import contextlib
import signal
import socket
import time
from pathlib import Path

import pytest

from n2k_fcgi.store.base import Store
from tests.support.memcached import Client, serving, space_of
from tests.support.processes import Child, eventually

SCRIPT = (
    b"set a 5 0 3\r\nabc\r\ngets nothing\r\nget a\r\nappend a 0 0 2\r\n\r\n\r\nincr a 1\r\nset n 0 0 1 noreply\r\n9\r\n"
    b"incr n 1\r\nget a n\r\nms k 2 T0 c0\r\nhi\r\nmg k v\r\ndelete a\r\nget a\r\nnonsense\r\nversion\r\n"
)
ANSWERS = (
    b"STORED\r\nEND\r\nVALUE a 5 3\r\nabc\r\nEND\r\nSTORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
    b"10\r\nVALUE a 5 5\r\nabc\r\n\r\nVALUE n 0 2\r\n10\r\nEND\r\n"
)


@pytest.mark.measured
@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
def test_commands_arrive_cut_anywhere(client: Client, size: int) -> None:
    """Byte by byte or all at once: each is answered, in order; a read behind a write sees it."""
    for start in range(0, len(SCRIPT), size):
        client.sendall(SCRIPT[start : start + size])
    told = client.everything(b"")
    assert told.startswith(ANSWERS)
    assert told.removeprefix(ANSWERS).splitlines()[1:-1] == [b"VA 2", b"hi", b"DELETED", b"END", b"ERROR"]


@pytest.mark.measured
def test_noreply_is_silent_everywhere(client: Client) -> None:
    """Also about errors; what comes behind is answered as ever."""
    quiet = b"".join(
        line + b" noreply\r\n" + data
        for line, data in [
            (b"set a 0 0 1", b"1\r\n"),
            (b"add a 0 0 1", b"2\r\n"),
            (b"replace b 0 0 1", b"2\r\n"),
            (b"append a 0 0 1", b"0\r\n"),
            (b"prepend a 0 0 1", b"2\r\n"),
            (b"cas a 0 0 1 1", b"9\r\n"),
            (b"incr a 5", b""),
            (b"decr a 1", b""),
            (b"incr a x", b""),
            (b"incr none 1", b""),
            (b"set %b 0 0 1" % (b"k" * 251), b"1\r\n"),
            (b"set a x 0 1", b"1\r\n"),
            (b"set a 0 0 -1", b""),
            (b"cas a 0 0 1 x", b"1\r\n"),
            (b"cas none 0 0 1 1", b"1\r\n"),
            (b"append none 0 0 1", b"1\r\n"),
            (b"touch a x", b""),
            (b"touch none 0", b""),
            (b"touch %b 0" % (b"k" * 251), b""),
            (b"delete %b" % (b"k" * 251), b""),
            (b"flush_all x", b""),
            (b"verbosity x", b""),
            (b"cache_memlimit 64", b""),
            (b"touch a 0", b""),
            (b"delete none", b""),
            (b"verbosity 1", b""),
            (b"set b 0 0 1", b"12\r\n"),
        ]
    )
    assert client.until(quiet + b"get a b\r\n", b"END\r\n").endswith(b"VALUE a 0 3\r\n214\r\n")
    assert client.everything(b"flush_all noreply\r\nget a\r\n") == b"END\r\n"


@pytest.mark.parametrize("line", [b"x" * 10_000_000, b"x" * 3000 + b"\r\n", b"get " + b"k " * 200_000 + b"\r\n"])
def test_a_line_that_is_too_long_ends_the_connection(client: Client, server: Child, line: bytes) -> None:
    """With an answer, however much more of it comes; nothing of it is kept."""
    before = server.status("VmRSS")
    client.sendall(line)
    assert client.line() == b"CLIENT_ERROR line too long\r\n" and client.line() == b""
    assert server.status("VmRSS") < before + 3000
    with Client(server.address) as other:
        assert other.ask(b"mn\r\n") == b"MN\r\n"


@pytest.mark.measured
def test_many_keys_may_be_asked_for(client: Client) -> None:
    """In a line that is longer than others may be; the answer is made at the speed of the reader."""
    client.everything(b"".join(b"set k%d 0 0 3 noreply\r\n%03d\r\n" % (number, number) for number in range(1000)))
    asked = b" ".join(b"k%d" % number for number in range(2000))
    told = client.until(b"get %b\r\n" % asked, b"END\r\n")
    assert told == b"".join(b"VALUE k%d 0 3\r\n%03d\r\n" % (number, number) for number in range(1000))


@pytest.mark.measured
@pytest.mark.parametrize("before", [b"", b"set a 0 0 1\r\nx\r\n"])
def test_the_binary_protocol_is_answered_by_closing(server: Child, before: bytes) -> None:
    """As its clients expect of a server that does not speak it; what was stored before is stored."""
    with Client(server.address) as client:
        client.sendall(before + b"\x80\x0a" + bytes(22))
        assert client.rest() in (b"", b"STORED\r\n")
    with Client(server.address) as client:
        assert client.everything(b"get a\r\n").startswith(b"VALUE a" if before else b"END")


def test_garbage_costs_an_answer_at_most(server: Child) -> None:
    """Random bytes, half commands, and a client that leaves in the middle: others are served."""
    for garbage in (
        bytes(range(255)) * 40,
        b"\r\n" * 5000,
        b"set a 0 0 10\r\nhalf",
        b"set a 0 0 ",
        b"\0" * 4000 + b"\n",
        b"\n\x80",
    ):
        with Client(server.address) as client, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(garbage)
    with Client(server.address) as client:
        assert client.everything(b"get a\r\n") == b"END\r\n"


def test_a_client_that_never_reads_holds_no_memory(client: Client, server: Child) -> None:
    """A thousand large answers that nobody takes are not made; others are served meanwhile."""
    assert client.ask(b"set a 0 0 60000\r\n%b\r\n" % bytes(60_000)) == b"STORED\r\n"
    before = server.status("VmRSS")
    client.sendall(b"get a a a a a a a a a a\r\n" * 1000)
    with Client(server.address) as other:
        for _ in range(20):
            assert other.everything(b"get b\r\n") == b"END\r\n"
    assert server.status("VmRSS") < before + 20_000
    assert server.threads() == 1


@pytest.mark.measured
def test_what_was_begun_is_finished_at_the_end(client: Client, server: Child) -> None:
    """SIGTERM: a command that has arrived is done and answered, the connection is closed, and the process ends well."""
    assert client.ask(b"mn\r\n") == b"MN\r\n"  # before it serves, a signal ends it at once
    with server.paused():
        client.sendall(b"set a 0 0 1\r\nx\r\nget a\r\n")
        server.signal(signal.SIGTERM)
    assert client.rest() == b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"
    assert server.exit_code() == 0 and not Path(str(server.address)).exists()


def test_all_clients_are_finished_at_the_end(server: Child, store: Store) -> None:
    """SIGTERM while many commands have arrived, from connections that are open and from new ones: each is done and answered."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(8)]
        assert {client.ask(b"mn\r\n") for client in clients} == {b"MN\r\n"}
        with server.paused():
            clients += [stack.enter_context(Client(server.address)) for _ in range(8)]
            for number, client in enumerate(clients):
                client.sendall(b"set k%d 0 0 1\r\nx\r\nincr none 1\r\nget k%d\r\n" % (number, number))
            server.signal(signal.SIGTERM)
        told = [client.rest() for client in clients]
    for number, text in enumerate(told):
        assert text == b"STORED\r\nNOT_FOUND\r\nVALUE k%d 0 1\r\nx\r\nEND\r\n" % number
    assert server.exit_code() == 0 and space_of(store).space().keys == 16


def test_a_long_answer_is_finished_at_the_end(client: Client, server: Child) -> None:
    """SIGTERM while it is half read; what arrived behind it is done, too."""
    client.everything(b"set big 0 0 60000\r\n%b\r\n" % bytes(60_000))
    client.sendall(b"get%b\r\nset a 0 0 1\r\nx\r\n" % (b" big" * 200))
    assert client.line() == b"VALUE big 0 60000\r\n"
    server.signal(signal.SIGTERM)
    rest = client.rest()
    assert rest.count(b"VALUE big 0 60000\r\n") == 199 and rest.endswith(b"END\r\nSTORED\r\n")
    assert server.exit_code() == 0


@pytest.mark.measured
def test_half_a_value_is_dropped_at_the_end(client: Client, server: Child, store: Store) -> None:
    """SIGTERM, and the rest never comes: the process ends well, and the old value stays."""
    client.ask(b"set a 0 0 3\r\nold\r\n")
    client.sendall(b"set a 0 0 10\r\nhalf")
    server.signal(signal.SIGTERM)
    assert client.rest() == b"" and server.exit_code() == 0
    entry = space_of(store).get("a")
    assert entry is not None and entry.value == b"old"


@pytest.mark.measured
def test_quit_comes_after_the_answers(client: Client) -> None:
    """Also to writes that wait for the end of the turn; what stands behind it is not done."""
    client.sendall(b"set a 0 0 1\r\nx\r\nincr a 1\r\nquit\r\nget a\r\n")
    assert client.rest() == b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"


def test_the_end_of_what_a_client_sends(server: Child) -> None:
    """Whole commands are done and answered, a long answer to its last byte; half a command is dropped."""
    with Client(server.address) as client:
        client.sendall(b"set a 0 0 60000\r\n%b\r\nget a\r\nset b 0 0 9\r\nhalf" % bytes(60_000))
        client.shutdown(socket.SHUT_WR)
        assert client.rest() == b"STORED\r\nVALUE a 0 60000\r\n%b\r\nEND\r\n" % bytes(60_000)
    with Client(server.address) as client:
        client.sendall(b"get b%b\r\n" % (b" a" * 200))
        client.shutdown(socket.SHUT_WR)
        told = client.rest()
        assert told.count(b"VALUE a 0 60000\r\n") == 200 and told.endswith(b"\r\nEND\r\n") and b"VALUE b" not in told


@pytest.mark.measured
def test_there_is_a_limit_of_connections(store: Store, tmp_path: Path) -> None:
    """One more gets a line and an end; those before it are served, and a place that becomes free is given again."""
    with serving(tmp_path / "data", "--connections", "2") as server:
        first, second = Client(server.address), Client(server.address)
        with first:
            with second:
                assert first.ask(b"mn\r\n") == second.ask(b"mn\r\n") == b"MN\r\n"
                with Client(server.address) as third:
                    assert third.rest() == b"ERROR Too many open connections\r\n"
                assert first.ask(b"mn\r\n") == second.ask(b"mn\r\n") == b"MN\r\n"

            def served() -> bool:
                with Client(server.address) as fourth, contextlib.suppress(BrokenPipeError):
                    return fourth.ask(b"mn\r\n") == b"MN\r\n"
                return False

            assert eventually(served)
            told = first.until(b"stats\r\n", b"END\r\n")
            assert b"STAT max_connections 2\r\n" in told and b"STAT rejected_connections 0\r\n" not in told


def test_an_idle_connection_is_closed_when_the_owner_says_so(store: Store, tmp_path: Path) -> None:
    """After the time that was given, and not before; without it, never."""
    with serving(tmp_path / "data", "--idle", "1") as server, Client(server.address) as client:
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        began = time.monotonic()
        assert client.rest() == b"" and time.monotonic() - began >= 0.9


@pytest.mark.measured
def test_stats_tell_of_the_process_and_the_namespace(client: Client) -> None:
    """Counts since the start, or since a reset; settings; and that there is nothing to tell of slabs."""
    client.everything(b"set a 0 0 1\r\nx\r\nget a b\r\nmg a\r\ntouch a 0\r\n")
    told = dict(line.split(b" ", 2)[1:] for line in client.until(b"stats\r\n", b"END\r\n").splitlines())
    expected = {b"cmd_set": b"1", b"cmd_get": b"3", b"get_hits": b"2", b"get_misses": b"1", b"curr_items": b"1", b"bytes": b"2"}
    assert expected.items() <= told.items() and told[b"curr_connections"] == b"1" and told[b"limit_maxbytes"] == b"50000000"
    settings = client.until(b"stats settings\r\n", b"END\r\n")
    assert b"STAT item_size_max 65536\r\n" in settings and b"STAT namespace shop\r\n" in settings
    assert client.everything(b"stats items\r\nstats slabs\r\nstats cachedump 1 100\r\n") == b"END\r\n" * 3
    assert client.everything(b"stats sizes\r\nstats nothing\r\n") == b"STAT sizes_status disabled\r\nEND\r\nERROR\r\n"
    assert client.ask(b"stats reset\r\n") == b"RESET\r\n"
    assert b"STAT cmd_get 0\r\n" in client.until(b"stats\r\n", b"END\r\n")


@pytest.mark.measured
def test_reads_leave_marks_that_are_not_written(client: Client, store: Store) -> None:
    """The flags h and l; u leaves none, and no read changes the namespace."""
    client.ask(b"set a 0 0 1\r\nx\r\n")
    version = store.keyvalue.namespace("shop").version()
    assert client.everything(b"mg a h u\r\nmg a h\r\nmg a h l\r\nme a\r\n").splitlines()[:3] == [
        b"HD h0",
        b"HD h0",
        b"HD h1 l0",
    ]
    assert store.keyvalue.namespace("shop").version() == version
