"""The code that a web server's process would run: whether it can be imported, who can change it, and its digest."""

import hashlib
import os
import stat
import subprocess
import sys
from ast import literal_eval
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from n2k_fcgi.errors import DeployRefused, is_no_memory

PACKAGES = ("n2k_fcgi", "werkzeug", "flup", "lmdb", "loguru", "click")
"""What a worker may import."""
DISTRIBUTIONS = ("click", "flup6", "lmdb", "loguru", "werkzeug")


def code_digest() -> str:
    """Eight hexadecimal digits that change with this package and its dependencies, and reveal nothing else.

    Takes some milliseconds: computed when deploying or starting a server by hand, never by a worker.
    """
    digest = hashlib.sha256()
    for package in DISTRIBUTIONS:
        digest.update(f"{package} {_version(package)}\n".encode())
    for file in sorted(_package_folder("n2k_fcgi").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def refuse_bad_installation() -> None:
    """Raise DeployRefused if others could change what a worker imports, or the script could not import it, started with -I.

    Packages from the shell's environment or the user's own site-packages are missing with -I.
    """
    for path in (*map(Path, places_of_packages()), Path(sys.executable), Path(sys.executable).resolve()):
        refuse_open_to_all(path)
    command = [sys.executable, "-I", "-c", "import " + ", ".join(PACKAGES)]
    try:
        done = subprocess.run(command, cwd="/", env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        if is_no_memory(error):
            raise
        what = f"no process can be started to test it ({error.strerror})"
        raise DeployRefused(why=f"{what}: end other processes, or try again later") from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise DeployRefused(why=f"the web server could not import it ({last}): install it in a virtual environment")
    for folder in map(Path, folders_of_packages() or ()):
        if folder.exists():  # Python's path also names a zip file that is rarely there
            refuse_open_to_all(folder)


def places_of_packages() -> list[str]:
    """The folder of each of PACKAGES. Raises DeployRefused if one is missing."""
    return [str(_package_folder(name)) for name in PACKAGES]


@cache
def folders_of_packages() -> list[str] | None:
    """The folders from which a worker's packages are imported when Python starts with -S; None: not possible on this host.

    They are those that the module ``site`` finds, and those of packages that it finds in another way, as of a checkout.
    Kept, since it starts Python twice, and a deployment asks for them twice.
    """
    places = [os.path.dirname(place) for place in places_of_packages()]
    with_site = f"import sys; print(*map(repr, [p for p in (*sys.path, *{places!r}) if p]), sep=',')"
    found = _said("-I", with_site)
    without = f"import sys; new = [p for p in dict.fromkeys([{found}]) if p not in sys.path]; sys.path += new"
    listed = _said("-IS", f"{without}; import {', '.join(PACKAGES)}; print(*map(repr, new), sep=',')") if found else ""
    return list(literal_eval(f"[{listed}]")) or None


def _said(options: str, code: str) -> str:
    """What this interpreter prints, started as a web server does it; '': it failed."""
    done = subprocess.run(
        [sys.executable, options, "-c", code],
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def refuse_open_to_all(path: Path) -> None:
    """Raise DeployRefused if everybody may replace *path*."""
    place = writable_by_all(path)
    if place is not None:
        raise DeployRefused(why=f"anybody can change {place} and thus the code: chmod o-w it, or move elsewhere")


def writable_by_all(path: Path) -> Path | None:
    """*path* or the folder above it that everybody may write to, so that everybody may replace *path*; None: there is none.

    In a sticky folder such as /tmp only owners may replace files.
    """
    for place in (path.absolute(), *path.absolute().parents):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            return place
    return None


def is_own_application(app: Path) -> bool:
    """Whether a probe may write to the folder *app*, and remove what it wrote: it is no link, ours, and not open to all."""
    return is_own(app, stat.S_IWOTH) and writable_by_all(app) is None


def is_own(folder: Path, forbidden: int) -> bool:
    """Whether it is a folder of this user, without these bits of its mode."""
    try:
        found = folder.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no path
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & forbidden


def compile_code() -> bool:
    """Write the .pyc files of all that a worker imports, so that it starts four times as fast; False: not all were written."""
    from compileall import compile_dir  # late: for one command

    return all([compile_dir(str(_package_folder(name)), quiet=2) for name in PACKAGES])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # copied without its metadata
        return "unknown"


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DeployRefused(why=f"the package {name!r} is missing: install n2k_fcgi again")
    return Path(spec.submodule_search_locations[0])
