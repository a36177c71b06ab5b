"""``n2k about``: everything that is held about one avatar, compared with a list of every kind of record, made by hand.

A new kind of file or stored field that can name an avatar fails here until ``n2k about`` finds it, or the list says why not.
"""

import gzip
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from n2k_fcgi.deploy.htaccess import BEGIN, END
from n2k_fcgi.files import PRIVATE, try_lock
from n2k_fcgi.model.avatar import Capture, Conflict, Source, StoredCapture
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.keeping import Keeping
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.observations import Asked, Queued
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store.fields import TABLE as FIELDS
from n2k_fcgi.store.fields import Holds
from n2k_fcgi.store.inventory import TABLE as FILES
from n2k_fcgi.store.inventory import Purging, Reading, row_of
from tests.support.commands import PEOPLE, Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv
from tests.support.traces import KEY, traces

OTHER = "11111111-2222-3333-4444-555555555555"
DAY = 86_400
PLACE = Source(GOVERNOR, USERNAME, "Secret Garden", "Production")
LINE = f"csv line {KEY},Quillon Ash"

Answer = dict[str, Any]

FOUND_BY_FIELD: dict[type, dict[str, str]] = {
    Source: {"object_key": "reported_by", "owner_key": "reported_by", "region": "reported_by", "grid": "reported_by"},
    Token: {"note": "tokens"},
    Manifest: {"source": "files"},
    Capture: {"key": "captures", "name": "captures", "source": "captures"},
    StoredCapture: {"capture": "captures", "former": "captures"},
    Conflict: {"name": "conflicts", "holder": "conflicts", "key": "conflicts"},
    Asked: {"key": "pending"},
    Queued: {"key": "pending"},
}
"""Stored field that can name an avatar -> the section that has it."""

FOUND_BY_ROWS = {
    "generations/*/data.mdb": {"dump"},
    "captures.mdb": {"captures", "reported_by", "forgotten", "reserved", "tokens"},
    "volatile.mdb": {"pending", "conflicts"},
    "keyvalue/*/data.mdb": {"keyvalue"},
    "datasets/*.mdb": {"datasets"},
}
"""File that is read by its rows -> the sections of what is in it. Limits are by address and by token: they name no avatar."""


