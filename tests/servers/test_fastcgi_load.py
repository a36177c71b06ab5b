"""Many connections, slow or vanishing readers, too few descriptors, and an idle process: one process, one thread."""

import contextlib
import json
import time
from pathlib import Path

import pytest

from tests.support.apps import pattern
from tests.support.fastcgi_client import KEEP, PARAMS, STDIN, Client, begin, get, pairs, record, request, stream, variables
from tests.support.processes import Child, eventually, serving

HALF_OPEN = [b"", b"\x01", begin(), begin() + stream(PARAMS, 1, pairs(variables("/hello"))), request("/hello")[:-3]]


def counters(child: Child) -> dict[str, int]:
    """What the loop has done so far."""
    return dict(json.loads(get(child.address, "/counters").body))


def settled(child: Child) -> int:
    """The number of open descriptors when the logger is imported and no connection is open."""
    get(child.address, "/boom")
    return child.descriptors()


def test_half_open_connections_do_not_starve_others(tmp_path: Path) -> None:
    """Two hundred clients that stopped in the middle cost one thread and no answer; each may still go on."""
    with serving(tmp_path) as child, contextlib.ExitStack() as stack:
        before = settled(child)
        halves = [stack.enter_context(Client(child.address)).send(HALF_OPEN[i % 5]) for i in range(200)]
        assert all(get(child.address, "/hello").body == b"hello" for _ in range(20))
        assert eventually(lambda: child.descriptors() == before + 200)
        assert child.threads() == 1
        for index, half in enumerate(halves):
            whole = request("/hello")
            half.send(whole[len(HALF_OPEN[index % 5]) :] if index % 5 != 3 else record(STDIN, 1))
            assert half.answer().body == b"hello"
        stack.close()
        assert eventually(lambda: child.descriptors() == before)


def test_many_answers_under_way_need_no_threads(tmp_path: Path) -> None:
    """Forty slow readers of large answers are served in parallel."""
    with serving(tmp_path) as child, contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Client(child.address)).send(request("/pieces?1000000")) for _ in range(40)]
        assert get(child.address, "/hello").body == b"hello"
        assert child.threads() == 1
        assert [len(reader.answer().body) for reader in readers] == [1_000_000] * 40


@pytest.mark.parametrize("path", ["big", "pieces"])
def test_an_answer_that_does_not_fit_the_socket_is_exact(tmp_path: Path, path: str) -> None:
    """With tiny buffers even one record needs several sends; other requests are answered between them."""
    with (
        serving(tmp_path, "--send-buffer", "4096", listen="tcp:127.0.0.1") as child,
        Client(child.address, receive_buffer=1) as reader,
    ):
        reader.send(request(f"/{path}?65000"))
        assert get(child.address, "/hello").body == b"hello"
        assert reader.answer().body == pattern(65000)
        assert reader.at_end()


def test_slow_readers_cost_bounded_memory(tmp_path: Path) -> None:
    """An endless answer is made only as fast as it is read, so ten of them fit into a few megabytes."""
    with serving(tmp_path) as child, contextlib.ExitStack() as stack:
        settled(child)
        before = child.status("VmRSS")
        readers = [stack.enter_context(Client(child.address)).send(request("/endless")) for _ in range(10)]
        for _ in range(600):  # 40 MB of one of them
            readers[0].record()
        assert get(child.address, "/hello").body == b"hello"
        assert child.status("VmRSS") - before < 24 * 1024


@pytest.mark.parametrize("sent", [
    begin() + stream(PARAMS, 1, pairs(variables("/echo", "POST"))) + record(STDIN, 1, b"half of a body"),
    request("/endless"),
    request("/endless", "POST", b"body"),
    request("/big?1000000"),
])  # fmt: skip
def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path, sent: bytes) -> None:
    """In the middle of a body or an answer: the descriptor and the iterable are closed."""
    with serving(tmp_path) as child:
        before = settled(child)
        for _ in range(20):
            with Client(child.address) as client:
                client.send(sent)
                if b"/echo" not in sent:
                    client.record()
        assert eventually(lambda: child.descriptors() == before)
        assert counters(child)["closed"] == (20 if b"/endless" in sent else 0)


