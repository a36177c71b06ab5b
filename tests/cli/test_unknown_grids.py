"""``--grid`` with an unknown grid: any text is a valid name of one, so a warning helps if it was mistyped."""

from pathlib import Path

import pytest

from tests.support.commands import PEOPLE, Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU, csv

NEW = "'OpenSmi' is not in the setting 'grids': it becomes a new grid (did you mean OpenSim?)\n"
URL = "http://example.com/n2k/"


@pytest.mark.parametrize("command", ["import", "update", "register"])
def test_storing_for_a_new_grid_says_so_once(n2k: Commands, tmp_path: Path, command: str) -> None:
    """With the similar grid; the command is carried out; the second time the grid is known."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    what = ["Some One", MASAKAZU] if command == "register" else [dump]
    done = n2k(command, "--grid", "OpenSmi", *what)
    assert (done.code, done.err.count(NEW)) == (0, 1), done
    again = n2k(command, "--grid", "OpenSmi", *what)
    assert (again.code, NEW in again.err) == (0, False), again


@pytest.mark.parametrize("arguments", [["token", "create", "--scope", "register"], ["lsl", "--url", URL, "touch"]])
def test_a_token_or_script_for_a_new_grid_says_so(n2k: Commands, arguments: list[str]) -> None:
    """Options come before the name of a script."""
    done = n2k(*arguments, "--grid", "OpenSmi")
    assert (done.code, done.err.startswith(NEW)) == (0, True), done
    assert "from now on" not in n2k(*arguments, "--grid", "opensim").err


def test_a_grid_that_is_like_no_other(n2k: Commands) -> None:
    """There is no suggestion, the label is shown as typed; silent with -q, and for a grid of the settings."""
    done = n2k("import", "--grid", "Farland", "-", stdin=PEOPLE)
    assert done.err.startswith("'Farland' is not in the setting 'grids': it becomes a new grid\n")
    assert n2k("-q", "import", "--grid", "Another", "-", stdin=PEOPLE).err == ""
    (n2k.data_dir / "n2k.ini").write_text("[n2k]\ngrids = Production, Third\n")
    assert "from now on" not in n2k("import", "--grid", "third", "-", stdin=PEOPLE).err


@pytest.mark.parametrize("arguments", [["lookup", GOVERNOR], ["search", "gov"], ["pending"], ["export", "-"]])
def test_looking_at_an_unknown_grid_says_so(peopled: Commands, arguments: list[str]) -> None:
    """In addition to the usual output and exit code; silent for a grid of the settings."""
    done = peopled(*arguments, "--grid", "Prodution")
    assert done.err.startswith("no avatar is known on the grid 'Prodution' (did you mean Production?)\n")
    without = peopled(*arguments, "--grid", "Testing")
    assert (done.code, done.out) == (without.code, without.out)
    assert "nothing is known" not in without.err
    peopled("import", "--grid", "Farland", "-", stdin=csv((GOVERNOR, "Governor Linden")).encode())
    assert "nothing is known" not in peopled(*arguments, "--grid", "farland").err


def test_the_shell_says_so_too(peopled: Commands) -> None:
    """In the answer to the line."""
    done = peopled("shell", stdin=b"grid opensmi\ngrid opensim\ngrid faraway\n")
    assert done.out.splitlines() == [
        "grid: opensmi: no avatar is known on it (did you mean OpenSim?)",
        "grid: OpenSim",
        "grid: faraway: no avatar is known on it",
    ]
