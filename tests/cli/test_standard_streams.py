"""Standard input, output and error: in another encoding, without a reader, closed, full."""

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.commands import Commands, Done, on_terminal
from tests.support.sandbox import GOVERNOR

POLISH, RUSSIAN, OTHER = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "123")
C = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
POSIX = {**C, "LC_ALL": "POSIX"}
LATIN_1 = {"PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"}
CYRILLIC = {**LATIN_1, "PYTHONIOENCODING": "koi8-r:strict"}
TOLD = "Łódź Żuk", "Привет Мир", "Café Zoë"


@pytest.fixture
def known(peopled: Commands) -> Commands:
    """The command, with names that some encodings cannot represent."""
    for name, key in zip(TOLD, (POLISH, RUSSIAN, OTHER), strict=True):
        assert peopled("register", "--grid", "OpenSim", name, key).code == 0
    return peopled


def through(n2k: Commands, line: str, *arguments: object, stdin: bytes = b"", **variables: str) -> Done:
    """The result of the shell command *line*, in which ``n2k`` means the command with *arguments*."""
    command = " ".join(map(shlex.quote, n2k.command(*arguments)))
    done = subprocess.run(
        ["bash", "-c", line.replace("n2k", command)],
        env=n2k.environment(**variables),
        input=stdin,
        capture_output=True,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("variables", [LATIN_1, CYRILLIC], ids=["ISO-8859-1", "KOI8-R"])
def test_what_an_encoding_lacks_is_a_question_mark(known: Commands, variables: dict[str, str]) -> None:
    """Letters that the terminal lacks are printed as '?'. Every answer is printed, and the exit code is 0."""
    encoding = variables["PYTHONIOENCODING"].partition(":")[0]
    shown = [name.encode(encoding, "replace").decode(encoding) for name in TOLD]
    asked = known("lookup", POLISH, RUSSIAN, OTHER, GOVERNOR, **variables)
    rows = [line.split("\t")[0] for line in asked.raw.decode(encoding).splitlines()]
    assert (asked.code, asked.err, rows) == (0, "", [*shown, "Governor Linden"])
    assert sum("?" in name for name in shown) >= 1
    for arguments in (["search", "ca"], ["lookup", "--history", OTHER], ["register", "Café Zoë", OTHER, "--grid", "OpenSim"]):
        done = known(*arguments, **variables)
        assert (done.code, done.raw.decode(encoding).split("\t")[0]) == (0, shown[2])
    typed = "\n".join([POLISH, RUSSIAN, "all café zoë", "łódź nobody", GOVERNOR])
    piped = known("shell", stdin=typed.encode(), **variables)
    answers = piped.raw.decode(encoding).splitlines()
    assert [line.split("\t")[0] for line in answers if "\t" in line] == [*shown, "Governor Linden"]
    assert answers[3] == "not found: łódź nobody".encode(encoding, "replace").decode(encoding)
    assert piped.code == 17


@pytest.mark.parametrize("variables", [C, POSIX, {"PYTHONIOENCODING": "ascii"}], ids=["C", "POSIX", "ascii"])
def test_ascii_means_that_nobody_said_and_is_utf_8(known: Commands, variables: dict[str, str]) -> None:
    """In the C locale input and output are UTF-8, too, whatever encoding Python was told to use."""
    asked = known("lookup", "łódź żuk", "ПРИВЕТ.МИР", "cafe\u0301 zoe\u0308", **variables)
    assert (asked.code, [line.split("\t")[0] for line in asked.out.splitlines()]) == (0, list(TOLD))
    assert known("search", "café", **variables).out.startswith("Café Zoë\t")
    assert known("shell", stdin="привет мир\n".encode(), **variables).out.startswith("Привет Мир\t")
    assert known("forget", "łódź żuk", "--grid", "OpenSim", **variables).code == 0
    missing = known("lookup", "Łódź Żuk", **variables)
    assert (missing.code, missing.out) == (17, "") and "internal" not in missing.err
    made = known("token", "create", "--scope", "register", "--note", "die Tür", **variables)
    assert made.code == 0 and known("token", "list").out.splitlines()[-1].endswith("\tdie Tür")


@pytest.mark.parametrize("variables", [LATIN_1, CYRILLIC, C], ids=["ISO-8859-1", "KOI8-R", "C"])
def test_json_loses_no_letter(known: Commands, variables: dict[str, str]) -> None:
    """Programs read it: letters that the encoding lacks are escaped, never replaced."""
    encoding = variables.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    lookup = known("lookup", "--json", POLISH, RUSSIAN, OTHER, **variables)
    assert [json.loads(line)["name"] for line in lookup.raw.decode(encoding).splitlines()] == list(TOLD)
    history = known("lookup", "--json", "--history", POLISH, **variables)
    search = known("search", "--json", "łó", **variables)
    for done in (history, search):
        assert (done.code, json.loads(done.raw.decode(encoding))["name"]) == (0, "Łódź Żuk")
    known("register", "--grid", "OpenSim", "Łódź Żuk", RUSSIAN)
    conflict = known("pending", "--conflicts", "--json", **variables)
    assert json.loads(conflict.raw.decode(encoding))["name"] == "Łódź Żuk"


@pytest.mark.parametrize("variables", [LATIN_1, CYRILLIC, C], ids=["ISO-8859-1", "KOI8-R", "C"])
def test_keys_and_values_in_any_encoding(known: Commands, variables: dict[str, str]) -> None:
    """What is typed is stored as UTF-8, values come out as they are, keys with '?', JSON is escaped."""
    encoding = variables.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    assert known("token", "create", "--scope", "keyvalue", "--namespace", "shop", **variables).code == 0
    assert known("kv", "put", "shop", "дверь/żółty", "--value", "Łódź мир", **variables).code == 0
    assert known("kv", "get", "shop", "дверь/żółty", **variables).raw == "Łódź мир".encode()
    listed = known("kv", "list", "shop", **variables).raw
    assert listed == "дверь/żółty\n".encode(encoding, "replace")
    for arguments in (["get", "--json", "shop", "дверь/żółty"], ["list", "shop", "--values"]):
        entry = json.loads(known("kv", *arguments, **variables).raw.decode(encoding))
        assert (entry["key"], entry["text"]) == ("дверь/żółty", "Łódź мир")
    assert known("kv", "export", "shop", "-", **variables).raw == known("kv", "export", "shop", "-").raw


def test_what_a_file_is_made_of_is_utf_8_always(known: Commands) -> None:
    """The bytes of an export and of a script do not depend on the terminal."""
    assert known("export", "--captures", "-", **LATIN_1).raw == known("export", "--captures", "-").raw
    assert "Łódź Żuk" in known("export", "--captures", "-", **LATIN_1).raw.decode()
    script = known("lsl", "--url", "https://example.com/", "--grid", "Łódź", "--note", "Привет", "query", **LATIN_1)
    assert 'string GRID = "łódź";' in script.raw.decode().splitlines() and "; Привет." in script.raw.decode()


def test_errors_are_said_in_any_encoding(known: Commands) -> None:
    """A message with a name that the terminal lacks is one line, with its own exit code."""
    done = known("lookup", "ПРИВЕТ НИКТО", **LATIN_1)
    assert (done.code, done.out, done.err.count("\n")) == (17, "", 1) and done.err.startswith("n2k: not found: ")
    taken = known("register", "--grid", "OpenSim", "Łódź Żuk", OTHER, **LATIN_1)
    assert taken.code == 16 and taken.err.startswith("n2k: the name '")


def test_a_path_that_is_no_text_comes_out_as_it_is(tmp_path: Path) -> None:
    """``DIR=$(n2k init)`` returns the bytes of a folder whose name is in another encoding than the terminal's."""
    n2k = Commands(tmp_path / os.fsdecode(b"Zo\xeb"))
    done = n2k("init")
    assert (done.code, done.raw) == (0, os.fsencode(n2k.data_dir) + b"\n")
    n2k.has_people()
    for variables in ({}, C, LATIN_1):
        assert n2k("lookup", "username", **variables).out.startswith("Username Resident\t")
        assert n2k("doctor", **variables).code == n2k("config", **variables).code == n2k("check", **variables).code == 0


def test_a_progress_bar_is_drawn_in_any_encoding(n2k: Commands) -> None:
    """On a terminal of another encoding an import of a dump with a foreign name draws its bar and ends well."""
    dump = n2k.data_dir.parent / "дамп.csv"
    dump.write_text(f"{GOVERNOR},Governor Linden\n{OTHER},Łódź Żuk\n")
    with on_terminal(n2k.command("import", dump), n2k.environment(**LATIN_1)) as terminal:
        assert "imported ????.csv: 2 avatars" in terminal.rest()
        assert terminal.process.returncode == 0


def test_a_prompt_answers_in_any_encoding(known: Commands) -> None:
    """A name that the terminal lacks does not end the shell, and the next line gets its answer."""
    with on_terminal(known.command("shell"), known.environment(**LATIN_1)) as terminal:
        terminal.wait_for("n2k> ")
        terminal.type(f"{RUSSIAN}\n")
        terminal.wait_for("?????? ???\t")
        terminal.wait_for("n2k> ")
        terminal.type("governor.linden\n")
        terminal.wait_for(GOVERNOR)
        terminal.type("quit\n")
        terminal.rest()
        assert terminal.process.returncode == 0


PRINTING: list[list[str]] = [
    ["sample", "--rows", "50000", "--format", "zip", "-o", "-"],
    ["export", "-"],
    ["search", "ba", "--limit", "400"],
    ["lookup", "--history", GOVERNOR],
    ["pending", "--conflicts"],
    ["generations"],
    ["token", "list"],
    ["kv", "list", "shop"],
    ["kv", "list", "shop", "--values"],
    ["kv", "get", "shop", "00001"],
    ["kv", "export", "shop", "-"],
    ["kv", "watch", "shop", "--since", "0", "--once"],
    ["kv", "namespaces"],
    ["stats"],
    ["config"],
    ["lsl", "--list"],
    ["lsl", "--url", "https://example.com/", "touch"],
    ["shell"],
    ["import", "--help"],
    ["--version"],
]
printing = pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """A directory with data for every kind of output."""
    n2k = Commands(tmp_path_factory.mktemp("crowded") / "data")
    n2k("init")
    n2k("import", "-", stdin=n2k.bare("sample", "--rows", "3000", "-o", "-").raw)
    n2k("register", "Governor Linden", OTHER)
    n2k("register", "Someone Else", RUSSIAN)
    n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    entries = (json.dumps({"key": f"{number:05}", "text": "x" * 400 + "\n"}) for number in range(2000))
    assert n2k("kv", "import", "shop", "-", stdin="\n".join(entries).encode()).code == 0
    return n2k


@printing
def test_a_reader_that_leaves_is_no_error(crowded: Commands, arguments: Sequence[str]) -> None:
    """``n2k ... | head`` ends with 0 and without a message, whether the reader reads one line or none."""
    for reader in ("true", "head -n 1"):
        done = through(crowded, f"yes username | head -n 20000 | n2k | {reader}; echo ${{PIPESTATUS[2]}}", *arguments)
        assert done.out.splitlines()[-1] == "0"
        assert not [word for word in ("n2k:", "rror", "Traceback", "ignored") if word in done.err]


@printing
def test_a_full_or_closed_standard_output_is_told(crowded: Commands, arguments: Sequence[str]) -> None:
    """Exit code 45 or 41 and a line that names it; no file of ours gets the closed descriptor and the output."""
    before = {name: content for name, content in crowded.contents().items() if "captures" not in name}
    done = through(crowded, "echo username | n2k >/dev/full", *arguments)
    assert (done.code, done.err.splitlines()[-1]) == (
        45,
        "n2k: no space left for standard output: it is not whole (No space left on device)",
    )
    done = through(crowded, "echo username | n2k >&-", *arguments)
    assert (done.code, done.err.splitlines()[-1]) == (41, "n2k: cannot open standard output: Bad file descriptor")
    assert {name: content for name, content in crowded.contents().items() if "captures" not in name} == before


def test_an_export_goes_into_no_file_of_the_directory(crowded: Commands) -> None:
    """The captures are not overwritten, although the next opened file would get the descriptor of standard output."""
    for arguments in (["export", "-"], ["export", "--captures", "-"]):
        assert through(crowded, "n2k >&-", *arguments).code == through(crowded, "n2k >&- 2>&- <&-", *arguments).code == 41
    assert crowded("check").code == 0
    assert crowded("lookup", "someone else").out.startswith("Someone Else\t")


@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full", "2>&- <&-"])
def test_what_cannot_be_said_ends_nothing(peopled: Commands, closing: str) -> None:
    """Without a standard error the work is done, results are printed, and the exit codes are the same."""
    assert through(peopled, f"n2k {closing}", "export", "--format", "csv", "-").out.count("\n") == 3
    for code, arguments in {
        0: ["import", "--force", peopled.data_dir.parent / "dump.csv"],
        2: ["frobnicate"],
        10: ["lookup", ""],
        17: ["lookup", "nobody"],
        33: ["token", "revoke", "0123456789ab"],
        60: ["import", "no-such-file"],
    }.items():
        (peopled.data_dir.parent / "dump.csv").write_text(f"{OTHER},New Comer\nnonsense\n")
        assert through(peopled, f"n2k {closing}", *arguments).code == code
    assert peopled("lookup", "new comer").out.startswith("New Comer\t")
    assert through(peopled, f"n2k {closing} >&-", "stats").code == 41


def test_a_closed_standard_input_is_an_empty_one(peopled: Commands) -> None:
    """The shell prints nothing and ends well; an import reports that there are no rows."""
    done = through(peopled, "n2k <&-", "shell")
    assert (done.code, done.out, done.err) == (0, "", "")
    done = through(peopled, "n2k <&-", "import", "-")
    assert (done.code, done.out, done.err) == (64, "", "n2k: the dump holds no rows: nothing was imported\n")
    assert through(peopled, "n2k <&- | head -n 1", "stats").out.startswith("generation: 2")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfgovernor linden\nusername\n",
        b"governor linden\r\nusername\r\n",
        b"\xef\xbb\xbfgovernor linden\r\n\r\nusername",
        b"governor linden\rusername\r",
        "governor linden\r\nusername\r\n".encode("utf-16"),
        b"\xfe\xff" + "governor linden\nusername\n".encode("utf-16-be"),
    ],
    ids=["mark", "CR LF", "both", "CR", "UTF-16", "UTF-16 the other way round"],
)
def test_files_of_other_systems_are_read(peopled: Commands, data: bytes) -> None:
    """A byte-order mark, any kind of line end, UTF-16 with its mark: the answers are the same."""
    done = peopled("shell", stdin=data)
    assert (done.code, [line.split("\t")[0] for line in done.out.splitlines()]) == (0, ["Governor Linden", "Username Resident"])


