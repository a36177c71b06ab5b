"""``n2k shell``, piped and on a terminal."""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.commands import PEOPLE, Commands, Terminal, on_terminal
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME

DUMP = "dump of 2026-01-02"
OTHER = "22222222-2222-4222-8222-222222222222"
PROMPT = "n2k> "


def _answers(n2k: Commands, *lines: str) -> list[str]:
    return n2k("shell", stdin="".join(line + "\n" for line in lines).encode()).out.splitlines()


@pytest.mark.measured
def test_one_answer_a_line(peopled: Commands) -> None:
    """Names and keys are answered in order with name, key, grid and source; no prompt; exit code 0."""
    done = peopled("shell", stdin=f"governor.linden\n{USERNAME}\n\n  key {MASAKAZU}  \nname username".encode())
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"Governor Linden\t{GOVERNOR}\tProduction\t{DUMP}",
        f"Username Resident\t{USERNAME}\tProduction\t{DUMP}",
        f"Masakazu Kojima\t{MASAKAZU}\tProduction\t{DUMP}",
        f"Username Resident\t{USERNAME}\tProduction\t{DUMP}",
    ]


@pytest.mark.measured
def test_what_is_missing_or_wrong_goes_on(peopled: Commands) -> None:
    """Each such line gets its own answer, the next lines theirs, and the exit code is 17."""
    done = peopled("shell", stdin=b"nobody\nkey nonsense\nname\n\xff\xfe\nusername\n")
    lines = done.out.splitlines()
    assert done.code == 17 and done.err == "n2k: not found: results for 4 lines\n"
    assert lines[0] == "not found: nobody"
    assert lines[1] == "bad key 'nonsense': a key is a UUID of 32 hexadecimal digits"
    assert lines[2] == "bad name '': it is empty"
    assert lines[3].startswith("bad name ") and lines[3].isascii()
    assert lines[4].startswith("Username Resident\t")


def test_captures_say_when(n2k: Commands) -> None:
    """A registered avatar is printed with the time when it was last seen."""
    n2k("register", "New Comer", OTHER)
    (line,) = _answers(n2k, "new comer")
    source = line.split("\t")[3]
    assert source.startswith("seen 2") and source.endswith("Z") and len(source) == len("seen 2026-01-02T03:04:05Z")


@pytest.mark.measured
def test_a_grid_is_preferred(peopled: Commands) -> None:
    """A name that two grids know is answered from the preferred one; a name that it lacks, from the others."""
    peopled("import", "--grid", "OpenSim", "--as-of", "2026-01-03", "-", stdin=f"{OTHER},Governor Linden\n".encode())
    lines = _answers(peopled, "grid", "governor linden", "grid opensim", "governor linden", "username", "grid \x07")
    assert lines[0] == "grid: Production"
    assert lines[1] == f"Governor Linden\t{GOVERNOR}\tProduction\t{DUMP}"
    assert lines[2] == "grid: OpenSim"
    assert lines[3] == f"Governor Linden\t{OTHER}\tOpenSim\tdump of 2026-01-03"
    assert lines[4].startswith("Username Resident\t") and lines[5].startswith("bad grid ")


def test_all_shows_grids_and_former_names(peopled: Commands) -> None:
    """``all`` prints every avatar that has or had the name, with current and former names, from dumps and captures."""
    renamed = PEOPLE.replace(b"Governor Linden", b"Governor Second")
    peopled("import", "--as-of", "2026-01-03", "-", stdin=renamed)
    peopled("register", "Governor Third", GOVERNOR)
    peopled("register", "Governor Fourth", GOVERNOR)
    peopled("register", "--grid", "OpenSim", "Governor Linden", OTHER)
    by_name = [line.split("\t") for line in _answers(peopled, "all governor linden")]
    by_key = [line.split("\t") for line in _answers(peopled, f"all {GOVERNOR.upper()}")]
    assert [(name, source.startswith("former name, ")) for name, _, _, source in by_key] == [
        ("Governor Fourth", False),
        ("Governor Third", True),
        ("Governor Second", True),
        ("Governor Linden", True),
    ]
    assert by_key[3][3] == f"former name, {DUMP}"
    assert by_name[0][:3] == ["Governor Linden", OTHER, "OpenSim"] and by_name[1:] == by_key
    assert _answers(peopled, "all nobody", f"all {MASAKAZU[:-1]}1")[0] == "not found: nobody"


@pytest.mark.measured
def test_stats_help_quit(peopled: Commands) -> None:
    """The commands work, and no line after quit is read."""
    lines = _answers(peopled, "stats", "help", "quit", "username")
    assert lines[0] == f"3 avatars, 0 captures, generation {peopled.live()}"
    assert lines[1].startswith("Type a name or a key") and lines[-1] == "  quit           leave"


def test_words_are_commands_in_lower_case_only(peopled: Commands) -> None:
    """An avatar with the name of a command is found by ``name``, in capitals, and by the dotted name."""
    peopled("register", "Grid Stats", OTHER)
    lines = _answers(peopled, "name grid stats", "Grid Stats", "grid.stats")
    assert [line.split("\t")[1] for line in lines] == [OTHER] * 3


