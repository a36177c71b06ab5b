"""The LSL scripts: name, scope and purpose of each, and its text with the settings at its top filled in."""

import re
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.model.choices import Scope
from n2k_fcgi.model.grids import PRODUCTION, TESTING

FOLDER = Path(__file__).parents[2] / "lsl"
"""In a checkout a link to its ``lsl/``."""


class Script(NamedTuple):
    """One script."""

    name: str
    scope: Scope | None
    """The scope of its token; None: it needs no token."""

    @property
    def text(self) -> str:
        """The script, not filled in."""
        return (FOLDER / f"{self.name}.lsl").read_text("utf-8")

    @property
    def purpose(self) -> str:
        """Its purpose: its first line."""
        return self.text.partition("\n")[0].removeprefix(f"// {self.name}.lsl: ")

    def has(self, setting: str) -> bool:
        """Whether it has a line for this setting."""
        return f'\nstring {setting} = "' in self.text


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
        Script("keyvalue", Scope.KEYVALUE),
        Script("visitors", None),
    )
}


def token_grid(grid: str) -> str | None:
    """Return the grid to bind a script's token to. On grids with visitors of other grids it is not bound."""
    return grid if grid in (PRODUCTION, TESTING) else None


def filled_in(script: Script, *, url: str, token: str = "", spare: str = "", grid: str = "") -> str:
    """Return the text of *script* for a service at *url*; values that it has no line for are ignored.

    *url*, and *spare* if there is a second service, get a slash at their end: without it many servers redirect, and not all
    requests of a script follow.
    """
    text = script.text
    second = spare and spare.rstrip("/") + "/"
    for setting, value in {"URL": url.rstrip("/") + "/", "TOKEN": token, "SPARE": second, "GRID": grid}.items():
        line = f"string {setting} = {literal(value)};".replace("\\", "\\\\")  # as re.sub reads a replacement
        text = re.sub(rf'(?m)^string {setting} = "[^"\n]*";$', line, text)
    return text


def literal(text: str) -> str:
    """Return *text* as an LSL string literal in one line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
