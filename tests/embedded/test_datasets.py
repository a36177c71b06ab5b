"""``open_datasets``: what the page's example does not show."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi import Later, N2KError, open_datasets, open_keyvalue
from n2k_fcgi.embedded.datasets import OpenDatasets
from n2k_fcgi.errors import (
    BadDatasetName,
    BadEntryKey,
    BadRequest,
    DatasetDamaged,
    DatasetExists,
    HandleClosed,
    NoSuchDataset,
    NoSuchNamespace,
    StoreMissing,
    ValueTooLarge,
)
from n2k_fcgi.keyvalue.values import Item
from n2k_fcgi.model.keyvalue.entry import ValueType
from tests.support.keyvalue import made_namespace
from tests.support.sandbox import Sandbox


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a namespace."""
    Sandbox(tmp_path / "data").close()
    made_namespace(tmp_path / "data", "shop")
    return tmp_path / "data"


@pytest.fixture
def datasets(data_dir: Path) -> Iterator[OpenDatasets]:
    """An open handle."""
    with open_datasets(data_dir) as datasets:
        yield datasets


def test_what_a_namespace_has_becomes_a_dataset(datasets: OpenDatasets, data_dir: Path) -> None:
    """Read while it is built, by the same thread; flags, types and times stay."""
    with open_keyvalue(data_dir, "shop") as kv:
        kv.put("a", json={"left": 1}, flags=7)
        kv.put("b", b"\xff", ttl_ms=60_000)
        kv.put("c", "text")
        before = list(kv.scan())
        assert datasets.build("all", kv.scan()).keys == 3
        datasets.use("shop", "all")
        after = list(kv.scan())
    assert [(i.key, i.value, i.flags, i.type) for i in after] == [(i.key, i.value, i.flags, i.type) for i in before]
    assert [i.ttl_ms is not None and 0 < i.ttl_ms <= 60_000 for i in after] == [False, True, False]


BAD: list[tuple[object, type[Exception]]] = [
    (("", "v"), BadEntryKey),
    (("k", "v" * 70_000), ValueTooLarge),
    (Item("k", b"{", 0, None, 0, ValueType.JSON), BadRequest),
    (Item("k", b"", 0, None, -1, ValueType.TEXT), BadRequest),
    (Item("k", b"", 0, -1, 0, ValueType.TEXT), BadRequest),
    (Item("k", b"", 0, 1 << 60, 0, ValueType.TEXT), BadRequest),
]


@pytest.mark.parametrize(("item", "error"), BAD)
def test_a_bad_item_makes_no_dataset(datasets: OpenDatasets, item: tuple[str, str], error: type[Exception]) -> None:
    """Whatever came before it; the name is free."""
    with pytest.raises(error):
        datasets.build("bad", [("good", "1"), item])
    assert datasets.listed() == []
    assert datasets.build("bad", []).keys == 0


def test_an_error_of_the_program_makes_no_dataset(datasets: OpenDatasets) -> None:
    """It reaches the program as it is."""

    def failing() -> Iterator[tuple[str, str]]:
        yield "k", "v"
        raise LookupError

    with pytest.raises(LookupError):
        datasets.build("bad", failing())
    assert datasets.listed() == []


def test_what_is_refused_changes_nothing(datasets: OpenDatasets, data_dir: Path) -> None:
    """Names that are paths, unknown or taken; a damaged file is listed with its problem, and can be removed."""
    datasets.build("red", [("k", "red")])
    datasets.use("shop", "red")
    for name, error in (("../red", BadDatasetName), ("green", NoSuchDataset)):
        with pytest.raises(error):
            datasets.use("shop", name)
        with pytest.raises(error):
            datasets.remove(name)
    with pytest.raises(DatasetExists):
        datasets.build("red", [])
    with pytest.raises(BadDatasetName):
        datasets.build("none", [])
    with pytest.raises(NoSuchNamespace):
        datasets.use("nowhere", "red")
    (data_dir / "datasets" / "blue.mdb").write_bytes(b"short")
    with pytest.raises(DatasetDamaged):
        datasets.use("shop", "blue", Later.FRESH)
    blue, red = datasets.listed()
    assert (blue.dataset, isinstance(blue.problem, DatasetDamaged)) == (None, True)
    assert red.dataset and (red.dataset.keys, red.namespaces, red.problem) == (1, ["shop"], None)
    assert datasets.remove("blue") == []
    with open_keyvalue(data_dir, "shop") as kv:
        item = kv.get("k")
        assert item and item.text == "red"


def test_a_handle_that_cannot_be_used(datasets: OpenDatasets, tmp_path: Path) -> None:
    """No data directory, where nothing is made; and one that is closed."""
    with pytest.raises(StoreMissing):
        open_datasets(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    datasets.close()
    with pytest.raises(HandleClosed) as closed:
        datasets.listed()
    assert isinstance(closed.value, N2KError)