def test_a_new_generation_is_noticed(n2k: Commands) -> None:
    """An open shell answers from a dump that was imported meanwhile."""
    n2k("init")
    with _shell(n2k) as terminal:
        terminal.type("governor linden\n")
        terminal.wait_for("not found: governor linden")
        terminal.wait_for(PROMPT)
        n2k.has_people()
        terminal.type("governor linden\n")
        terminal.wait_for(GOVERNOR)


def test_a_missing_store_is_said_at_once(n2k: Commands) -> None:
    """Without a data directory there is no prompt, but the usual exit code."""
    assert n2k("shell", stdin=b"x\n").code == 40
    with on_terminal(n2k.command("shell"), n2k.environment()) as terminal:
        assert PROMPT not in terminal.rest()
    assert not n2k.data_dir.exists()


def test_a_store_that_breaks_ends_a_piped_run(peopled: Commands) -> None:
    """A damaged store is not "not found": a piped run ends with the store's own exit code."""
    peopled.damaged = True
    path = peopled.data_dir / "generations" / peopled.live() / "data.mdb"
    path.write_bytes(b"")
    done = peopled("shell", stdin=b"username\nusername\n")
    assert (done.code, done.out) == (42, "")


@contextmanager
def _shell(n2k: Commands) -> Iterator[Terminal]:
    """A shell at its first prompt; it must end well when ``quit`` is typed."""
    with on_terminal(n2k.command("shell"), n2k.environment()) as terminal:
        terminal.wait_for(PROMPT)
        yield terminal
        terminal.type("quit\n")
        terminal.rest()
        assert terminal.process.returncode == 0


@pytest.mark.measured
def test_a_prompt_answers(peopled: Commands) -> None:
    """On a terminal there is a prompt before each line, and a wrong line does not end the shell."""
    with _shell(peopled) as terminal:
        assert terminal.seen.startswith("Type a name or a key; 'help' for more")
        terminal.type("nobody\n")
        terminal.wait_for("not found: nobody")
        terminal.wait_for(PROMPT)
        terminal.type("username\n")
        terminal.wait_for(f"Username Resident\t{USERNAME}")
        terminal.wait_for(PROMPT)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("gov\t\n", GOVERNOR),
        ("Masakazu K\t\n", MASAKAZU),
        ("name user\t\n", USERNAME),
        ("all MASA\t\n", MASAKAZU),
        ("grid op\t\n", "grid: OpenSim"),
        ("st\t\n", "3 avatars, "),
    ],
)
@pytest.mark.measured
def test_tab_completes(peopled: Commands, typed: str, answer: str) -> None:
    """Names, names after a command, grids and commands are completed; case does not matter."""
    with _shell(peopled) as terminal:
        terminal.type(typed)
        terminal.wait_for(answer)
        terminal.wait_for(PROMPT)


@pytest.mark.measured
def test_tab_with_many_names(n2k: Commands) -> None:
    """Tab offers 20 of many names, in columns; on an empty line only the commands."""
    n2k("import", "-", stdin=n2k.bare("sample", "--rows", "2000", "-o", "-").raw)
    with _shell(n2k) as terminal:
        terminal.type("Ba\t\t\t")
        terminal.wait_for("\n")
        assert len(re.findall("^Ba|  Ba", terminal.wait_for(PROMPT), re.MULTILINE)) == 20
        terminal.type("\x15\t\t")
        assert "Ba" not in terminal.wait_for("stats").partition("all")[2]
        terminal.type("\x15")


@pytest.mark.measured
def test_ctrl_c_clears_the_line(peopled: Commands) -> None:
    """Ctrl-C discards the line and shows a new prompt; Ctrl-D ends the shell."""
    with on_terminal(peopled.command("shell"), peopled.environment()) as terminal:
        terminal.wait_for(PROMPT)
        terminal.type("half a na")
        terminal.wait_for("half a na")
        terminal.interrupt()
        terminal.wait_for(PROMPT)
        terminal.type("username\n")
        terminal.wait_for(f"\nUsername Resident\t{USERNAME}")
        terminal.wait_for(PROMPT)
        terminal.type("\x04")
        shown = terminal.rest()
    assert terminal.process.returncode == 0 and "Traceback" not in shown and "not found" not in shown


def test_the_history_is_kept_and_private(peopled: Commands) -> None:
    """The next shell has the lines of this one, from a file of mode 0600."""
    with _shell(peopled) as terminal:
        terminal.type("username\n")
        terminal.wait_for(USERNAME)
        terminal.wait_for(PROMPT)
    history = peopled.data_dir / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert history.read_text().splitlines() == ["username", "quit"]
    with _shell(peopled) as terminal:
        terminal.type("\x10\x10\n")  # twice Ctrl-P: the line before the last
        terminal.wait_for(USERNAME)
        terminal.wait_for(PROMPT)


def test_piped_lines_are_no_history(peopled: Commands) -> None:
    """A piped run writes no history."""
    _answers(peopled, "username")
    assert not (peopled.data_dir / "history").exists()
