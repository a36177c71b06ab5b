"""``n2k import``: what it accepts, reports and refuses, and that a refusal changes nothing."""

import bz2
import fcntl
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import PEOPLE, Commands, Done, on_terminal
from tests.support.processes import SECONDS, eventually
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, csv

ONE = PEOPLE[: PEOPLE.index(b"\n") + 1]
BAD = b"nonsense\nnot-a-key,Some One\n"
JSON_PEOPLE = b"".join(
    json.dumps({"key": key, "name": name}).encode() + b"\n"
    for key, name in ((GOVERNOR, "Governor Linden"), (MASAKAZU, "Masakazu Kojima"), (USERNAME, "Username Resident"))
)


def zipped(content: bytes) -> bytes:
    """A zip with a csv in a folder, as W-Hat once had it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("read.me", "no csv")
        archive.writestr("tmp/name2key.csv", content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dump.bz2", PEOPLE),
        ("dump.csv", bz2.compress(PEOPLE)),
        ("dump.zip", gzip.compress(PEOPLE)),
        ("dump.gz", zipped(PEOPLE)),
        ("dump", lzma.compress(PEOPLE)),
        ("dump.txt", JSON_PEOPLE),
        ("dump.xz", bz2.compress(JSON_PEOPLE)),
    ],
    ids=["csv", "bz2", "gz", "zip", "xz", "jsonl", "jsonl-bz2"],
)
def test_every_format_under_a_lying_name(n2k: Commands, tmp_path: Path, name: str, content: bytes) -> None:
    """The format is detected by the content: all of these files hold the same three people."""
    (tmp_path / name).write_bytes(content)
    done = n2k("import", tmp_path / name)
    assert done.code == 0
    assert done.out.startswith(f"imported {name}: 3 avatars (3 added, 0 changed, 0 removed, 0 lines refused) in ")
    assert done.err == ""
    assert n2k("lookup", "masakazu.kojima").out == f"Masakazu Kojima\t{MASAKAZU}\tProduction\n"


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress, lzma.compress], ids=["csv", "bz2", "gz", "xz"])
def test_from_standard_input(n2k: Commands, pack: Callable[[bytes], bytes]) -> None:
    """A pipe works like a file."""
    done = n2k("import", "-", stdin=pack(PEOPLE))
    assert done.code == 0 and done.out.startswith("imported -: 3 avatars")


def test_a_zip_in_a_pipe_is_refused(n2k: Commands) -> None:
    """The directory of a zip is at its end, so a zip must be a file: exit code 62."""
    done = n2k("import", "-", stdin=zipped(PEOPLE))
    assert done.code == 62 and "save it to a file first" in done.err


def test_json(n2k: Commands) -> None:
    """--json prints the manifest, the bad lines by reason, and whether a generation was published."""
    report = json.loads(n2k("import", "--json", "--max-bad", "50", "-", stdin=PEOPLE + BAD).out)
    assert (report["rows"], report["refused"], report["published"]) == (3, 2, True)
    assert report["bad"] == {"wrong field count": 1, "bad UUID": 1} and report["mended"] == {}
    assert report["name"] == n2k.live()


def test_quiet_is_silent(n2k: Commands) -> None:
    """With -q nothing is printed unless there is a problem."""
    done = n2k("-q", "import", "--max-bad", "50", "-", stdin=PEOPLE + BAD)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_merge_keeps_and_replace_removes(peopled: Commands) -> None:
    """People missing in the dump are kept; with --replace they are removed."""
    newcomer = csv(("11111111-1111-4111-8111-111111111111", "New Comer")).encode()
    merged = peopled("import", "--force", "-", stdin=newcomer)
    assert "4 avatars (1 added, 0 changed, 0 removed" in merged.out
    replaced = peopled("import", "--force", "--replace", "-", stdin=newcomer)
    assert "1 avatar (0 added, 0 changed, 3 removed" in replaced.out
    assert peopled("lookup", "Governor Linden").code == 17


def test_replace_never_touches_other_grids(peopled: Commands) -> None:
    """--grid says whose people these are; --replace removes people of that grid only."""
    other = csv(("11111111-1111-4111-8111-111111111111", "Governor Linden")).encode()
    assert peopled("import", "--grid", "opensim", "--replace", "-", stdin=other).code == 0
    assert peopled("lookup", "Governor Linden").out == f"Governor Linden\t{GOVERNOR}\tProduction\n"
    there = peopled("lookup", "--grid", "OpenSim", "Governor Linden")
    assert there.out == "Governor Linden\t11111111-1111-4111-8111-111111111111\tOpenSim\n"


def test_the_time_of_a_dump(n2k: Commands, tmp_path: Path) -> None:
    """--as-of sets it; without it, it is the file's own."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    os.utime(dump, (1_600_000_000, 1_600_000_000))
    assert json.loads(n2k("import", "--json", dump).out)["as_of"] == 1_600_000_000
    assert json.loads(n2k("import", "--json", "--as-of", "2026-11-21T06:40:00Z", dump).out)["as_of"] == 1_795_243_200
    assert n2k("import", "--as-of", "yesterday", dump).code == 2


