"""The contract of ``Store`` as a whole: making one, checking, purging, searching, closing."""

import pytest

from n2k_fcgi.errors import N2KError, StoreUnreadable
from n2k_fcgi.model.avatar import Conflict, Source
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.mention import Form, Mention
from n2k_fcgi.store.base import Store
from tests.contract.engines import Place
from tests.contract.values import HERE, KEY, OTHER, THIRD, record, seen

NAMED = b"Masakazu"


def mentioned(data: bytes) -> list[Mention]:
    """Where a text has NAMED."""
    at = data.find(NAMED)
    return [Mention(at, at + len(NAMED), Form.WORD)] if at >= 0 else []


def without(text: str) -> str:
    """A text from which NAMED is cut out."""
    return text.replace(NAMED.decode(), "…")


def test_creating_again_keeps_what_is_there(store: Store) -> None:
    """As ``n2k init`` does on a directory that is in use."""
    record(store.captures, seen(KEY, "Name One"))
    store.create()
    assert [a.name for a in store.captures.by_key(KEY)] == ["Name One"]


def test_a_sound_store(place: Place, store: Store) -> None:
    """Nothing is found, writing is possible, no reader was stopped; nothing of it changes anything."""
    record(store.captures, seen(KEY, "Name One"))
    place.publish(store, (OTHER, "Name Two"))
    assert list(store.check()) == [] and store.write_problem(0) is None and store.stopped_readers() == []
    assert store.address_space() >= 0
    assert store.captures.count() == 1 and store.generations.current() is not None


def test_a_purge_leaves_nothing(place: Place, store: Store) -> None:
    """In rows, in texts of others' rows, in free pages; other rows are as before."""
    record(store.captures, seen(KEY, "Masakazu Kojima"))
    record(store.captures, seen(OTHER, "Name Two", source=Source(region="Masakazu's gate")))
    place.publish(store, (KEY, "Masakazu Kojima"), (THIRD, "Name Three"))
    store.pending.add([KEY], HERE, 1)
    store.conflicts.note([Conflict("Masakazu Kojima", HERE, OTHER, KEY, 1, 1, 1, Provenance.CAPTURE)])
    store.forgotten.forget([KEY], [(HERE, "masakazu.kojima")], 1)
    hidden = store.forgotten.hidden()
    assert {remnant.what for _, found in store.remains(hidden, mentioned) for remnant in found} > {"an avatar"}
    with store.generations.locked():
        purged = store.purge(hidden, without)
    assert purged == (1, 1, 1)
    assert [remnant for _, found in store.remains(hidden, mentioned) for remnant in found] == []
    assert store.captures.by_key(KEY) == store.pending.waiting() == store.conflicts.conflicts() == []
    assert [each.capture.source.region for each in store.captures.stored(OTHER)] == ["…'s gate"]
    generation = store.generations.current()
    assert generation is not None and [a.name for a in generation.by_key(THIRD)] == ["Name Three"]
    assert generation.by_key(KEY) == [] and list(store.check()) == []


def test_a_purge_of_nobody(place: Place, store: Store) -> None:
    """No generation is rewritten."""
    place.publish(store, (KEY, "Name One"))
    name, _ = store.generations.listed()
    with store.generations.locked():
        assert store.purge(store.forgotten.hidden(), str) == (0, 0, 0)
    assert store.generations.listed()[0] == name


def test_a_closed_store_opens_again_and_a_retired_one_does_not(place: Place, store: Store) -> None:
    """What was recorded is there; a retired store raises an error that a front end answers, during an answer too."""
    record(store.captures, seen(KEY, "Name One"))
    store.close()
    assert [a.name for a in store.captures.by_key(KEY)] == ["Name One"]
    store.retire()
    with pytest.raises(StoreUnreadable):
        store.captures.by_key(KEY)
    with pytest.raises(N2KError):
        store.tokens.tokens()
