"""What ``bench_memcached`` compares: ours, memcached, Redis and a loop that answers a constant, each on a port of loopback."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.keyvalue import Terms
from tests.bench.load import cpu_seconds
from tests.support.foreground import foreground, free_port
from tests.support.memcached import made, serving

TOGETHER = 50
"""Keys of one multi-get."""
TERMS = Terms(2 << 30, 10_000_000)


class Seen(NamedTuple):
    """One run of the load client."""

    rate: float
    """Answers a second."""
    p50: float
    p99: float
    slowest: float
    """Microseconds."""
    cpu: float
    """Server CPU microseconds an answer."""


class Cache(NamedTuple):
    """A server that runs."""

    protocol: str
    port: int
    pid: int

    def asked(self, client: Path, operation: str, connections: int, keys: int, seconds: float = 0) -> Seen:
        """Let the load client ask; it checks every answer."""
        before = cpu_seconds([self.pid])
        told = subprocess.run(self.command(client, operation, connections, keys, seconds), check=True, capture_output=True)
        return seen(told.stdout, cpu_seconds([self.pid]) - before)

    def command(self, client: Path, operation: str, connections: int, keys: int, seconds: float) -> list[str]:
        """The command line of the load client."""
        return [str(client), self.protocol, str(self.port), str(connections), str(seconds), operation, str(keys)]


def seen(line: bytes, cpu: float = 0) -> Seen:
    """Read the line that the load client printed; *cpu*: seconds of the server meanwhile."""
    answers, seconds, p50, p99, slowest = map(float, line.split())
    return Seen(answers / seconds, p50, p99, slowest, cpu / answers * 1e6)


@contextlib.contextmanager
def ours(folder: Path, sync: Sync) -> Iterator[Cache]:
    """``n2k memcached`` on a namespace in *folder*, which is made if it is missing."""
    if not folder.exists():
        with made(folder, terms=TERMS, sync=sync):
            pass
    with serving(folder, listen="127.0.0.1:0") as child:
        assert isinstance(child.address, tuple)
        yield Cache("memcached", child.address[1], child.process.pid)


@contextlib.contextmanager
def memcached(folder: Path) -> Iterator[Cache]:
    """Debian's, with its own defaults but for the room: a million items of 100 bytes are not evicted."""
    port = free_port()
    options = ("-u", "nobody", "-U", "0", "-l", "127.0.0.1", "-p", str(port), "-m", "1024")
    with foreground("memcached", *options, port=port, log=folder / "memcached.log") as process:
        yield Cache("memcached", port, process.pid)


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Cache]:
    """Redis, whose append-only file is synced before each answer. It is not rewritten meanwhile."""
    folder.mkdir()
    port = free_port()
    config = folder / "redis.conf"
    config.write_text(
        f"bind 127.0.0.1\nport {port}\ndir {folder}\nloglevel warning\n"
        'save ""\nappendonly yes\nappendfsync always\nauto-aof-rewrite-percentage 0\n'
    )
    with foreground("redis-server", str(config), port=port, log=folder / "redis.log") as process:
        yield Cache("redis", port, process.pid)


@contextlib.contextmanager
def constant(folder: Path, answer: str) -> Iterator[Cache]:
    """A loop in Python that answers *answer* to everything."""
    port = free_port()
    program = str(Path(__file__).parent / "peers/constant.py")
    with foreground(sys.executable, "-I", program, str(port), answer, port=port, log=folder / "constant.log") as process:
        yield Cache("memcached", port, process.pid)