def test_clients_that_left_before_their_turn_cost_nothing(tmp_path: Path) -> None:
    """Requests whose clients are gone when they are answered disturb no others, short and large answers alike."""
    with serving(tmp_path) as child:
        before = settled(child)
        with child.paused():
            for sent in [request("/hello"), request("/big?1000000"), request("/echo", "POST", b"x"), begin(), b""] * 4:
                with Client(child.address) as client:
                    client.send(sent)
        assert get(child.address, "/hello").body == b"hello"
        assert eventually(lambda: child.descriptors() == before)


def begun(child: Child, stack: contextlib.ExitStack, *sent: bytes) -> list[Client]:
    """Clients that have connected and sent this when the server looks: one that is slow to send counts as stalled."""
    with child.paused():
        return [stack.enter_context(Client(child.address)).send(data) for data in sent]


def test_a_stalled_peer_is_dropped(tmp_path: Path) -> None:
    """A half-received request and an unread answer end when no byte moves for the time set; a kept connection may wait."""
    limits = ("--set", "stalled_after=0.2", "--set", "held_after_cut=0.2")
    with serving(tmp_path, *limits) as child, contextlib.ExitStack() as stack:
        kept, _unread, half = begun(child, stack, request("/hello", flags=KEEP), request("/endless"), begin())
        assert kept.answer().body == b"hello"
        assert half.at_end()

        def closed() -> int:  # over the kept connection: a new one must say something within the time set
            return int(json.loads(kept.send(request("/counters", flags=KEEP)).answer().body)["closed"])

        assert eventually(lambda: closed() == 1)
        assert kept.send(request("/hello")).answer().body == b"hello"


def test_a_peer_that_stalls_in_a_later_request_is_dropped(tmp_path: Path) -> None:
    """On a kept connection, too, a half-received request ends when no byte moves for the time set."""
    with serving(tmp_path, "--set", "stalled_after=0.2") as child, contextlib.ExitStack() as stack:
        (kept,) = begun(child, stack, request("/hello", flags=KEEP))
        assert kept.answer().body == b"hello"
        assert kept.send(begin()).at_end()


def test_a_lack_of_descriptors_passes(tmp_path: Path) -> None:
    """Accepting pauses instead of spinning or dying, logs that, leaves descriptors for the rest, and is resumed."""
    with serving(tmp_path, "--descriptors", "24", "--set", "accept_again=600") as child:
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(Client(child.address)).send(begin())
            assert eventually(lambda: "cannot accept now (12 connections)" in child.stderr)
            time.sleep(0.3)  # for a loop that spins to show itself
            assert child.descriptors() < 24
        assert get(child.address, "/hello").body == b"hello"
        assert counters(child)["turns"] < 1000
        assert child.process.poll() is None


def test_a_lack_of_descriptors_that_others_caused_passes_too(tmp_path: Path) -> None:
    """If no connection of ours closes, accepting is tried again after a while."""
    with serving(tmp_path, "--descriptors", "24") as child, Client(child.address) as kept:
        kept.send(request("/hold", flags=KEEP)).answer()
        with Client(child.address) as waiting:
            waiting.send(request("/hello"))
            assert eventually(lambda: "cannot accept now" in child.stderr)
            kept.send(request("/release", flags=KEEP)).answer()
            assert waiting.answer().body == b"hello"


def test_nothing_to_do_means_no_wake_up(tmp_path: Path) -> None:
    """An idle process, with a kept connection open, wakes up once per minute at most (test_presence.py says why)."""
    with serving(tmp_path) as child, Client(child.address) as kept:
        kept.send(request("/hello", flags=KEEP)).answer()
        get(child.address, "/hello")
        assert child.rests(1.5)


def test_a_log_line_that_waits_is_written_by_one_wake_up(tmp_path: Path) -> None:
    """A buffered line reaches the file without another request, and after that the process sleeps."""
    log = tmp_path / "log"
    with serving(tmp_path, "--log", str(log)) as child:
        get(child.address, "/log")
        assert eventually(lambda: log.exists() and "a line that waits" in log.read_text())
        assert child.rests(1.2)


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The lines are written to standard error, requests are answered, and the exit code is 0."""
    (tmp_path / "file").touch()
    with serving(tmp_path, "--log", str(tmp_path / "file" / "log")) as child:
        assert get(child.address, "/log").body == b"hello"
        assert get(child.address, "/boom").status == "500 Internal Server Error"
        child.process.terminate()
        assert child.exit_code() == 0
        assert "a line that waits" in child.stderr
