"""A data directory with a namespace, and a server of it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.store.base import Store
from tests.support.memcached import Client, made, serving
from tests.support.processes import Child

collect_ignore = ["test_pylibmc.py"] if sys.version_info >= (3, 13) else []
"""pylibmc has no wheels for later versions."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The store of ``tmp_path/data``, in this process."""
    with made(tmp_path / "data") as store:
        yield store


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Child]:
    """Ours, of that directory."""
    with serving(tmp_path / "data") as child:
        yield child


@pytest.fixture
def client(server: Child) -> Iterator[Client]:
    """A connection to it."""
    with Client(server.address) as client:
        yield client


@pytest.fixture
def on_port(store: Store, tmp_path: Path) -> Iterator[Child]:
    """Ours, on a port of loopback."""
    with serving(tmp_path / "data", listen="127.0.0.1:0") as server:
        yield server
