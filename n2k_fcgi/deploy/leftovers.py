"""What a probe has left that was killed: only what is this user's own is believed, and removed.

Anybody who may write to the web folder can make a folder with such a name, and a list in it of files elsewhere.
"""

import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy import passenger
from n2k_fcgi.deploy.installation import is_own, is_own_application, writable_by_all
from n2k_fcgi.deploy.kind import PROBE_FOLDER
from n2k_fcgi.deploy.replacing import is_file, put, read, regular
from n2k_fcgi.deploy.script import is_probe
from n2k_fcgi.deploy.workers import hosted_in, stop
from n2k_fcgi.errors import DeployRefused, RemovalRefused
from n2k_fcgi.files import NEW_SUFFIX, try_lock

LOCK = "lock"
"""The file in a probe's folder that a probe holds a lock of while it runs."""

_ELSEWHERE = "elsewhere"
_BY_HAND = "remove what a probe has left, n2k-probe-…, by hand, then try again"


class Leftovers(NamedTuple):
    """The folders that were found."""

    removed: list[Path]
    left: list[Path]
    """Links, and folders that others own or can change."""

    @property
    def warnings(self) -> list[str]:
        """What to tell the owner about those that are left."""
        why = "it may be from somebody else: look at it, and remove it by hand"
        return [f"warning: {folder} is named as a probe is, but {why}" for folder in self.left]


def remove_leftovers(web_dir: Path, refusal: type[DeployRefused | RemovalRefused]) -> Leftovers:
    """Remove the probes that were killed, and what they wrote elsewhere. Raises *refusal*."""
    found = Leftovers([], [])
    if not web_dir.is_dir():
        return found
    try:
        is_open = writable_by_all(web_dir) is not None  # others can move one folder to the name of another
        for folder in web_dir.iterdir():
            if not PROBE_FOLDER.fullmatch(folder.name):
                continue
            if is_open or not is_own(folder, stat.S_IWGRP | stat.S_IWOTH):
                found.left.append(folder)
            elif not _is_running(folder):
                remove(folder)
                found.removed.append(folder)
    except OSError as error:
        raise refusal(why=f"{error.strerror}: {error.filename or web_dir} ({_BY_HAND})") from None
    return found


def note_elsewhere(folder: Path, paths: list[Path]) -> None:
    """Note what will be written outside of the probe's *folder*, for whoever removes it. Raises OSError."""
    put(folder / _ELSEWHERE, None, b"".join(os.fsencode(path) + b"\n" for path in paths), 0o600)


def remove(folder: Path) -> None:
    """Remove a probe: first what it wrote outside of its *folder*, which its own file names. Raises OSError."""
    noted = [Path(os.fsdecode(line)) for line in (read(folder / _ELSEWHERE, is_link_followed=False) or b"").splitlines()]
    for app in [path.parent for path in noted if path.name == passenger.NAME]:
        if is_own_application(app):
            text = read(app / passenger.NAME, is_link_followed=False)
            if text is None or is_probe(text):
                for path in noted:
                    if path.parent in (app, app / "tmp") and path.name.endswith(NEW_SUFFIX) and is_file(path):
                        path.unlink()  # it was killed before the rename
                passenger.clear(app, noted)
                stop(hosted_in(app))
    shutil.rmtree(folder)


def _is_running(folder: Path) -> bool:
    try:
        with regular(folder / LOCK, is_link_followed=False) as lock:
            return not try_lock(lock.fileno())
    except OSError:  # killed before the lock was made, or not the lock of a probe
        return False
