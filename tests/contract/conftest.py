"""Each test of the contract runs for every engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.store.base import Store
from tests.contract.engines import ENGINES, Place


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of one engine."""
    return Place(request.param, tmp_path / "data")


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """An empty store, open in this process."""
    with place.opened() as store:
        yield store
