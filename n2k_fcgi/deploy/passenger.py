"""Passenger, as cPanel's "Setup Python App" runs it: ``passenger_wsgi.py`` with a module-level ``application``.

The file is in a folder of its own outside the web root, which the control panel, or the server's configuration, names as the
application's: stock Passenger takes ``PassengerAppRoot`` from there alone ("not allowed here" in ``.htaccess``, tried with
6.0.17). The block keeps the files of the web folder from being handed out, which Passenger does with every file that is there.
"""

import os
import re
import sys
from ast import literal_eval
from collections.abc import Collection
from pathlib import Path

from n2k_fcgi import __version__
from n2k_fcgi.deploy.htaccess import Unsafe, file_of, without_block
from n2k_fcgi.deploy.installation import (
    code_digest,
    folders_of_packages,
    is_own_application,
    places_of_packages,
    refuse_open_to_all,
)
from n2k_fcgi.deploy.kind import Deployment, File, Kind, Trial, Wanted, probe_answer, refuse_options
from n2k_fcgi.deploy.replacing import content, is_file, read
from n2k_fcgi.deploy.rewriting import CERTIFICATES
from n2k_fcgi.deploy.script import OURS, PROBE, is_ours, is_probe
from n2k_fcgi.deploy.webroot import site_around, web_root_around
from n2k_fcgi.errors import DeployRefused

PAGE = "hosting/passenger.md"
NAME = "passenger_wsgi.py"
RESTART = "tmp/restart.txt"
"""Passenger loads the application anew when this file is newer than the process."""

FRONT_PAGE = "index.html"
"""Passenger looks for the address with ``.html``, a file that our rules do not hand out: 404. This one would hide the root."""

_MODE = 0o644
_BEGINNING = """\
{ours} for n2k_fcgi {version} (code {code}): run that again instead of changing this.
import os
import sys

# For the folder {web_dir}
PYTHON, INTERPRETER, FOLDERS = {python}, {interpreter!a}, {folders!a}
PACKAGES = {packages!a}
if sys.version_info[:2] == PYTHON and all(map(os.path.exists, PACKAGES)):  # whatever environment the panel has made
    sys.path[:0] = [folder for folder in FOLDERS if folder not in sys.path]
elif getattr(sys, "argv", [""])[0].endswith("/wsgi-loader.py") and sys.executable != INTERPRETER:
    os.execv(INTERPRETER, [INTERPRETER] + sys.argv)  # Passenger's loader begins again, with the Python that has n2k_fcgi

"""
"""For any Python that a panel may start, 2.7 included. A server that has Python in itself must have the right version.

No path is in the first two lines: ``coding: x`` in it would be taken for the encoding of the file (PEP 263).
"""
_APPLICATION = """\
# Made with this file: {made}
from n2k_fcgi.servers.hosted import HostedApplication

application = HostedApplication({arguments})
"""
_TRIAL = """\
{probe}
from n2k_fcgi.servers.fastcgi.probing import Probe

application = Probe({nonce!a}, {kind!a})
"""

_PANEL = re.compile(rb"^[ \t]*PassengerAppRoot[ \t]+(?:\"([^\"\n]+)\"|(\S+))", re.MULTILINE | re.IGNORECASE)
_BLOCK = re.compile(rb"^# Kind: passenger, in (.+)$", re.MULTILINE)
_MADE = re.compile(rb"^# Made with this file: (.*)$", re.MULTILINE)
_FOLDER = re.compile(rb"^# For the folder ('.*'|\".*\")$", re.MULTILINE)


def wanted(plan: Deployment, rules: bytes) -> Wanted:
    """``passenger_wsgi.py``, and rules without a script."""
    refuse_options(Kind.PASSENGER, spread=plan.spread, name=plan.name)
    app = app_of(plan, rules)
    _refuse_unsafe(app, plan, rules)
    given = {"data_dir": plan.data_dir, "config": plan.config, "code": code_digest()}
    arguments = ", ".join(f"{name}={str(value)!a}" for name, value in given.items() if value is not None)
    now = read(app / NAME)
    made = _absent(app) if now is None or is_probe(now) else _made_with(app, now)
    came = " ".join(str(place.relative_to(app)) for place in made)
    text = _beginning(plan) + _APPLICATION.format(made=came, arguments=arguments)
    lines = [
        f"# Kind: passenger, in {app}",
        "Options -MultiViews",
        "DirectoryIndex disabled",
        "RewriteEngine On",
        CERTIFICATES,
        "RewriteCond %{REQUEST_FILENAME} -f",
        "RewriteRule ^ - [R=404,L]",
    ]
    return Wanted([File(app / NAME, text.encode("ascii"), _MODE)], lines, app / RESTART, made)


