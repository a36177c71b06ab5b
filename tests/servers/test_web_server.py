"""What the web server says of the socket it hands over: who may connect, and whether other processes accept from it."""

import os
import socket
from pathlib import Path

import pytest

from n2k_fcgi.errors import CannotListen
from n2k_fcgi.servers.fastcgi.web_server import Peers, is_for_us_alone
from n2k_fcgi.servers.listeners import bind_tcp


@pytest.mark.parametrize("peer, allowed", [
    (("127.0.0.1", 1), True),
    (("::ffff:127.0.0.1", 1, 0, 0), True),
    (("::1", 1, 0, 0), True),
    (("0:0:0:0:0:0:0:1", 1, 0, 0), True),
    (("fe80::1%eth0", 1, 0, 2), True),
    (("10.0.0.1", 1), False),
    (("::2", 1, 0, 0), False),
])  # fmt: skip
def test_web_server_addresses_are_both_families(
    monkeypatch: pytest.MonkeyPatch, peer: tuple[object, ...], allowed: bool
) -> None:
    """FCGI_WEB_SERVER_ADDRS lists IPv4 and IPv6 in any spelling, and is checked for every connection."""
    monkeypatch.setenv("FCGI_WEB_SERVER_ADDRS", "127.0.0.1, ::1,fe80::1")
    with bind_tcp("127.0.0.1", 0) as listener:
        peers = Peers.of(listener)
    assert [peers.admit(peer) for _ in range(3)] == [allowed] * 3


def test_web_server_addresses_must_be_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host name there is refused with the variable's name, rather than silently ignored."""
    monkeypatch.setenv("FCGI_WEB_SERVER_ADDRS", "localhost")
    with bind_tcp("127.0.0.1", 0) as listener, pytest.raises(CannotListen, match="FCGI_WEB_SERVER_ADDRS"):
        Peers.of(listener)


def test_a_socket_of_mod_fcgid_is_for_us_alone(tmp_path: Path) -> None:
    """It is named after the process that started us; one of ours, of systemd's or on TCP is not, nor one that is removed."""
    found = {}
    for name in (f"{os.getppid()}.7", f"{os.getpid()}.7", "fcgi.sock"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / name))
            found[name.split(".")[0]] = is_for_us_alone(listener)
            (tmp_path / name).unlink()
            assert not is_for_us_alone(listener)
    assert found == {str(os.getppid()): True, str(os.getpid()): False, "fcgi": False}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_for_us_alone(listener)
