"""One namespace, two front ends: what one stores the other shows, and each counts on the other's numbers."""

import time

import pytest

from n2k_fcgi.errors import NumberTooLarge
from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.model.keyvalue.operations import Increment, Put
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Kind
from tests.support.memcached import TERMS, Client, space_of

pytestmark = pytest.mark.measured


@pytest.fixture
def space(store: Store) -> KeyValueSpace:
    """The namespace as /db sees it."""
    return space_of(store)


def test_a_value_is_the_same_in_both(client: Client, space: KeyValueSpace) -> None:
    """Bytes, flags, version (cas), and the time when it ends; text is text, so that scripts in-world can read it."""
    client.everything("set a 7 100 5\r\ngrün\r\nset b 0 0 1\r\n".encode() + b"\xff\r\n")
    entry, binary = space.get("a"), space.get("b")
    assert entry and binary and (entry.value, entry.flags, entry.type) == ("grün".encode(), 7, ValueType.TEXT)
    assert (binary.value, binary.type, binary.expires) == (b"\xff", ValueType.BYTES, 0)
    assert 0 < entry.expires - time.time() * 1000 <= 100_000
    assert client.everything(b"gets a\r\n").splitlines()[0] == b"VALUE a 7 5 %d" % entry.version
    version = space.apply(Put(b"a", b"{}", ValueType.JSON, flags=3)).results[0].version
    assert client.everything(b"gets a\r\n") == b"VALUE a 3 2 %d\r\n{}\r\nEND\r\n" % version
    assert client.everything(b"cas a 0 0 1 %d\r\nx\r\ncas a 0 0 1 %d\r\ny\r\n" % (version, version)) == b"STORED\r\nEXISTS\r\n"


def test_keys_of_db_are_reached_in_base64(client: Client, space: KeyValueSpace) -> None:
    """Also those with blanks, which the classic commands cannot name."""
    space.apply(Put("rote Hüte".encode(), b"3"))
    assert client.everything(b"mg cm90ZSBIw7x0ZQ== b v k\r\n") == b"VA 1 kcm90ZSBIw7x0ZQ== b\r\n3\r\n"


def test_each_counts_on_the_other_s_numbers(client: Client, space: KeyValueSpace) -> None:
    """memcached's blanks are no hindrance; a negative number is none for it, one above 63 bits too large for /db."""
    client.everything(b"set n 0 0 2\r\n10\r\ndecr n 1\r\n")
    assert space.get("n").value == b"9 "  # type: ignore[union-attr]
    space.apply(Increment(b"n", -10))
    assert client.ask(b"incr n 1\r\n") == b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
    space.apply(Increment(b"n", 2))
    assert client.everything(b"incr n 9223372036854775807\r\n") == b"9223372036854775808\r\n"
    with pytest.raises(NumberTooLarge) as refused:
        space.apply(Increment(b"n"))
    assert refused.value.status == 409


def test_times(client: Client, space: KeyValueSpace) -> None:
    """Relative up to 30 days, a Unix time above, gone if negative or past; touch and gat set them anew."""
    month, later = 30 * 24 * 3600, int(time.time()) + 40 * 24 * 3600
    client.everything(
        b"set a 0 %d 1\r\nx\r\nset b 0 %d 1\r\nx\r\nset c 0 %d 1\r\nx\r\nset d 0 0 1\r\nx\r\n" % (month, later, month + 1)
    )
    entries = space.get_many(["a", "b", "c", "d"])
    ends = [entry and entry.expires for entry in entries]
    assert ends[0] and abs(ends[0] / 1000 - time.time() - month) < 60
    assert ends[1] and abs(ends[1] / 1000 - later) < 60 and ends[2:] == [None, 0]
    assert client.everything(b"set d 0 -1 1\r\nx\r\nget d\r\ntouch a -1\r\nget a\r\n") == b"STORED\r\nEND\r\nTOUCHED\r\nEND\r\n"
    assert client.everything(b"gat -5 b\r\nget b\r\n") == b"VALUE b 0 1\r\nx\r\nEND\r\nEND\r\n"
    assert client.everything(b"touch b 0\r\ngat 0 b\r\n") == b"NOT_FOUND\r\nEND\r\n"
    client.everything(b"set e 0 0 1\r\nx\r\ngat 500 e\r\n")
    assert space.get("e").expires  # type: ignore[union-attr]


def test_the_namespace_is_compacted_dropped_and_made_again_meanwhile(
    client: Client, store: Store, space: KeyValueSpace
) -> None:
    """Clients stay connected: they see the same, an error while there is no namespace, then the new one."""
    client.everything(b"set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\ndelete b\r\n")
    store.keyvalue.namespace("shop").compact()
    assert client.everything(b"get a b\r\nset b 0 0 1\r\ny\r\n") == b"VALUE a 0 1\r\nx\r\nEND\r\nSTORED\r\n"
    assert space.get("b") is not None
    store.keyvalue.drop("shop")
    told = client.everything(b"get a\r\nset a 0 0 1\r\nx\r\nincr a 1 noreply\r\nflush_all\r\nstats\r\n").splitlines()
    assert len(told) == 4 and all(line.startswith(b"SERVER_ERROR no namespace 'shop'") for line in told)
    store.keyvalue.create("shop", TERMS)
    assert client.everything(b"get a\r\nset a 0 0 1\r\nz\r\nget a\r\n") == b"END\r\nSTORED\r\nVALUE a 0 1\r\nz\r\nEND\r\n"


def test_flush_all_is_one_change_and_may_come_later(client: Client, space: KeyValueSpace) -> None:
    """Everything up to then is gone, in both; with a delay it stays until its moment, and what comes behind it lives."""
    client.everything(b"set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\nflush_all\r\nset c 0 0 1\r\nx\r\n")
    assert space.get_many(["a", "b"]) == [None, None] and space.space().keys == 1
    assert [change.kind for change in space.changes().changes] == [Kind.FLUSH, Kind.PUT]
    assert client.everything(b"flush_all 1\r\nget c\r\n") == b"OK\r\nVALUE c 0 1\r\nx\r\nEND\r\n"
    while space.get("c") is not None:
        time.sleep(0.05)
    assert client.everything(b"get c\r\nset d 0 0 1\r\nx\r\nget c d\r\n") == b"END\r\nSTORED\r\nVALUE d 0 1\r\nx\r\nEND\r\n"