def application_in(rules: bytes) -> Path | None:
    """The ``passenger_wsgi.py`` that the block in *rules* names."""
    found = _BLOCK.search(rules)
    return Path(os.fsdecode(found[1])) / NAME if found else None


def is_for(text: bytes, app: Path, web_dir: Path, *, is_named: bool) -> bool:
    """Whether our ``passenger_wsgi.py`` *text* in *app* belongs to *web_dir*: so says its line, whatever path leads there.

    *is_named*: by the block of *web_dir*. Then it also belongs there if the line says another folder whose block does not
    name it: that one was renamed, or removed.
    """
    said = _FOLDER.search(text)
    if not said:
        return False
    folder = Path(literal_eval(said[1].decode("ascii")))
    if folder.resolve() == web_dir.resolve():
        return True
    try:
        return is_named and not _names(read(file_of(folder)) or b"", app)
    except (OSError, Unsafe):  # nobody knows
        return False


def _names(rules: bytes, app: Path) -> bool:
    """Whether the block in *rules* names the application of the folder *app*."""
    named = application_in(rules)
    return named is not None and named.parent.resolve() == app.resolve()


def belonging(web_dir: Path, rules: bytes, usual: Path | None) -> list[Path]:
    """The applications of *web_dir*, and what was made with them. Raises OSError, Unsafe.

    They are looked for where the block in *rules* says, where the panel's line says, and in the *usual* folder, and believed
    only by their own line.
    """
    named = application_in(rules)
    apps = {app for app in (named.parent if named else None, _panels(rules), usual) if app}
    found = []
    for app in sorted(apps):
        text = read(app / NAME) if (app / NAME).is_file() else None
        if text is not None and is_ours(text) and is_for(text, app, web_dir, is_named=_names(rules, app)):
            found += [app / NAME, *_made_with(app, text)]
    return found


def withdraw(web_dir: Path, rules: bytes, app: Path, made: Collection[Path]) -> list[Path]:
    """``clear`` the folder *app*, unless the block in *rules* names it, or its application belongs to another web folder."""
    if _names(rules, app):
        return []
    text = read(app / NAME) if (app / NAME).is_file() else None
    return [] if text is not None and not is_for(text, app, web_dir, is_named=True) else clear(app, made)


def clear(app: Path, made: Collection[Path]) -> list[Path]:
    """Remove our ``passenger_wsgi.py`` and what servers and Python made of it, and follow no link; what was removed.

    *made*: which of ``places`` may go besides.
    """
    ours = [app / NAME] if is_file(app / NAME) and is_ours(content(app / NAME)) else []
    if not ours and os.path.lexists(app / NAME):
        return []
    gone = [place for place in places(app) if place in made]
    cache, restart = app / "__pycache__", app / RESTART
    if not cache.is_symlink():
        for compiled in cache.glob("passenger_wsgi.*.pyc"):
            compiled.unlink()
    if restart in gone and not restart.parent.is_symlink() and is_file(restart) and not restart.stat().st_size:
        restart.unlink()
    for path in ours:
        path.unlink()
    for folder in (cache, restart.parent, app):
        if folder in gone and folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
    return ours


def places(app: Path) -> list[Path]:
    """What comes to be with ``passenger_wsgi.py``, and may have been there before it."""
    return [app, app / "__pycache__", (app / RESTART).parent, app / RESTART]


