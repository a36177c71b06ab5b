"""Forget and purge while servers run: in the end no file has a byte of a hidden avatar."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.store.datadir import IMPORT_LOCK
from tests.support.asking import over_http
from tests.support.commands import PEOPLE, Commands, on_terminal
from tests.support.processes import eventually
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, csv
from tests.support.standalone import serving
from tests.support.traces import KEY, MARKS, traces

OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def all_known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generations with one avatar under two names, a capture under a third, and logs with all of them."""
    n2k = Commands(tmp_path_factory.mktemp("known") / "data")
    n2k("init")
    (n2k.data_dir / "n2k.ini").write_text("[n2k]\nlog_level = DEBUG\nlog_rotate = 4K\nkeep = 3\n")
    n2k("import", "--as-of", "100000", "-", stdin=csv((KEY, "Quillon Ash"), (GOVERNOR, "Governor Linden")).encode())
    rows = [(f"{n:08x}-0000-0000-0000-000000000001", f"Name{n} Last") for n in range(1, 3000)]
    n2k("import", "--as-of", "200000", "-", stdin=csv((KEY, "Vexworth Ash"), *rows, (MASAKAZU, "Masakazu Kojima")).encode())
    n2k("register", "Zyphara Ash", KEY)
    n2k("register", "Other Person", OTHER)
    n2k("lookup", *["quillon ash", KEY] * 40)
    assert n2k("register", "Zyphara Ash", USERNAME).code == 16
    with on_terminal(n2k.command("shell"), n2k.environment()) as terminal:
        terminal.wait_for("n2k> ")
        terminal.type("quillon ash\n")
        terminal.wait_for("n2k> ")
        terminal.type("quit\n")
        terminal.rest()
    return n2k.data_dir


@pytest.fixture
def known(n2k: Commands, all_known: Path) -> Commands:
    """The command, with a copy of that directory."""
    n2k.begin_with(all_known)
    return n2k


def ask_all(n2k: Commands) -> Iterator[str]:
    """The output of all commands that name avatars."""
    for arguments in (
        ["export", "-"],
        ["export", "--format", "csv", "-"],
        ["search", "q"],
        ["search", "v"],
        ["search", "z"],
        ["lookup", KEY],
        ["lookup", "--history", KEY],
        ["lookup", "--history", "--json", "quillon ash", "vexworth ash", "zyphara ash"],
        ["pending"],
        ["pending", "--conflicts"],
    ):
        yield n2k(*arguments).out


def test_after_forget_and_purge_no_file_has_a_byte(known: Commands) -> None:
    """Forget through a running server, ask everything, purge meanwhile, search every file, import again."""
    before = traces(known.data_dir)
    assert "captures.mdb" in before and "history" in before and "volatile.mdb" in before
    assert sum(name.endswith("data.mdb") for name in before) == 2 and sum("n2k.log" in name for name in before) >= 2
    token = known("token", "create", "--scope", "forget").out.split()[-1]
    with serving(known.data_dir) as server:
        ask = over_http(server.host, server.port)
        body = json.dumps({"key": KEY}).encode()
        answer = ask("POST", "/api/v1/forgotten", {"X-N2K-Token": token, "Content-Type": "application/json"}, body)
        assert (answer.status, answer.body) == (200, b'{"forgotten":true}\n')
        for name in ("Quillon Ash", "vexworth.ash", "zyphara+ash"):
            assert ask("GET", "/?" + urlencode({"name": name}), {}, b"").body == b"00000000-0000-0000-0000-000000000000"
        assert ask("GET", f"/?key={KEY}", {}, b"").body == b""
        said = " ".join(ask_all(known)).lower()
        assert KEY not in said and not any(mark.lower() in said for mark in MARKS)
        done = known("purge")
        assert (done.code, done.err) == (0, "")
        assert done.out == "purged: 3 names in 2 generations, 1 capture; a new, empty log is started\n"
        assert traces(known.data_dir) == []
        assert ask("GET", "/?name=governor.linden", {}, b"").body == GOVERNOR.encode()
        assert ask("GET", "/?name=other.person", {}, b"").body == OTHER.encode()
    dump = csv((KEY, "Quillon Ash"), (KEY, "Vexworth Ash"), (MASAKAZU, "Masakazu Kojima")).encode()
    assert known("import", "--force", "--as-of", "300000", "-", stdin=dump).code == 0
    assert traces(known.data_dir) == []
    assert known("lookup", "quillon ash", KEY).code == 17
    assert known("lookup", "masakazu kojima", "governor linden", "name7 last").code == 0


