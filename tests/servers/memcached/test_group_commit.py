"""What arrives in one turn of the loop is one transaction."""

import contextlib
import re
import signal
import subprocess
from pathlib import Path

import lmdb

from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Terms
from tests.support.memcached import NAMESPACE, Client, made, serving, space_of
from tests.support.processes import Child, eventually


def transactions(tmp_path: Path) -> int:
    """How many the file of the namespace has had."""
    path = tmp_path / "data" / "keyvalue" / NAMESPACE / "data.mdb"
    with lmdb.open(str(path), subdir=False, lock=False, readonly=True) as env:
        last: int = env.info()["last_txnid"]
        return last


def test_the_writes_of_one_turn_share_a_transaction(store: Store, server: Child, tmp_path: Path) -> None:
    """Those of 32 clients, each answered for itself; reads behind them see them, refusals hinder none."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(32)]
        assert {client.ask(b"mn\r\n") for client in clients} == {b"MN\r\n"}
        before = transactions(tmp_path)
        with server.paused():
            for number, client in enumerate(clients):
                client.sendall(
                    b"add same 0 0 2\r\n%02d\r\nset k%d 0 0 1\r\nx\r\nincr none 1\r\nget same k%d\r\n" % ((number,) * 3)
                )
        told = [client.everything(b"") for client in clients]
        assert transactions(tmp_path) - before == 1
    (winner,) = [number for number, text in enumerate(told) if text.startswith(b"STORED")]
    for number, text in enumerate(told):
        first = b"" if number == winner else b"NOT_"
        read = b"VALUE same 0 2\r\n%02d\r\nVALUE k%d 0 1\r\nx\r\nEND\r\n" % (winner, number)
        assert text == first + b"STORED\r\nSTORED\r\nNOT_FOUND\r\n" + read
    assert space_of(store).space().keys == 33


def test_answers_leave_after_the_one_sync(tmp_path: Path) -> None:
    """Of the writes of eight clients that arrived in one turn: all are received, then synced once, then answered."""
    log = tmp_path / "strace.log"
    with made(tmp_path / "data", sync=Sync.ALWAYS), serving(tmp_path / "data") as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(8)]
        assert {client.ask(b"set a 0 0 1\r\nx\r\n") for client in clients} == {b"STORED\r\n"}
        watched = "trace=recvfrom,sendto,sendmsg,write,fsync,fdatasync"
        with subprocess.Popen(["strace", "-qq", "-p", str(server.process.pid), "-o", str(log), "-e", watched]) as tracer:
            try:
                assert eventually(lambda: server.status("TracerPid") != 0)
                with server.paused():
                    for client in clients:
                        client.sendall(b"incr a 1\r\nset b 0 0 1\r\nx\r\n")
                for client in clients:
                    client.everything(b"")
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait()
    calls = re.findall(r"(?m)^(\w+)\(", log.read_text("utf-8", "replace"))
    answered = 8 * ["recvfrom"] + ["fdatasync"] + 8 * ["sendmsg"]
    assert calls[: len(answered)] == answered
    assert calls.count("fdatasync") == 1  # and none for the reads behind


def test_reads_alone_write_nothing(client: Client, tmp_path: Path) -> None:
    """Not even one that misses, or that asks for marks."""
    client.ask(b"set a 0 0 1\r\nx\r\n")
    before = transactions(tmp_path)
    client.everything(b"get a b\r\ngets a\r\nmg a h l t\r\nme a\r\nstats\r\nset b 0 0 x\r\n")
    assert transactions(tmp_path) == before


def test_a_batch_holds_a_bounded_number_of_bytes(client: Client, server: Child, tmp_path: Path) -> None:
    """A pipeline of many large values, and of reads behind a write, takes several transactions and no memory."""
    client.everything(b"set a 0 0 60000\r\n%b\r\n" % bytes(60_000))
    before, resident = transactions(tmp_path), server.status("VmRSS")
    told = client.everything(b"".join(b"touch a %d\r\n" % number for number in range(1, 1000)))
    assert told == b"TOUCHED\r\n" * 999
    assert 5 < transactions(tmp_path) - before < 100
    assert server.status("VmRSS") < resident + 40_000


def test_a_stuck_writer_refuses_writes_alone(client: Client, tmp_path: Path) -> None:
    """Another process holds the queue of writers: a write is an error after two seconds, reads go on, and later it works."""
    assert client.ask(b"set a 0 0 3\r\nold\r\n") == b"STORED\r\n"
    with hold(tmp_path / "data" / "keyvalue" / NAMESPACE / "data.writer", PRIVATE, 0) as held:
        assert held
        told = client.everything(b"set a 0 0 1\r\nx\r\nincr a 1\r\nget a\r\nflush_all\r\nset a 0 0 1 noreply\r\nx\r\n")
        assert [line[:13] for line in told.splitlines()] == [b"SERVER_ERROR "] * 4
        assert client.everything(b"get a\r\n") == b"VALUE a 0 3\r\nold\r\nEND\r\n"
    assert client.everything(b"set a 0 0 1\r\nx\r\nget a\r\n") == b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"


def test_the_quota_refuses_what_grows_and_reads_go_on(tmp_path: Path) -> None:
    """With memcached's own words; the old value stays, and what gets smaller is accepted."""
    with made(tmp_path / "data", terms=Terms(100, 2)), serving(tmp_path / "data") as server, Client(server.address) as client:
        full = b"SERVER_ERROR out of memory storing object\r\n"
        assert client.everything(b"set a 0 0 3\r\nold\r\nset a 0 0 200\r\n%b\r\nget a\r\n" % bytes(200)) == (
            b"STORED\r\n" + full + b"VALUE a 0 3\r\nold\r\nEND\r\n"
        )
        assert client.everything(b"set b 0 0 1\r\nx\r\nset c 0 0 1\r\nx\r\nset a 0 0 1\r\nx\r\nms c 1\r\nx\r\n") == (
            b"STORED\r\n" + full + b"STORED\r\n" + full
        )
