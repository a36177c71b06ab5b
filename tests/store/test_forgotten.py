"""Tombstones in captures.mdb, in the present format and in that of earlier versions."""

import itertools
import json
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb.forgotten import Forgotten
from n2k_fcgi.wiring import directory, purge
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

KEY, OTHER = parse_key(MASAKAZU), parse_key(GOVERNOR)
NAMES = [("Production", "masakazu.kojima"), ("OpenSim", "masakazu.else")]


def hidden(store: Forgotten) -> set[tuple[bytes, str]]:
    """The grids on which the two keys are hidden."""
    copy = store.hidden()
    pairs = set(itertools.product((KEY, OTHER), ("Production", "OpenSim", "Mine")))
    found = {(key, grid) for key, grid in pairs if store.hidden_keys([key], grid)}
    assert found == {(key, grid) for key, grid in pairs if copy.hides(key, grid, "x")}
    return found


def rows(box: Sandbox) -> dict[bytes, bytes]:
    """The stored rows."""
    box.store.close()
    with lmdb.open(str(box.data_dir / CAPTURES), subdir=False) as env, env.begin() as transaction:
        return {bytes(key): bytes(value) for key, value in transaction.cursor() if bytes(key)[:1] == b"f"}


@pytest.mark.parametrize("changed", ["nothing", "asked again", "another name", "on one grid"])
def test_rows_of_earlier_versions_still_hide(sandbox: Sandbox, changed: str) -> None:
    """Each lists its whole group and no grid: hidden everywhere, counted once, undone together."""
    store = sandbox.store.forgotten
    store.forget([KEY], NAMES, 10)
    digests = sorted(key[1:].hex() for key in rows(sandbox))
    with lmdb.open(str(sandbox.data_dir / CAPTURES), subdir=False) as env, env.begin(write=True) as transaction:
        for digest in digests:
            transaction.put(b"f" + bytes.fromhex(digest), json.dumps({"when": 10, "all": digests}).encode())
    if changed == "asked again":
        store.forget([KEY], NAMES, 20)
    elif changed == "another name":
        store.forget([KEY], [("Mine", "masakazu.mine")], 20)
    elif changed == "on one grid":
        store.forget([KEY], [("Mine", "masakazu.mine")], 20, "Mine")
    assert hidden(store) == set(itertools.product([KEY], ["Production", "OpenSim", "Mine"]))
    assert store.hidden_among((OTHER, *name) for name in NAMES) == {(OTHER, *name) for name in NAMES}
    assert store.count() == (2 if changed == "on one grid" else 1)
    assert store.undo([], NAMES[:1], 30) == 10
    assert hidden(store) == set() and not store.hidden_among((OTHER, *name) for name in NAMES)


def test_a_thousand_names_take_little_space(sandbox: Sandbox) -> None:
    """Some hundred bytes per name: not every row lists all of them."""
    names = [("Production", f"name{n}") for n in range(1000)]
    sandbox.store.forgotten.forget([KEY], names, 10)
    stored = rows(sandbox)
    assert len(stored) == 1001 and sum(map(len, stored.values())) < 200 * len(stored)
    assert sandbox.store.forgotten.count() == 1
    assert sandbox.store.forgotten.undo([], names[500:501], 20) == 10
    assert rows(sandbox) == {}


def test_imports_and_purges_remove_rows_of_that_grid_only(tmp_path: Path) -> None:
    """Rows of the other grid are imported, and kept by a purge; former names too."""
    box = Sandbox(tmp_path / "data")
    try:
        for grid in ("Production", "OpenSim"):
            box.import_text(csv((MASAKAZU, "Masakazu Kojima")), grid=grid, as_of=1)
            box.record(KEY, "Masakazu Seen", 300, grid=grid)
        job = directory(box.store, box.settings)
        box.store.forgotten.forget([KEY], [("OpenSim", "masakazu.kojima"), ("OpenSim", "masakazu.seen")], 10, "OpenSim")
        box.import_text(csv((MASAKAZU, "Masakazu Later")), grid="OpenSim", as_of=2)
        box.import_text(csv((MASAKAZU, "Masakazu Later")), as_of=2)
        done = purge(box.store, box.settings).run()
        assert done.captures == 1
        assert [(a.grid, a.name) for a in job.full_view().with_key(KEY)] == [("Production", "Masakazu Seen")]
        assert [a.grid for a in job.full_view().named("masakazu.later")] == ["Production"]
        assert [a.grid for a in job.view().named("masakazu.kojima")] == ["Production"]
        assert box.problems() == []
    finally:
        box.close()
