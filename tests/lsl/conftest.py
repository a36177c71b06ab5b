"""Stories run under both kinds of grid, against a real service."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.directory_server import DirectoryServer, directory_server, new_data
from tests.support.grid_rules import OPENSIM, SECOND_LIFE
from tests.support.shop import prepare_shop
from tests.support.simulator import Avatar, World

COMPILED_RIGHT = sys.version_info < (3, 13)
"""On 3.13 the compiler's ``x++`` and ``--x`` lose their effect: what ran there would not be the script."""

MASAKAZU = Avatar("Masakazu Kojima", "a27b84f0-2757-4176-9579-43a181d4a5a0")
GOVERNOR = Avatar("Governor Linden", "3d6181b0-6a4b-97ef-18d8-722652995cf1")
KNOWN = {avatar.name: avatar.key for avatar in (MASAKAZU, GOVERNOR)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take this folder's tests out where they cannot run; the summary says so."""
    if COMPILED_RIGHT:
        return
    here = [item for item in items if item.path.parent.name == "lsl"]
    config.hook.pytest_deselected(items=here)
    items[:] = [item for item in items if item not in here]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not COMPILED_RIGHT:
        terminalreporter.write_line("LSL stories: not run on Python 3.13, lummao miscompiles there", yellow=True)


@pytest.fixture(params=[SECOND_LIFE, OPENSIM], ids=["second_life", "opensim"])
def world(request: pytest.FixtureRequest) -> World:
    """An empty region of each kind of grid."""
    return World(request.param)


@pytest.fixture
def owner() -> Avatar:
    """Whose prims they are."""
    return Avatar("Prim Owner", "0b3e4f5a-1111-4222-8333-444455556666")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that knows two avatars of Second Life; served from copies only."""
    return new_data(tmp_path_factory.mktemp("lsl") / "data", KNOWN)


@pytest.fixture(scope="session")
def shop_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with the namespace ``shop`` of the key-value service, and a token for it."""
    data_dir = tmp_path_factory.mktemp("lsl") / "shop"
    shutil.copytree(template, data_dir)
    (data_dir / "keyvalue_token").write_text(prepare_shop(data_dir), "utf-8")
    return data_dir


@pytest.fixture
def shop(shop_template: Path, tmp_path: Path) -> Iterator[DirectoryServer]:
    """A service with that namespace, of the test's own."""
    with directory_server(shop_template, tmp_path / "data") as server:
        yield server


def keyvalue_token(shop: DirectoryServer) -> str:
    """The token for its namespace."""
    return (shop.data_dir / "keyvalue_token").read_text("utf-8")


@pytest.fixture
def directory(template: Path, tmp_path: Path) -> Iterator[DirectoryServer]:
    """A service of the test's own: it may be written to and stopped."""
    with directory_server(template, tmp_path / "data") as server:
        yield server
