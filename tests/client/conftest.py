"""A real service with one namespace, behind a proxy that loses answers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from n2k_fcgi.client import Client
from tests.support.keyvalue import client_of, made_namespace, without_limits
from tests.support.lossy_proxy import LossyProxy, lossy_proxy
from tests.support.standalone import Standalone, serving


class Running(NamedTuple):
    """The data directory that is served, and where."""

    data_dir: Path
    server: Standalone
    fresh: Callable[[], str]
    """Makes a namespace; returns its name."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """``n2k serve``."""
    data_dir = tmp_path_factory.mktemp("client") / "data"
    made: list[str] = []

    def fresh() -> str:
        made.append(f"space-{len(made)}")
        made_namespace(data_dir, made[-1])
        return made[-1]

    fresh()
    without_limits(data_dir)
    with serving(data_dir) as server:
        yield Running(data_dir, server, fresh)


@pytest.fixture
def proxy(running: Running) -> Iterator[LossyProxy]:
    """A proxy before the service."""
    with lossy_proxy(running.server.host, running.server.port) as proxy:
        yield proxy


@pytest.fixture
def kv(running: Running, proxy: LossyProxy) -> Iterator[Client]:
    """A client of a new namespace, through the proxy."""
    with client_of(running.data_dir, proxy.url, running.fresh()) as client:
        yield client