@pytest.fixture(scope="module")
def all_held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quillon Ash, once Vexworth Ash, in every kind of record; the file of each other kind has a line with the name."""
    folder = tmp_path_factory.mktemp("held")
    n2k, now = Commands(folder / "data"), int(time.time())
    n2k("init")
    n2k("import", "--as-of", "100000", "-", stdin=PEOPLE + csv((KEY, "Vexworth Ash")).encode())
    dump = folder / "the dump of quillon.ash.csv"
    dump.write_bytes(csv((KEY, "Quillon Ash"), (OTHER, "Other Person")).encode() + PEOPLE)
    assert n2k("import", "--as-of", "200000", dump).code == 0
    box = Sandbox(n2k.data_dir)
    captures = box.store.captures
    box.record(KEY, "Quillon Old", now - 400 * DAY, source=PLACE)
    captures.drop_outdated(Keeping(now - 100 * DAY))  # its name stays reserved
    box.record(KEY, "Vexworth Ash", now - 2 * DAY, source=PLACE)
    box.record(KEY, "Quillon Ash", now - DAY, source=PLACE)
    box.record(KEY, "Zyphara Ash", now, grid="OpenSim", source=Source(region="n2k register"))
    for number, source in enumerate(
        (Source(KEY), Source(GOVERNOR, KEY, "A Region"), Source(region="Zyphara Ash's Garden"), Source(grid="vexworth.ash"))
    ):
        box.record(f"cccccccc-0000-0000-0000-00000000000{number}", f"Person{number} Reported", now, source=source)
    box.store.pending.add([parse_key(KEY)], "OpenSim", now)
    box.store.pending.add([parse_key(KEY)], "Production", now)
    box.store.pending.mark_unknown([parse_key(KEY)], "Production", now)
    box.store.meters.take([Charge(b"a192.0.2.1", 10)], float(now))
    box.close()
    assert n2k("register", "Quillon Ash", OTHER).code == 16
    assert n2k("register", "Other Person", KEY).code == 16
    n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--note", "stall of quillon.ash")
    assert n2k("kv", "put", "shop", "before", "--value", "the stall of quillon.ash").code == 0
    assert (
        n2k(
            "kv",
            "build",
            "--dataset",
            "prices",
            "-",
            stdin=json.dumps({"key": "owner", "text": "quillon ash"}).encode() + b"\n",
        ).code
        == 0
    )
    assert n2k("kv", "use", "shop", "prices").code == 0
    for key, value in (
        (f"visits/{KEY}", "1"),
        ("last", "by Quillon  Ash."),
        ("other", "quillonash"),
        ("gone/vexworth ash", ""),
    ):
        assert n2k("kv", "put", "shop", key, "--value", value).code == 0
    assert n2k("kv", "delete", "shop", "gone/vexworth ash").code == 0
    box.store.keyvalue.namespace("shop").sequence(b"tickets of quillon ash", 1)
    box.close()
    assert n2k("forget", KEY).code == 0
    for row in FILES:
        if row.names_avatars and row.reading is Reading.LINES:
            path = n2k.data_dir / row.pattern.replace("*", "x")
            for missing in [each for each in (*reversed(path.parent.parents), path.parent) if not each.exists()]:
                missing.mkdir(mode=0o700)
            if row.pattern == "keyvalue/*/dropped.mdb":
                path = n2k.data_dir / "keyvalue" / "shop" / "dropped.mdb"
            with path.open("a") as file:
                file.write(("# " if path.suffix == ".ini" else "") + LINE + "\n")
    return n2k.data_dir


@pytest.fixture
def held(n2k: Commands, all_held: Path) -> Commands:
    """The command, with a copy of that directory."""
    n2k.begin_with(all_held)
    n2k.damaged = True  # files of each kind lie about
    return n2k


def about(n2k: Commands, who: str = KEY, *options: str) -> Answer:
    """What is answered about an avatar."""
    done = n2k("about", who, "-", *options)
    assert done.code in (0, 38), done
    answer: Answer = json.loads(done.out)
    return answer


@pytest.mark.parametrize("who", [KEY, "Quillon Ash", "vexworth.ash"])
def test_the_answer_is_the_list_made_by_hand(held: Commands, who: str) -> None:
    """By key, by name, by former name, hidden as it is: every live record, in its section, and nothing of others."""
    answer = about(held, who)
    assert answer["asked"]["key"] == KEY
    assert {(each["name"], each["grid"]) for each in answer["asked"]["names"]} == {
        ("quillon.ash", "Production"),
        ("vexworth.ash", "Production"),
        ("zyphara.ash", "OpenSim"),
    }
    dumps = [(each["name"], each["former"], each["as_of"], each["live"], each["answers_its_name"]) for each in answer["dump"]]
    assert sorted(dumps) == [
        ("Quillon Ash", False, "1970-01-03T07:33:20Z", True, True),
        ("Vexworth Ash", False, "1970-01-02T03:46:40Z", False, True),
        ("Vexworth Ash", True, "1970-01-02T03:46:40Z", True, True),
    ]
    captures = {each["grid"]: each for each in answer["captures"]}
    assert captures["Production"]["source"] == PLACE._asdict() and captures["Production"]["times_seen"] == 2
    assert [each["name"] for each in captures["Production"]["former"]] == ["Vexworth Ash"]
    assert captures["OpenSim"]["name"] == "Zyphara Ash" and len(captures) == 2
    assert {(each["field"], each["source"].get("region", "")) for each in answer["reported_by"]} == {
        ("object_key", ""),
        ("owner_key", "A Region"),
        ("region", "Zyphara Ash's Garden"),
        ("grid", ""),
    }
    assert sorted((each["grid"], bool(each["unknown"])) for each in answer["pending"]) == []  # forgetting took them
    conflicts = {(each["name"], each["holder"], each["refused"]) for each in answer["conflicts"]}
    assert conflicts == {("Quillon Ash", True, False), ("Other Person", False, True)}
    assert sorted(each.get("name") or each["key"] for each in answer["forgotten"]) == sorted(
        [KEY, "quillon.ash", "vexworth.ash", "zyphara.ash"]
    )
    assert answer["reserved"] == [{"key": KEY, "names": 1}]
    assert [each["note"] for each in answer["tokens"]] == ["stall of quillon.ash"]
    hits = {(each["namespace"], each["key"], each["kind"], *each.get("in", ())) for each in answer["keyvalue"]}
    assert hits == {
        ("shop", f"visits/{KEY}", "entry", "key"),
        ("shop", "last", "entry", "value"),
        ("shop", "before", "later write", "value"),
        ("shop", "gone/vexworth ash", "log of changes"),
        ("shop", f"visits/{KEY}", "log of changes"),
        ("shop", "tickets of quillon ash", "sequence"),
    }
    assert [(each["dataset"], each["key"], each["in"]) for each in answer["datasets"]] == [("prices", "owner", ["value"])]


def test_others_are_not_told(held: Commands) -> None:
    """Neither those whom it reported, nor the other side of a conflict; in lines of the log they are, as the page says."""
    answer = about(held)
    del answer["files"]
    said = json.dumps(answer)
    assert "Reported" not in said and "cccccccc" not in said and OTHER not in said


@pytest.mark.parametrize("row", [row for row in FILES if row.names_avatars], ids=lambda row: row.pattern)
def test_every_kind_of_file_is_searched(held: Commands, row: Any) -> None:
    """Each that the table says can name an avatar: by its rows, or by its lines."""
    answer = about(held)
    if row.reading is Reading.ROWS:
        sections = FOUND_BY_ROWS[row.pattern]
        assert sections <= set(answer) and (row.pattern == "volatile.mdb" or all(answer[each] for each in sections))
        return
    pattern = row.pattern.replace("*", "x") if row.pattern != "keyvalue/*/dropped.mdb" else "keyvalue/shop/dropped.mdb"
    assert LINE in " ".join(each.get("line", "") for each in answer["files"] if each["file"] == pattern)


def test_no_file_that_names_the_avatar_is_missed(held: Commands) -> None:
    """Every file with a byte of it, searched by other means, is in the answer, or is one that is read by its rows."""
    told = {each["file"] for each in about(held)["files"]}
    by_rows = {"captures.mdb", "volatile.mdb", "keyvalue/shop/data.mdb", "datasets/prices.mdb"}
    missed = [name for name in traces(held.data_dir) if name not in told | by_rows]
    assert missed == [name for name in missed if name.endswith("/data.mdb") and name.startswith("generations/")]


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row.__name__)
def test_every_stored_field_has_a_section(held: Commands, row: type) -> None:
    """A new field that can name an avatar needs a place in the answer, and a record in this list."""
    can_name = {field for field, holds in FIELDS[row].items() if holds is not Holds.NO_AVATAR}
    assert can_name == set(FOUND_BY_FIELD[row])
    answer = about(held)
    for section in {*FOUND_BY_FIELD[row].values()} - {"pending"}:
        assert answer[section], section


def test_pending_keys(n2k: Commands) -> None:
    """Waiting, and reported unknown: both are there before the avatar is forgotten."""
    n2k("init")
    box = Sandbox(n2k.data_dir)
    for grid in ("OpenSim", "Production"):
        box.store.pending.add([parse_key(KEY), parse_key(OTHER)], grid, 1000)
    box.store.pending.mark_unknown([parse_key(KEY)], "Production", 2000)
    box.close()
    assert about(n2k)["pending"] == [
        {"grid": "OpenSim", "asked": "1970-01-01T00:16:40Z", "unknown": None},
        {"grid": "Production", "asked": "1970-01-01T00:16:40Z", "unknown": "1970-01-01T00:33:20Z"},
    ]


def test_whole_words_only(held: Commands) -> None:
    """In values and texts a part of a word is no name; a reserved name is told to whoever asks by it."""
    assert not [each for each in about(held)["keyvalue"] if each["key"] == "other"]
    answer = about(held, "quillon old")
    assert answer["asked"]["key"] is None and answer["captures"] == []
    assert answer["reserved"] == [{"name": "quillon.old", "grid": "Production", "for_this_key": False}]


def test_after_forget_and_purge_only_digests_are_left(n2k: Commands) -> None:
    """What the page promises: tombstones and reserved names; nothing else of the avatar, asked by key."""
    n2k.has_people()
    box = Sandbox(n2k.data_dir)
    box.record(KEY, "Quillon Old", 1000, source=PLACE)
    box.store.captures.drop_outdated(Keeping(2000))
    box.record(KEY, "Quillon Ash", 3000, source=PLACE)
    box.close()
    assert n2k("forget", KEY).code == 0 and n2k("purge").code == 0
    answer = about(n2k)
    left = {section for section, records in answer.items() if isinstance(records, list) and records}
    assert left == {"forgotten", "reserved"} and [each.get("key") for each in answer["forgotten"]] == [KEY]


@pytest.mark.parametrize("who", [KEY, "quillon ash"])
def test_generations_that_are_not_live(n2k: Commands, who: str) -> None:
    """What only an older one has is held as well, until it is pruned: by key and by name, and its name is searched for."""
    n2k("import", "--as-of", "100000", "-", stdin=PEOPLE + csv((KEY, "Quillon Ash")).encode())
    assert n2k("import", "--as-of", "200000", "--replace", "--force", "-", stdin=PEOPLE).code == 0
    assert n2k("lookup", KEY).code == 17
    n2k("token", "create", "--scope", "read", "--note", "for Quillon Ash")
    answer = about(n2k, who)
    assert [(each["name"], each["live"]) for each in answer["dump"]] == [("Quillon Ash", False)]
    assert answer["asked"]["key"] == KEY and len(answer["tokens"]) == 1


def test_other_hidden_avatars_are_cut_out(held: Commands) -> None:
    """The answer to one person does not tell another who left."""
    said = held("about", USERNAME, "-").out
    assert KEY not in said and "quillon" not in said.lower()
    box = Sandbox(held.data_dir)
    box.record(OTHER, "Other Person", 5000, source=Source(GOVERNOR, KEY, "Quillon Ash's Garden"))
    box.close()
    (capture,) = about(held, OTHER)["captures"]
    assert capture["source"] == Source(GOVERNOR, "", "…'s Garden")._asdict()


def test_the_file(held: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name it is about-KEY.json where one is; mode 0600; never replaced: exit code 55, whatever is there."""
    monkeypatch.chdir(tmp_path)
    done = held("about", "quillon ash")
    path = tmp_path / f"about-{KEY}.json"
    assert done.code == 0 and done.out == "" and done.err.splitlines()[-1].endswith(f"; written to {path}")
    assert stat.S_IMODE(path.stat().st_mode) == PRIVATE.file
    before = path.read_bytes()
    assert {key: value for key, value in json.loads(before).items() if key != "made"}.keys() == about(held).keys() - {"made"}
    again = held("about", "quillon ash")
    assert (again.code, again.out, path.read_bytes()) == (55, "", before)
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere")
    assert held("about", KEY, tmp_path / "link.json").code == 55 and not (tmp_path / "nowhere").exists()
    assert sorted(each.name for each in tmp_path.iterdir() if "part" in each.name) == []


