"""keep_days and keep_places, as an owner meets them: in cron's nightly run, in a purge, killed, and on a full disk."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.wiring import registrar
from tests.support.commands import PEOPLE, Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox
from tests.support.traces import KEY, traces

DAY = 86_400
PLACE = Source(GOVERNOR, USERNAME, "Secret Garden (256000, 256256)", "Production")
OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def all_seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quillon Ash, once Vexworth Ash, was seen 100 days ago, Masakazu 10 days ago, both at a place; a dump is beside it."""
    n2k = Commands(tmp_path_factory.mktemp("seen") / "data")
    n2k("init")
    box, now = Sandbox(n2k.data_dir), int(time.time())
    box.record(KEY, "Vexworth Ash", now - 300 * DAY, source=PLACE)
    box.record(KEY, "Quillon Ash", now - 100 * DAY, source=PLACE)
    box.record(MASAKAZU, "Masakazu Kojima", now - 10 * DAY, source=PLACE)
    box.close()
    n2k.put("n2k.ini", "[n2k]\nkeep_days = 30\nkeep_places = no\n")
    return n2k.data_dir


@pytest.fixture
def once_seen(n2k: Commands, all_seen: Path) -> Commands:
    """The command, with a copy of that directory."""
    n2k.begin_with(all_seen)
    return n2k


def dump_of(n2k: Commands) -> Path:
    """A dump beside the data directory."""
    path = n2k.data_dir.parent / "people.csv"
    path.write_bytes(PEOPLE)
    return path


def names(n2k: Commands) -> list[str]:
    """The names of the captures."""
    box = Sandbox(n2k.data_dir)
    try:
        return [stored.capture.name for stored in box.store.captures.all_stored()]
    finally:
        box.close()


def is_clean(n2k: Commands) -> bool:
    """Whether no byte of what is not kept is left, whatever is in free pages."""
    everything = (n2k.data_dir / "captures.mdb").read_bytes()
    return traces(n2k.data_dir) == [] and b"Secret Garden" not in everything and names(n2k) == ["Masakazu Kojima"]


