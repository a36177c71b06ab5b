"""A data directory for several processes."""

from pathlib import Path

import pytest

from tests.contract.engines import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A data directory of this engine."""
    return Place("lmdb", tmp_path / "data")
