"""Most commands of these tests are forked by a warm process: what they do is what a start of the installed script does."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Commands, Done

NAMES = "\n".join(["Masakazu Kojima", "Jürgen Ü", "x" * 3000, "nobody.known"] * 50).encode()


def both(n2k: Commands, monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: bytes = b"", **variables: str) -> list[Done]:
    """The command, from the warm process (unless COLD says that there is none) and started anew."""
    done = []
    for each in (Commands.warm, None):
        monkeypatch.setattr(Commands, "warm", each)
        done.append(n2k(*arguments, stdin=stdin, **variables))
    return done


@pytest.mark.parametrize(
    "command",
    ["lookup Masakazu\xa0Kojima", "lookup nobody.known", "lookup", "lookup --stdin", "nonsense", "--version", "import --help",
     "import missing.csv", "export -", "check", "config"],
)  # fmt: skip
def test_a_warm_start_is_like_a_cold_one(peopled: Commands, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Exit code and every byte of both outputs; a relative path is one of the folder that the caller is in."""
    monkeypatch.chdir(peopled.data_dir.parent)
    arguments = [word.replace("\xa0", " ") for word in command.split(" ")]
    warm, cold = both(peopled, monkeypatch, *arguments, stdin=NAMES, N2K_GRID="OpenSim", COLUMNS="60")
    assert (warm.code, warm.raw, warm.err) == (cold.code, cold.raw, cold.err)


def test_the_environment_is_that_of_the_command(n2k: Commands) -> None:
    """All of it, and nothing of the process that forks."""
    shown = n2k("config", N2K_MAX_GRIDS="7")
    assert "max_grids = 7" in shown.out and "max_grids = 7" not in n2k("config").out


def test_a_warm_process_has_imported_nothing_more_than_a_lookup(peopled: Commands) -> None:
    """So that a command that forgets an import fails here as it does elsewhere."""
    shown = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    warm = modules(shown + "import tests.support.warm; tests.support.warm._imports()")
    lookup = ["--dir", str(peopled.data_dir), "lookup", "nobody.known"]
    cold = modules(shown + "from n2k_fcgi.__main__ import main; main()", *lookup)
    ours = {name for name in warm if name.partition(".")[0] in ("n2k_fcgi", "click", "lmdb", "loguru", "werkzeug")}
    assert len(ours) > 20 and ours <= cold


def modules(code: str, *arguments: str) -> set[str]:
    """What *code* prints to standard error in the end."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=root, capture_output=True, text=True)
    return set(done.stderr.split())
