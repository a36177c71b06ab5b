"""The loop carries any protocol: a tiny one, written for these tests, beside FastCGI's, with the same deadlines and limits."""

import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import SECONDS, Child, eventually, listening, running

MEGABYTE = 1_000_000


class Client(socket.socket):
    """A connection whose answers are lines."""

    def __init__(self, address: str) -> None:
        super().__init__(socket.AF_UNIX)
        self.settimeout(SECONDS)
        self.connect(address)
        self._file = self.makefile("rb")

    def ask(self, data: bytes) -> bytes:
        """Send, and read a line."""
        self.sendall(data)
        return self.line()

    def line(self) -> bytes:
        """The next line, or b"" at the end."""
        return self._file.readline()

    def take(self, size: int) -> int:
        """Read so many bytes, or up to the end; return how many came."""
        got = 0
        while got < size and (data := self._file.read1(min(size - got, 65536))):
            got += len(data)
        return got

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


@contextlib.contextmanager
def serving(folder: Path, *limits: str) -> Iterator[Child]:
    """The child that speaks lines."""
    command = [sys.executable, "-m", "tests.support.lines", *limits]
    with (
        listening(folder) as bound,
        (folder / "stderr").open("wb") as errors,
        running(command, stdin=bound, stderr=errors) as process,
    ):
        yield Child(process, str(folder / "socket"), folder / "stderr")


def test_lines_are_answered_however_they_arrive(tmp_path: Path) -> None:
    """Byte by byte, many at once, before and after a rest: each is answered, in order, on one connection."""
    with serving(tmp_path) as child, Client(child.address) as client:
        for byte in b"a line":
            client.sendall(bytes([byte]))
        assert client.ask(b"\n") == b"a line\n"
        client.sendall(b"".join(b"%d\n" % number for number in range(50_000)))
        assert [client.line() for _ in range(50_000)] == [b"%d\n" % number for number in range(50_000)]
        assert client.ask(b"last\nbye\n") == b"last\n"
        assert client.line() == b""
        assert eventually(lambda: child.stderr == "closed\n")


def at_once(child: Child, data: bytes) -> Client:
    """A connection whose first bytes are there when it is accepted."""
    with child.paused():
        client = Client(str(child.address))
        client.sendall(data)
    return client


@pytest.mark.parametrize("count", [1, MEGABYTE])
def test_what_is_answered_at_once_is_whole(tmp_path: Path, count: int) -> None:
    """Also an answer that the socket does not take at once: it is written at the speed of its reader, then the end comes."""
    with serving(tmp_path) as child, at_once(child, b"once %d text\n" % count) as client:
        assert client.take(5 * count + 1) == 5 * count
        assert client.line() == b""
        with Client(child.address) as other:
            assert other.ask(b"a line\n") == b"a line\n"


def test_what_is_begun_at_once_goes_on_by_the_protocol(tmp_path: Path) -> None:
    """Nothing of the first bytes is read twice, and the connection goes on."""
    with serving(tmp_path) as child, at_once(child, b"once under way\n") as client:
        assert client.take(11 * 100_000) == 11 * 100_000
        assert client.ask(b"a line\n") == b"a line\n"


def test_a_reader_that_takes_little_of_an_answer_at_once_is_cut_off(tmp_path: Path) -> None:
    """As any other reader: the rest of the answer is dropped."""
    with serving(tmp_path, "stalled_after=0.2", "period=0.2") as child, at_once(child, b"once 1000000 text\n") as client:
        assert client.take(1) == 1
        assert eventually(lambda: child.sockets() == 1)
        assert client.take(5 * MEGABYTE) < 4 * MEGABYTE


def test_a_fault_of_ours_closes_one_connection(tmp_path: Path) -> None:
    """An exception where a connection is answered at once: it is closed, others are served, and the log says why."""
    with serving(tmp_path) as child:
        with at_once(child, b"once\n") as client:
            assert client.line() == b""
        with Client(child.address) as other:
            assert other.ask(b"a line\n") == b"a line\n"
        assert "an error in this program" in child.stderr and "ValueError" in child.stderr


def test_a_reader_slows_its_own_requests_down_and_no_other(tmp_path: Path) -> None:
    """A thousand requests for a megabyte each, unread: the server neither makes the answers nor reads on, and serves others."""
    with serving(tmp_path) as child, Client(child.address) as other, Client(child.address) as client:
        assert other.ask(b"first\n") == b"first\n"
        before = child.status("VmRSS")
        client.sendall(b"* %d x\n" % MEGABYTE * 1000)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            for _ in range(1000):
                client.send(b"y" * 999 + b"\n")
        client.settimeout(SECONDS)
        assert other.ask(b"second\n") == b"second\n"
        assert child.status("VmHWM") - before < 4096  # kB
        assert client.take(50 * MEGABYTE) == 50 * MEGABYTE
        assert other.ask(b"third\n") == b"third\n"


