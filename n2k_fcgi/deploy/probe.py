"""Ask a host which kinds of deployment it runs: a file, then each kind, in a folder with a name that nobody can guess.

The folder exists for some seconds. What a kill leaves, ``leftovers.py`` finds; a probe that runs holds a lock in its folder.
"""

import contextlib
import fcntl
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy.asking import Reply, ask
from n2k_fcgi.deploy.deployment import put_file
from n2k_fcgi.deploy.htaccess import HTACCESS, file_of, told_as
from n2k_fcgi.deploy.kind import Deployment, Kind, Trial
from n2k_fcgi.deploy.kinds import WAYS
from n2k_fcgi.deploy.leftovers import LOCK, note_elsewhere, remove
from n2k_fcgi.deploy.replacing import beside, folder_for, put, read, touch
from n2k_fcgi.deploy.workers import stop, workers_of
from n2k_fcgi.errors import DeployRefused, shown

PREFIX = "n2k-probe-"
_STATIC = "static"
_OFF = "RewriteEngine Off\n"
"""Rules of the folders above, ours among them, would take the request."""
_CLOSED = "RewriteEngine On\nRewriteRule ^ - [F]\n"
"""For the probe's folder: nothing in it can be fetched, and a list of the folder above does not show it (ShowForbidden).

Those in it have rewriting of their own, which counts there.
"""


class Result(NamedTuple):
    """What came of one kind."""

    answered: int
    requests: int
    """0: it could not be tried."""
    problem: str
    """What came instead of the answer, or why it could not be tried; '': it works."""


class Found(NamedTuple):
    """What a host runs."""

    problem: str
    """Why a file in the folder was not served, so that nothing else was asked; '': it was."""
    results: dict[Kind, Result]


def probe(plan: Deployment, url: str, pause: Callable[[], None]) -> Found:
    """Ask at *url*, the address of the web folder; *pause* is called between the first and the last requests by FastCGI.

    Raises DeployRefused if the probe cannot be written.
    """
    with told_as(DeployRefused, plan.web_dir):
        rules = read(file_of(plan.web_dir)) or b""
        with _folder(plan.web_dir) as folder:
            host = _Host(url.rstrip("/"), folder)
            problem = host.ask_for_a_file()
            results = {} if problem else {kind: _try(host, kind, plan, rules=rules, pause=pause) for kind in WAYS}
            return Found(problem, results)


@contextlib.contextmanager
def _folder(web_dir: Path) -> Iterator[Path]:
    folder = web_dir / (PREFIX + secrets.token_hex(16))
    folder.mkdir(0o700)
    try:
        _make(folder, _CLOSED)
        folder.chmod(0o755)  # the web server is another user
        with (folder / LOCK).open("w") as lock:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        remove(folder)


class _Host(NamedTuple):
    """The address of the web folder, and the folder of the probe in it."""

    base: str
    folder: Path

    def ask_for_a_file(self) -> str:
        """Whether this address serves this folder; why not."""
        place, text = self.folder / _STATIC, secrets.token_hex(16)
        _make(place, _OFF)
        put(place / "probe.txt", None, text.encode(), 0o644)
        return self.ask(f"{self.folder.name}/{_STATIC}/probe.txt", text)

    def ask(self, path: str, expected: str) -> str:
        """What came instead of the *expected* body; '': it came."""
        reply = ask(f"{self.base}/{path}")
        return "" if (reply.status, reply.body) == (200, expected) else _said(reply)

    def write(self, trial: Trial, place: Path) -> None:
        """Write the files of *trial*; those elsewhere are noted before, for whoever removes the probe."""
        elsewhere = [file.path for file in trial.files if file.path.parent != place]
        if elsewhere:
            written = [*elsewhere, *([trial.touched] if trial.touched else [])]
            note_elsewhere(self.folder, [*elsewhere, *map(beside, written), *trial.made])
        _make(place, "\n".join([*trial.rules, ""]))
        for file in trial.files:
            put_file(file, read(file.path))
        if trial.touched:
            touch(trial.touched)


def _try(host: _Host, kind: Kind, plan: Deployment, *, rules: bytes, pause: Callable[[], None]) -> Result:
    place = host.folder / kind.value
    try:
        trial = WAYS[kind].trial(plan, rules, place, secrets.token_hex(16))
    except DeployRefused as refusal:
        return Result(0, 0, str(refusal).removeprefix(DeployRefused(why="").args[0]))
    host.write(trial, place)
    try:
        for number in range(trial.requests):
            if number and number == trial.requests // 2:
                pause()
            problem = host.ask(trial.asked, trial.expected)
            if problem:
                return Result(number, trial.requests, problem)
        return Result(trial.requests, trial.requests, "")
    finally:
        stop(workers_of([file.path for file in trial.files]))


def _make(place: Path, rules: str) -> None:
    folder_for(place / HTACCESS)
    put(place / HTACCESS, None, rules.encode(), 0o644)


def _said(reply: Reply) -> str:
    """What came instead of the answer, in a few words; those of the server are printable, and bounded."""
    if reply.status == 0:
        return f"no answer ({shown(reply.body.strip())})"
    if 300 <= reply.status < 400:
        return f"a redirect to {shown(reply.headers.get('location', ''))}"
    if reply.status == 200:
        first = reply.body.partition("\n")[0]
        if first.startswith("n2k probe "):
            return f"the script is run as {shown(first.rpartition(' ')[2])}"
        return "the script's own source is shown" if first.startswith("#!") else "another page answers"
    return f"status {reply.status}"
