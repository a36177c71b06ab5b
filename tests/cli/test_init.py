"""``n2k init``."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from n2k_fcgi.config import load
from tests.support.commands import Commands


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_look(n2k: Commands) -> None:
    """Folders have mode 0700 and files 0600, whatever the umask is."""
    done = subprocess.run(
        ["sh", "-c", 'umask 0; exec "$@"', "sh", *n2k.command("init")], env=n2k.environment(), capture_output=True
    )
    assert done.returncode == 0
    paths = [n2k.data_dir, *n2k.data_dir.rglob("*")]
    assert {_mode(path) for path in paths if path.is_dir()} == {0o700}
    assert {_mode(path) for path in paths if path.is_file()} == {0o600}


def test_what_it_says(n2k: Commands) -> None:
    """The directory on standard output; the paths of settings and token on standard error; the token itself on neither."""
    done = n2k("init")
    token = (n2k.data_dir / "token").read_text().strip()
    assert (done.code, done.out) == (0, f"{n2k.data_dir}\n")
    assert done.err.splitlines()[0] == f"settings: {n2k.data_dir}/n2k.ini"
    assert f"in {n2k.data_dir}/token" in done.err
    assert len(token) == 81 and token not in done.out + done.err


def test_a_second_run_keeps_everything(n2k: Commands) -> None:
    """Token and settings are kept, edited ones, too."""
    n2k("init")
    settings = n2k.data_dir / "n2k.ini"
    settings.write_text(settings.read_text().replace("#keep = 2", "keep = 3"))
    before = n2k.contents()
    done = n2k("init")
    assert (done.code, done.out, done.err) == (0, f"{n2k.data_dir}\n", "")
    assert n2k.contents() == before
    assert load(environment={}, flags={"data_dir": str(n2k.data_dir)}).settings.keep == 3


def test_the_settings_file_is_all_defaults(n2k: Commands) -> None:
    """The new settings file names every setting, commented out, and changes none."""
    n2k("init")
    loaded = load(environment={}, flags={"data_dir": str(n2k.data_dir)})
    text = (n2k.data_dir / "n2k.ini").read_text()
    assert set(loaded.set_by.values()) == {"default", "command line"}
    assert all(f"\n#{name} = " in text for name in loaded.set_by if name != "data_dir")


def test_without_tokens_a_new_one_is_made(n2k: Commands) -> None:
    """A directory that another command created has no token; init adds one and prints its path."""
    n2k("import", "-", stdin=b"a27b84f0-2757-4176-9579-43a181d4a5a0,Masakazu Kojima\n")
    assert not (n2k.data_dir / "token").exists()
    assert n2k("init").code == 0
    token = (n2k.data_dir / "token").read_text().strip()
    assert token.split("_")[1] in n2k("token", "list").out


def test_a_file_in_the_way_is_said(n2k: Commands) -> None:
    """If the data directory is a file, it is refused in one line, and the file is kept."""
    n2k.data_dir.write_text("mine")
    done = n2k("init")
    assert done.code == 41 and done.err.count("\n") == 1 and str(n2k.data_dir) in done.err
    assert n2k.data_dir.read_text() == "mine"


@pytest.mark.parametrize("what", ["index.html", "index.php", ".htaccess", "dispatch.fcgi", "public_html"])
def test_a_folder_of_the_web_is_refused(n2k: Commands, what: str) -> None:
    """A folder with a site in it, or named like a web root: nothing is written, and the line says what to use it for."""
    if what == "public_html":
        n2k.data_dir = n2k.data_dir / what
        n2k.data_dir.mkdir(parents=True)
    else:
        n2k.data_dir.mkdir()
        (n2k.data_dir / what).touch()
    before = list(n2k.data_dir.iterdir())
    done = n2k("init")
    assert (done.code, done.out, "it is a web folder" in done.err, "n2k deploy" in done.err) == (80, "", True, True)
    assert list(n2k.data_dir.iterdir()) == before
    n2k.damaged = True


@pytest.mark.measured
def test_below_a_web_root_is_warned_of(n2k: Commands) -> None:
    """A warning only, because the name alone does not make it a web root."""
    n2k.data_dir = n2k.data_dir / "htdocs" / "n2k-data"
    done = n2k("init")
    assert (done.code, f"warning: the data is below the web root {n2k.data_dir.parent}" in done.err) == (0, True)


@pytest.mark.measured
def test_a_folder_that_others_may_enter_is_warned_of(n2k: Commands) -> None:
    """An existing folder keeps its mode, which may be intended; the line has the command. A new one is private."""
    n2k.data_dir.mkdir(mode=0o755)
    done = n2k("init")
    said = f"warning: {n2k.data_dir} has mode 755, others have access: chmod 700 {n2k.data_dir}"
    assert (done.code, said in done.err) == (0, True), done
    n2k.data_dir.chmod(0o700)
    assert "warning" not in n2k("init").err


@pytest.mark.parametrize("command", [["lookup", "governor"], ["generations"], ["import", "-"], ["token", "list"]])
@pytest.mark.measured
def test_the_data_of_another_user(peopled: Commands, command: list[str]) -> None:
    """If the data directory cannot be entered, every command says as which user to run it."""
    peopled.data_dir.chmod(0)
    try:
        done = subprocess.run(
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", *peopled.command(*command)]
            if os.geteuid() == 0
            else peopled.command(*command),
            env=peopled.environment(),
            capture_output=True,
            text=True,
        )
    finally:
        peopled.data_dir.chmod(0o700)
    said = "(run it as the user who owns the data, or have that user set "  # a long path cuts the rest
    assert (done.returncode, said in done.stderr) == (41, True), done
