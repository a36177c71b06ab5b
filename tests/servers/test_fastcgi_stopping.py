"""Stopping: each connection that was accepted, or waits to be, gets its answer."""

import contextlib
import signal
import threading
from pathlib import Path

import pytest

from tests.support.fastcgi_client import KEEP, Client, begin, get, request
from tests.support.processes import eventually, serving

STOP = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]


@pytest.mark.parametrize("number", STOP)
def test_an_idle_server_exits_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Every stop signal ends an idle process with exit code 0, although a kept connection is open."""
    with serving(tmp_path) as child, Client(child.address) as kept:
        kept.send(request("/hello", flags=KEEP)).answer()
        child.signal(number)
        assert child.exit_code() == 0
        assert kept.at_end()
        assert child.stderr == ""


def test_a_broken_pipe_is_no_reason(tmp_path: Path) -> None:
    """SIGPIPE does nothing."""
    with serving(tmp_path) as child:
        get(child.address, "/hello")
        child.signal(signal.SIGPIPE)
        assert get(child.address, "/hello").body == b"hello"


def test_a_request_in_flight_and_the_backlog_are_answered(tmp_path: Path) -> None:
    """The running application finishes, connections that were opened meanwhile are answered, then the process ends with 0."""
    with serving(tmp_path) as child, contextlib.ExitStack() as stack:
        running = stack.enter_context(Client(child.address)).send(request(f"/wait?{tmp_path}"))
        assert eventually((tmp_path / "begun").exists)
        waiting = [stack.enter_context(Client(child.address)).send(request("/hello")) for _ in range(18)]
        waiting.append(stack.enter_context(Client(child.address)).send(request("/hello", "POST", b"x", flags=KEEP)))
        child.signal(signal.SIGTERM)
        (tmp_path / "go").touch()
        assert [client.answer().body for client in [running, *waiting]] == [b"hello"] * 20
        assert all(client.at_end() for client in waiting)
        assert child.exit_code() == 0


def test_a_request_on_a_kept_connection_is_not_lost(tmp_path: Path) -> None:
    """A kept connection whose next request arrived before the stop is answered once more."""
    with serving(tmp_path) as child, Client(child.address) as kept, Client(child.address) as running:
        kept.send(request("/hello", flags=KEEP)).answer()
        running.send(request(f"/wait?{tmp_path}"))
        assert eventually((tmp_path / "begun").exists)
        kept.send(request("/hello", flags=KEEP))
        child.signal(signal.SIGTERM)
        (tmp_path / "go").touch()
        assert kept.answer().body == b"hello"
        assert child.exit_code() == 0


def test_a_half_received_request_has_a_bounded_grace(tmp_path: Path) -> None:
    """A request that completes within it is answered; one that never does delays the end by its grace only."""
    data = request("/hello")
    for grace in ("600", "0.5"):
        (folder := tmp_path / grace).mkdir()
        with (
            serving(folder, "--set", f"grace={grace}", "--set", "writing_grace=600") as child,
            Client(child.address) as half,
        ):
            half.send(data[:30])
            get(child.address, "/hello")
            child.signal(signal.SIGTERM)
            if grace == "600":
                assert half.send(data[30:]).answer().body == b"hello"
            assert half.at_end()
            assert child.exit_code() == 0


@pytest.mark.measured
def test_a_kept_connection_closes_with_its_last_answer(tmp_path: Path) -> None:
    """A request that completes after the stop is the last one of its connection."""
    with serving(tmp_path, "--set", "grace=600") as child, Client(child.address) as kept:
        data = request("/hello", flags=KEEP)
        kept.send(data).answer()
        kept.send(data[:30])
        get(child.address, "/hello")
        child.signal(signal.SIGTERM)
        assert kept.send(data[30:]).answer().body == b"hello"
        assert kept.at_end()
        assert child.exit_code() == 0


@pytest.mark.measured
def test_a_large_answer_is_written_to_its_end(tmp_path: Path) -> None:
    """A running answer is completed for a slow reader, after the grace for half-received requests."""
    with (
        serving(tmp_path, "--set", "writing_grace=600") as child,
        Client(child.address) as reader,
        Client(child.address) as never,
    ):
        reader.send(request("/pieces?8000000"))
        never.send(begin())
        get(child.address, "/hello")
        child.signal(signal.SIGTERM)
        assert never.at_end()
        assert len(reader.answer().body) == 8_000_000
        assert child.exit_code() == 0


@pytest.mark.measured
def test_a_socket_file_of_our_own_loses_no_request(tmp_path: Path) -> None:
    """While clients connect as fast as they can, each that connected before the stop gets its answer."""
    outcomes: list[bytes] = []

    def ask_until_refused() -> None:
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            while True:
                with Client(child.address) as client:
                    outcomes.append(client.send(request("/hello")).answer().body)

    with serving(tmp_path, listen=f"unix:{tmp_path}/own") as child:
        threads = [threading.Thread(target=ask_until_refused) for _ in range(6)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(outcomes) > 100)
        child.signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert child.exit_code() == 0
    assert set(outcomes) == {b"hello"}
    assert not (tmp_path / "own").exists()


def test_the_backlog_of_a_port_is_answered(tmp_path: Path) -> None:
    """Connections that wait when the stop comes are answered; then the port is free."""
    with serving(tmp_path, listen="tcp:127.0.0.1") as child, contextlib.ExitStack() as stack:
        get(child.address, "/hello")
        with child.paused():
            waiting = [stack.enter_context(Client(child.address)).send(request("/hello")) for _ in range(10)]
            child.signal(signal.SIGTERM)
        assert [client.answer().body for client in waiting] == [b"hello"] * 10
        assert child.exit_code() == 0
        with pytest.raises(ConnectionRefusedError):
            Client(child.address)


def test_web_server_addresses_are_asked_for_every_connection(tmp_path: Path) -> None:
    """Over TCP a listed web server is always served, another one always refused; unix sockets are not concerned."""
    with serving(tmp_path, listen="tcp:127.0.0.1", FCGI_WEB_SERVER_ADDRS="::1,127.0.0.1") as child:
        assert [get(child.address, "/hello").body for _ in range(3)] == [b"hello"] * 3
    with serving(tmp_path, listen="tcp:127.0.0.1", FCGI_WEB_SERVER_ADDRS="10.0.0.1") as child:
        for _ in range(3):
            with Client(child.address) as client:
                assert client.at_end()
    with serving(tmp_path, FCGI_WEB_SERVER_ADDRS="10.0.0.1") as child:
        assert get(child.address, "/hello").body == b"hello"
