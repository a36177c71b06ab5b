"""A dropped namespace: gone for every process at once, but no version and no number of it is ever given again."""

from pathlib import Path
from typing import Any

import lmdb
import pytest

from n2k_fcgi.errors import ChangesGone, NoSuchNamespace
from n2k_fcgi.model.keyvalue.operations import AssignId, Put
from n2k_fcgi.store.keyvalue import Change, Changes, Kind, Range, Terms
from n2k_fcgi.store.lmdb.growing_map import GrowingMap
from tests.contract.engines import Peer, Place, done, open_store
from tests.support.namespaces import CREATE, DROP, NEVER_LOOK, NOW, SPACE, TERMS, calls_of, files, is_killed, problems


def is_there(peer: Peer) -> bool:
    """Whether another process can use the namespace."""
    attempt = f"(lambda: [{SPACE}.terms()])"
    found: bool = peer(f"__import__('tests.store.keyvalue.test_dropping', fromlist=['x']).succeeds({attempt})")
    return found


def succeeds(attempt: object) -> bool:
    """Whether it finds the namespace."""
    assert callable(attempt)
    try:
        attempt()
    except NoSuchNamespace:
        return False
    return True


def test_a_drop_removes_all_but_what_must_not_repeat(place: Place) -> None:
    """Entries and log are removed, terms are kept in a small file; a later namespace of the name goes on with versions, ids and
    sequences."""
    with place.opened() as store:
        shop = store.keyvalue.create("shop", Terms(100_000_000, 1000, is_open=True))
        last = shop.apply([Put(b"k%d" % n, bytes(5000)) for n in range(100)], NOW).results[-1].version
        numbered = shop.apply([AssignId(b"k1")], NOW).results[0].entry
        assert numbered is not None and numbered.id == 1 and shop.sequence(b"tickets", 10) == 1
        assert store.keyvalue.drop("shop") is True
        assert store.keyvalue.names() == [] and store.keyvalue.drop("shop") is False
        assert files(place.folder) == ["data.writer", "dropped.mdb"]
        assert (place.folder / "keyvalue" / "shop" / "dropped.mdb").stat().st_size < 40_000
        for use in (lambda: shop.get(b"k1", NOW), lambda: shop.apply([Put(b"k", b"")], NOW), shop.compact, shop.terms):
            with pytest.raises(NoSuchNamespace):
                use()
        with pytest.raises(NoSuchNamespace):
            store.keyvalue.namespace("shop")
        assert store.keyvalue.dropped_terms("shop") == Terms(100_000_000, 1000, is_open=True)
        again = store.keyvalue.create("shop", TERMS)
        assert store.keyvalue.dropped_terms("shop") is None
        assert again.terms() == TERMS and again.count(Range(), NOW) == (0, 0)
        assert files(place.folder) == ["data.mdb", "data.mdb-lock", "data.writer"]
        assert again.sequence(b"tickets", 1) == 11
        with pytest.raises(ChangesGone):
            again.changes(last, 10)
        done = again.apply([AssignId(b"new", Put(b"new", b""))], 0).results[0]
        assert done.version > last + 1 and done.entry is not None and done.entry.id == 2
        flush, put = again.changes(0, 10).changes
        assert (flush.kind, put) == (Kind.FLUSH, Change(done.version, Kind.PUT, b"new"))
        assert isinstance(again.changes(flush.version, 10), Changes)
        assert list(store.keyvalue.problems()) == []


def test_other_processes_see_a_drop_at_once(place: Place) -> None:
    """Those that never look at the path by themselves, too: first that it is gone, then the new one."""
    with place.opened() as store, place.peer() as reader, place.peer() as writer:
        store.keyvalue.create("shop", TERMS).apply([Put(b"k", b"1")], NOW)
        for peer in (reader, writer):
            peer(NEVER_LOOK)
            assert is_there(peer)
        for number in range(5):
            store.keyvalue.drop("shop")
            assert not is_there(reader) and not is_there(writer)
            store.keyvalue.create("shop", TERMS)
            assert reader(f"{SPACE}.get(b'k', now)", now=NOW) is None
            operation = Put(b"k", b"%d" % number)
            writer(f"{SPACE}.apply([operation], now).results[0].version", operation=operation, now=NOW)
            assert reader(f"{SPACE}.get(b'k', now).value", now=NOW) == b"%d" % number


