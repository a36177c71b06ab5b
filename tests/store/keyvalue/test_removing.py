"""Removing a dataset beside processes that read it, swap to it and build it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from n2k_fcgi.errors import DatasetInUse, NamespaceDamaged, NoSuchDataset, StoreBusy
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.support.killed_writers import opened
from tests.support.processes import talking

NOW = 1000
IMPORTS = (
    "import sys; from contextlib import suppress; from pathlib import Path\n"
    "from n2k_fcgi.errors import DatasetExists, DatasetInUse, NoSuchDataset, StoreBusy\n"
    "from n2k_fcgi.model.keyvalue.entry import Entry\n"
    "from tests.support.killed_writers import opened\n"
    "store = opened(Path(sys.argv[1])); shop = store.namespace('shop')\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Namespaces]:
    """The datasets ``red`` and ``blue``, and a namespace that shows ``blue`` and has later writes of ``red``."""
    with closing(opened(tmp_path)) as store:
        for name in ("red", "blue"):
            store.build(name, [Entry(b"colour", name.encode())])
        shop = store.create("shop", Terms(1000, 10))
        shop.use("red", NOW)
        shop.apply([Put(b"own", b"1")], NOW)
        shop.use("blue", NOW)
        yield store


@pytest.fixture
def shop(store: Namespaces) -> Namespace:
    """The namespace."""
    return store.namespace("shop")


def test_what_is_shown_is_not_removed(store: Namespaces, shop: Namespace) -> None:
    """Also where it was flushed; it is named who shows it; with ``later``, too, nothing is lost."""
    shop.use("red", NOW)
    for later in (False, True):
        with pytest.raises(DatasetInUse, match="'red' is shown by shop:"):
            store.remove_dataset("red", later=later)
    entry = shop.get(b"own", NOW)
    assert entry is not None and entry.value == b"1"
    shop.flush(NOW)
    with pytest.raises(DatasetInUse):
        store.remove_dataset("red")


def test_later_writes(store: Namespaces, shop: Namespace) -> None:
    """Kept unless they are to go; nothing that is seen changes, and no version is given."""
    version = shop.version()
    assert shop.later_writes() == {"red": 1}
    assert store.remove_dataset("red") == ["shop"]
    assert shop.later_writes() == {"red": 1}
    with pytest.raises(NoSuchDataset):
        store.remove_dataset("red")
    assert store.remove_dataset("red", later=True) == ["shop"]
    with pytest.raises(NoSuchDataset):
        store.remove_dataset("red", later=True)
    assert (shop.later_writes(), shop.version(), shop.dataset()) == ({}, version, "blue")
    assert store.dataset_names() == ["blue"] and list(store.problems()) == []


def test_a_namespace_that_cannot_be_read_might_show_it(store: Namespaces, tmp_path: Path) -> None:
    """Nothing is removed then."""
    store.close()
    (tmp_path / "keyvalue" / "shop" / "data.mdb").write_bytes(b"damaged" * 1000)
    with pytest.raises(NamespaceDamaged):
        store.remove_dataset("red")
    assert store.dataset_names() == ["blue", "red"]


def test_a_process_reads_on(store: Namespaces, shop: Namespace, tmp_path: Path) -> None:
    """A snapshot that began with the dataset ends with it, after its file is gone."""
    shop.use("red", NOW)
    reader = (
        "input()\n"
        "with shop.snapshot() as state:\n"
        "    print(state.get(b'colour', 1).value, flush=True); input()\n"
        "    print(state.get(b'colour', 1).value, shop.get(b'colour', 1).value, flush=True)\n"
    )
    with talking(IMPORTS + reader, tmp_path) as go_on:
        assert go_on() == "b'red'\n"
        shop.use("blue", NOW)
        assert store.remove_dataset("red") == ["shop"]
        assert go_on() == "b'red' b'blue'\n"


def test_not_while_it_is_made_live(store: Namespaces, tmp_path: Path) -> None:
    """Nor made live while it is removed: whoever comes second is told to try again."""
    swapping = (
        "input()\nwith shop.file.dataset.all.kept('red'):\n    print('inside', flush=True); input()\nprint(flush=True); input()"
    )
    with talking(IMPORTS + swapping, tmp_path) as go_on:
        assert go_on() == "inside\n"
        with pytest.raises(StoreBusy):
            store.remove_dataset("red")
        store.namespace("shop").use("red", NOW)  # others may make it live, too
        store.namespace("shop").use("blue", NOW)
        go_on()
        removing = (
            "from n2k_fcgi.store.lmdb.keyvalue.dataset import held\n"
            "input()\nwith held(Path(sys.argv[1]) / 'datasets/red.mdb', to_remove=True):\n    print(flush=True); input()"
        )
        with talking(IMPORTS + removing, tmp_path) as hold:
            hold()
            with pytest.raises(StoreBusy):
                store.namespace("shop").use("red", NOW)
    assert store.namespace("shop").dataset() == "blue"


SWAPS = 100
"""Of the process that swaps, in the test below."""


def test_what_is_shown_is_there(store: Namespaces, shop: Namespace, tmp_path: Path) -> None:
    """While one process builds and removes a dataset and another swaps to it and back, no swap shows what is not there."""
    swapping = (
        "input(); shown = 0\n"
        f"while shown < {SWAPS}:\n"
        "    try: shop.use('red', 1)\n"
        "    except (NoSuchDataset, StoreBusy): continue\n"
        "    shown += 1\n"
        "    assert store.dataset('red').keys == 1 and shop.get(b'colour', 1).value == b'red'\n"
        "    shop.use('blue', 1)\n"
        "print('done', flush=True)\n"
    )
    with talking(IMPORTS + swapping, tmp_path) as go_on, talking(IMPORTS + REMOVING, tmp_path) as remove:
        assert go_on() == "done\n"
        removed, refused = map(int, remove().split())
    assert removed and refused, (removed, refused)
    assert [problem for problem in store.problems() if "red" in problem] == []


REMOVING = (
    "import threading; end = threading.Event(); counts = [0, 0]\n"
    "threading.Thread(target=lambda: (input(), end.set()), daemon=True).start()\n"
    "while not (end.is_set() and all(counts)):\n"
    "    with suppress(DatasetExists): store.build('red', [Entry(b'colour', b'red')])\n"
    "    try: store.remove_dataset('red'); counts[0] += 1\n"
    "    except (DatasetInUse, StoreBusy): counts[1] += 1\n"
    "print(*counts, flush=True)\n"
)
"""Builds and removes until it hears a line; prints how often that was done, and refused."""
