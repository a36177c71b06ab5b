"""What one client does to others: nothing, whatever it sends, and however it leaves."""

import contextlib
from pathlib import Path

import pytest

from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.model.keyvalue.operations import Flush, Put
from n2k_fcgi.servers.limits import Counters
from n2k_fcgi.servers.memcached.long_read import BUSY, MOST_LONG_READS, PART_KEYS, parts
from n2k_fcgi.servers.memcached.server import Options, Server
from n2k_fcgi.servers.memcached.steps import Read
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.lmdb.lockfile import MAX_READERS
from tests.servers.memcached.test_group_commit import transactions
from tests.support.memcached import NAMESPACE, Client, serving, space_of
from tests.support.processes import Child


@pytest.mark.parametrize("last", [b"quit\r\n", b"\x80", b"x" * 3000 + b"\r\n"])
def test_a_descriptor_comes_again_at_once(server: Child, last: bytes) -> None:
    """A client that writes and is closed in the turn in which another is accepted: that one is served, and all come to rest."""
    for _ in range(5):
        with Client(server.address) as leaving:
            assert leaving.ask(b"set a 0 0 1\r\nx\r\n") == b"STORED\r\n"  # that of the same turn may come after a get
            with server.paused():
                leaving.sendall(b"set a 0 0 1\r\nx\r\n" + last)
                coming = Client(server.address)
            with coming:
                assert leaving.line() in (b"STORED\r\n", b"")  # the end may overtake it: not all was read that was sent
                assert coming.ask(b"get a\r\n", 3) == b"VALUE a 0 1\r\nx\r\nEND\r\n"
    assert server.rests(0.2)
    with Client(server.address) as client:
        assert b"STAT curr_connections 1\r\n" in client.until(b"stats\r\n", b"END\r\n")


@pytest.mark.parametrize(
    ("sent", "count", "transactions_at_most"),
    [
        (b"flush_all\r\n", 5000, 5),
        (b"flush_all 9 noreply\r\n", 3000, 4),
        (b"set a 0 0 1 noreply\r\nx\r\nstats x\r\n", 1500, 3),
        (b"stats\r\n", 3000, 0),
    ],
)
def test_a_long_pipeline_takes_few_transactions(
    client: Client, server: Child, tmp_path: Path, sent: bytes, count: int, transactions_at_most: int
) -> None:
    """Some thousand operations share one, and each of these ends a turn, so that others are served in between."""
    client.everything(b"set a 0 0 1\r\nx\r\n")
    before = transactions(tmp_path)
    with Client(server.address) as other:
        with server.paused():
            client.sendall(sent * count + b"mn\r\n")
            other.sendall(b"version\r\n")
        assert other.line().startswith(b"VERSION")
        client.until(b"", b"MN\r\n")
    assert transactions(tmp_path) - before <= transactions_at_most


def test_long_reads_have_an_end(store: Store) -> None:
    """There are so many at once, with parts that other clients come between, found or not."""
    server = Server(space_of(store), Options(NAMESPACE, "1"), Counters())
    step = Read([b"none"] * (PART_KEYS * 2 + 1), lambda key, entry: b"", b"END")
    assert list(parts(server, step, 60)) == [b"", b"", b"END"]
    begun = [parts(server, step, 60) for _ in range(MOST_LONG_READS)]
    assert {next(each) for each in begun} == {b""}
    assert list(parts(server, step, 60)) == [BUSY]
    begun.pop().close()
    assert list(parts(server, step, 60)) == [b"", b"", b"END"]
    for each in begun:
        each.close()


def test_a_full_table_of_readers_is_a_busy_store(client: Client, store: Store) -> None:
    """Whoever has a place goes on, and the others are told to try again."""
    client.everything(b"set a 0 0 1\r\nx\r\n")
    space = space_of(store)
    with contextlib.ExitStack() as stack:
        with pytest.raises(StoreBusy, match="try again"):
            for _ in range(2 * MAX_READERS):
                stack.enter_context(space.snapshot())
        assert client.everything(b"get a\r\n") == b"VALUE a 0 1\r\nx\r\nEND\r\n"
    assert space.get("a")


def test_flushes_do_not_make_the_file_grow(store: Store, tmp_path: Path) -> None:
    """However often a client fills the namespace and flushes: rows are removed faster than they come."""
    space, path = space_of(store), tmp_path / "data" / "keyvalue" / NAMESPACE / "data.mdb"
    sizes = []
    for cycle in range(40):
        values = [Put(b"%d.%d" % (cycle, number), bytes(1000)) for number in range(700)]
        space.apply_each([*values, Flush()])
        sizes.append(path.stat().st_size)
    assert max(sizes) <= 1.2 * max(sizes[:6]), sizes  # the log of changes has become longer


def test_input_of_all_clients_is_bounded(server: Child) -> None:
    """300 of them in the middle of long lines: some are refused, the others go on."""
    before = server.status("VmRSS")
    line = b"get" + b" k" * 130_000
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(300)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(line)
        with Client(server.address) as other:
            assert other.ask(b"mn\r\n") == b"MN\r\n"
        assert server.status("VmRSS") < before + 120_000
        told = []
        for client in clients:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                told.append(client.recv(100))
    assert set(told) == {b"SERVER_ERROR out of memory reading request\r\n"} and len(told) < 100


def test_before_a_token_is_known_lines_are_short(store: Store, tmp_path: Path) -> None:
    """Those who may not read hold little memory."""
    with serving(tmp_path / "data", "--auth") as server, Client(server.address) as client:
        client.sendall(b"get" + b" k" * 2000)
        assert client.line() == b"CLIENT_ERROR line too long\r\n" and client.line() == b""


def test_what_is_over_at_once_is_counted(client: Client) -> None:
    """As memcached does: the answer has the number, and then it is gone."""
    script = b"set e 0 0 1\r\n5\r\nma e T-1 v\r\nget e\r\nma n N-1 J5 v\r\nget n\r\nset f 0 0 1\r\n5\r\nma f N-1 v\r\nget f\r\n"
    assert client.everything(script) == (
        b"STORED\r\nVA 1\r\n6\r\nEND\r\nVA 1\r\n5\r\nEND\r\nSTORED\r\nVA 1\r\n6\r\nVALUE f 0 1\r\n6\r\nEND\r\n"
    )
