"""The scripts for prims: which there are, what each may do, and its text with the lines at its top filled in."""

import re
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.grids import PRODUCTION, TESTING

FOLDER = Path(__file__).parents[2] / "lsl"
"""In a checkout a link to ``lsl/`` at its top."""


class Script(NamedTuple):
    """One script of the set."""

    name: str
    scope: Scope | None
    """What its token must allow; None: it has none."""

    @property
    def text(self) -> str:
        """The script as it lies there."""
        return (FOLDER / f"{self.name}.lsl").read_text("utf-8")

    @property
    def purpose(self) -> str:
        """What it is for: its first line."""
        return self.text.partition("\n")[0].removeprefix(f"// {self.name}.lsl: ")


SCRIPTS = {
    script.name: script
    for script in (
        Script("query", None),
        Script("touch", Scope.REGISTER),
        Script("gate", Scope.REGISTER),
        Script("sensor", Scope.REGISTER),
        Script("seat", Scope.REGISTER),
        Script("greeter", Scope.REGISTER),
        Script("resolver", Scope.REGISTER),
        Script("forget", Scope.FORGET),
    )
}


def token_grid(grid: str) -> str | None:
    """The grid that a script's token is bound to. Worlds with visitors of other grids need one that is not bound."""
    return grid if grid in (PRODUCTION, TESTING) else None


def filled_in(script: Script, *, url: str, token: str = "", grid: str = "") -> str:
    """The text of *script* for a service at *url*, written with a slash at its end; what a script has no line for is left out.

    Without the slash many servers redirect, which not all requests of a script follow.
    """
    text = script.text
    for setting, value in {"URL": url.rstrip("/") + "/", "TOKEN": token, "GRID": grid}.items():
        line = f"string {setting} = {literal(value)};".replace("\\", "\\\\")  # as re.sub reads a replacement
        text = re.sub(rf'(?m)^string {setting} = "[^"\n]*";$', line, text)
    return text


def literal(text: str) -> str:
    """*text* in one line as LSL writes a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
