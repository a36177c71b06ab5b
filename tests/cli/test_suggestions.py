"""What a command suggests for a mistyped line: the intended word, missing quotes, the option for another port."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from n2k_fcgi.cli import COMMANDS
from tests.support.commands import Commands
from tests.support.processes import REPOSITORY
from tests.support.sandbox import GOVERNOR, USERNAME

QUOTES = "What has a space needs quotes, such as 'Governor Linden'.\n"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["lookp", "x"], "lookup"),
        (["Lookup", "x"], "lookup"),
        (["serach", "x"], "search"),
        (["generation"], "generations"),
        (["token", "lst"], "list"),
        (["kv", "exprot", "shop", "-"], "export"),
        (["kv", "put", "shop", "k", "--type", "jsn"], "json"),
        (["generations", "purne"], "prune"),
        (["lsl", "tuch"], "touch"),
        (["lsl", "touch.lsl"], "touch"),
        (["lsl", "resolv"], "resolver"),
        (["token", "create", "--scope", "registr"], "register"),
        (["export", "--format", "cvs", "-"], "csv"),
        (["sample", "--format", "bz", "-o", "-"], "bz2"),
        (["lookup", "--histroy", "x"], "--history"),
        (["search", "--jsn", "x"], "--json"),
        (["--drr", "x", "stats"], "--dir"),
    ],
)
def test_the_word_that_was_meant(n2k: Commands, arguments: Sequence[str], meant: str) -> None:
    """A command, a subcommand, a choice, an option: the nearest is named once, with exit code 2."""
    done = n2k.bare(*arguments)
    assert (done.code, done.out) == (2, "")
    assert re.search(rf"Did you mean '?{meant}'?\?$", done.err.strip()) and done.err.count("Did you mean") == 1


@pytest.mark.parametrize("arguments", [["frobnicate"], ["token", "xyz"], ["lsl", "0815"], ["stats", "--frob"]])
def test_nothing_is_suggested_for_what_is_like_nothing(n2k: Commands, arguments: Sequence[str]) -> None:
    """A word without a similar one is refused without a suggestion."""
    done = n2k.bare(*arguments)
    assert done.code == 2 and "Did you mean" not in done.err


def test_words_that_lost_their_quotes(peopled: Commands) -> None:
    """If both words are unknown, or known together, they may be one name; otherwise there is no hint."""
    done = peopled("lookup", "governor", "linden")
    assert (done.code, done.out) == (17, "")
    assert done.err == ("if this is one name, quote it: n2k lookup 'governor linden'\nn2k: not found: governor, linden\n")
    peopled("register", "Governor", "22222222-2222-4222-8222-222222222222")
    assert "n2k lookup 'governor linden'\n" in peopled("lookup", "governor", "linden").err
    assert "n2k lookup 'masakazu kojima'\n" in peopled("lookup", "--history", "username", "masakazu", "kojima").err
    for arguments in (["username", "nobody"], ["nobody", GOVERNOR], ["no.body", "else"], ["no body", "else"], ["nobody"]):
        done = peopled("lookup", *arguments)
        assert done.code == 17 and "quote" not in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["forget", "governor", "linden"], ["search", "masakazu", "k"], ["register", "Masakazu", "Kojima", USERNAME]],
)
def test_one_word_too_many(peopled: Commands, arguments: Sequence[str]) -> None:
    """A command that takes one name says that quotes are missing, and does nothing."""
    before = peopled.contents()
    done = peopled(*arguments)
    assert (done.code, done.out) == (2, "") and done.err.endswith(QUOTES)
    assert peopled.contents() == before


@pytest.mark.parametrize("word", ["-1", "-x", "--dashes"])
@pytest.mark.parametrize("command", ["lookup", "search", "forget"])
def test_a_name_that_begins_with_a_dash(peopled: Commands, command: str, word: str) -> None:
    """It was parsed as an option: the line says how to write it as a name, and that works."""
    done = peopled(command, word)
    assert done.code == 2 and done.err.endswith(f"A name that begins with a dash comes after '--': n2k {command} -- ...\n")
    assert "No such option" not in peopled(command, "--", word).err


def test_an_option_that_is_none(peopled: Commands) -> None:
    """There is no hint about names for a mistyped option, or if the command takes no name."""
    for arguments in (["lookup", "--histry", "x"], ["doctor", "-z"], ["stats", "-1"]):
        assert "dash" not in peopled(*arguments).err


@pytest.mark.parametrize(("option", "rest"), [("--dir", ["x", "y"]), ("--config", ["x", "y"]), ("-q", ["y"])])
def test_an_option_that_stands_too_late(n2k: Commands, option: str, rest: Sequence[str]) -> None:
    """Options of n2k itself must be before the command: reported if one comes after it."""
    done = n2k.bare("lookup", option, *rest)
    assert done.code == 2 and done.err.endswith(f"Put it before the command: n2k {option} ...\n")


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize("group", [[], ["token"], ["kv"], ["generations"]], ids=["n2k", "token", "kv", "generations"])
def test_no_line_of_a_list_of_commands_is_cut(n2k: Commands, columns: str, group: Sequence[str]) -> None:
    """The purpose of each command is a whole sentence, however narrow the terminal is."""
    done = n2k.bare(*group, "--help", COLUMNS=columns)
    listed = done.out.partition("\nCommands:\n")[2]
    assert listed and "..." not in listed
    said = [" ".join(entry.split()) for entry in re.split(r"\n(?=  \S)", listed)]
    assert len(said) >= (len(COMMANDS) if not group else 3)
    assert all(entry.endswith(".") for entry in said)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port of this machine that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_taken_port(n2k: Commands, taken: socket.socket) -> None:
    """One line names the address and the option for another one; exit code 84; nothing on standard output."""
    n2k("init")
    host, port = taken.getsockname()
    done = n2k("serve", "--port", port)
    why = "Address already in use: choose another with"
    assert (done.code, done.out, done.err) == (84, "", f"n2k: cannot listen on {host}:{port}: {why} --port\n")
    done = n2k("fcgi", "--listen", f"{host}:{port}")
    assert (done.code, done.out, done.err) == (84, "", f"n2k: cannot listen on {host}:{port}: {why} --listen\n")
    done = n2k("serve", "--host", "no-such-host.invalid", "--port", port)
    assert done.code == 84 and done.err.startswith("n2k: cannot listen on no-such-host.invalid:") and "another" not in done.err


def test_make_run_names_its_variable(tmp_path: Path, taken: socket.socket) -> None:
    """``make run`` on a port in use says how to choose another one."""
    environment = Path(sys.executable).parents[1]
    port = taken.getsockname()[1]
    (tmp_path / ".run").mkdir()
    n2k = Commands(tmp_path / ".run" / "data")
    n2k.bare("sample", "--rows", "10", "-o", tmp_path / ".run" / "sample.csv.bz2")
    made = [f"VENV={environment}", f"PORT={port}", "-o", f"{environment}/.run"]  # -o: the environment exists already
    done = subprocess.run(
        ["make", "-C", str(tmp_path), "-f", str(REPOSITORY / "Makefile"), "run", *made],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    said = done.stderr.decode()
    assert done.returncode != 0 and f"n2k: cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert f"port {port} is taken: make run PORT=4000 takes another\n" in said


def test_one_is_no_plural(n2k: Commands, tmp_path: Path) -> None:
    """Singular for one, plural for two."""
    one = f"{GOVERNOR},Governor Linden\n".encode()
    said = [
        n2k("import", "-", stdin=one),
        n2k("import", "--force", "--max-bad", "50", "-", stdin=one + b"nonsense\n"),
        n2k("import", "--force", "--max-bad", "0", "-", stdin=one + b"nonsense\n"),
        n2k("import", "--max-bad", "0", "-", stdin=b"nonsense\n"),
        n2k("update", "--force", n2k.data_dir.parent / "one.csv"),
        n2k("generations"),
        n2k("shell", stdin=b"stats\nnobody\n"),
        n2k("export", "-"),
        n2k("sample", "--rows", "1", "-o", tmp_path / "one.csv"),
        n2k("doctor"),
        n2k("update", "--force", tmp_path / "one.csv"),
        n2k("import", "--force", "-", stdin=f"{USERNAME},Governor Linden\n".encode()),
        n2k("register", "New Comer", USERNAME),
        n2k("forget", USERNAME),
        n2k("purge"),
    ]
    text = "\n".join(done.out + done.err for done in said)
    assert not re.findall(r"\b1 [a-z]+s\b", text)
    for sentence in (
        ": 1 avatar (1 added",
        "1 line refused",
        "1 of 2 lines is bad (mostly: wrong field count), more than 0 %",
        "1 of 1 line is bad",
        "1 avatar, 0 captures, generation",
        "results for 1 line\n",
        "exported 1 avatar to -",
        "wrote 1 avatar to",
        ", 1 key, 'Governor Linden'",
        "1 name of Second Life keeps its key",
        ", 1 capture; a new, empty log is started",
    ):
        assert sentence in text, sentence
    many = n2k.bare("sample", "--rows", "300", "-o", "-").raw
    assert "298 avatars (" in n2k("import", "-", stdin=many).out
    done = n2k("import", "--replace", "-", stdin=one)
    assert (done.code, "the dump has 1 row, the previous one had 300" in done.err) == (69, True)
