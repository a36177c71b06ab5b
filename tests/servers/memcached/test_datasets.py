"""Datasets below what clients of memcached see: swapped while they stay connected, one for each command."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.servers.limits import Counters
from n2k_fcgi.servers.memcached.long_read import TooSlow, parts
from n2k_fcgi.servers.memcached.server import Options, Server
from n2k_fcgi.servers.memcached.steps import Read
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.keyvalue import Terms
from tests.support.commands import Commands
from tests.support.memcached import NAMESPACE, Client, space_of
from tests.support.processes import Child

LONG = 60_000
"""Bytes of a value: an answer with 200 of them waits for its reader."""


@pytest.fixture
def store(store: Store) -> Store:
    """With the datasets ``red``, which is live, and ``blue``."""
    for name in ("red", "blue"):
        text = name.encode()
        entries = [Entry(b"colour", text, flags=7), Entry(b"n", b"41", type=ValueType.TEXT), Entry(text, b"")]
        store.keyvalue.build(name, [*entries, *(Entry(b"k%d" % number, text * (LONG // len(text))) for number in range(200))])
    space_of(store).use("red")
    return store


def test_commands_work_on_the_live_dataset(client: Client, store: Store) -> None:
    """Its values have the version of the swap; what is written hides them; a swap back finds what was written."""
    space = space_of(store)
    version = space.version()
    assert client.everything(b"gets colour\r\n") == b"VALUE colour 7 3 %d\r\nred\r\nEND\r\n" % version
    script = b"cas colour 1 0 4 %d\r\npink\r\nincr n 1\r\ndelete red\r\nadd red 0 0 1\r\nx\r\nadd k1 0 0 1\r\nx\r\n" % version
    assert client.everything(script) == b"STORED\r\n42\r\nDELETED\r\nSTORED\r\nNOT_STORED\r\n"
    space.use("blue")
    assert client.everything(b"get colour n red\r\n") == b"VALUE colour 7 4\r\nblue\r\nVALUE n 0 2\r\n41\r\nEND\r\n"
    assert client.everything(b"flush_all\r\nget colour n\r\n") == b"OK\r\nEND\r\n"
    space.use("red")
    assert client.everything(b"get colour n red\r\n") == (
        b"VALUE colour 1 4\r\npink\r\nVALUE n 0 2\r\n42\r\nVALUE red 0 1\r\nx\r\nEND\r\n"
    )
    space.use("blue")
    assert client.everything(b"get colour\r\n") == b"END\r\n"  # the flush belongs to it


def test_the_quota_counts_what_is_written(client: Client, store: Store) -> None:
    """Not what the dataset has: extending a value of it takes the space of the whole value."""
    store.keyvalue.create(NAMESPACE, Terms(20, 100))
    script = b"append colour 0 0 10\r\n0123456789\r\nappend n 0 0 9\r\n012345678\r\nget n\r\n"
    assert client.everything(script) == b"STORED\r\nSERVER_ERROR out of memory storing object\r\nVALUE n 0 2\r\n41\r\nEND\r\n"


def test_a_flush_that_is_due_meets_what_is_live_then(client: Client, store: Store) -> None:
    """Not what was live when it was ordered."""
    assert client.ask(b"flush_all 1\r\n") == b"OK\r\n"
    space_of(store).use("blue")
    assert client.everything(b"get colour\r\n").startswith(b"VALUE")
    answers = iter(lambda: client.everything(b"get colour\r\n"), b"END\r\n")
    assert len(list(answers)) > 0
    assert client.everything(b"set colour 0 0 1\r\nx\r\nget colour\r\n") == b"STORED\r\nVALUE colour 0 1\r\nx\r\nEND\r\n"
    space_of(store).use("red")
    assert client.everything(b"get colour\r\n") == b"VALUE colour 7 3\r\nred\r\nEND\r\n"


def test_a_swap_while_a_value_is_half_sent(client: Client, server: Child, store: Store) -> None:
    """The whole value belongs to the dataset that is live when all of it is there."""
    client.sendall(b"set colour 0 0 9\r\nhalf")
    with Client(server.address) as other:
        assert other.everything(b"get colour\r\n").startswith(b"VALUE")
        space_of(store).use("blue")
    assert client.ask(b" late\r\n") == b"STORED\r\n"
    assert client.everything(b"get colour\r\n") == b"VALUE colour 0 9\r\nhalf late\r\nEND\r\n"
    space_of(store).use("red")
    assert client.everything(b"get colour\r\n") == b"VALUE colour 7 3\r\nred\r\nEND\r\n"


@pytest.mark.parametrize("size", [0, 5000, None])
def test_a_swap_that_is_refused_disturbs_nobody(client: Client, store: Store, tmp_path: Path, size: int | None) -> None:
    """By command, to a file that is empty, cut or gone: clients see what they saw, write, and see the next whole one."""
    assert client.everything(b"incr n 1\r\n") == b"42\r\n"
    (blue,) = tmp_path.rglob("blue.mdb")
    whole = blue.read_bytes()
    if size is None:
        blue.unlink()
    else:
        blue.write_bytes(whole[:size])
    n2k = Commands(tmp_path / "data")
    n2k.damaged = True
    refused = n2k("kv", "use", NAMESPACE, "blue")
    assert refused.code not in (0, 1, 2) and "blue" in refused.err
    assert client.everything(b"incr n 1\r\nget colour\r\n") == b"43\r\nVALUE colour 7 3\r\nred\r\nEND\r\n"
    blue.write_bytes(whole)
    assert n2k("kv", "use", NAMESPACE, "blue").code == 0
    assert client.everything(b"get colour n\r\n") == b"VALUE colour 7 4\r\nblue\r\nVALUE n 0 2\r\n41\r\nEND\r\n"


def asked(client: Client) -> Iterator[bytes]:
    """Ask for all long values; yield each value as it is read."""
    client.sendall(b"get %b\r\n" % b" ".join(b"k%d" % number for number in range(200)))
    while (line := client.line()) != b"END\r\n":
        assert line.startswith(b"VALUE")
        yield client.line()


def test_a_long_answer_is_of_one_dataset(client: Client, server: Child, store: Store) -> None:
    """However slowly it is read; the next command sees the new one, and the old one is given back."""
    values = asked(client)
    first = next(values)
    space_of(store).use("blue")
    assert first.startswith(b"red") and set(values) == {first}
    assert client.everything(b"get colour\r\n") == b"VALUE colour 7 4\r\nblue\r\nEND\r\n"
    assert not server.has_mapped("red.mdb")


def test_many_long_answers_at_once(server: Child) -> None:
    """Each is made as it is read, and holds little memory."""
    with contextlib.ExitStack() as clients:
        answers = [asked(clients.enter_context(Client(server.address))) for _ in range(40)]
        firsts = [next(answer) for answer in answers]
        assert server.status("VmRSS") < 100_000
        assert [set(answer) for answer in answers] == [{first} for first in firsts]


def test_a_long_answer_must_be_read_in_time(store: Store) -> None:
    """The old dataset is given back, then and when the client is gone."""
    server = Server(space_of(store), Options(NAMESPACE, "1"), Counters())
    step = Read([b"k1"] * 300, lambda key, entry: entry.value if entry else b"", b"END")
    assert b"".join(parts(server, step, 60)) == b"red" * (LONG // 3 * 300) + b"END"
    late = parts(server, step, 0)
    assert len(next(late)) == 2 * LONG
    with pytest.raises(TooSlow):
        next(late)
    left = parts(server, step, 60)
    next(left)
    server.space.use("blue")
    server.entries([b"k1"])
    assert is_mapped("red.mdb")
    left.close()
    assert not is_mapped("red.mdb")


def is_mapped(name: str) -> bool:
    """Whether this process has mapped a file of that name."""
    return f"/{name}\n" in Path("/proc/self/maps").read_text()
