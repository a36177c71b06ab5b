"""/name2key.csv: made while it is sent, from one generation whatever is published meanwhile, and delaying no lookup."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import StoreUnreadable
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.dumps.name_list import STRETCH, NameList, written
from n2k_fcgi.store.datadir import GENERATIONS
from n2k_fcgi.wiring import directory
from tests.support.asking import cgi_environ
from tests.support.fastcgi_client import Client, get, request
from tests.support.long_list import ROWS, key_of
from tests.support.processes import eventually
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv
from tests.support.worker import Worker, worker

pytestmark = pytest.mark.unmeasured


@pytest.fixture
def large(sandbox: Sandbox, many_avatars: Path) -> Sandbox:
    """Many rows, without a token, four lists at a time."""
    sandbox.begin_with(many_avatars)
    (sandbox.data_dir / "n2k.ini").write_text("[n2k]\ncsv = open\ncsv_streams = 4\n")
    return sandbox


def lines(box: Sandbox, grid: str = "Production") -> list[str]:
    """The list, in process."""
    names = NameList(directory(box.store, box.settings), grid)
    try:
        return b"".join(names).decode().splitlines()
    finally:
        names.close()


def test_it_is_what_lookups_say(sandbox: Sandbox) -> None:
    """In the order of names; with captures, without former names; one line per key, of the avatar that answers its name."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden"), (USERNAME, "twin.name")), as_of=1)
    sandbox.import_text(csv((key_of(1), "Twin Name"), (key_of(2), 'Odd "Q" Name')), as_of=2)
    sandbox.record(MASAKAZU, "Masakazu Seen", 50)
    sandbox.record(key_of(3), "newcomer", 50)
    sandbox.record(key_of(4), "Élodie Straße", 50)
    assert lines(sandbox) == [
        f"{GOVERNOR},Governor Linden",
        f"{MASAKAZU},Masakazu Seen",
        f"{key_of(3)},Newcomer Resident",
        f'{key_of(2)},"Odd ""q"" Name"',
        f"{key_of(1)},Twin Name",
        f"{USERNAME},Twin Name",
        f"{key_of(4)},Élodie Strasse",
    ]


