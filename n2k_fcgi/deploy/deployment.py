"""Deploy to a web folder: the files of a kind and the block in .htaccess, or an error that says why not.

A web server starts the script with almost no environment, as some user, perhaps through suEXEC. So the code must not be
writable by others.
"""

import re
import stat
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy.htaccess import SCRIPT_NAME, block, file_of, merged, place_of_block, scripts_named, told_as
from n2k_fcgi.deploy.installation import refuse_bad_installation, refuse_open_to_all
from n2k_fcgi.deploy.kind import Deployment, File, Kind
from n2k_fcgi.deploy.kinds import WAYS, kind_in
from n2k_fcgi.deploy.neighbours import named, site_in, vanishing
from n2k_fcgi.deploy.notes import Notes, noting
from n2k_fcgi.deploy.passenger import belonging, usual
from n2k_fcgi.deploy.replacing import LARGEST, Written, folder_for, put, read, touch
from n2k_fcgi.deploy.script import is_ours, scripts_of
from n2k_fcgi.deploy.webroot import web_root_around
from n2k_fcgi.errors import DeployRefused, FilesWouldVanish
from n2k_fcgi.store.datadir import is_data_directory

HTACCESS_MODE = 0o644


class Deployed(NamedTuple):
    """What was done."""

    kind: Kind
    files: list[Written]
    rules: Written
    removed: list[Path]
    """Files of ours that the block before this one named, or that a killed run had left."""
    advice: str
    """What the owner has to do in the control panel; '': nothing."""

    @property
    def replaced(self) -> list[Path]:
        """The files whose processes run a text that is no longer there."""
        return [file.path for file in self.files if file.changed] + self.removed


def deploy(plan: Deployment) -> Deployed:
    """Write the files and the block, then remove what is superfluous; files that are up to date are not touched.

    Files are replaced by rename: mod_fcgid identifies its processes by the script's inode, so that deploying after
    an update starts new ones, and no request reads an incomplete file. Raises DeployRefused, FilesWouldVanish.
    """
    refuse_unsafe(plan)
    with told_as(DeployRefused, plan.web_dir), noting(plan.web_dir) as notes:
        return _deploy(plan, notes)


def _deploy(plan: Deployment, notes: Notes) -> Deployed:
    left = notes.settle()
    rules = file_of(plan.web_dir)
    old_rules = read(rules)
    before = old_rules or b""
    former = kind_in(before)
    kind = plan.kind or former or Kind.FCGID
    if plan.name is None and former is kind:
        plan = plan._replace(name=next(iter(scripts_named(before)), None))
    wanted = WAYS[kind].wanted(plan, before)
    old_files = [(file, read(file.path)) for file in wanted.files]
    for file, text in old_files:
        if text is not None and not is_ours(text):
            why = f"{file.path.name} exists and is not ours: move it elsewhere, or choose another --name"
            raise DeployRefused(why=why)
    if not plan.may_hide and not place_of_block(before):
        refuse_to_hide(plan.web_dir)
    new_rules = merged(before, block(wanted.rules))
    if len(new_rules) > LARGEST:
        raise DeployRefused(why=f"{rules.name} would be larger than {LARGEST} bytes, the most that are read of it")
    mode = HTACCESS_MODE if old_rules is None else stat.S_IMODE(rules.stat().st_mode)
    paths = [file.path for file in wanted.files]
    old = [*scripts_of(plan.web_dir, before, paths), *belonging(plan.web_dir, before, usual(plan.data_dir))]
    notes.add([rules, *paths, *([wanted.touched] if wanted.touched else []), *wanted.made, *old])
    written = [put_file(file, text) for file, text in old_files]
    if wanted.touched and any(file.changed for file in written):
        touch(wanted.touched)
    block_written = put(rules, old_rules, new_rules, mode)
    return Deployed(kind, written, block_written, left + notes.settle(), WAYS[kind].advice(plan, before))


def kind_there(web_dir: Path) -> Kind | None:
    """As what the folder is deployed now; None: it is not. Raises DeployRefused."""
    with told_as(DeployRefused, web_dir):
        return kind_in(read(file_of(web_dir)) or b"")


def put_file(file: File, before: bytes | None) -> Written:
    """Write one; one that a backup or a program against duplicates has linked to another becomes a file of its own."""
    path = file.path
    beside = path.is_symlink() and path.resolve().parent == path.parent.resolve()
    is_linked = before is not None and (beside or path.stat().st_nlink > 1)
    folder_for(path)
    return put(path, None if is_linked else before, file.text, file.mode)


def refuse_unsafe(plan: Deployment) -> None:
    """Raise DeployRefused for a plan that would not run, would publish data, or would let others change the code."""
    if plan.name is not None and not re.fullmatch(SCRIPT_NAME, plan.name):
        raise DeployRefused(why=f"{plan.name!r} is not a file name for a script: letters, digits, '.', '-' and '_'")
    if not plan.web_dir.is_dir():
        raise DeployRefused(why=f"no such folder: {plan.web_dir} (make it with mkdir -p)")
    if not is_data_directory(plan.data_dir):
        raise DeployRefused(why=f"no data yet: run 'n2k --dir {plan.data_dir} init' first")
    root = web_root_around(plan.data_dir, plan.web_dir)
    if root is not None:
        raise DeployRefused(why=f"the data is below the web root {root}: move it elsewhere, and name it with --dir")
    if plan.web_dir.resolve().is_relative_to(plan.data_dir.resolve()):
        raise DeployRefused(why="the web folder is in the data directory, whose files are private")
    refuse_open_to_all(plan.web_dir)
    refuse_bad_installation()


def refuse_to_hide(web_dir: Path) -> None:
    """Raise FilesWouldVanish if other files there can be fetched now, OSError if the folder cannot be read."""
    names = vanishing(web_dir)
    if names:
        raise FilesWouldVanish(what=site_in(web_dir) or "other files", folder=web_dir, names=named(names))
