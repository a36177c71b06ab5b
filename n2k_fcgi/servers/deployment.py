"""Putting the service on a web host: dispatch.fcgi and the block in .htaccess, or a refusal that says why.

A web server starts the script with next to no environment, as some user, maybe through suEXEC. So the script names its
interpreter and its data by absolute paths, and what it runs must not be writable by others.
"""

import contextlib
import hashlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import __version__
from n2k_fcgi.errors import DeployRefused
from n2k_fcgi.servers.htaccess import block, merged
from n2k_fcgi.store.lmdb.layout import GENERATIONS

HTACCESS = ".htaccess"
OURS = "# Written by 'n2k deploy'"
"""How a script of ours is known; another one is never touched."""

PACKAGES = ("n2k_fcgi", "werkzeug", "flup", "lmdb", "loguru", "click")
"""What a worker may import."""
DISTRIBUTIONS = ("click", "flup6", "lmdb", "loguru", "werkzeug")

WEB_ROOTS = frozenset({"public_html", "htdocs", "www", "html", "httpdocs"})
"""Names of folders that hosts serve. The DocumentRoot itself is in the server's configuration, which we cannot read."""

SHEBANG_BYTES = 127
"""What every Linux takes as the first line; since 5.1 it is 255 (execve(2), "Interpreter scripts")."""

SCRIPT_MODE, HTACCESS_MODE = 0o755, 0o644

_SCRIPT = """\
{first}
{ours} for n2k_fcgi {version} (code {code}): run that again instead of changing this.
from n2k_fcgi.start import run

run("n2k_fcgi.servers.fastcgi", {arguments})
"""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class Deployment(NamedTuple):
    """What to put where."""

    web_dir: Path
    data_dir: Path
    name: str = "dispatch.fcgi"
    config: Path | None = None
    """The settings file, when it is not the data directory's own."""


class Written(NamedTuple):
    """One file, and whether it had to be written."""

    path: Path
    changed: bool


def deploy(plan: Deployment) -> list[Written]:
    """Write the script and the block; what is right already keeps its bytes and its inode. Raises DeployRefused.

    Both files are replaced by rename: mod_fcgid knows its processes by the script's inode, so that a deployment after
    an update starts new ones, and no request ever meets half a file.
    """
    refuse_unsafe(plan)
    script, htaccess = plan.web_dir / plan.name, (plan.web_dir / HTACCESS).resolve()
    old_script, old_htaccess = _read(script), _read(htaccess)
    if old_script is not None and OURS.encode() not in old_script:
        raise DeployRefused(why=f"{plan.name} is there and not ours: move it away, or choose another --name")
    new_script, new_htaccess = script_text(plan).encode("ascii"), merged(old_htaccess or b"", block(plan.name))
    mode = HTACCESS_MODE if old_htaccess is None else stat.S_IMODE(htaccess.stat().st_mode)
    return [_put(script, old_script, new_script, SCRIPT_MODE), _put(htaccess, old_htaccess, new_htaccess, mode)]


def script_text(plan: Deployment) -> str:
    """The text of dispatch.fcgi. It changes with the code, so that deploying again after an update rolls the workers."""
    given = {"data_dir": plan.data_dir, "config": plan.config}
    arguments = ", ".join(f"{name}={str(path)!a}" for name, path in given.items() if path is not None)
    first = first_lines(sys.executable)
    return _SCRIPT.format(first=first, ours=OURS, version=__version__, code=code_digest(), arguments=arguments)


def first_lines(interpreter: str) -> str:
    """What starts *interpreter*, isolated from the user's own site-packages. Raises DeployRefused for an odd path.

    A path with a space or too long for a ``#!`` line goes through the shell, by a line that means nothing to Python.
    """
    if not interpreter.isascii() or not interpreter.isprintable() or set(interpreter) & set('"$`\\'):
        raise DeployRefused(why=f"no script can start the interpreter {interpreter!r}: install in a path of plain letters")
    direct = f"#!{interpreter} -I"
    if " " not in interpreter and len(direct) <= SHEBANG_BYTES:
        return direct
    return f'#!/bin/sh\n"exec" "{interpreter}" "-I" "$0" "$@"'


