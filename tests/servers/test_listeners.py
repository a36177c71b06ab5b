"""Listening sockets: their files, modes and addresses, and what is inherited."""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.errors import CannotListen
from n2k_fcgi.servers.listeners import bind_tcp, bind_unix, inherited, owned


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def test_a_socket_file_has_the_mode_asked_for(folder: Path) -> None:
    """The mode is that of the argument, whatever the umask, and the umask is not changed."""
    before = os.umask(0o022)
    try:
        with bind_unix(folder / "s", 0o660):
            assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o660
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_stale_socket_file_is_replaced(folder: Path) -> None:
    """A file left by a killed server does not stop the next one."""
    bind_unix(folder / "s").close()
    with bind_unix(folder / "s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "s"))


@pytest.mark.parametrize("name", ["gone/s", "gone/deeper/s"])
def test_a_folder_that_is_not_there_is_named(folder: Path, name: str) -> None:
    """The message says that the folder must be made."""
    missing = (folder / name).parent
    with pytest.raises(CannotListen, match=f"there is no folder {missing}$"):
        bind_unix(folder / name)
    assert not missing.exists()


def test_a_live_socket_is_not_taken_over(folder: Path) -> None:
    """A second server is refused, and the first one still answers."""
    with bind_unix(folder / "s") as first:
        with pytest.raises(CannotListen, match="another process listens there"):
            bind_unix(folder / "s")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "s"))
        assert first.fileno() >= 0


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    """With a mistyped path no file is lost."""
    (folder / "s").write_text("precious")
    with pytest.raises(CannotListen, match="not a socket"):
        bind_unix(folder / "s")
    assert (folder / "s").read_text() == "precious"


def test_a_path_that_the_kernel_would_cut_is_refused(folder: Path) -> None:
    """The message says how long a path may be, and that a folder is missing."""
    with pytest.raises(CannotListen, match="107 bytes"):
        bind_unix(folder / ("s" * 120))
    with pytest.raises(CannotListen, match="there is no folder"):
        bind_unix(folder / "none" / "s")


def test_an_owned_socket_file_is_removed_at_the_end(folder: Path) -> None:
    """The owner removes the file, unless it is the socket of another server by now."""
    with owned(bind_unix(folder / "s")):
        assert (folder / "s").exists()
    assert not (folder / "s").exists()
    with owned(bind_unix(folder / "s")):
        (folder / "s").unlink()
        replacement = bind_unix(folder / "s")
    assert (folder / "s").exists()
    replacement.close()


@pytest.mark.parametrize("host, family", [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_tcp_listens_on_both_families(host: str, family: socket.AddressFamily) -> None:
    """An address with a colon is IPv6; port 0 finds a free one."""
    with bind_tcp(host, 0) as listener:
        assert listener.family == family
        assert listener.getsockname()[1] > 0


def test_a_taken_port_is_refused() -> None:
    """The message names the address."""
    with bind_tcp("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            bind_tcp("127.0.0.1", port)
    with pytest.raises(CannotListen):
        bind_tcp("127.0.0.1", 70000)


def test_only_a_listening_socket_is_inherited(folder: Path) -> None:
    """A file, a pipe, a closed descriptor and a connected socket are something else, and are not closed."""
    left, right = socket.socketpair()
    read, write = os.pipe()
    try:
        assert inherited(left.fileno()) is None
        assert inherited(read) is None
        assert inherited(9999) is None
        assert left.send(b"open") == 4
    finally:
        left.close(), right.close(), os.close(read), os.close(write)
    with bind_unix(folder / "s") as listener:
        found = inherited(os.dup(listener.fileno()))
        assert found is not None
        assert found.getsockname() == listener.getsockname()
        found.close()