NIGHTS = {
    "update": lambda n2k: n2k("-q", "update", dump_of(n2k)),
    "import": lambda n2k: n2k("-q", "import", dump_of(n2k)),
    "import from a pipe": lambda n2k: n2k("-q", "import", "-", stdin=PEOPLE),
    "purge": lambda n2k: n2k("-q", "purge"),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_a_night_drops_what_is_not_kept(once_seen: Commands, night: str) -> None:
    """By each command that cron runs, in silence: no file has a byte of it, and what was seen lately is kept."""
    assert "captures.mdb" in traces(once_seen.data_dir)
    done = NIGHTS[night](once_seen)
    assert (done.code, done.err) == (0, "") and is_clean(once_seen)
    assert once_seen("lookup", "quillon ash").code == 17 and once_seen("lookup", MASAKAZU).code == 0


@pytest.mark.parametrize("asked", ["nowhere.csv", "https://127.0.0.1:9/dump.csv"])
def test_a_night_whose_download_fails_drops_it_all_the_same(once_seen: Commands, asked: str) -> None:
    """How long something is kept does not depend on another server."""
    once_seen.put("n2k.ini", "[n2k]\nkeep_days = 30\nkeep_places = no\nupdate_tries = 1\n")
    assert once_seen("-q", "update", asked).code != 0
    assert is_clean(once_seen)


def test_it_says_what_it_dropped(once_seen: Commands) -> None:
    """Without -q, on standard error; the log counts, and names nobody. The next night has nothing to say or to write."""
    said = "  dropped 1 capture, and 1 place of others (keep_days, keep_places)\n"
    assert said in once_seen("update", dump_of(once_seen)).err
    assert "dropped 1 capture, and 1 place of others" in (once_seen.data_dir / "log" / "n2k.log").read_text()
    before = once_seen.contents()["captures.mdb"]
    assert "dropped" not in once_seen("update", dump_of(once_seen)).err
    assert once_seen.contents()["captures.mdb"] == before


def test_by_default_everything_is_kept(once_seen: Commands) -> None:
    """Without the settings no night touches the captures."""
    once_seen.put("n2k.ini", "[n2k]\n")
    before = once_seen.contents()["captures.mdb"]
    assert once_seen("-q", "update", dump_of(once_seen)).code == 0
    assert once_seen.contents()["captures.mdb"] == before
    assert once_seen("-q", "purge").code == 0 and names(once_seen) == ["Masakazu Kojima", "Quillon Ash"]


def test_building_elsewhere_touches_no_capture(once_seen: Commands) -> None:
    """``import --to`` is for another machine: it has nothing to drop there, and drops nothing here."""
    assert once_seen("-q", "import", dump_of(once_seen), "--to", once_seen.data_dir.parent / "built").code == 0
    assert len(names(once_seen)) == 2


@pytest.mark.parametrize("name", ["Quillon Ash", "vexworth.ash"])
def test_nobody_takes_the_name_over(once_seen: Commands, name: str) -> None:
    """A dropped name of Second Life, current or former: exit code 16 for another key, which no list repeats; 0 for its own."""
    done = once_seen("-q", "purge")
    assert done.code == 0 and "1 capture (those of keep_days among them)" in done.out
    done = once_seen("register", name, OTHER)
    assert (done.code, done.out) == (16, "")
    assert once_seen("pending", "--conflicts").out == "" and once_seen("lookup", OTHER).code == 17
    assert once_seen("register", name, KEY).code == 0
    assert once_seen("register", name, OTHER).code == 16 and once_seen("lookup", name).out.split("\t")[1] == KEY


@pytest.mark.parametrize(
    ("call", "times"),
    [("rename", range(1, 3)), ("fdatasync", range(1, 4)), ("pwrite64", range(1, 9, 2)), ("unlink", range(1, 2))],
    ids=["rename", "fdatasync", "pwrite64", "unlink"],
)
def test_a_killed_dropping_loses_nothing(once_seen: Commands, call: str, times: range) -> None:
    """SIGKILL at each system call that changes the disk: all or nothing was dropped, and the next night drops the rest."""
    whole = once_seen.data_dir.parent / "whole"
    shutil.copytree(once_seen.data_dir, whole)
    dump = dump_of(once_seen)
    for number in times:
        shutil.rmtree(once_seen.data_dir)
        shutil.copytree(whole, once_seen.data_dir)
        killer = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        command = [*killer, *once_seen.command("update", dump)]
        done = subprocess.run(command, env=once_seen.environment(), capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, f"{call} {number}"
        assert once_seen("check").out == ""
        assert names(once_seen) in (["Masakazu Kojima"], ["Masakazu Kojima", "Quillon Ash"])
        assert once_seen("-q", "update", dump).code == 0 and is_clean(once_seen)
        assert once_seen("register", "Quillon Ash", OTHER).code == 16
        assert not [path for path in once_seen.data_dir.rglob("*") if "fresh" in path.name]


def test_a_night_that_cannot_drop_imports_and_says_why(once_seen: Commands) -> None:
    """While another process keeps the captures to itself, cron mails one line, the import goes on, and the next night drops."""
    with hold(once_seen.data_dir / "captures.writer", PRIVATE, 0) as held:
        assert held
        done = once_seen("-q", "import", dump_of(once_seen))
    assert (done.code, done.err.count("\n")) == (0, 1), done
    assert done.err.startswith("keep_days and keep_places: nothing was dropped this time: ")
    assert len(names(once_seen)) == 2 and once_seen.live()
    assert once_seen("-q", "purge").code == 0 and is_clean(once_seen)


def test_new_captures_have_no_place(once_seen: Commands) -> None:
    """With ``keep_places = no`` a registration stores the owner of the prim and its grid, not the object and the region."""
    box = Sandbox(once_seen.data_dir, keep_places="no")
    try:
        job = registrar(box.store, box.settings)
        job.register(job.offer("Other Person", OTHER, Wanted("Production")), PLACE)
        (stored,) = box.store.captures.stored(parse_key(OTHER))
    finally:
        box.close()
    assert stored.capture.source == Source("", USERNAME, "", "Production")
