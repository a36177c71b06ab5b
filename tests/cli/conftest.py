"""A data directory on which the real command runs, checked when a test is done with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Commands


@pytest.fixture
def n2k(tmp_path: Path) -> Iterator[Commands]:
    """The command, with a data directory that is not there yet; afterwards ``n2k check`` finds nothing wrong."""
    commands = Commands(tmp_path / "data")
    yield commands
    if commands.data_dir.is_dir() and not commands.damaged:
        done = commands("check")
        assert (done.code, done.out) == (0, "")


@pytest.fixture
def peopled(n2k: Commands) -> Commands:
    """The command, with three well-known people in the live generation."""
    n2k.has_people()
    return n2k
