"""The consistency check of namespaces: it finds every kind of contradiction, and shows no key and no value."""

from collections.abc import Callable

import lmdb
import pytest

from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.model.keyvalue.operations import AssignId, Delete, Put
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.lmdb.keyvalue.rows import COUNTERS, NUMBER, TERMS, expiry_key, pack_counters, unpack_counters
from tests.contract.engines import Place
from tests.support.namespaces import NOW
from tests.support.namespaces import TERMS as WANTED

SECRET = b"Quillon Ash"


def filled(store: Store) -> None:
    """A namespace with rows of every kind."""
    shop = store.keyvalue.create("shop", WANTED)
    shop.apply([Put(SECRET, b"a secret"), Put(b"j", b"{}", ValueType.JSON), Put(b"t", "ä".encode(), ValueType.TEXT)], NOW)
    shop.apply([Put(b"e", SECRET, ttl=1000), AssignId(b"j"), Delete(b"t")], NOW, request="an id")
    shop.sequence(b"tickets", 5)


def test_a_sound_namespace_has_no_problem(place: Place) -> None:
    """With rows of every kind, after sweeping, flushing, compacting, dropping and making it again."""
    with place.opened() as store:
        assert list(store.keyvalue.problems()) == []
        filled(store)
        shop = store.keyvalue.namespace("shop")
        actions: tuple[Callable[[], object], ...] = (
            lambda: shop.sweep(NOW + 1000, 10),
            shop.compact,
            lambda: shop.flush(NOW),
            lambda: filled(store),
            lambda: store.keyvalue.drop("shop"),
            lambda: filled(store),
        )
        for action in actions:
            action()
            assert list(store.keyvalue.problems()) == []


def counters(**changed: int) -> Callable[[lmdb.Transaction], object]:
    """Store other counters."""

    def change(transaction: lmdb.Transaction) -> None:
        found = unpack_counters(transaction.get(COUNTERS))
        for name, value in changed.items():
            setattr(found, name, value)
        transaction.put(COUNTERS, pack_counters(found))

    return change


def later(db_key: bytes) -> Callable[[lmdb.Transaction], object]:
    """Cut the row of *db_key*."""
    return lambda transaction: transaction.put(db_key, bytes(transaction.get(db_key) or b"")[:5])


DAMAGE: dict[str, tuple[Callable[[lmdb.Transaction], object], str]] = {
    "an entry that is cut": (later(b"v" + SECRET), "entry: "),
    "an entry that is lost": (lambda t: t.delete(b"v" + SECRET), "2 keys, the counters say 3"),
    "an entry with a bad key": (lambda t: t.put(b"v\0", t.get(b"vj") or b""), "entry: bad key: it has a control character"),
    "an entry that is no JSON": (lambda t: t.put(b"vj", (t.get(b"vj") or b"") + b"]"), "is not application/json"),
    "an expiry that is lost": (lambda t: t.delete(expiry_key(NOW + 1000, b"e")), "expires, which the index does not have"),
    "an expiry of another time": (lambda t: t.put(expiry_key(NOW, b"e"), NUMBER.pack(12)), "2 rows in the index of expiry"),
    "an expiry that is cut": (later(expiry_key(NOW + 1000, b"e")), "expiry: a number cannot be read"),
    "a change that is unknown": (lambda t: t.put(b"l" + NUMBER.pack(NOW * 1000), b"?x"), "change: a change cannot be read"),
    "a change of the future": (lambda t: t.put(b"l" + NUMBER.pack(2**63), b"px"), "is outside of the log"),
    "a request without age": (lambda t: t.delete(next(k for k, _ in t.cursor() if k[:1] == b"q")), "request: it has no age"),
    "an age without request": (lambda t: t.put(b"q" + bytes(24), b""), "2 ages of requests, 1 requests"),
    "a request that is cut": (lambda t: t.put(next(k for k, _ in t.cursor() if k[:1] == b"r"), b"1"), "request: "),
    "a sequence that is cut": (later(b"stickets"), "sequence: a number cannot be read"),
    "a lost sequence": (lambda t: t.delete(b"stickets"), "0 sequences, the counters say 1"),
    "a version of the past": (counters(version=5), "is after the last"),
    "an id of the past": (counters(last_id=0), "is after the last"),
    "another sum": (counters(bytes=5), "the counters say 5"),
    "counters that are cut": (later(COUNTERS), "the counters cannot be read"),
    "terms that are cut": (later(TERMS), "the terms cannot be read"),
    "a row of another kind": (lambda t: t.put(b"zz", b""), "a row of an unknown kind: b'z'"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(place: Place, kind: str) -> None:
    """Each kind, in a line that names the namespace but neither key nor value."""
    damage, expected = DAMAGE[kind]
    with place.opened() as store:
        filled(store)
    env = lmdb.open(str(place.folder / "keyvalue" / "shop" / "data.mdb"), subdir=False)
    with env.begin(write=True) as transaction:
        damage(transaction)
    env.close()
    with place.opened() as store:
        found = list(store.keyvalue.problems())
        assert any(expected in line for line in found), found
        assert all(line.startswith("keyvalue/shop: ") for line in found)
        assert not any("Quillon" in line or "secret" in line for line in found)
        assert [finding.problem for finding in store.check()] == found
