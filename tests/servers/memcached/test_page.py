"""The commands and settings of docs/memcached.md, as they stand there; but for the port, which another test may have."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.store.base import Store
from tests.support.commands import N2K, Commands
from tests.support.foreground import free_port
from tests.support.memcached import NAMESPACE, Client, serving
from tests.support.memcached_clients import run
from tests.support.processes import REPOSITORY, Child


def block(language: str, port: int) -> str:
    """The first block of that language on the page."""
    found = re.search(rf"```{language}\n(.*?)```", (REPOSITORY / "docs" / "memcached.md").read_text("utf-8"), re.DOTALL)
    assert found
    return found[1].replace("11211", str(port))


@pytest.fixture
def on_port(store: Store, tmp_path: Path) -> Iterator[Child]:
    """A server on a port of loopback."""
    with serving(tmp_path / "data", listen="127.0.0.1:0") as server:
        yield server


def test_the_commands(tmp_path: Path) -> None:
    """The first makes the namespace, the second serves it."""
    port = free_port()
    make, serve = (shlex.split(line)[1:] for line in block("sh", port).splitlines())
    n2k = Commands(tmp_path / "data")
    assert n2k("init").code == 0 and n2k(*make).code == 0
    assert serve == ["memcached", "--listen", f"127.0.0.1:{port}", "--namespace", NAMESPACE]
    with serving(tmp_path / "data", listen=serve[2]) as server, Client(server.address) as client:
        assert client.everything(b"set a 0 0 1\r\nx\r\n") == b"STORED\r\n"


def test_php(on_port: Child, tmp_path: Path) -> None:
    """The example prints what it stored."""
    script = tmp_path / "example.php"
    script.write_text(block("php", on_port.address[1]))
    assert run("php", script) == "hello\n"


def test_sessions_of_php(on_port: Child) -> None:
    """The settings make PHP store its sessions here; with the binary protocol, which they switch off, it could not."""
    options = [f"-d{line.replace(' ', '')}" for line in block("ini", on_port.address[1]).splitlines()]
    code = 'session_id("abc"); session_start(); $_SESSION["n"] = 1; session_write_close();'
    run("php", "-dsession.use_cookies=0", *options, "-r", code)
    with Client(on_port.address) as client:
        assert client.everything(b"get memc.sess.abc memc.sess.key.abc\r\n").endswith(b"\r\nn|i:1;\r\nEND\r\n")
    with pytest.raises(AssertionError, match="read session data"):
        run("php", "-dsession.use_cookies=0", *(option.replace("=Off", "=On") for option in options), "-r", code)


def test_a_cache_in_memory(tmp_path: Path) -> None:
    """The lines below "As a mere cache" make one that takes values of a megabyte and waits for no disk, and serve it."""
    page = (REPOSITORY / "docs" / "memcached.md").read_text("utf-8")
    found = re.search(r"\*\*As a mere cache\*\*.*?```sh\n(.*?)```", page, re.DOTALL)
    assert found
    data_dir = tmp_path / "cache"
    *lines, last = found[1].replace("/dev/shm/cache", str(data_dir)).replace("~/n2k/bin/n2k", str(N2K)).strip().splitlines()
    run("sh", "-e", "-c", "\n".join(lines))
    serve = shlex.split(last)[1:]
    assert serve == ["memcached", "--listen", "127.0.0.1:11212", "--namespace", "cache"]
    with serving(data_dir, namespace=serve[-1]) as server, Client(server.address) as client:
        value = bytes(1_000_000)
        assert client.everything(b"set a 0 60 1000000\r\n%b\r\n" % value) == b"STORED\r\n"
        assert b"STAT limit_maxbytes 524288000\r\n" in client.until(b"stats\r\n", b"END\r\n")
    assert "kv_sync = off" in Commands(data_dir)("config").out
