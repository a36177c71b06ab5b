"""Options of ``n2k memcached``, its warnings and its log."""

import pytest

from tests.support.commands import Commands
from tests.support.memcached import Client, serving


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "unix:{folder}/a.sock"])
def test_an_address_of_this_machine_is_not_warned_of(shop: Commands, listen: str) -> None:
    """Whatever is permitted."""
    where = listen.format(folder=shop.data_dir.parent)
    with serving(shop.data_dir, "--public", listen=where) as server:
        assert "memcached on" in server.stderr and "warning" not in server.stderr


@pytest.mark.parametrize("prefix", ["", "a b", "ä:", "a\n", "x" * 101])
def test_a_prefix_that_no_key_has_is_refused(shop: Commands, prefix: str) -> None:
    """Before anything is opened."""
    done = shop("memcached", "--listen", "127.0.0.1:0", "--namespace", "shop", "--directory", prefix)
    assert done.code == 2 and "without blanks" in done.err


def test_a_connection_that_asks_nothing_is_not_logged(shop: Commands) -> None:
    """The owner wanted it closed; one that stops in the middle of a command is another matter."""
    with serving(shop.data_dir, "--idle", "1") as server, Client(server.address) as client:
        assert client.ask(b"mn\r\n") == b"MN\r\n"
        assert client.line() == b""
    log = shop.data_dir / "log" / "n2k.log"
    assert not log.exists() or "cut off" not in log.read_text()
