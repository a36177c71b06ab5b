"""The kinds of deployment, and what each of them must say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Protocol

from n2k_fcgi.errors import DeployRefused


class Kind(Enum):
    """How a web server runs the service."""

    FCGID = "fcgid"
    CGI = "cgi"
    PASSENGER = "passenger"


class Deployment(NamedTuple):
    """What to write, and where."""

    web_dir: Path
    data_dir: Path
    kind: Kind | None = None
    """None: as the folder is deployed now, else FCGID."""
    name: str | None = None
    """The script's file name; None: that of its kind."""
    config: Path | None = None
    """The settings file, if not the data directory's own."""
    may_hide: bool = False
    """Whether other files in the folder may become unreachable."""
    spread: int | None = None
    """How many copies of the script; None: as many as there are, at least one. FCGID alone has copies."""
    app: Path | None = None
    """The folder of ``passenger_wsgi.py``; None: as the panel's lines say, else beside the data. PASSENGER alone has one."""


class File(NamedTuple):
    """One file to write."""

    path: Path
    text: bytes
    mode: int


class Wanted(NamedTuple):
    """All that a kind writes: a web server never sees the rules without the files."""

    files: list[File]
    rules: list[str]
    """The lines of the block in ``.htaccess``."""
    touched: Path | None = None
    """A file that tells the server about new ones: it is made, or gets a new time."""
    made: Sequence[Path] = ()
    """What comes to be with files outside of the web folder, and was not there before: with them it goes."""


class Trial(NamedTuple):
    """A probe of one kind, in a folder of its own below the web folder."""

    files: list[File]
    rules: list[str]
    """The lines of the folder's ``.htaccess``."""
    asked: str
    """What is asked for, below the address of the web folder."""
    expected: str
    """The body of the answer."""
    requests: int = 1
    """How many of them must be answered: some hosts run FastCGI now and then."""
    touched: Path | None = None
    """As for ``Wanted``."""
    made: Sequence[Path] = ()
    """What comes to be with files elsewhere, and was not there before: with them it goes."""


class Way(Protocol):
    """What each kind's module has, as a value of this type. *rules* are those of the web folder, before anything is changed."""

    PAGE: str
    """The page that tells its users more, below docs/."""

    def wanted(self, plan: Deployment, rules: bytes) -> Wanted:
        """What to write. Raises DeployRefused for options of another kind, and for what this kind would make unsafe."""
        ...

    def trial(self, plan: Deployment, rules: bytes, place: Path, nonce: str) -> Trial:
        """What to write into *place*, and what must be answered then. Raises DeployRefused: this kind cannot be tried."""
        ...

    def advice(self, plan: Deployment, rules: bytes) -> str:
        """What the owner has to do in the control panel; '': nothing."""
        ...


PROBE_FOLDER = re.compile(r"n2k-probe-[0-9a-f]{32}")
"""The name of a probe's folder in the web folder."""


def probe_answer(kind: Kind, nonce: str) -> str:
    """What ``servers/fastcgi/probing.py`` answers, run as *kind*."""
    return f"n2k probe {nonce}: {kind.value}\n"


def refuse_options(kind: Kind, **given: object) -> None:
    """Raise DeployRefused if one of the options *given* has a value: it belongs to another kind than *kind*."""
    for option, value in given.items():
        if value is not None:
            raise DeployRefused(why=f"--{option} is not for {kind.value}: {_WHY[option]}")


_WHY = {
    "spread": "only mod_fcgid (--as fcgid) has processes for each copy of the script",
    "name": "the servers of --as passenger look for passenger_wsgi.py",
    "app": "only --as passenger has a folder of an application",
}