def test_purge_keeps_everything_else(known: Commands) -> None:
    """Generations in their order, matching counts, going back, captures, tokens; an unchanged dump is still recognised."""
    everything = known("export", "-").out.splitlines()
    tokens = known("token", "list").out
    live = known.live()
    known("forget", KEY)
    known("purge")
    assert known("export", "-").out.splitlines() == [line for line in everything if KEY not in line]
    assert known("token", "list").out == tokens
    assert known.live() == live + "p"
    listed = known("generations").out
    assert listed.count("\n") == 2 and known.live() in listed
    older = next(line.split()[0] for line in listed.splitlines() if known.live() not in line)
    assert known("generations", "use", older.lstrip("*")).code == 0
    assert known("lookup", "governor linden").code == 0 and known("lookup", "masakazu kojima").code == 17
    assert known("check").code == 0


@pytest.mark.parametrize("leaves", ["who holds the name", "who came later"])
def test_a_name_that_two_claim_is_purged_too(n2k: Commands, leaves: str) -> None:
    """Generations store the holder of a name of Second Life: that row is removed too, and the others are kept."""
    first, later = (KEY, OTHER) if leaves == "who holds the name" else (OTHER, KEY)
    both = [(GOVERNOR, "Wanted Name"), (USERNAME, "Wanted Name")]
    n2k("import", "--as-of", "100000", "-", stdin=csv((first, "Quillon Ash"), both[0]).encode())
    n2k("import", "--as-of", "200000", "-", stdin=csv((later, "Quillon Ash"), (first, "Quillon Ash"), *both[::-1]).encode())
    assert n2k("lookup", "quillon ash").out.split("\t")[1] == first
    n2k("forget", KEY)
    n2k("forget", "quillon ash")
    assert n2k("purge").code == 0
    assert traces(n2k.data_dir) == []
    assert n2k("check").out == ""
    assert n2k("lookup", "wanted name").out.split("\t")[1] == GOVERNOR


def test_purge_with_nobody_to_take_out_leaves_the_generations(peopled: Commands) -> None:
    """A generation without hidden avatars is not rewritten; a second purge removes nothing."""
    before = {name: mark for name, mark in peopled.contents().items() if "generations" in name}
    for _ in range(2):
        assert peopled("purge").out == "purged: 0 names in 0 generations, 0 captures; a new, empty log is started\n"
    assert {name: mark for name, mark in peopled.contents().items() if "generations" in name} == before


PURGED = (
    "no longer hidden, but 'n2k purge' removed its rows from the files: the next import of a dump that has them restores "
    "them (also the same dump), or a registration\n"
)


def test_undo_until_the_purge(peopled: Commands) -> None:
    """Before a purge, an undo restores everything; after it, the rows are removed, as the message says, until the next dump."""
    peopled("forget", "Masakazu Kojima")
    assert peopled("lookup", MASAKAZU).code == 17
    assert peopled("forget", "--undo", MASAKAZU).err == "shown again\n"
    assert peopled("lookup", MASAKAZU).code == 0
    assert peopled("forget", "--undo", MASAKAZU).code == 19
    peopled("forget", MASAKAZU)
    peopled("purge")
    assert peopled("forget", "--undo", "masakazu.kojima").err == PURGED
    assert peopled("lookup", MASAKAZU).code == 17
    peopled("import", "--force", "--as-of", "2026-02-02", "-", stdin=csv((MASAKAZU, "Masakazu Kojima")).encode())
    assert peopled("lookup", MASAKAZU).code == 0


def test_undo_after_a_purge_and_another_request(peopled: Commands) -> None:
    """An avatar that is hidden again after a purge had rows before it: undo reports that; not of an unknown key."""
    peopled("forget", MASAKAZU)
    peopled("purge")
    peopled("forget", MASAKAZU)
    peopled("forget", OTHER)
    assert peopled("forget", "--undo", MASAKAZU).err == PURGED
    assert peopled("forget", "--undo", OTHER).err == "no longer hidden; no such avatar is known yet\n"


def test_undo_after_a_purge_of_a_renamed_avatar_that_was_registered(known: Commands) -> None:
    """Undo reports that its rows were purged; after another registration the avatar is known again."""
    known("forget", "quillon ash")
    known("purge")
    assert known("forget", "--undo", "vexworth ash").err == PURGED
    assert known("register", "Zyphara Ash", KEY).code == 0
    assert known("lookup", KEY).out == f"Zyphara Ash\t{KEY}\tProduction\n"