@pytest.mark.parametrize("left", [b"", None], ids=["killed before it was filled", "made by LMDB"])
def test_an_empty_file_of_a_process_that_opened_it_during_a_drop_is_no_namespace(place: Place, left: bytes | None) -> None:
    """LMDB makes a file that is removed just before it is opened: it is in no list, no problem, and ``create`` replaces it."""
    path = place.folder / "keyvalue" / "shop" / "data.mdb"
    with place.opened() as store:
        shop = store.keyvalue.create("shop", TERMS)
        last, _ = shop.apply([Put(b"k", b"")], NOW).results[0].version, shop.sequence(b"tickets", 10)
        store.keyvalue.drop("shop")
        if left is None:
            lmdb.open(str(path), subdir=False).close()
        else:
            path.write_bytes(left)
        with pytest.raises(NoSuchNamespace):
            store.keyvalue.namespace("shop")
        for use in (lambda: shop.get(b"k", NOW), lambda: shop.apply([Put(b"k", b"")], NOW), shop.compact):
            with pytest.raises(NoSuchNamespace):
                use()
        assert store.keyvalue.names() == [] and list(store.keyvalue.problems()) == []
        assert store.keyvalue.drop("shop") is False
        again = store.keyvalue.create("shop", TERMS)
        assert again.apply([Put(b"k", b"")], 0).results[0].version > last and again.sequence(b"tickets", 1) == 11


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_drop_just_before_the_file_is_opened(place: Place, monkeypatch: pytest.MonkeyPatch, is_made_again: bool) -> None:
    """The namespace is gone, or the one that was made meanwhile is used."""
    with place.opened() as store, place.opened() as other:
        shop = store.keyvalue.create("shop", TERMS)
        store.keyvalue.close()
        opened = GrowingMap.open

        def late(path: Path, *arguments: Any, **options: Any) -> GrowingMap:
            monkeypatch.undo()
            other.keyvalue.drop("shop")
            other.keyvalue.close()
            found = opened(path, *arguments, **options)
            if is_made_again:
                other.keyvalue.create("shop", TERMS).apply([Put(b"k", b"new")], NOW)
                other.keyvalue.close()
            return found

        monkeypatch.setattr(GrowingMap, "open", late)
        if is_made_again:
            assert shop.get(b"k", NOW).value == b"new"  # type: ignore[union-attr]
        else:
            with pytest.raises(NoSuchNamespace):
                shop.get(b"k", NOW)
        assert list(store.keyvalue.problems()) == []


@pytest.mark.parametrize("code", [DROP, CREATE], ids=["drop", "create"])
def test_a_killed_drop_or_create_is_done_or_not(place: Place, code: str) -> None:
    """SIGKILL at each system call that changes the disk: there is all of it or none, for all processes; nothing repeats."""
    with place.opened() as store, place.peer() as reader:
        reader(NEVER_LOOK)
        last, ticket = 0, 0

        def prepare() -> None:
            shop = store.keyvalue.create("shop", TERMS)
            done = [shop.apply([Put(b"k%d" % n, b"v")], 0).results[0].version for n in range(20)]
            nonlocal last, ticket
            assert last < done[0] and shop.sequence(b"tickets", 5) > ticket
            last, ticket = done[-1], shop.sequence(b"tickets", 5)
            if code == CREATE:
                store.keyvalue.drop("shop")

        prepare()
        calls = calls_of(code, place.folder)
        assert len(calls) > 10
        kills = 0
        for call, number in calls:
            prepare()
            kills += is_killed(code, place.folder, call, number)
            was_there = is_there(reader)
            with place.peer() as fresh:
                assert is_there(fresh) == was_there
                assert problems(fresh) == []
                if was_there:
                    count = 20 if code == DROP else 0
                    for peer in (fresh, reader):
                        assert peer(f"{SPACE}.count(wanted, now)", wanted=Range(), now=NOW)[0] == count
        assert kills >= len(calls) - 3
        prepare()


def test_two_that_create_at_once_share_the_namespace(place: Place) -> None:
    """Several processes make the same namespaces: what each writes is there."""
    open_store(place.engine, place.folder).close()
    code = (
        "from n2k_fcgi.store.keyvalue import Terms; from n2k_fcgi.model.keyvalue.operations import Put\n"
        "for n in range(20):\n"
        "    space = store.keyvalue.create(f'shop{n}', Terms(10_000, 1000))\n"
        "    space.apply([Put(sys.argv[3].encode(), b'')], 5)\n"
    )
    children = [place.running(code, name) for name in ("a", "b", "c")]
    done(*children)
    with place.opened() as store:
        assert len(store.keyvalue.names()) == 20
        for name in store.keyvalue.names():
            assert store.keyvalue.namespace(name).count(Range(), 5)[0] == 3
