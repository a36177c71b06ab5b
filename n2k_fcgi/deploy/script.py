"""The script that the web server starts. It gets almost no environment, so it has absolute paths."""

import os
import re
import sys
from ast import literal_eval
from pathlib import Path

from n2k_fcgi import __version__
from n2k_fcgi.deploy.htaccess import scripts_named
from n2k_fcgi.deploy.installation import code_digest, folders_of_packages, places_of_packages
from n2k_fcgi.deploy.spread import MOST, names_of
from n2k_fcgi.errors import DeployRefused

OURS = "# Written by 'n2k deploy'"
"""The mark of our scripts; other files are never changed."""

_INTERPRETER = re.compile(r'#!(?:/bin/sh\n"exec" "([^"]+)"|(\S+) -I)')
_ENCODING = re.compile(r"coding[:=]")
"""Python looks for it in comments of the first two lines (PEP 263)."""

_PACKAGES = re.compile(r"^packages = (\[.*\])$", re.MULTILINE)

PROBE = "# A probe: it may be removed."
"""The mark of what ``n2k deploy --as auto`` writes for some seconds."""

SCRIPT_MODE = 0o755

MARK_BYTES = 1024
"""The bytes of a script that contain the mark: it is in the second or third line."""

SHEBANG_BYTES = 127
"""The longest first line on every Linux; since 5.1 it is 255 (execve(2), "Interpreter scripts")."""

_SCRIPT = """\
{first}
{ours} for n2k_fcgi {version} (code {code}): run that again instead of changing this.
{path}from n2k_fcgi.start import run

run({module!a}, {arguments})
"""

_PATH = """\
import os
import sys

packages = {packages!a}
if sys.version_info[:2] == {python} and all(map(os.path.exists, packages)):  # a search for them takes as long as an answer
    sys.path += {folders!a}
else:
    import site

    site.main()

"""
"""For an interpreter that was started with -S, without the module ``site``, which looks for packages and runs their hooks."""


def script_text(module: str, data_dir: Path, config: Path | None) -> bytes:
    """The text of a script that calls ``main`` of *module*.

    It changes with the code, so that deploying again after an update replaces the workers.
    """
    return _text(module, data_dir=data_dir, config=config, code=code_digest())


def probe_text(nonce: str) -> bytes:
    """The text of a script that answers how it was started."""
    return _text("n2k_fcgi.servers.fastcgi.probing", nonce=nonce) + f"{PROBE}\n".encode()


def _text(module: str, **given: object) -> bytes:
    arguments = ", ".join(f"{name}={str(value)!a}" for name, value in given.items() if value is not None)
    folders = folders_of_packages()
    python = tuple(sys.version_info[:2])
    path = "" if folders is None else _PATH.format(python=python, packages=places_of_packages(), folders=folders)
    return _SCRIPT.format(
        first=first_lines(sys.executable, "-I" if folders is None else "-IS"),
        ours=OURS,
        version=__version__,
        code=code_digest(),
        path=path,
        module=module,
        arguments=arguments,
    ).encode("ascii")


def first_lines(interpreter: str, options: str = "-I") -> str:
    """The lines that start *interpreter*, isolated from the user's own site-packages. Raises DeployRefused for an odd path.

    A path with a space, too long for a ``#!`` line, or one that Python would take for an encoding there, is started by the
    shell, in a line that has no effect in Python.
    """
    if not interpreter.isascii() or not interpreter.isprintable() or set(interpreter) & set('"$`\\'):
        raise DeployRefused(why=f"no script can start the interpreter {interpreter!r}: install it in a path of ASCII letters")
    direct = f"#!{interpreter} {options}"
    if " " not in interpreter and len(direct) <= SHEBANG_BYTES and not _ENCODING.search(direct):
        return direct
    return f'#!/bin/sh\n"exec" "{interpreter}" "{options}" "$0" "$@"'


def is_ours(text: bytes) -> bool:
    """Whether *text* is one of our scripts."""
    return OURS.encode() in text


def missing(text: str) -> tuple[str, list[str]]:
    """What the script *text* names and is not there: its interpreter ('' if it is there), and packages."""
    interpreter = _INTERPRETER.match(text)
    packages = _PACKAGES.search(text)
    path = interpreter[1] or interpreter[2] if interpreter else ""
    places = literal_eval(packages[1]) if packages else []
    return "" if os.path.exists(path) else path, [place for place in places if not os.path.exists(place)]


def is_probe(text: bytes) -> bool:
    """Whether *text* is what a probe left behind."""
    return is_ours(text) and PROBE.encode() in text


def scripts_of(web_dir: Path, rules: bytes, written: list[Path]) -> list[Path]:
    """Those of our scripts that the block in *rules* starts, and copies of those to be *written*. Raises OSError, Unsafe."""
    named = {*scripts_named(rules), *(name for path in written for name in names_of(path.name, MOST))}
    return [script for script in scripts_in(web_dir) if script.name in named]


def scripts_in(web_dir: Path) -> list[Path]:
    """Our scripts in that folder, of any name. Raises OSError if it cannot be read."""
    return sorted(path for path in web_dir.iterdir() if path.is_file() and _begins_as_ours(path))


def _begins_as_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(MARK_BYTES)
    except PermissionError:
        return False
    return start.startswith(b"#!") and is_ours(start)
