"""A simulated machine with a home, for tests of the snippets in docs/deploy.md."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with data; its sockets are in /tmp, because the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="n2k-") as run:
        yield Machine(tmp_path / "home", Path(run))
