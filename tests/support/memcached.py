"""Memcached servers, ours and the real one, and a client that reads as much as each command answers."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi import wiring
from n2k_fcgi.config import load
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Terms
from tests.support.foreground import foreground, free_port
from tests.support.processes import SECONDS, Child, eventually, running

NAMESPACE = "shop"
TERMS = Terms(50_000_000, 100_000)


class Client(socket.socket):
    """A connection to a unix socket, or to a host and port."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        super().__init__(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.settimeout(SECONDS)
        self.connect(address)
        self._file = self.makefile("rb")

    def ask(self, data: bytes, lines: int = 1) -> bytes:
        """Send, and read so many lines."""
        self.sendall(data)
        return b"".join(self.line() for _ in range(lines))

    def until(self, data: bytes, end: bytes) -> bytes:
        """Send, and read up to a line that is *end*, without it."""
        self.sendall(data)
        told = b""
        while (line := self.line()) != end:
            assert line, f"the connection ended: {told!r}"
            told += line
        return told

    def everything(self, data: bytes) -> bytes:
        """Send, and behind it ``mn``; read all answers before that of ``mn``."""
        return self.until(data + b"mn\r\n", b"MN\r\n")

    def line(self) -> bytes:
        """The next line; b"" at the end, also when the server has reset the connection."""
        try:
            return self._file.readline()
        except ConnectionResetError:
            return b""

    def rest(self) -> bytes:
        """All up to the end."""
        with contextlib.suppress(ConnectionResetError):
            return self._file.read()
        return b""

    def close(self) -> None:
        """Close the file, too."""
        self._file.close()
        super().close()


@contextlib.contextmanager
def made(data_dir: Path, *, terms: Terms = TERMS, sync: Sync = Sync.OFF) -> Iterator[Store]:
    """A data directory with the namespace; its store, in this process."""
    data_dir.mkdir()
    (data_dir / "n2k.ini").write_text(f"[n2k]\nkv_sync = {sync}\n")
    store = wiring.open_store(load(environment={}, flags={"data_dir": str(data_dir)}).settings)
    store.create()
    store.keyvalue.create(NAMESPACE, terms)
    try:
        yield store
    finally:
        store.close()


def space_of(store: Store, **options: bool) -> KeyValueSpace:
    """The namespace as ``/db`` and the commands see it."""
    return wiring.namespace(store, load(environment={}, flags={}).settings, NAMESPACE, **options)


@contextlib.contextmanager
def serving(data_dir: Path, *options: str, listen: str = "", namespace: str = NAMESPACE) -> Iterator[Child]:
    """Ours, on a unix socket beside *data_dir* unless *listen* says where."""
    where = listen or f"unix:{data_dir}.sock"
    command = [
        sys.executable,
        "-m",
        "n2k_fcgi",
        "--dir",
        str(data_dir),
        "memcached",
        "--listen",
        where,
        "--namespace",
        namespace,
    ]
    log = data_dir.with_suffix(".stderr")
    with log.open("wb") as errors, running([*command, *options], stdin=subprocess.DEVNULL, stderr=errors) as process:

        def began() -> bool:
            assert process.poll() is None, log.read_text()
            return "memcached on " in log.read_text()

        assert eventually(began)
        address = log.read_text().partition("memcached on ")[2].split()[0]
        host, _, port = address.rpartition(":")
        yield Child(process, (host, int(port)) if host else address, log)


@contextlib.contextmanager
def real(folder: Path) -> Iterator[tuple[str, int]]:
    """Debian's memcached; its address."""
    port = free_port()
    options = ("-u", "nobody", "-U", "0", "-l", "127.0.0.1", "-p", str(port), "-m", "64")
    with foreground("memcached", *options, port=port, log=folder / "memcached.log"):
        yield "127.0.0.1", port
