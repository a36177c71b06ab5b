"""The repository's own dispatch.fcgi: the same service from a checkout."""

import os
import shutil
import sys
import sysconfig
import venv
from pathlib import Path

from tests.support.asking import over_cgi
from tests.support.hosting import REPOSITORY, Account

MASAKAZU = b"a27b84f0-2757-4176-9579-43a181d4a5a0"


def checkout(folder: Path) -> Path:
    """The dispatch.fcgi of a checkout that is not installed."""
    shutil.copytree(REPOSITORY / "n2k_fcgi", folder / "n2k_fcgi")
    return Path(shutil.copy2(REPOSITORY / "dispatch.fcgi", folder))


def make_environment(folder: Path) -> None:
    """A virtual environment with the packages of this one."""
    venv.create(folder, symlinks=True, with_pip=False)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")


def test_it_can_be_run_by_a_web_server() -> None:
    """It is executable and has LF line ends: with CR LF it would be a 500 without a message."""
    script = REPOSITORY / "dispatch.fcgi"
    assert os.access(script, os.X_OK) and b"\r" not in script.read_bytes()


def test_it_serves_the_directory_that_the_environment_names(tmp_path: Path) -> None:
    """N2K_DIR is the data directory; the interpreter is the first python3 of PATH."""
    account = Account(tmp_path / "home")
    make_environment(tmp_path / "tools")
    environment = {"PATH": f"{tmp_path}/tools/bin:/usr/bin:/bin", "N2K_DIR": str(account.data)}
    script = checkout(tmp_path / "checkout")
    reply = over_cgi(str(script), environment)("GET", "/?name=masakazu.kojima", {}, b"")
    assert (reply.status, reply.body) == (200, MASAKAZU)


def test_it_prefers_the_checkouts_own_environment_and_default_directory(tmp_path: Path) -> None:
    """With .venv in the checkout any python3 can start it; without N2K_DIR the data is in ~/n2k-data."""
    account = Account(tmp_path / "home")
    script = checkout(tmp_path / "checkout")
    make_environment(script.parent / ".venv")
    bare = tmp_path / "bare"
    venv.create(bare, symlinks=True, with_pip=False)
    environment = {"PATH": f"{bare}/bin:/usr/bin:/bin", "HOME": str(account.home)}
    reply = over_cgi(str(script), environment)("GET", "/?name=masakazu.kojima", {}, b"")
    assert (reply.status, reply.body) == (200, MASAKAZU)
