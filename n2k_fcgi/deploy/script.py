"""The script that the web server starts. It gets next to no environment, so it names interpreter and data by whole paths."""

import sys
from pathlib import Path

from n2k_fcgi import __version__
from n2k_fcgi.deploy.installation import code_digest
from n2k_fcgi.errors import DeployRefused

OURS = "# Written by 'n2k deploy'"
"""How a script of ours is known; another one is never touched."""

MARK_BYTES = 1024
"""Where in a script of ours the mark stands: in its first line but one, or but two."""

SHEBANG_BYTES = 127
"""What every Linux takes as the first line; since 5.1 it is 255 (execve(2), "Interpreter scripts")."""

_SCRIPT = """\
{first}
{ours} for n2k_fcgi {version} (code {code}): run that again instead of changing this.
from n2k_fcgi.start import run

run("n2k_fcgi.servers.fastcgi", {arguments})
"""


def script_text(data_dir: Path, config: Path | None) -> str:
    """The text of dispatch.fcgi. It changes with the code, so that deploying again after an update rolls the workers."""
    code = code_digest()
    given = {"data_dir": data_dir, "config": config, "code": code}
    arguments = ", ".join(f"{name}={str(value)!a}" for name, value in given.items() if value is not None)
    return _SCRIPT.format(first=first_lines(sys.executable), ours=OURS, version=__version__, code=code, arguments=arguments)


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


def is_ours(text: bytes) -> bool:
    """Whether *text* is that of a script of ours."""
    return OURS.encode() in text


def scripts_in(web_dir: Path) -> list[Path]:
    """The scripts of ours in that folder, whatever their names. Raises OSError where it cannot be read."""
    return sorted(path for path in web_dir.iterdir() if path.is_file() and _begins_as_ours(path))


def _begins_as_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(MARK_BYTES)
    except PermissionError:
        return False
    return start.startswith(b"#!") and is_ours(start)