def trial(plan: Deployment, rules: bytes, place: Path, nonce: str) -> Trial:
    """An application in the folder that the server knows; where ours is there already, it answers for itself."""
    app = app_of(plan, rules)
    _refuse_unsafe(app, plan, rules)
    text = read(app / NAME)
    if text is not None and not is_probe(text):
        return Trial([], [], "health", "alive\n")
    app = app.resolve()  # what is removed then, by its own name alone
    if app.exists() and not is_own_application(app):
        raise DeployRefused(why=f"the application's folder belongs to another user: {app}")
    probe = _beginning(plan) + _TRIAL.format(probe=PROBE, nonce=nonce, kind=Kind.PASSENGER.value)
    asked = f"{place.parent.name}/{place.name}/asked"
    return Trial(
        [File(app / NAME, probe.encode("ascii"), _MODE)],
        ["RewriteEngine Off"],
        asked,
        probe_answer(Kind.PASSENGER, nonce),
        touched=app / RESTART,
        made=_absent(app),
    )


def advice(plan: Deployment, rules: bytes) -> str:
    """What the control panel must know, unless its lines are in ``.htaccess``."""
    app = app_of(plan, rules)
    panels = _panels(rules)
    if panels == app:
        return ""
    if panels is not None:
        return f"the panel names another folder, {panels}: deploy with --app {panels}, or change it there to {app}"
    return f"in the control panel, or in the server's configuration, the application's root must be {app}, its file {NAME}"


def app_of(plan: Deployment, rules: bytes) -> Path:
    """The application's folder: as asked for, as the panel's line says, as before, else beside the data directory."""
    before = application_in(rules)
    asked = plan.app or _panels(rules)
    if asked:
        return asked
    return before.parent if before else usual(plan.data_dir)


def usual(data_dir: Path) -> Path:
    """The application's folder if nobody says another one: beside the data directory."""
    return data_dir.with_name(f"{data_dir.name}-passenger")


def _panels(rules: bytes) -> Path | None:
    """What the panel has written above or below our block."""
    found = _PANEL.search(without_block(rules))
    return Path(os.fsdecode(found[1] or found[2])) if found else None


def _absent(app: Path) -> list[Path]:
    return [place for place in places(app) if not os.path.lexists(place)]


def _made_with(app: Path, text: bytes) -> list[Path]:
    """Which of ``places`` the deployment has made that wrote the application *text*: all, if it does not say."""
    said = _MADE.search(text)
    names = said[1].decode("ascii", "replace").split() if said else None
    return [place for place in places(app) if names is None or str(place.relative_to(app)) in names]


def _beginning(plan: Deployment) -> str:
    folders = folders_of_packages()
    return _BEGINNING.format(
        ours=OURS,
        version=__version__,
        code=code_digest(),
        web_dir=f"{str(plan.web_dir.resolve())!a}",
        # Packages that are not found by folders alone need the interpreter that they were installed for.
        python=tuple(sys.version_info[:2]) if folders else (),
        interpreter=sys.executable,
        folders=folders or [],
        packages=places_of_packages(),
    )


def _refuse_unsafe(app: Path, plan: Deployment, rules: bytes) -> None:
    """Raise DeployRefused for a folder that the web may hand out, that others can change, or that has another application."""
    if not app.is_absolute() or not str(app).isprintable():
        raise DeployRefused(why=f"the application's folder must be an absolute path of printable characters, not {str(app)!r}")
    if not app.parent.is_dir():
        raise DeployRefused(why=f"no such folder: {app.parent} (for the application {app.name})")
    root = web_root_around(app, plan.web_dir)
    if root is None and app.resolve().is_relative_to(site := site_around(plan.web_dir)):
        root = site
    if root is not None:
        raise DeployRefused(why=f"the application's folder is below the web root {root}: choose another with --app")
    if app.resolve().is_relative_to(plan.data_dir.resolve()):
        raise DeployRefused(why="the application's folder is in the data directory, whose files are private: choose another")
    if (plan.web_dir / FRONT_PAGE).exists():
        raise DeployRefused(why=f"Passenger takes {FRONT_PAGE} for the folder's own address, that of lookups: move it away")
    refuse_open_to_all(app if app.exists() else app.parent)
    text = read(app / NAME)
    if text is None or is_probe(text):
        return
    if not is_ours(text):
        raise DeployRefused(why=f"{NAME} exists and is not ours: rename it, or choose --app (it is in {app})")
    if not is_for(text, app, plan.web_dir, is_named=_names(rules, app)):
        raise DeployRefused(why=f"{NAME} serves another web folder: choose --app (it is in {app})")
