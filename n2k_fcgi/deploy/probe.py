"""Ask a host which kinds of deployment it runs: a file, then each kind, in a folder with a name that nobody can guess.

The folder exists for some seconds. What a kill leaves, ``remove_leftovers`` finds; a probe that runs holds a lock in its
folder.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy import passenger
from n2k_fcgi.deploy.asking import Reply, ask
from n2k_fcgi.deploy.deployment import put_file
from n2k_fcgi.deploy.htaccess import HTACCESS, Unsafe, file_of
from n2k_fcgi.deploy.kind import PROBE_FOLDER, Deployment, Kind, Trial
from n2k_fcgi.deploy.kinds import WAYS
from n2k_fcgi.deploy.replacing import folder_for, put, read, regular, touch
from n2k_fcgi.deploy.script import is_probe
from n2k_fcgi.deploy.workers import hosted_in, stop, workers_of
from n2k_fcgi.errors import DeployRefused, RemovalRefused

PREFIX = "n2k-probe-"
_LOCK, _ELSEWHERE, _STATIC = "lock", "elsewhere", "static"
_BY_HAND = "remove what a probe has left, n2k-probe-…, by hand, then try again"
_OFF = "RewriteEngine Off\n"
"""Rules of the folders above, ours among them, would take the request."""


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
    try:
        rules = read(file_of(plan.web_dir)) or b""
        with _folder(plan.web_dir) as folder:
            host = _Host(url.rstrip("/"), folder)
            problem = host.ask_for_a_file()
            results = {} if problem else {kind: _try(host, kind, plan, rules=rules, pause=pause) for kind in WAYS}
            return Found(problem, results)
    except Unsafe as problem:
        raise DeployRefused(why=problem) from None
    except OSError as error:
        raise DeployRefused(why=f"{error.strerror}: {error.filename or plan.web_dir}") from None


def remove_leftovers(web_dir: Path, refusal: type[DeployRefused | RemovalRefused]) -> list[Path]:
    """Remove the probes that were killed, and what they wrote elsewhere; what was removed. Raises *refusal*."""
    removed: list[Path] = []
    if not web_dir.is_dir():
        return removed
    try:
        for folder in web_dir.iterdir():
            if PROBE_FOLDER.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink() and not _is_running(folder):
                _remove(folder)
                removed.append(folder)
    except OSError as error:
        raise refusal(why=f"{error.strerror}: {error.filename or web_dir} ({_BY_HAND})") from None
    return removed


@contextlib.contextmanager
def _folder(web_dir: Path) -> Iterator[Path]:
    folder = web_dir / (PREFIX + secrets.token_hex(16))
    folder.mkdir()
    try:
        folder.chmod(0o755)  # the web server is another user
        with (folder / _LOCK).open("w") as lock:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        _remove(folder)


def _is_running(folder: Path) -> bool:
    try:
        with regular(folder / _LOCK, is_link_followed=False) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # killed before the lock was made, or not the lock of a probe
        return False
    return False


def _remove(folder: Path) -> None:
    """Remove a probe: first what it wrote outside of its folder, which its own file names."""
    for line in (read(folder / _ELSEWHERE, is_link_followed=False) or b"").splitlines():
        app = Path(os.fsdecode(line)).parent
        if is_probe(read(app / passenger.NAME) or b""):
            passenger.clear(app)
            stop(hosted_in(app))
    shutil.rmtree(folder)


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
            put(self.folder / _ELSEWHERE, None, b"".join(os.fsencode(path) + b"\n" for path in elsewhere), 0o600)
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
    """What came instead of the answer, in a few words."""
    if reply.status == 0:
        return f"no answer ({reply.body.strip()})"
    if 300 <= reply.status < 400:
        return f"a redirect to {reply.headers.get('location', '')}"
    if reply.status == 200:
        first = reply.body.partition("\n")[0]
        if first.startswith("n2k probe "):
            return f"the script is run as {first.rpartition(' ')[2]}"
        return "the script's own source is shown" if first.startswith("#!") else "another page answers"
    return f"status {reply.status}"
