"""A data directory with a namespace, and a server of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.store.base import Store
from tests.support.memcached import Client, made, serving
from tests.support.processes import Child


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