def code_digest() -> str:
    """Eight letters that change when this package or one of its dependencies does."""
    digest = hashlib.sha256()
    for package in DISTRIBUTIONS:
        digest.update(f"{package} {version(package)}\n".encode())
    for file in sorted(_package_folder("n2k_fcgi").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def refuse_unsafe(plan: Deployment) -> None:
    """Raise DeployRefused for what would not run, would publish data, or would let others change what runs."""
    if not _NAME.fullmatch(plan.name):
        raise DeployRefused(why=f"{plan.name!r} is no file name for a script: letters, digits, '.', '-' and '_'")
    if not plan.web_dir.is_dir():
        raise DeployRefused(why=f"no such folder: {plan.web_dir}")
    if not os.path.isdir(plan.data_dir / GENERATIONS):  # Path.is_dir raises where we may not look
        raise DeployRefused(why=f"no data yet: run 'n2k --dir {plan.data_dir} init' first")
    root = web_root_around(plan.data_dir, plan.web_dir)
    if root is not None:
        raise DeployRefused(why=f"the data lies below the web root {root}: move it out, and say where by --dir")
    if plan.web_dir.resolve().is_relative_to(plan.data_dir.resolve()):
        raise DeployRefused(why="the web folder lies in the data directory: nothing in there is for the web")
    _refuse_open_to_all(plan.web_dir)
    refuse_bad_installation()


def refuse_bad_installation() -> None:
    """Raise DeployRefused when others could change the code, or the script, which starts with -I, could not import it.

    What only the shell's environment or the user's own site-packages give is missing then.
    """
    for path in (_package_folder("n2k_fcgi"), Path(sys.executable), Path(sys.executable).resolve()):
        _refuse_open_to_all(path)
    command = [sys.executable, "-I", "-c", "import " + ", ".join(PACKAGES)]
    done = subprocess.run(command, cwd="/", env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise DeployRefused(why=f"the web server could not import it ({last}): install it in a virtual environment")


def web_root_around(data_dir: Path, web_dir: Path) -> Path | None:
    """The folder that a web server serves, or may, with *data_dir* in it; None when the data is out of its reach."""
    data, web = data_dir.resolve(), web_dir.resolve()
    if data.is_relative_to(web):
        return web
    served = (folder for folder in web.parents if folder.name.lower() in WEB_ROOTS)
    return next((folder for folder in served if data.is_relative_to(folder)), None)


def writable_by_all(path: Path) -> Path | None:
    """*path* or the folder above it that everybody may write to, which lets everybody replace *path*.

    A sticky folder such as /tmp lets only owners replace what is in it.
    """
    for place in (path.absolute(), *path.absolute().parents):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            return place
    return None


def compile_code() -> bool:
    """Write the .pyc files of all that a worker imports, which makes its start four times as fast; False: not all."""
    from compileall import compile_dir

    return all([compile_dir(str(_package_folder(name)), quiet=2) for name in PACKAGES])


def likely_url(web_dir: Path) -> str:
    """The address that *web_dir* seems to have; hosts name folders after domains, or after nothing."""
    parts = web_dir.resolve().parts
    host, below = "YOUR-SITE", parts[len(parts) :]
    for at, part in enumerate(parts):
        if part.lower() in WEB_ROOTS:
            below = parts[at + 1 :]
        elif re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", part.lower()):
            host, below = part, parts[at + 1 :]
    return "/".join([f"https://{host}", *below, ""])


def _refuse_open_to_all(path: Path) -> None:
    place = writable_by_all(path)
    if place is not None:
        raise DeployRefused(why=f"anybody can change {place} and so what runs: chmod o-w it, or move elsewhere")


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DeployRefused(why=f"the package {name!r} is missing: install n2k_fcgi again")
    return Path(spec.submodule_search_locations[0])


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeployRefused(why=f"cannot read {path.name}: {error.strerror}") from None


def _put(path: Path, before: bytes | None, content: bytes, mode: int) -> Written:
    """Have *path*, which holds *before*, hold *content* with *mode*; replaced by rename, and only when it differs."""
    try:
        if before == content:
            if stat.S_IMODE(path.stat().st_mode) != mode:
                path.chmod(mode)
            return Written(path, False)
        with _taking_the_place_of(path) as fd, os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(content)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        raise DeployRefused(why=f"cannot write {path.name}: {error.strerror}") from None
    return Written(path, True)


@contextlib.contextmanager
def _taking_the_place_of(path: Path) -> Iterator[int]:
    """A new file beside *path*, renamed over it when the block ends well."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield fd
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