@pytest.mark.parametrize("purged", [True, False])
@pytest.mark.parametrize("command", ["import", "update"])
def test_the_same_dump_brings_them_back(n2k: Commands, tmp_path: Path, command: str, purged: bool) -> None:
    """After an undo the same dump is imported again, whether a purge or an import dropped rows; else it is unchanged."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    if not purged:
        n2k("forget", MASAKAZU)
    assert n2k(command, dump).code == 0
    assert n2k(command, dump).out.startswith("unchanged: ")
    if purged:
        n2k("forget", MASAKAZU)
        n2k("purge")
    assert n2k(command, dump).out.startswith("unchanged: ") and n2k("lookup", MASAKAZU).code == 17
    assert n2k("forget", "--undo", MASAKAZU).code == 0
    assert n2k(command, dump).out.startswith(("imported ", "updated ")) and n2k("lookup", MASAKAZU).code == 0


def test_an_import_and_a_purge_do_not_meet(peopled: Commands) -> None:
    """The second one reports that another is running."""
    with hold(peopled.data_dir / IMPORT_LOCK, PRIVATE, 0) as held:
        assert held
        assert peopled("purge").code == 65


@pytest.mark.parametrize(
    ("call", "times"),
    [("rename", range(1, 9)), ("fdatasync", range(1, 4)), ("pwrite64", range(2, 24, 7)), ("unlinkat", range(1, 3))],
    ids=["rename", "fdatasync", "pwrite64", "unlinkat"],
)
def test_a_killed_purge_loses_nothing(known: Commands, call: str, times: range) -> None:
    """SIGKILL at each system call that changes the disk: the data is complete, and the next purge removes everything."""
    known("forget", KEY)
    expected = [line for line in known("export", "-").out.splitlines() if KEY not in line]
    whole = known.data_dir.parent / "whole"
    shutil.copytree(known.data_dir, whole)
    for time in times:
        shutil.rmtree(known.data_dir)
        shutil.copytree(whole, known.data_dir)
        killer = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={time}"]
        done = subprocess.run(
            [*killer, *known.command("purge")], env=known.environment(), stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode == -signal.SIGKILL, f"{call} {time}"
        assert known("check").out == ""
        assert known("export", "-").out.splitlines() == expected
        assert known("purge").code == 0
        assert traces(known.data_dir) == []
        assert not [path for path in known.data_dir.rglob("*") if "fresh" in path.name or path.name.endswith(".building")]


@pytest.mark.parametrize("live", [True, False])
def test_a_purge_that_was_killed_between_two_renames(known: Commands, live: bool) -> None:
    """The copy already has its name, and the old generation still exists (and is live): the next purge completes it."""
    known("forget", KEY)
    old = known.live()
    aside = known.data_dir.parent / "aside"
    shutil.copytree(known.data_dir / "generations" / old, aside)
    assert known("purge").code == 0
    shutil.copytree(aside, known.data_dir / "generations" / old)
    if live:
        (known.data_dir / "CURRENT").write_text(old + "\n")
    assert known("purge").code == 0
    assert traces(known.data_dir) == [] and known.live() == old + "p"
    assert known("lookup", "masakazu kojima").code == 0


def test_registrations_during_purges_are_kept(known: Commands) -> None:
    """Another process registers while the captures are rewritten again and again: everything acknowledged is stored."""
    known("forget", KEY)
    code = (
        "import sys, time; from pathlib import Path; from tests.support.sandbox import Sandbox\n"
        "from tests.contract.engines import be_patient; be_patient()\n"
        "box = Sandbox(Path(sys.argv[1])); n = 0\n"
        "with open(sys.argv[3], 'ab', buffering=0) as told:\n"
        "    while not Path(sys.argv[2]).exists():\n"
        "        n += 1; box.register(f'During{n} Purge', f'{n:08x}-aaaa-bbbb-cccc-000000000001'); told.write(b'.')\n"
        "        time.sleep(0.005)"  # a purge wants its turn within two seconds, on a busy machine too
    )
    stop, told = known.data_dir.parent / "stop", known.data_dir.parent / "told"
    command = [sys.executable, "-c", code, str(known.data_dir), str(stop), str(told)]
    with subprocess.Popen(command) as writer:
        try:
            assert eventually(lambda: writer.poll() is not None or (told.exists() and told.stat().st_size > 0))
            purges = 0
            while writer.poll() is None and (purges < 6 or told.stat().st_size <= 50):
                assert known("purge").code == 0
                purges += 1
        finally:
            stop.touch()
    count = told.stat().st_size
    assert writer.returncode == 0 and count > 50
    keys = [f"{n:08x}-aaaa-bbbb-cccc-000000000001" for n in range(1, count + 1)]
    assert known("lookup", *keys).code == 0