def test_long_answers_take_turns(tmp_path: Path) -> None:
    """Beside ten of them, each read to its end, a short request is answered at once."""
    with serving(tmp_path) as child, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(child.address)) for _ in range(10)]
        for client in clients:
            client.sendall(b"* %d x\nend\n" % (3 * MEGABYTE))
        with Client(child.address) as other:
            assert other.ask(b"short\n") == b"short\n"
        for client in clients:
            assert client.take(3 * MEGABYTE) == 3 * MEGABYTE
            assert client.line() == b"end\n"


def test_a_deadline_is_the_protocols_choice(tmp_path: Path) -> None:
    """Half a line is not waited for, also on a connection that was answered before; an idle connection is left alone."""
    with (
        serving(tmp_path, "stalled_after=0.2") as child,
        Client(child.address) as silent,
        Client(child.address) as half,
        Client(child.address) as kept,
    ):
        assert kept.ask(b"whole\n") == b"whole\n"
        kept.sendall(b"half")
        assert half.ask(b"half") == b""
        assert kept.line() == b""
        assert silent.ask(b"still here\n") == b"still here\n"


def test_an_answer_must_be_read_at_a_rate(tmp_path: Path) -> None:
    """An unread answer is cut off, and its connection closed."""
    with serving(tmp_path, "rate=100000", "period=0.3") as child, Client(child.address) as client:
        client.sendall(b"* %d x\n" % (100 * MEGABYTE))
        assert eventually(lambda: "closed" in child.stderr)
        assert client.take(100 * MEGABYTE) < 100 * MEGABYTE


def test_what_waits_in_all_connections_is_bounded(tmp_path: Path) -> None:
    """Beyond the limit the least read answers are cut off; one alone may go on."""
    with serving(tmp_path, "max_queued=1000000", "high_water=500000") as child, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(child.address)) for _ in range(6)]
        for client in clients:
            client.sendall(b"* %d x\nbye\n" % (2 * MEGABYTE))
            assert client.recv(1) == b"x"
        assert eventually(lambda: child.stderr.count("closed") >= 3)
        taken = [1 + client.take(3 * MEGABYTE) for client in clients]
        assert taken.count(2 * MEGABYTE) >= 1 and min(taken) < 2 * MEGABYTE
        assert "cut off an unread answer" in child.stderr


def test_a_refusal_is_read_by_a_peer_that_is_still_sending(tmp_path: Path) -> None:
    """What is too long is answered before the connection ends, although not all of it was read."""
    with serving(tmp_path) as child, Client(child.address) as client:
        client.sendall(b"z" * 200_000)
        assert client.line() == b"too long\n"
        client.sendall(b"z" * 200_000)
        client.shutdown(socket.SHUT_WR)
        assert client.line() == b""
        assert eventually(lambda: child.stderr == "closed\n")


def test_a_stop_finishes_what_is_under_way(tmp_path: Path) -> None:
    """An idle connection closes at once; a long answer is written to its end, and its connection closes with it."""
    with (
        serving(tmp_path, "grace=600", "writing_grace=600") as child,
        Client(child.address) as idle,
        Client(child.address) as reader,
    ):
        assert idle.ask(b"hello\n") == b"hello\n"
        reader.sendall(b"* %d x\n" % (20 * MEGABYTE))
        assert reader.recv(1) == b"x"
        child.signal(signal.SIGTERM)
        assert idle.line() == b""
        assert 1 + reader.take(30 * MEGABYTE) == 20 * MEGABYTE
        assert child.exit_code() == 0


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    """Half a line is dropped after its grace, an answer that nobody reads after another one."""
    with (
        serving(tmp_path, "grace=0.1", "writing_grace=0.1") as child,
        Client(child.address) as half,
        Client(child.address) as unread,
    ):
        half.sendall(b"half")
        unread.sendall(b"* %d x\n" % (20 * MEGABYTE))
        assert unread.recv(1) == b"x"
        child.signal(signal.SIGTERM)
        assert half.line() == b""
        assert child.exit_code() == 0
        assert child.stderr.count("closed\n") == 2


def test_the_loop_loads_no_other_protocol(tmp_path: Path) -> None:
    """A process that serves lines has neither FastCGI nor WSGI in memory."""
    with serving(tmp_path) as child, Client(child.address) as client:
        assert client.ask(b"hello\n") == b"hello\n"
        child.signal(signal.SIGTERM)
        out, _ = child.process.communicate(timeout=SECONDS)
    loaded = set(json.loads(out))
    assert "n2k_fcgi.servers.loop" in loaded
    assert not {
        name for name in loaded if name.split(".")[0] == "flup" or "fastcgi." in name or "gateway" in name or "wsgi" in name
    }
