"""Forgotten avatars mentioned in others' rows, notes, files: no command shows them, purge removes them, --check finds them."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from n2k_fcgi.cli import COMMANDS
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.grids import Wanted
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store import fields
from n2k_fcgi.store.inventory import TABLE, Purging
from n2k_fcgi.wiring import registrar
from tests.support.commands import PEOPLE, Commands, on_terminal
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv
from tests.support.traces import KEY, MARKS, traces

NOTHING = "no forgotten avatar is stored in any file\n"
OTHER = "11111111-2222-3333-4444-555555555555"
SHORT = "dddddddd-1111-4111-8111-111111111111"
"""An avatar with a name of one word, as newer accounts have."""


@pytest.fixture(scope="module")
def all_named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quillon Ash, also Vexworth Ash on OpenSim, and Zyphara are mentioned in every possible field, and forgotten."""
    tmp_path = tmp_path_factory.mktemp("named")
    n2k = Commands(tmp_path / "data")
    n2k("init")
    dump = tmp_path / "the dump of quillon.ash.csv"
    dump.write_bytes(PEOPLE + csv((KEY, "Quillon Ash")).encode())
    assert n2k("import", "--as-of", "100000", dump).code == 0
    shutil.copy(dump, tmp_path / "Zyphara Resident.csv")
    assert n2k("import", "--as-of", "100000", "--grid", "OpenSim", tmp_path / "Zyphara Resident.csv").code == 0
    box = Sandbox(n2k.data_dir)
    sources = (
        (GOVERNOR, Source(SHORT, KEY, "Quiet Place", "Production")),
        (MASAKAZU, Source(KEY.upper(), GOVERNOR, "Vexworth Ash's Garden", "Production")),
        (USERNAME, Source("", "", f"zyphara {KEY.replace('-', '')}", "QUILLON.ASH")),
    )
    for number, (key, source) in enumerate(sources):
        box.record(key, f"Person{number} Here", 300_000, source=source)
    box.record(KEY, "Vexworth Ash", 300_000, grid="OpenSim")
    box.record(SHORT, "Zyphara Resident", 300_000)
    box.close()
    n2k("token", "create", "--scope", "register", "--note", "Gate of Quillon Ash, Ærlig's")
    n2k("token", "create", "--scope", "register", "--note", "Zyphara")
    n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    n2k.put("update.json", json.dumps({"Production": {"url": "https://example.com/~vexworth.ash/a.csv"}}))
    n2k.put("download.part", csv((KEY, "Quillon Ash")).encode())
    for who in (KEY, SHORT):
        assert n2k("forget", who).code == 0
    return n2k.data_dir


@pytest.fixture
def named(n2k: Commands, all_named: Path) -> Commands:
    """The command, with a copy of that directory."""
    n2k.begin_with(all_named)
    return n2k


ASKED: dict[str, tuple[tuple[object, ...], ...]] = {
    "about": ((GOVERNOR, "-"), ("masakazu kojima", "-"), (OTHER, "-")),
    "check": ((),),
    "config": ((),),
    "deploy": (("--help",),),
    "doctor": ((),),
    "export": (("-",), ("--captures", "-"), ("--format", "csv", "-"), ("--grid", "OpenSim", "-")),
    "fcgi": (("--help",),),
    "memcached": (("--help",),),
    "forget": (("--undo", OTHER), (OTHER,), ("quillon.ash",)),
    "generations": ((), ("list", "--json"), ("prune",)),
    "grids": ((), ("list", "--json"), ("remove", "nowhere")),
    "import": (("--max-bad", "90", "-"), ("--json", "--force", "--max-bad", "90", "-")),
    "init": ((),),
    "kv": (("namespaces",), ("list", "shop", "--values"), ("stat", "shop"), ("export", "shop", "-")),
    "lookup": (
        (GOVERNOR, MASAKAZU, USERNAME),
        ("--history", "--json", GOVERNOR, MASAKAZU, USERNAME),
        ("--history", "quillon ash"),
        ("--history", "--json", KEY),
        ("quillon", "ash"),
        ("--grid", "OpenSim", "vexworth.ash"),
    ),
    "lsl": (("--list",),),
    "pages": (("log-out",),),
    "pending": ((), ("--json",), ("--conflicts",), ("--conflicts", "--json")),
    "purge": (("--check",),),
    "register": (("Quillon Ash", OTHER), ("Other Person", KEY), ("Governor Linden", OTHER)),
    "sample": (("--rows", "3"),),
    "search": (("q",), ("--json", "vex"), ("--reverse", "z"), ("--grid", "OpenSim", "quillon")),
    "serve": (("--help",),),
    "shell": ((),),
    "stats": ((), ("--json",)),
    "token": (("list",),),
    "update": (("dump.csv",),),
}
"""The arguments of each command; a new command needs a line here."""
BAD_LINES = f"{KEY},(Loading...)\nnonsense,Quillon Ash\n{GOVERNOR},Governor Linden\n".encode()
TYPED = "quillon ash\nall governor linden\nall person1 here\nstats\nname masakazu kojima\nq\n"