@pytest.mark.parametrize(
    ("who", "hint"),
    [
        (OTHER, f"nothing about {OTHER}, on any grid; try a name: n2k about 'First Last' --grid G"),
        (
            "Nobody Known",
            "nothing about 'nobody.known' on Production; try the key, a former name, or --grid G",
        ),
    ],
)
def test_nothing_is_held(peopled: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, hint: str) -> None:
    """One line that says so and what to try, exit code 17 as of lookup, and no file, nor a byte of standard output."""
    folder = tmp_path / "answers"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for file in ((), ("named.json",), ("-",)):
        done = peopled("about", who, *file)
        assert (done.code, done.out, done.err.splitlines()) == (17, "", [f"n2k: not found: {hint}"])
    assert list(folder.iterdir()) == []


def test_nothing_is_held_in_what_could_be_searched(peopled: Commands, tmp_path: Path) -> None:
    """That is no answer of 'nothing': the file lists what could not be searched, and the exit code is 38."""
    (peopled.data_dir / "old.csv.gz").write_bytes(gzip.compress(LINE.encode()))
    peopled.damaged = True
    done = peopled("about", OTHER, tmp_path / "answer.json")
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert done.code == 38 and [each["place"] for each in answer["not_searched"]] == ["old.csv.gz"]


