"""Homes to deploy from: a simulated machine for the snippets of the pages, an account at a host that has any kind of server."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosted_python import HOSTED
from tests.support.hosting import Account
from tests.support.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with data; its sockets are in /tmp, because the path of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="n2k-") as run:
        yield Machine(tmp_path / "home", Path(run))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data and an empty folder for n2k in its site, run by a Python that Debian's modules load."""
    made = Account(tmp_path / "home", python=HOSTED)
    made.site /= "n2k"
    made.site.mkdir()
    return made
