"""Many namespaces in one data directory: few are open, and their writers do not wait for each other."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from n2k_fcgi.errors import StoreBusy
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.keyvalue import Range
from n2k_fcgi.store.lmdb.keyvalue import namespaces
from n2k_fcgi.store.lmdb.keyvalue.open_files import MOST_OPEN
from tests.contract.engines import Place, done
from tests.support.namespaces import NOW, TERMS


def open_here(folder: Path) -> set[str]:
    """The namespaces whose files this process has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        path = Path(f"/proc/self/fd/{number}")
        if path.is_symlink() and os.readlink(path).startswith(str(folder / "keyvalue")):
            found.add(Path(os.readlink(path)).parent.name)
    return found


def test_the_last_used_ones_stay_open(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen; others are opened again when they are used, with one environment for each file."""
    monkeypatch.setattr(namespaces, "LOOKS_BETWEEN_SIZES", 1_000_000)  # the test runner may be above the limit on memory
    names = [f"shop{n:02}" for n in range(MOST_OPEN * 2)]
    with place.opened() as store:
        shops = {name: store.keyvalue.create(name, TERMS) for name in names}
        for _ in range(2):
            for name in names:
                shops[name].apply([Put(b"k", name.encode())], NOW)
                found = store.keyvalue.namespace(name).get(b"k", NOW)
                assert found is not None and found.value == name.encode()
            assert open_here(place.folder) == set(names[-MOST_OPEN:])
        shops[names[-MOST_OPEN]].get(b"k", NOW)
        shops[names[0]].get(b"k", NOW)
        assert open_here(place.folder) == {names[0], *names[-MOST_OPEN:]} - {names[-MOST_OPEN + 1]}
    assert open_here(place.folder) == set()


def test_a_namespace_is_not_closed_in_the_middle_of_a_snapshot(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others are used inside; more than sixteen are open if all of them are being read."""
    monkeypatch.setattr(namespaces, "LOOKS_BETWEEN_SIZES", 1_000_000)  # as above
    names = [f"shop{n:02}" for n in range(MOST_OPEN + 5)]
    with place.opened() as store, ExitStack() as stack:
        shops = [store.keyvalue.create(name, TERMS) for name in names]
        states = []
        for name, shop in zip(names, shops, strict=True):
            shop.apply([Put(b"k", name.encode())], NOW)
            states.append(stack.enter_context(shop.snapshot()))
        for shop in shops:
            shop.apply([Put(b"k", b"new")], NOW)
        for name, state in zip(names, states, strict=True):
            found = state.get(b"k", NOW)
            assert found is not None and found.value == name.encode()
        stack.close()
        shops[0].get(b"k", NOW)
        store.keyvalue.create("another", TERMS)
        store.keyvalue.namespace("another").get(b"k", NOW)
        assert len(open_here(place.folder)) == MOST_OPEN


def test_two_namespaces_are_written_at_once_by_four_processes(place: Place) -> None:
    """Each write is there, and no version was given twice in one namespace."""
    code = (
        "from n2k_fcgi.model.keyvalue.operations import Increment, Put\n"
        "space, me = store.keyvalue.namespace(sys.argv[3]), sys.argv[4]\n"
        "for n in range(100):\n"
        "    done = space.apply([Put(f'{me} {n:03}'.encode(), b''), Increment(b'n', 1, 1)], 5)\n"
        "    print(*[result.version for result in done.results])"
    )
    with place.opened() as store:
        for name in ("game", "shop"):
            store.keyvalue.create(name, TERMS)
        printed = done(*[place.running(code, name, me) for name in ("game", "shop") for me in ("a", "b")])
        for name, lines in (("game", printed[:2]), ("shop", printed[2:])):
            versions = " ".join(lines).split()
            assert len(set(versions)) == len(versions) == 400
            space = store.keyvalue.namespace(name)
            keys = [entry.key for entry in space.scan(Range(), 5, limit=1000, values=False).entries]
            assert keys == [f"{me} {n:03}".encode() for me in ("a", "b") for n in range(100)] + [b"n"]
            total = space.get(b"n", 5)
            assert total is not None and total.value == b"200"


def test_a_writer_waits_for_no_other_namespace(place: Place) -> None:
    """While the queue of one is held all the time, others are written, compacted, dropped and made; that one is read."""
    with place.opened() as store:
        shop, game = store.keyvalue.create("shop", TERMS), store.keyvalue.create("game", TERMS)
        shop.apply([Put(b"k", b"1")], NOW)
        with hold(place.folder / "keyvalue" / "shop" / "data.writer", PRIVATE, 0) as held:
            assert held
            with place.running("store.keyvalue.namespace('game').compact(); print('compacted')") as other:
                assert done(other) == ["compacted\n"]
            game.apply([Put(b"k", b"2")], NOW)
            store.keyvalue.create("third", TERMS)
            assert store.keyvalue.drop("third")
            for refused in (lambda: shop.apply([Put(b"k", b"2")], NOW), shop.compact):
                with pytest.raises(StoreBusy):
                    refused()
            found = shop.get(b"k", NOW)
            assert found is not None and found.value == b"1"
        shop.apply([Put(b"k", b"3")], NOW)