def _former(record: Answer) -> list[Answer]:
    """The former names of a capture; a name of a dump has a flag there."""
    return record["former"] if isinstance(record.get("former"), list) else []


def test_times_are_dates(held: Commands) -> None:
    """A person reads them: ISO 8601, UTC, in every section; no number that could be one is left."""
    answer = about(held, "quillon ash")
    iso = re.compile(r"(19|20)\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    fields = {"first_seen", "last_seen", "as_of", "hidden_since", "made", "seen"}
    told = [
        (section, field, value)
        for section, records in answer.items()
        if isinstance(records, list)
        for record in (*records, *(former for each in records for former in _former(each)))
        for field, value in record.items()
        if field in fields
    ]
    assert {field for _, field, _ in told} == fields
    assert [each for each in told if not iso.fullmatch(str(each[2]))] == []
    assert {section for section, *_ in told} == {"dump", "captures", "reported_by", "conflicts", "forgotten", "tokens"}


@pytest.mark.parametrize(
    ("who", "name"),
    [("../../x", "about-.x.json"), ("/etc/Some One", "about-etcsome.one.json"), ("a\\b'$c", "about-abc.json")],
)
def test_an_unknown_name_leads_to_no_other_folder(
    peopled: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, name: str
) -> None:
    """Of the name only letters, digits, dots and hyphens are in that of the file, which is in the current folder."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    box = Sandbox(peopled.data_dir)
    box.record(OTHER, who, 1000)
    box.store.captures.drop_outdated(Keeping(2000))  # its name stays reserved: without any record there is no file
    box.close()
    done = peopled("about", who)
    assert done.code == 0, done
    assert [path.name for path in deep.iterdir()] == [name]


@pytest.mark.parametrize("call", ["fsync", "linkat"])
def test_a_killed_run_leaves_nothing(held: Commands, tmp_path: Path, call: str) -> None:
    """SIGKILL when all is written and the file has no name yet: nothing is in the folder, under no name. 0600 by then."""
    folder = tmp_path / "answers"
    folder.mkdir()
    log = tmp_path / "calls"
    traced = ["-e", "trace=openat,fchmod,fsync,linkat", "-e", f"inject={call}:signal=KILL:when=1"]
    command = ["strace", "-qq", "-o", str(log), *traced, *held.command("about", KEY, folder / "answer.json")]
    assert subprocess.run(command, env=held.environment(), capture_output=True, check=False).returncode == -signal.SIGKILL
    opened, _, later = log.read_text().partition("O_TMPFILE")
    assert f'"{folder}", ' in opened.splitlines()[-1] and "0600) = " in later and f"{call}(" in later
    assert list(folder.iterdir()) == []
    assert held("about", KEY, folder / "answer.json").code == 0
    assert [each.name for each in folder.iterdir()] == ["answer.json"]


_KILLED_WRITER = """
import os, sys
from pathlib import Path
from n2k_fcgi.cli.private_file import new_private_file

with new_private_file(Path(sys.argv[1])) as file:
    file.write(b"personal data")
    file.flush()
    if sys.argv[2:]:
        os.kill(os.getpid(), 9)
"""


def without_nameless_files(path: Path, *more: str) -> int:
    """Write *path* where the system refuses a file without a name, as some file systems do; the exit code."""
    refused = ["-P", str(path.parent), "-e", "trace=openat", "-e", "inject=openat:error=EOPNOTSUPP:when=2"]  # 1 is listdir
    command = ["strace", "-qq", "-o", f"{path.parent}.calls", *refused, sys.executable, "-c", _KILLED_WRITER, str(path), *more]
    code = subprocess.run(command, check=False).returncode
    assert [
        line for line in Path(f"{path.parent}.calls").read_text().splitlines() if "O_TMPFILE" in line and "INJECTED" in line
    ]
    return code


def test_where_a_killed_run_leaves_a_file_the_next_one_removes_it(held: Commands, tmp_path: Path) -> None:
    """Whatever FILE the next one writes into that folder; one that is being written stays, and what is not of a killed run."""
    folder = tmp_path / "answers"
    folder.mkdir()
    assert without_nameless_files(folder / "first.json", "kill") == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == PRIVATE.file and left.read_bytes() == b"personal data"
    row = row_of(left.name)
    assert row is not None and row.purging is Purging.REMOVED  # by n2k purge, where the folder is the data directory
    written, link, pipe = (folder / f".n2k-about-{name}.part" for name in ("running", "link", "pipe"))
    written.touch()
    link.symlink_to(tmp_path / "nowhere")
    os.mkfifo(pipe)
    with written.open("rb+") as file:
        assert try_lock(file.fileno())
        assert held("about", KEY, folder / "other.json").code == 0
    assert {each.name for each in folder.iterdir()} == {"other.json", written.name, link.name, pipe.name}


def test_a_file_that_had_a_name_is_published_and_never_replaces_another(tmp_path: Path) -> None:
    """The same as without a name: one file of mode 0600."""
    folder = tmp_path / "answers"
    folder.mkdir()
    assert without_nameless_files(folder / "answer.json") == 0
    (only,) = folder.iterdir()
    assert (only.name, only.read_bytes(), stat.S_IMODE(only.stat().st_mode)) == ("answer.json", b"personal data", 0o600)


def test_not_into_a_web_folder(held: Commands, tmp_path: Path) -> None:
    """A file there could be fetched by anyone: wrong usage, and nothing is written."""
    web = tmp_path / "public_html"
    web.mkdir()
    assert held("about", KEY, web / "about.json").code == 2 and list(web.iterdir()) == []


@pytest.mark.parametrize(
    ("sign", "way"),
    [
        (f"Options -Indexes\n{BEGIN}\n{END}\n", "deep below"),
        ("", "deep below"),
        ("index.php", "deep below"),
        (f"{BEGIN}\n{END}\n", "by a link to it"),
        (f"{BEGIN}\n{END}\n", "by a link to a folder below"),
        (f"{BEGIN}\n{END}\n", "through a link and back"),
    ],
)
def test_not_below_a_deployed_folder_or_a_site(held: Commands, tmp_path: Path, sign: str, way: str) -> None:
    """Whatever the folder is called, and however it is reached: wrong usage, the folder is named, and nothing is written."""
    site = tmp_path / "site" / "n2k"
    deep = site / "sub" / "deeper"
    deep.mkdir(parents=True)
    (site / ("index.php" if sign == "index.php" else ".htaccess")).write_text(sign)
    (tmp_path / "link").symlink_to(site if way == "by a link to it" else deep)
    file = {
        "deep below": deep / "out.json",
        "through a link and back": tmp_path / "link" / ".." / "out.json",
    }.get(way, tmp_path / "link" / "out.json")
    done = held("about", KEY, file)
    assert done.code == 2 and f"in the web folder {site}" in done.err and "'-'" in done.err, done
    assert not [path for path in tmp_path.rglob("*") if "out" in path.name]


def test_not_through_a_link_that_is_called_as_web_roots_are(held: Commands, tmp_path: Path) -> None:
    """Some hosts have the site elsewhere, and the home folder a link to it; out of it by '..' is elsewhere."""
    (tmp_path / "disk7" / "sub").mkdir(parents=True)
    (tmp_path / "public_html").symlink_to(tmp_path / "disk7")
    done = held("about", KEY, tmp_path / "public_html" / "sub" / "out.json")
    assert done.code == 2 and f"in the web folder {tmp_path}/public_html" in done.err, done
    assert list((tmp_path / "disk7" / "sub").iterdir()) == []
    assert held("about", KEY, tmp_path / "public_html" / ".." / "out.json").code == 0 and (tmp_path / "out.json").exists()


def test_a_name_that_only_other_grids_know(held: Commands) -> None:
    """As with forget: --grid must say it, exit code 17; and with it the avatar is found."""
    done = held("about", "zyphara ash", "-")
    assert done.code == 17 and "--grid OpenSim" in done.err and done.out == ""
    assert about(held, "zyphara ash", "--grid", "OpenSim")["asked"]["key"] == KEY


def test_what_cannot_be_searched_is_told(held: Commands) -> None:
    """A damaged generation, dataset and namespace, an archive: the rest is answered, the exit code is 38, each has a line."""
    generations = held.data_dir / "generations"
    shutil.copytree(generations / held.live(), generations / "20200101T000000.000Z")
    (generations / "20200101T000000.000Z" / "manifest.json").write_text("{}")
    (held.data_dir / "datasets" / "prices.mdb").write_bytes(b"nothing")
    (held.data_dir / "keyvalue" / "shop" / "data.mdb").write_bytes(b"nothing")
    (held.data_dir / "old.csv.gz").write_bytes(gzip.compress(LINE.encode()))
    shutil.copy(held.data_dir / "captures.mdb", held.data_dir / "backup.mdb")
    done = held("about", KEY, "-")
    answer = json.loads(done.out)
    assert done.code == 38 and len(answer["captures"]) == 2
    missed = {each["place"]: each["why"] for each in answer["not_searched"]}
    assert set(missed) == {"generations/20200101T000000.000Z", "dataset prices", "namespace shop", "old.csv.gz"}
    assert missed["old.csv.gz"] == "it is packed"
    assert {f"not searched: {place}: {why}" for place, why in missed.items()} <= set(done.err.splitlines())
    assert [each for each in answer["files"] if each["file"] == "backup.mdb" and "line" not in each]


def test_a_log_elsewhere_is_searched(held: Commands, tmp_path: Path) -> None:
    """Where 'log_file' says, with its rotated files."""
    held.put("n2k.ini", f"[n2k]\nlog_file = {tmp_path}/logs/my.log\n")
    (tmp_path / "logs").mkdir()
    for name in ("my.log", "my.log.1", "others.log"):
        (tmp_path / "logs" / name).write_text(f"key2name {KEY}\n")
    found = {each["file"] for each in about(held)["files"] if each["file"].startswith("/")}
    assert found == {f"{tmp_path}/logs/my.log", f"{tmp_path}/logs/my.log.1"}


def test_of_a_log_elsewhere_only_what_rotation_makes_is_read(held: Commands, tmp_path: Path) -> None:
    """No other name; no link, which may lead to any file of the owner, no pipe, no other user's file: these are named."""
    logs = tmp_path / "logs"
    held.put("n2k.ini", f"[n2k]\nlog_file = {logs}/my.log\n")
    logs.mkdir()
    private = tmp_path / "private"
    private.write_text(f"a secret of {KEY}\n")
    (logs / "my.log").write_text(f"key2name {KEY}\n")
    (logs / "my.log.zz").symlink_to(private)
    (logs / "my.log.old").write_text(f"other {KEY}\n")
    (logs / "my.log.1").symlink_to(private)
    os.mkfifo(logs / "my.log.2")
    (logs / "my.log.3").write_text(f"of another {KEY}\n")
    os.chown(logs / "my.log.3", 65534, -1)
    done = held("about", KEY, "-")
    answer = json.loads(done.out)
    assert {each["file"] for each in answer["files"] if each["file"].startswith("/")} == {f"{logs}/my.log"}
    assert done.code == 38 and "secret" not in done.out and "of another" not in done.out
    assert {each["place"]: each["why"] for each in answer["not_searched"]} == {
        f"{logs}/my.log.1": "it is a link",
        f"{logs}/my.log.2": "it is no file",
        f"{logs}/my.log.3": "it belongs to another user",
    }


def test_links_in_the_data_directory_are_named_and_not_followed(held: Commands, tmp_path: Path) -> None:
    """To a file, to a folder, to nowhere: what they lead to is not of this directory."""
    private = tmp_path / "private"
    private.write_text(f"a secret of {KEY}\n")
    (held.data_dir / "link").symlink_to(private)
    (held.data_dir / "log" / "n2k.log.7").symlink_to(private)
    (held.data_dir / "folder").symlink_to(tmp_path)
    (held.data_dir / "nowhere").symlink_to(tmp_path / "nowhere")
    done = held("about", KEY, "-")
    assert done.code == 38 and "secret" not in done.out
    assert {each["place"]: each["why"] for each in json.loads(done.out)["not_searched"]} == dict.fromkeys(
        ("link", "log/n2k.log.7", "folder", "nowhere"), "it is a link"
    )


def test_holes_are_not_read(held: Commands) -> None:
    """A file of 200 GB that has two lines, one behind the hole: both are found. Reading the hole would take minutes."""
    path = held.data_dir / "sparse"
    with path.open("wb") as file:
        file.write(LINE.encode() + b"\n")
        file.seek(200_000_000_000)
        file.write(b"\n" + LINE.encode() + b"\n")
        os.fsync(file.fileno())
    done = held("about", KEY, "-")
    found = [each["byte"] for each in json.loads(done.out)["files"] if each["file"] == "sparse"]
    assert done.code == 0 and [byte // 100_000_000_000 for byte in found] == [0, 2]


def test_of_a_name_alone_texts_are_searched(peopled: Commands) -> None:
    """No avatar is known by it, but a note has it: that is said, and what was found is told. Others have nothing of it."""
    peopled("token", "create", "--scope", "read", "--note", "for nobody known")
    done = peopled("about", "nobody known", "-")
    assert (done.code, len(json.loads(done.out)["tokens"])) == (0, 1) and "no avatar of that name is known" in done.err
    assert "nobody" not in json.dumps(about(peopled, MASAKAZU))
