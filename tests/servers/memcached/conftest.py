"""A data directory with a namespace, and a server of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.store.base import Store
from tests.support.memcached import Client, made, real, serving
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


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Client]]:
    """Connections to memcached itself, and to ours."""
    folder: Path = tmp_path_factory.mktemp("both")
    with (
        made(folder / "data"),
        serving(folder / "data") as ours,
        real(folder) as theirs,
        Client(theirs) as their_client,
        Client(ours.address) as our_client,
    ):
        yield their_client, our_client