def tells(text: str) -> set[str]:
    """The parts of the forgotten avatars that a text has."""
    small = text.lower().replace(KEY.replace("-", ""), KEY)
    return {mark for mark in (KEY, SHORT, *(mark.lower() for mark in MARKS)) if mark in small}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_command_tells(named: Commands, command: str) -> None:
    """For any arguments, and with -v: the output mentions them only where the arguments did."""
    named.put("history", "vexworth ash\n")
    for words in ASKED[command]:
        for options in ((), ("-v",)):
            given = {"import": BAD_LINES, "shell": TYPED.encode()}.get(command, b"")
            done = named(*options, command, *words, stdin=given)
            assert done.code != 1, done
            asked = tells(" ".join(map(str, words)) + ("quillon" if command == "shell" else ""))
            assert tells(done.out + done.err) <= asked, done


def test_completion_tells_nobody(named: Commands) -> None:
    """The shell completes only names that are shown; its history has only what the owner typed."""
    named("register", "Quincy Known", OTHER)
    with on_terminal(named.command("shell"), named.environment()) as terminal:
        terminal.wait_for("n2k> ")
        terminal.type("Qui\t")
        terminal.wait_for("Quincy Known")
        terminal.type("\nvex\t\t\nquit\n")
        assert tells(terminal.rest().replace("vex", "")) == set()


def test_sources_are_shown_without_them(named: Commands) -> None:
    """A key is left out; of a region the rest of its name is shown."""
    sources = [json.loads(line)["capture"]["source"] for line in named("export", "--captures", "-").out.splitlines()]
    assert [tuple(source.values()) for source in sorted(sources, key=str)] == [
        ("", "", "", ""),
        ("", "", "Quiet Place", "Production"),
        ("", GOVERNOR, "…'s Garden", "Production"),
    ]


def test_purge_cuts_mentions_out(named: Commands) -> None:
    """From captures, notes, manifests and update.json; the rest of these rows is kept, and the check finds nothing."""
    assert named("purge", "--check").code == 51
    assert named("purge").code == 0
    done = named("purge", "--check")
    assert (done.code, done.out, done.err) == (0, "", NOTHING)
    assert traces(named.data_dir) == []
    notes = [line.split("\t")[-1] for line in named("token", "list").out.splitlines()]
    assert "Gate of …, Ærlig's" in notes and "-" in notes
    assert named("generations").out.count("the dump of ….csv") == 1
    assert named("lookup", "person0 here", "person1 here", "person2 here").code == 0
    assert not (named.data_dir / "update.json").exists()


def test_purge_cuts_the_name_of_a_dump_without_rows(n2k: Commands, tmp_path: Path) -> None:
    """If no row is removed, only the manifest is rewritten, and the generation keeps its name."""
    dump = tmp_path / "quillon.ash.csv"
    dump.write_bytes(PEOPLE)
    n2k("import", dump)
    live = n2k.live()
    n2k("forget", "Quillon Ash")
    assert f"generations/{live}/manifest.json: a mention, in a field" in n2k("purge", "--check").out.splitlines()
    assert n2k("purge").code == 0 and n2k("purge", "--check").code == 0
    assert n2k.live() == live and "….csv" in n2k("generations").out and n2k("lookup", MASAKAZU).code == 0


