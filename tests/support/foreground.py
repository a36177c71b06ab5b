"""Web servers run in the foreground: waited for until they accept, stopped by the id of the process that was started."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import SECONDS, eventually

_PORTS = range(10_000, 32_000)
_FAR = 13_597
"""Golden section of their number: processes with neighbouring ids begin thousands apart."""
_ports = itertools.chain(_PORTS[(start := os.getpid() * _FAR % len(_PORTS)) :], _PORTS[:start])

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@contextlib.contextmanager
def foreground(
    program: str, *options: str, port: int, log: Path, wrapper: tuple[str, ...] = ()
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run *program* until the block ends; it begins once 127.0.0.1:*port* accepts. *log* gets what it prints.

    Its environment is PATH alone, as at boot. SIGTERM ends it, so that it can end its own children.
    """
    assert shutil.which(program, path=PATH), f"these tests need a real {program}: 'make test' names its package"
    command = [*wrapper, program, *options]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env={"PATH": PATH}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        started = eventually(lambda: process.poll() is not None or _accepts(port)) and process.poll() is None
        assert started, f"{program} did not start:\n{log.read_text('utf-8', 'replace')}"
        yield process
    finally:
        process.terminate()
        process.wait(SECONDS)


def free_port() -> int:
    """A port on loopback that nobody listens on, for a server that cannot choose one itself.

    Below those that the kernel hands out (32768 and up, ip_local_port_range), so that nobody has it by chance before the
    server starts; each process begins at another place, thousands from those of its neighbours, and never gives one twice.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port on loopback that refuses connections while the block runs: it is held, so that nobody else is given it.

    A server that may share it, as Python's do (SO_REUSEADDR), can listen there meanwhile.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