def test_the_very_same_dump(n2k: Commands, tmp_path: Path) -> None:
    """Importing a dump again changes nothing and says so; with --force it is imported."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    n2k("import", dump)
    live = n2k.live()
    again = n2k("import", dump)
    assert (again.code, n2k.live()) == (0, live)
    assert again.out == f"unchanged: dump.csv of Production is live already as generation {live} (--force imports it again)\n"
    assert n2k("import", "--force", dump).code == 0 and n2k.live() > live


@pytest.mark.parametrize("command", ["import", "update"])
def test_the_very_same_dump_with_replace(peopled: Commands, tmp_path: Path, command: str) -> None:
    """A merge kept people that the dump does not have: with --replace the dump is not unchanged, and they are removed."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(csv((GOVERNOR, "Governor Linden")).encode())
    assert peopled("import", "--force", dump).code == 0
    assert peopled("lookup", MASAKAZU).code == 0
    done = peopled(command, "--replace", dump)
    assert (done.code, "1 avatar (0 added, 0 changed, 2 removed" in done.out) == (0, True), done
    assert peopled("lookup", MASAKAZU).code == 17
    assert peopled("import", dump).out.startswith("unchanged: "), "without --replace it is"


@pytest.mark.parametrize(
    ("given", "label"), [([], "Production"), (["--grid", "opensim"], "OpenSim"), (["--grid", "Testing"], "Testing")]
)
def test_every_report_names_the_grid(n2k: Commands, tmp_path: Path, given: list[str], label: str) -> None:
    """Imported, unchanged, updated, shrunken: the line names the grid, in case --grid was forgotten or mistyped."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    assert f" s, of {label} as of 2" in n2k("import", *given, dump).out
    assert n2k("import", *given, dump).out.startswith(f"unchanged: dump.csv of {label} is live already")
    assert f"imported last of {label} (" in n2k("update", *given, dump).out
    assert f" s, of {label} as of 2" in n2k("update", "--force", *given, dump).out
    dump.write_bytes(ONE)
    done = n2k("import", *given, dump)
    said = (
        f"the previous one had 3 (of {label}): more than 10 % fewer, nothing was imported (if it is of another grid: --grid; "
    )
    assert done.code == 69 and said in done.err


def test_bad_lines_are_shown(n2k: Commands) -> None:
    """Each reason with its count, and the first bad lines with their numbers, on standard error."""
    done = n2k("import", "--max-bad", "50", "-", stdin=PEOPLE + BAD)
    assert done.code == 0 and "2 lines refused" in done.out
    assert done.err.splitlines() == [
        "  1 x wrong field count: refused",
        "  1 x bad UUID: refused",
        "  line 4: wrong field count: nonsense",
        "  line 5: bad UUID: not-a-key,Some One",
    ]


SMALL_GRID = csv(*[(f"{number:08x}-1111-4111-8111-111111111111", f"Fake{number} Resident") for number in range(1, 41)])


def test_lines_without_data_are_no_lines(n2k: Commands) -> None:
    """A header and a blank line are not counted as bad lines, so a small dump of forty rows is accepted."""
    for dump in ("uuid,name\n" + SMALL_GRID + "\n", '\n,\n"key";"name"\n\n' + SMALL_GRID + ",,\n"):
        done = n2k("import", "--max-bad", "0", "--force", "-", stdin=dump.encode())
        assert done.code == 0 and "40 avatars" in done.out and "0 lines refused" in done.out
        assert done.err.startswith("  found the header '") and done.err.count("\n") == 1


def test_what_is_odd_about_a_dump_is_told(n2k: Commands) -> None:
    """Encoding, separator, order of columns, on standard error or as JSON; control characters of a header are not printed."""
    swapped = "".join(f"{name};{key}\r\n" for key, _, name in (row.partition(",") for row in SMALL_GRID.splitlines()))
    dump = ("\x1b[31mname;uuid\r\n" + swapped).encode("utf-16")
    done = n2k("import", "-", stdin=dump)
    assert done.code == 0 and done.err.splitlines() == [
        "  found UTF-16",
        "  found the header '\\x1b[31mname;uuid'",
        "  found ';' between the columns",
        "  found columns swapped: name,uuid",
        "  40 x CR LF line end: read anyway",
    ]
    answer = json.loads(n2k("import", "--json", "--force", "-", stdin=dump).out)
    assert answer["found"][2:] == ["';' between the columns", "columns swapped: name,uuid"] and answer["bad"] == {}


def test_bad_lines_cannot_paint_the_terminal(n2k: Commands) -> None:
    """Text of a dump is shown without its control characters."""
    done = n2k("import", "--max-bad", "50", "-", stdin=PEOPLE + b"\x1b[31mred\n")
    assert "\x1b" not in done.err and "\\x1b[31mred" in done.err


def test_the_last_line_needs_no_line_end(n2k: Commands) -> None:
    """The last line of a dump counts also without a line end."""
    assert n2k("import", "-", stdin=PEOPLE.rstrip()).out.startswith("imported -: 3 avatars")


REFUSALS = {
    "too many bad lines": (PEOPLE + BAD, [], 63, "2 of 5 lines are bad (mostly: wrong field count), more than 1 %: nothing"),
    "cut bz2": (bz2.compress(PEOPLE * 50)[:-9], [], 61, "the dump is truncated or corrupt ("),
    "corrupt gz": (gzip.compress(PEOPLE)[:-6] + b"\0\0\0\0\0\0", [], 61, "the dump is truncated or corrupt ("),
    "cut xz": (lzma.compress(PEOPLE * 50)[:-9], [], 61, "the dump is truncated or corrupt ("),
    "nothing": (b"", [], 64, "the dump holds no rows: nothing was imported"),
    "an empty bz2": (bz2.compress(b""), [], 64, "the dump holds no rows: nothing was imported"),
    "a web page": (b"<!DOCTYPE html><p>Moved", [], 62, "it is a web page or XML"),
    "a JSON array": (b'[{"key": 1}]\n', [], 62, "it is a JSON array"),
    "an archive in an archive": (bz2.compress(gzip.compress(PEOPLE)), [], 62, "it is an archive in an archive"),
    "a bomb": (bz2.compress(b"x" * 10_000_000), ["--max-bytes", "100000"], 66, "more than 100000 bytes"),
    "far fewer rows": (PEOPLE[: PEOPLE.index(b"\n") + 1], [], 69, "the dump has 1 row, the previous one had 3"),
    "no grid": (PEOPLE, ["--grid", " "], 12, "bad grid"),
}


@pytest.mark.parametrize(("content", "options", "code", "message"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_changes_nothing(
    peopled: Commands, tmp_path: Path, content: bytes, options: list[str], code: int, message: str
) -> None:
    """Each suspicious dump is refused with its own exit code; every file of the data directory is the same as before."""
    dump = tmp_path / "dump"
    dump.write_bytes(content)
    before = peopled.contents()
    done = peopled("import", *options, dump)
    assert done.code == code and message in done.err.splitlines()[-1], done
    assert done.out == "" and done.err.splitlines()[-1].startswith("n2k: ")
    assert peopled.contents() == before


@pytest.mark.parametrize(("name", "why"), [("", "it is a directory"), ("nowhere.csv", "No such file or directory")])
def test_no_dump_there(peopled: Commands, tmp_path: Path, name: str, why: str) -> None:
    """A folder and a missing file are refused with exit code 60."""
    before = peopled.contents()
    done = peopled("import", tmp_path / name)
    assert (done.code, done.err) == (60, f"n2k: cannot read the dump {tmp_path / name}: {why}\n")
    assert peopled.contents() == before


def test_the_second_of_two_imports_leaves(peopled: Commands) -> None:
    """While one import holds the lock, another reports that and ends with 65; lookups are answered."""
    with (peopled.data_dir / "import.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = peopled.contents()
        done = peopled("import", "-", stdin=PEOPLE)
        assert (done.code, done.out) == (65, "")
        assert done.err == f"n2k: another import is running on {peopled.data_dir}: try again when it has finished\n"
        assert peopled("lookup", "Governor Linden").code == 0
        assert peopled.contents() == before


def _interrupt(n2k: Commands) -> Done:
    """Start an import from a pipe that does not end; interrupt it when it is running."""
    process = subprocess.Popen(
        n2k.command("import", "-"), env=n2k.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdin
        process.stdin.write(PEOPLE)
        process.stdin.flush()
        assert eventually(lambda: any(n2k.data_dir.glob("generations/*.building")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        return Done(process.returncode, out, err)
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_leaves_nothing_behind(peopled: Commands) -> None:
    """An interrupted import ends with 130, without a traceback or an unfinished folder, and the next one works."""
    before = peopled.contents()
    done = _interrupt(peopled)
    assert (done.code, done.out, done.err.strip()) == (130, "", "n2k: nothing was imported\n\nn2k: stopped")
    assert peopled.contents() == before
    assert [path.name for path in (peopled.data_dir / "generations").iterdir()] == [peopled.live()]
    assert peopled("import", "-", stdin=PEOPLE).code == 0


def test_progress_on_a_terminal(n2k: Commands, tmp_path: Path) -> None:
    """A bar with phase, rows and rows per second is drawn on a terminal, and ends with a line end."""
    dump = tmp_path / "dump.csv.bz2"
    assert n2k("sample", "--rows", "40000", "-o", dump).code == 0
    with on_terminal(n2k.command("import", dump), n2k.environment()) as terminal:
        shown = terminal.rest()
    assert terminal.process.returncode == 0
    assert "import" in shown and "reading: " in shown and "rows/s" in shown and "100%" in shown
    assert "\r\nimported dump.csv.bz2: 40000 avatars" in shown


@pytest.mark.parametrize("flags", [["-q"], []], ids=["quiet", "pipe"])
def test_no_bar_where_nobody_looks(n2k: Commands, tmp_path: Path, flags: list[str]) -> None:
    """With -q, or if standard error is not a terminal, there is no bar."""
    if flags:
        dump = tmp_path / "dump.csv"
        dump.write_bytes(PEOPLE)
        with on_terminal(n2k.command(*flags, "import", dump), n2k.environment()) as terminal:
            assert terminal.rest() == ""
    else:
        assert n2k("import", "-", stdin=PEOPLE).err == ""
    assert n2k.live()


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress, lzma.compress], ids=["bz2", "gz", "xz"])
@pytest.mark.parametrize("command", ["import", "update"])
def test_what_stands_behind_an_archive_is_a_warning(
    n2k: Commands, tmp_path: Path, command: str, pack: Callable[[bytes], bytes], jobs: str
) -> None:
    """On standard error, in the log and in JSON; nothing is printed with -q, so cron mails nothing."""
    dump = tmp_path / "dump"
    dump.write_bytes(pack(PEOPLE) + b"<!-- cached -->")
    done = n2k(command, "--jobs", jobs, dump)
    assert done.code == 0 and ": 3 avatars" in done.out
    assert done.err.startswith("  15 bytes after the end of the ") and done.err.endswith(": left out\n")
    assert "15 bytes after the end of the " in (n2k.data_dir / "log" / "n2k.log").read_text()
    quiet = n2k("-q", command, "--force", "--jobs", jobs, dump)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    (warning,) = json.loads(n2k(command, "--force", "--json", "--jobs", jobs, dump).out)["warnings"]
    assert warning.startswith("15 bytes after the end of the ")


@pytest.mark.parametrize("command", ["import", "update"])
def test_messages_about_a_zip_name_its_member(n2k: Commands, tmp_path: Path, command: str) -> None:
    """The report, its JSON, and each refusal: bad lines, no rows, too large, fewer rows, older."""
    dump = tmp_path / "dump.zip"
    dump.write_bytes(zipped(PEOPLE))
    assert " s, from tmp/name2key.csv in the zip, of Production as of " in n2k(command, dump).out
    assert json.loads(n2k(command, "--force", "--json", dump).out)["member"] == "tmp/name2key.csv"
    refusals = {63: PEOPLE + BAD, 64: b"", 69: ONE, 66: PEOPLE * 2, 62: b"<!DOCTYPE html>"}
    for code, content in refusals.items():
        dump.write_bytes(zipped(content))
        done = n2k(command, "--max-bytes", "200", dump)
        assert (done.code, done.out) == (code, "")
        assert done.err.splitlines()[-1].startswith("n2k: tmp/name2key.csv in the zip: ")


def test_an_older_zip_names_its_member(n2k: Commands, tmp_path: Path) -> None:
    """The time of the dump is that of the member; the refusal names it."""
    n2k("import", "-", stdin=PEOPLE)
    with zipfile.ZipFile(tmp_path / "dump.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("people.csv", (2020, 1, 1, 0, 0, 0)), PEOPLE)
    done = n2k("update", tmp_path / "dump.zip", TZ="UTC")
    assert done.code == 74
    assert done.err.startswith(
        "n2k: people.csv in the zip: the dump is as of 2020-01-01T00:00:00Z, the live generation of Production"
    )


@pytest.mark.parametrize("command", ["import", "update"])
@pytest.mark.parametrize("name", ["w-hat.com/name2key.csv.zip", "127.0.0.1:8000/name2key.csv", "localhost/name2key.csv.bz2"])
def test_an_address_without_its_scheme(n2k: Commands, command: str, name: str) -> None:
    """It is not a file; the message says which scheme is missing if it was meant as a URL."""
    done = n2k(command, name)
    said = "No such file or directory (is it an address? say http:// or https:// before it)"
    assert (done.code, done.out, done.err) == (60, "", f"n2k: cannot read the dump {name}: {said}\n")


def test_a_missing_file_is_no_address(n2k: Commands) -> None:
    """The hint appears only if it looks like a URL."""
    for name in ("name2key.csv.bz2", "/srv/example.org/dump.csv", "./example.org/dump.csv", "dumps/dump.csv"):
        assert "address" not in n2k("import", name).err


def test_several_dumps(n2k: Commands, tmp_path: Path) -> None:
    """As '*.csv' is expanded by a shell: refused, one at a time."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(PEOPLE)
    done = n2k("import", tmp_path / "a.csv", tmp_path / "b.csv")
    assert (done.code, "one dump at a time, not 2" in done.err) == (2, True) and not n2k.data_dir.exists()
    assert n2k("import").code == 2
