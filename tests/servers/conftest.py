"""A directory of many avatars, imported once."""

from pathlib import Path

import pytest

from tests.support.long_list import ROWS, key_of
from tests.support.sandbox import Sandbox, csv


@pytest.fixture(scope="session")
def many_avatars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with ROWS avatars, to be copied: ``Sandbox.begin_with``."""
    box = Sandbox(tmp_path_factory.mktemp("many") / "data")
    box.import_text(csv(*[(key_of(n), f"Name{n:06} Last") for n in range(1, ROWS + 1)]), as_of=1)
    box.close()
    return box.data_dir