@pytest.mark.parametrize("bad", [b"\xff\xfe", b"Zo\xeb", b"\xc3", b"a\x00b", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text_cost_their_own_line_only(peopled: Commands, bad: bytes) -> None:
    """The answer to such a line is the reason; the other lines get their answers."""
    done = peopled("shell", stdin=b"username\n" + bad + b"\nusername\n")
    lines = done.out.splitlines()
    assert (done.code, len(lines), done.err) == (17, 3, "n2k: not found: results for 1 line\n")
    assert lines[0] == lines[2] and lines[1].startswith("bad name '") and lines[1].isascii()


def gone(n2k: Commands, *arguments: object) -> Done:
    """Run the command in a folder that was removed meanwhile."""
    folder = n2k.data_dir.parent / "gone"
    folder.mkdir()
    command = " ".join(map(shlex.quote, [str(n2k.command()[0]), *map(str, arguments)]))
    line = f"cd {shlex.quote(str(folder))} && rmdir {shlex.quote(str(folder))} && exec {command}"
    done = subprocess.run(["sh", "-c", line], env=n2k.environment(), input=b"", capture_output=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


GONE = "because the current folder no longer exists"
RELATIVE: list[tuple[list[str], int, str]] = [
    (["--dir", "data", "stats"], 80, f"setting 'data_dir' (command line): must be an absolute path, {GONE}, not 'data'"),
    (["--dir", "data", "init"], 80, f"setting 'data_dir' (command line): must be an absolute path, {GONE}, not 'data'"),
    (["--dir", ".", "serve"], 80, f"setting 'data_dir' (command line): must be an absolute path, {GONE}, not '.'"),
    (["--config", "n2k.ini", "serve"], 81, f"cannot read the settings file n2k.ini: not an absolute path, {GONE}"),
    (["--dir", "DATA", "import", "dump.csv"], 60, "cannot read the dump dump.csv: No such file or directory"),
    (["--dir", "DATA", "update", "./dump.csv"], 60, "cannot read the dump dump.csv: No such file or directory"),
    (["--dir", "DATA", "export", "all.jsonl"], 41, "cannot open all.jsonl: No such file or directory"),
    (["sample", "-o", "all.csv"], 41, "cannot open all.csv: No such file or directory"),
    (["--dir", "DATA", "fcgi", "--socket", "sock"], 84, "cannot listen on sock: the current folder no longer exists"),
    (["--dir", "DATA", "deploy", "web"], 1, "the current folder no longer exists: use absolute paths"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), RELATIVE, ids=[" ".join(words) for words, _, _ in RELATIVE])
def test_a_relative_path_in_a_removed_folder(peopled: Commands, arguments: list[str], code: int, message: str) -> None:
    """One line that names the path, never standard output; absolute paths work."""
    given = [str(peopled.data_dir) if word == "DATA" else word for word in arguments]
    done = gone(peopled, *given)
    assert (done.code, done.out, done.err) == (code, "", f"n2k: {message}\n")
    assert gone(peopled, "--dir", peopled.data_dir, "lookup", "username").code == 0