def test_the_check_changes_nothing_and_names_nobody(named: Commands) -> None:
    """No file changes; lines have file, kind and place, but neither name nor key, and the log has neither."""
    (named.data_dir / "notes of vexworth.ash.txt").write_text("nobody\n")
    before = named.contents()
    log = named.data_dir / "log" / "n2k.log"
    logged = log.read_bytes()
    done = named("-v", "purge", "--check")
    assert done.code == 51 and named.contents() == before
    said = (done.out + done.err + log.read_bytes()[len(logged) :].decode()).lower()
    assert not [mark for mark in (KEY, "quillon", "vexworth", "zyphara", SHORT) if mark in said], done
    lines = done.out.splitlines()
    live = named.live()
    for part in (
        f"generations/{live}/data.mdb: an avatar in keys, row ",
        f"generations/{live}/data.mdb: an avatar in names, row ",
        "captures.mdb: an avatar, capture ",
        "captures.mdb: a mention in source.owner_key, capture ",
        "captures.mdb: a mention in source.object_key, capture ",
        "captures.mdb: a mention in source.region, capture ",
        "captures.mdb: a mention in source.grid, capture ",
        "captures.mdb: a mention in note, token ",
        "download.part: a key, byte ",
        "download.part: a name, byte ",
        "update.json: a mention, in a field",
        "notes of ….txt: a mention, in the name of the file",
    ):
        assert any(line.startswith(part) for line in lines), (part, lines)


def test_words_of_our_own_formats_are_nobody(n2k: Commands) -> None:
    """A forgotten name that is also a field or a scope of our formats is not reported in each of them."""
    n2k.has_people()
    n2k("register", "New Comer", "11111111-1111-4111-8111-111111111111")
    for name in ("name", "count", "source", "forget", "former"):
        n2k("forget", name)
    n2k("token", "create", "--scope", "forget")
    n2k("register", "Newer Comer", "11111111-1111-4111-8111-111111111111")
    assert [line for line in n2k("purge", "--check").out.splitlines() if ".mdb" in line or ".json" in line] == []


def test_archives_are_told(named: Commands) -> None:
    """Archives are not searched: they are named on standard error."""
    named("purge")
    (named.data_dir / "old.csv.gz").write_bytes(gzip.compress(csv((KEY, "Quillon Ash")).encode()))
    done = named("purge", "--check")
    assert (done.code, done.out) == (0, "") and "packed, not searched: old.csv.gz" in done.err


def test_with_nobody_to_hide_nothing_is_read(peopled: Commands) -> None:
    """It says so at once, whatever files there are."""
    assert peopled("purge", "--check").err == NOTHING


def test_a_prim_of_theirs_goes_on_reporting_others(sandbox: Sandbox) -> None:
    """The owner's key is not stored any more, nor a region with the name: otherwise each purge would find them again."""
    sandbox.record(KEY, "Quillon Ash", 1)
    job = registrar(sandbox.store, sandbox.settings)
    source = Source(OTHER, KEY, "Quillon Ash's Garden", "Production")
    job.register(job.offer("Person0 Here", GOVERNOR, Wanted("Production")), source)
    sandbox.forget_key(parse_key(KEY))
    job.register(job.offer("Person1 Here", MASAKAZU, Wanted("Production")), source)
    sources = [sandbox.store.captures.stored(parse_key(key))[0].capture.source for key in (GOVERNOR, MASAKAZU)]
    assert sources == [source, Source(OTHER, "", "…'s Garden", "Production")]


@pytest.mark.parametrize("row", fields.TABLE, ids=lambda row: row.__name__)
def test_every_field_is_in_the_table(row: type) -> None:
    """A new stored field needs a row that says whether it can name an avatar."""
    assert list(fields.TABLE[row]) == list(row._fields)  # type: ignore[attr-defined]


def test_the_tables_agree() -> None:
    """For each stored field of the kept files that may name an avatar there is a way to remove mentions."""
    assert set(fields.free_texts(Source())) == set(Source._fields)
    assert "note" in fields.TABLE[Token] and fields.TABLE[Manifest]["source"] is fields.ANY_AVATAR
    assert {row.pattern for row in TABLE if row.purging is Purging.CUT} == {"generations/*/manifest.json"}
