"""A data directory on which the real command runs, checked after each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from n2k_fcgi.cli import group
from tests.support.commands import Commands


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory after an import of three well-known people, to be copied."""
    commands = Commands(tmp_path_factory.mktemp("people") / "data")
    commands.has_people()
    return commands.data_dir


@pytest.fixture
def n2k(tmp_path: Path, people: Path) -> Iterator[Commands]:
    """The command, with a data directory that does not exist yet; afterwards ``n2k check`` finds no problem."""
    commands = Commands(tmp_path / "data", people)
    yield commands
    if commands.data_dir.is_dir() and not commands.damaged:
        done = CliRunner().invoke(
            group, ["--dir", str(commands.data_dir), "--quiet", "check"]
        )  # in this process: it is quicker
        assert (done.exception, done.output) == (None, "")


@pytest.fixture
def peopled(n2k: Commands) -> Commands:
    """The command, with three well-known people in the live generation."""
    n2k.has_people()
    return n2k


@pytest.fixture(scope="session")
def shop_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the empty namespace 'shop': copied by those who begin with it."""
    commands = Commands(tmp_path_factory.mktemp("shop") / "data")
    assert commands("token", "create", "--scope", "keyvalue", "--namespace", "shop").code == 0
    return commands.data_dir


@pytest.fixture
def shop(n2k: Commands, shop_data: Path) -> Commands:
    """The command, with an empty namespace 'shop'."""
    n2k.begin_with(shop_data)
    return n2k