def test_other_grids_are_left_out(sandbox: Sandbox) -> None:
    """Each grid has its own list; that of a grid without avatars is empty."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    sandbox.import_text(csv((USERNAME, "Masakazu Kojima")), grid="OpenSim", as_of=1)
    sandbox.record(GOVERNOR, "Governor Linden", 5, grid="OpenSim")
    assert lines(sandbox, "OpenSim") == [f"{GOVERNOR},Governor Linden", f"{USERNAME},Masakazu Kojima"]
    assert lines(sandbox, "Nowhere") == []


def test_captures_alone_make_a_list(sandbox: Sandbox) -> None:
    """Before the first import, and for more captures than one step takes."""
    for n in range(1, STRETCH + 50):
        sandbox.record(key_of(n), f"Seen{n:05} Last", 5)
    assert lines(sandbox) == [f"{key_of(n)},Seen{n:05} Last" for n in range(1, STRETCH + 50)]


@pytest.mark.parametrize("form", ["governor.linden", "username", "a.b.c", "élodie.strasse", "i̇x", "x.residentfoo", "123_4"])
def test_a_written_name_is_the_same_name(form: str) -> None:
    """However letters change their case, the name that is written means the same."""
    assert canonical(written(form)) == form


def test_one_generation_from_beginning_to_end(large: Sandbox) -> None:
    """Two imports are published and the first generation is pruned in the middle: the list is that of the first."""
    names = NameList(directory(large.store, large.settings), "Production")
    blocks = iter(names)
    start = [next(blocks), next(blocks)]
    for round_ in (2, 3):
        _import_elsewhere(large.data_dir, csv(*[(key_of(n), f"Later{n} Round{round_}") for n in range(1, 50)]), round_)
    large.store.generations.current()
    assert large.view().generation_name != names.generation_name
    assert not (large.data_dir / GENERATIONS / names.generation_name).exists()
    text = b"".join([*start, *blocks]).decode().splitlines()
    names.close()
    assert len(text) == ROWS and not any("Later" in line for line in text)
    assert len(lines(large)) == ROWS


def _import_elsewhere(data_dir: Path, text: str, as_of: int) -> None:
    """As cron does it: another process."""
    command = [
        sys.executable,
        "-m",
        "n2k_fcgi",
        "-q",
        "--dir",
        str(data_dir),
        "import",
        "--force",
        "--whole",  # so that what it was built on may be pruned
        "--as-of",
        f"{as_of:06}",
        "-",
    ]
    subprocess.run(command, input=text.encode(), check=True)


def test_going_back_to_the_generation_that_is_being_listed(large: Sandbox) -> None:
    """It is live again while it is held: no file is opened twice, and both answers are whole."""
    names = NameList(directory(large.store, large.settings), "Production")
    blocks = iter(names)
    next(blocks)
    first = names.generation_name
    _import_elsewhere(large.data_dir, csv((MASAKAZU, "Masakazu Kojima")), 2)
    assert large.view().name2key("masakazu.kojima") is not None
    subprocess.run([sys.executable, "-m", "n2k_fcgi", "--dir", large.data_dir, "generations", "use", first], check=True)
    assert large.view().generation_name == first and large.view().name2key("masakazu.kojima") is None
    assert sum(block.count(b"\n") for block in blocks) == ROWS - STRETCH
    names.close()
    assert large.view().name2key("name000007.last") is not None


@pytest.mark.parametrize("who", [key_of(ROWS - 1), f"Name{ROWS - 1:06} Last", "Nobody Here"])
def test_who_leaves_meanwhile_is_not_named(large: Sandbox, who: str) -> None:
    """Forgotten by another process while the list is sent: the avatar is in no block that is made from then on."""
    names = NameList(directory(large.store, large.settings), "Production")
    blocks = iter(names)
    start = next(blocks)
    subprocess.run([sys.executable, "-m", "n2k_fcgi", "-q", "--dir", large.data_dir, "forget", who], check=True)
    lines = b"".join([start, *blocks]).decode().splitlines()
    names.close()
    is_there = who == "Nobody Here"
    assert len(lines) == (ROWS if is_there else ROWS - 1)
    assert (f"{key_of(ROWS - 1)},Name{ROWS - 1:06} Last" in lines) is is_there


def test_who_is_shown_again_meanwhile_is_named(large: Sandbox) -> None:
    """And nothing is read again while nothing is written: it is the same copy."""
    forgotten = large.store.forgotten
    key = parse_key(key_of(ROWS))
    forgotten.forget([key], [], 1)
    before = forgotten.hidden()
    assert forgotten.hidden(before) is before and before.hides(key, "Production", "x")
    names = NameList(directory(large.store, large.settings), "Production")
    blocks = iter(names)
    start = next(blocks)
    forgotten.undo([key], [], 2)
    after = forgotten.hidden(before)
    assert after is not before and not after.hides(key, "Production", "x")
    assert len(b"".join([start, *blocks]).splitlines()) == ROWS
    names.close()


@contextlib.contextmanager
def unread(child: Worker, uri: str = "/name2key.csv") -> Iterator[Client]:
    """A caller that asked for the list and does not read."""
    with Client(child.address, receive_buffer=4096) as client:
        yield client.send(request(uri))


def test_a_slow_reader_delays_no_other(large: Sandbox) -> None:
    """While three callers do not read their lists, lookups are answered; then all three are whole."""
    large.close()
    with worker(large.data_dir) as child, unread(child) as one, unread(child) as two, unread(child) as three:
        for n in (1, 500, ROWS):
            assert child.ask(f"/?name=name{n:06}.last") == (200, key_of(n))
        assert {len(each.answer().body.splitlines()) for each in (one, two, three)} == {ROWS}
        assert child.ask("/?name=name000001.last") == (200, key_of(1))


def test_a_reader_that_leaves_leaves_nothing_open(large: Sandbox) -> None:
    """Twenty callers vanish in the middle: no descriptor and no generation is kept, also after another is published."""
    large.close()
    with worker(large.data_dir) as child:
        assert child.ask("/?name=name000001.last") == (200, key_of(1))
        before = child.descriptors()
        for _ in range(20):
            with unread(child) as client:
                assert client.record()[0] == 6
        _import_elsewhere(large.data_dir, csv((MASAKAZU, "Masakazu Kojima")), 2)
        assert eventually(lambda: child.ask("/?name=masakazu.kojima") == (200, MASAKAZU))
        maps = Path(f"/proc/{child.process.pid}/maps")
        assert eventually(lambda: maps.read_text().count("generations") <= 2 and child.descriptors() == before)


def test_it_is_never_held_in_memory(large: Sandbox) -> None:
    """The memory of a worker that sends the list grows by less than the list."""
    large.close()
    with worker(large.data_dir) as child:
        assert child.ask("/?name=name000001.last")[0] == 200
        get(child.address, "/name2key.csv")
        before = child.status("RssAnon")
        size = len(get(child.address, "/name2key.csv").body)
        assert size > 2_900_000
        assert child.status("RssAnon") - before < 1024


def test_an_edit_of_the_settings_does_not_cut_it(large: Sandbox) -> None:
    """A setting that the store is not made from leaves it open; another one ends the list, and lookups go on."""
    large.close()
    file = large.data_dir / "n2k.ini"
    application = LiveApplication({"data_dir": str(large.data_dir)})
    try:
        blocks = _asked(application, "/name2key.csv")
        steps = iter(blocks)
        next(steps)
        file.write_text("[n2k]\ncsv = open\nlog_level = WARNING\n")
        assert _body(_reloaded(application)) == key_of(7).encode()
        assert sum(block.count(b"\n") for block in steps) == ROWS - STRETCH
        blocks.close()  # type: ignore[attr-defined]
        blocks = _asked(application, "/name2key.csv")
        steps = iter(blocks)
        next(steps)
        file.write_text("[n2k]\ncsv = open\nlog_level = WARNING\nmap_resident = 100M\n")
        assert _body(_reloaded(application)) == key_of(7).encode()
        with pytest.raises((lmdb.Error, StoreUnreadable)):
            list(steps)
        blocks.close()  # type: ignore[attr-defined]
        assert _body(_asked(application, "/?name=name000007.last")) == key_of(7).encode()
    finally:
        application.close()


def _asked(application: Callable[..., object], target: str) -> object:
    return application({**cgi_environ("GET", target, {}, b""), "wsgi.input": io.BytesIO()}, lambda *_: None)


def _reloaded(application: Callable[..., object]) -> object:
    application._next_look = 0.0  # type: ignore[attr-defined]  # as if half a second had passed
    return _asked(application, "/?name=name000007.last")


def _body(blocks: object) -> bytes:
    return b"".join(blocks)  # type: ignore[arg-type]
