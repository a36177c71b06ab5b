"""``n2k`` itself: options, help, exit codes, and which commands only read."""

import subprocess

import pytest
from click.shell_completion import BashComplete

from n2k_fcgi import __version__
from n2k_fcgi.cli import COMMANDS, group
from tests.support.commands import Commands, on_terminal
from tests.support.sandbox import GOVERNOR


def test_version(n2k: Commands) -> None:
    """--version prints the package's version."""
    assert n2k.bare("--version").out == f"n2k, version {__version__}\n"


def test_help_lists_every_command(n2k: Commands) -> None:
    """--help and -h show each command with its purpose."""
    done = n2k.bare("--help")
    listed = [line.split()[0] for line in done.out.partition("Commands:\n")[2].splitlines() if line[2:3].strip()]
    assert (done.code, listed) == (0, sorted(COMMANDS))
    assert n2k.bare("-h").out == done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'."),
        (["lookup"], "Missing argument 'NAME|KEY...'."),
        (["stats", "--frob"], "No such option"),
        (["-q", "-v", "stats"], "-v and -q contradict each other"),
    ],
)
def test_wrong_usage(n2k: Commands, arguments: list[str], message: str) -> None:
    """An unknown command or option, or a missing argument: usage on standard error, exit code 2."""
    done = n2k(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: n2k") and message in done.err


def test_verbose_logs_to_standard_error(peopled: Commands) -> None:
    """-v shows DEBUG lines on standard error; standard output is the same."""
    verbose = peopled("-v", "lookup", GOVERNOR)
    assert verbose.out == peopled("lookup", GOVERNOR).out
    assert " DEBUG " in verbose.err and f"lookup {GOVERNOR} -> {GOVERNOR} " in verbose.err
    log = peopled.data_dir / "log" / "n2k.log"
    before = log.stat().st_size
    imported = peopled("-v", "import", "--force", "-", stdin=f"{GOVERNOR},Governor Linden\n".encode())
    assert " INFO " in imported.err and "import of -: 3 rows" in imported.err
    assert log.stat().st_size == before


def test_an_import_is_logged(peopled: Commands) -> None:
    """Without -v the import is logged in the data directory, not on standard error."""
    log = (peopled.data_dir / "log" / "n2k.log").read_text()
    assert log.count("\n") == 1 and f"import of -: 3 rows, generation {peopled.live()}" in log


def test_quiet_says_errors_only(n2k: Commands) -> None:
    """-q suppresses messages, not errors."""
    assert n2k("-q", "init").err == ""
    assert n2k("-q", "lookup", "nobody").err == "n2k: not found: nobody; nothing was imported yet\n"


def test_a_closed_pipe_is_no_error(n2k: Commands) -> None:
    """``n2k ... | head`` ends without a traceback or a message."""
    line = f"{' '.join(n2k.command('sample', '--rows', '50000', '-o', '-'))} | head -n 1"
    done = subprocess.run(["sh", "-c", line], env=n2k.environment(), capture_output=True, timeout=60)
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")


READING = [
    ["lookup", "Governor Linden", "nobody"],
    ["lookup", "--json", GOVERNOR],
    ["lookup", "--history", GOVERNOR],
    ["search", "g"],
    ["pending"],
    ["pending", "--conflicts"],
    ["export", "-"],
    ["stats"],
    ["stats", "--json"],
    ["generations"],
    ["generations", "list", "--json"],
    ["token", "list"],
    ["kv", "namespaces"],
    ["kv", "get", "shop", "k"],
    ["kv", "get", "shop", "none"],
    ["kv", "list", "shop", "--values"],
    ["kv", "stat", "shop"],
    ["kv", "watch", "shop", "--since", "0", "--once"],
    ["kv", "export", "shop", "-"],
    ["check"],
    ["config"],
    ["shell"],
    ["doctor"],
    ["--version"],
    ["lookup", "--help"],
    ["sample", "--rows", "10", "-o", "-"],
]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_reading_commands_change_nothing(peopled: Commands, arguments: list[str]) -> None:
    """Every file of the data directory has the same bytes as before, and there is no new file."""
    peopled("init")
    peopled("register", "New Comer", "11111111-1111-4111-8111-111111111111")
    peopled("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    peopled("kv", "put", "shop", "k", "--value", "v")
    before = peopled.contents()
    assert len(before) >= 7
    done = peopled(*arguments, stdin=b"governor linden\nall governor linden\nstats\nnobody\n")
    assert done.code in (0, 17, 83, 103) and (done.out + done.err or arguments[0] == "pending")
    assert peopled.contents() == before


def test_without_a_command_there_is_help(n2k: Commands) -> None:
    """``n2k`` without arguments on a terminal shows the help."""
    with on_terminal(n2k.command()[:1], n2k.environment()) as terminal:
        assert "Commands:" in terminal.rest()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("generations pru", ["prune"]), ("grids rem", ["remove"]), ("toke", ["token"]), ("kv de", ["delete"])],
)
def test_completion_offers_commands(typed: str, offered: list[str]) -> None:
    """Of ``n2k`` and of a group that lists when no command follows."""
    *before, word = typed.split()
    completion = BashComplete(group, {}, "n2k", "_N2K_COMPLETE")
    assert [item.value for item in completion.get_completions(before, word)] == offered
