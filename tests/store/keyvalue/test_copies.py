"""Copies of a namespace that are read for as long as it takes."""

import stat
from pathlib import Path

import pytest

from n2k_fcgi.errors import NoSuchNamespace, StoreUnreadable
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.datadir import COPY_SUFFIX
from n2k_fcgi.store.keyvalue import Kind, Range
from tests.contract.engines import Place
from tests.support.namespaces import NOW, TERMS
from tests.support.processes import eventually


def test_a_copy_is_one_state_and_gone_afterwards(place: Place, tmp_path: Path) -> None:
    """Read by its owner alone; with values, log and terms; writes and a drop do not change it. It is removed on errors, too."""
    with place.opened() as store:
        shop = store.keyvalue.create("shop", TERMS)
        shop.apply([Put(b"a", b"1"), Put(b"b", b"2", ttl=5)], NOW)
        target = tmp_path / "copy"
        with shop.copy(target) as state:
            assert stat.S_IMODE(target.stat().st_mode) == 0o600
            shop.apply([Put(b"a", b"new")], NOW)
            store.keyvalue.drop("shop")
            assert [entry.value for entry in state.scan(Range(), NOW, limit=10, values=True).entries] == [b"1", b"2"]
            assert [change.kind for change in state.changes(0, 10).changes] == [Kind.PUT, Kind.PUT]
            assert state.count(Range(), NOW + 5) == (1, 2) and state.terms() == TERMS
        assert not target.exists()
        with pytest.raises(NoSuchNamespace), shop.copy():
            pass
        shop = store.keyvalue.create("shop", TERMS)
        with pytest.raises(ZeroDivisionError), shop.copy(target):
            raise ZeroDivisionError
        assert not target.exists()
        target.write_text("precious")
        with pytest.raises(StoreUnreadable, match="File exists"), shop.copy(target):
            pass
        assert target.read_text() == "precious"


def test_a_copy_holds_no_transaction_in_the_file(place: Place) -> None:
    """The file does not grow while it is read, however often other entries are overwritten."""
    with place.opened() as store:
        shop = store.keyvalue.create("shop", TERMS)
        path = place.folder / "keyvalue" / "shop" / "data.mdb"
        for n in range(20):
            shop.apply([Put(b"k", bytes(20_000))], NOW + n)
        with shop.copy():
            before = path.stat().st_size
            for n in range(300):
                shop.apply([Put(b"k", bytes(20_000))], NOW + n)
            assert path.stat().st_size < before + 200_000
        assert store.stopped_readers() == []


def test_copies_of_killed_processes_are_removed_by_the_next(place: Place) -> None:
    """Those that a living process reads are not."""
    code = (
        "with store.keyvalue.namespace('shop').copy() as state: print(flush=True); sys.stdin.readline()\n"
        "print(state is not None)"
    )

    def copies() -> int:
        return len(list((place.folder / "keyvalue" / "shop").glob(f"*{COPY_SUFFIX}")))

    with place.opened() as store:
        shop = store.keyvalue.create("shop", TERMS)
        with place.running(code) as killed, place.running(code) as alive:
            for child in (killed, alive):
                assert child.stdout is not None and child.stdout.readline() == "\n"
            assert copies() == 2
            killed.kill()
            killed.wait()
            with shop.copy():
                assert copies() == 2
            assert copies() == 1
            assert alive.communicate("\n")[0] == "True\n"
        assert eventually(lambda: copies() == 0)
