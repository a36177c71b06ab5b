"""Namespaces of the key-value service, and every way in which a program reaches them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

from n2k_fcgi import open_keyvalue
from n2k_fcgi.client import Client
from n2k_fcgi.keyvalue.namespace import KeyValue
from n2k_fcgi.model.choices import Scope
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.keyvalue import Terms
from tests.support.foreground import free_port
from tests.support.machine import Machine
from tests.support.sandbox import Sandbox
from tests.support.snippets import parsed, snippets, units
from tests.support.standalone import serving

LARGE = Terms(64 << 20, 100_000)
SMALL = Terms(100, 3)
"""Bytes and keys."""


Reach = Callable[[str, bool], KeyValue]
"""Opens a namespace by its name, to read only or not."""


class Place:
    """A data directory, and a way to reach its namespaces."""

    def __init__(self, data_dir: Path, reach: Reach) -> None:
        self.data_dir = data_dir
        self._reach = reach
        self._numbers = count()

    def new(self, terms: Terms = LARGE) -> str:
        """Make a namespace; return its name."""
        name = f"space-{next(self._numbers)}"
        made_namespace(self.data_dir, name, terms)
        return name

    def opened(self, name: str, *, read_only: bool = False) -> KeyValue:
        """Open a namespace."""
        return self._reach(name, read_only)


def made_namespace(data_dir: Path, name: str, terms: Terms = LARGE) -> None:
    """Make a namespace, and the data directory if it is missing. No handle of this process may have it open."""
    box = Sandbox(data_dir)
    try:
        box.store.keyvalue.create(name, terms)
    finally:
        box.close()


def made_token(data_dir: Path, *scopes: Scope, namespace: str | None = None, read_only: bool = False) -> str:
    """Make a token; return its text."""
    box = Sandbox(data_dir)
    try:
        return create_token(box.store.tokens, scopes, namespace=namespace, read_only=read_only).text
    finally:
        box.close()


def client_of(data_dir: Path, url: str, name: str, *, read_only: bool = False, patience: float = 30.0) -> Client:
    """A client with a token for one namespace."""
    token = made_token(data_dir, Scope.KEYVALUE, namespace=name, read_only=read_only)
    return Client(url, token, timeout=60, patience=patience)


def without_limits(data_dir: Path) -> None:
    """Allow as many writes a minute as a test does."""
    (data_dir / "n2k.ini").write_text("[n2k]\nwrite_limit = 1000000\ntoken_limit = 1000000\n")


@contextmanager
def embedded(folder: Path) -> Iterator[Place]:
    """In this process."""
    data_dir = folder / "data"
    yield Place(data_dir, lambda name, read_only: open_keyvalue(data_dir, name, read_only=read_only))


@contextmanager
def by_serve(folder: Path) -> Iterator[Place]:
    """By the client, from ``n2k serve``."""
    data_dir = folder / "data"
    Sandbox(data_dir).close()
    without_limits(data_dir)
    with serving(data_dir) as server:
        url = f"http://{server.host}:{server.port}"
        yield Place(data_dir, lambda name, read_only: client_of(data_dir, url, name, read_only=read_only))


@contextmanager
def by_nginx(folder: Path) -> Iterator[Place]:
    """By the client, from nginx before the FastCGI service, in a folder, as docs/deploy.md has it."""
    port = free_port()
    snippet = snippets("nginx")[0].replace("listen 80;", f"listen 127.0.0.1:{port};")
    command = parsed(dict(reversed(units()))["n2k.service"])["Service"]["ExecStart"]
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="n2k-") as run:
        machine = Machine(folder / "home", Path(run))
        data_dir = machine.account.data
        without_limits(data_dir)
        with machine.service(command), machine.nginx(snippet, port):
            url = f"http://127.0.0.1:{port}/n2k/"
            yield Place(data_dir, lambda name, read_only: client_of(data_dir, url, name, read_only=read_only))


places: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "embedded": embedded,
    "serve": by_serve,
    "nginx": by_nginx,
}
