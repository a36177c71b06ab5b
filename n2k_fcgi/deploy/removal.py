"""Remove the service from a web folder: first the block, then the scripts, so that no request fails in between."""

import stat
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy import htaccess, passenger
from n2k_fcgi.deploy.leftovers import remove_leftovers
from n2k_fcgi.deploy.notes import Notes, noting
from n2k_fcgi.deploy.replacing import put, read
from n2k_fcgi.deploy.script import scripts_in
from n2k_fcgi.deploy.workers import hosted_in, stop, workers_of
from n2k_fcgi.errors import RemovalRefused


class Removal(NamedTuple):
    """What was done."""

    removed: list[Path]
    changed: list[Path]
    stopped: list[int]
    """Process ids of workers that ended."""
    left: list[int]
    """Those that still run: they belong to another user, or are busy."""
    warnings: list[str]


def take_away(web_dir: Path, usual: Path | None = None) -> Removal:
    """Remove the block, our scripts and, if nothing else is in it, ``.htaccess``; then stop the workers.

    Only files that are marked as ours are touched; data is kept. *usual*: where an application may be that nothing else
    names. Raises RemovalRefused before any change, or where the system refuses one.
    """
    if not web_dir.is_dir():
        raise RemovalRefused(why=f"no such folder: {web_dir}")
    with htaccess.told_as(RemovalRefused, web_dir), noting(web_dir) as notes:
        return _take_away(web_dir, usual, notes)


def _take_away(web_dir: Path, usual: Path | None, notes: Notes) -> Removal:
    removed, changed = [], []
    rules = htaccess.file_of(web_dir)
    before = read(rules) or b""
    after = htaccess.without_block(before)
    found = [*scripts_in(web_dir), *passenger.belonging(web_dir, before, usual)]
    if after != before or found:
        notes.add([rules, *found])
    if after != before and not after.strip() and rules == web_dir / htaccess.HTACCESS:
        rules.unlink()
        removed.append(rules)
    elif after != before:
        put(rules, before, after, stat.S_IMODE(rules.stat().st_mode))
        changed.append(rules)
    removed.extend(notes.settle())
    leftovers = remove_leftovers(web_dir, RemovalRefused)
    removed.extend(leftovers.removed)
    # Workers of a script that was deleted by hand are found by its name in the block, those of a killed run by its notes.
    gone = [path for path in notes.noted() if not path.exists()]
    named = [web_dir / name for name in htaccess.scripts_named(before)]
    hosted = [worker for path in gone if path.name == passenger.NAME for worker in hosted_in(path.parent)]
    stopped, left = stop([*workers_of([*gone, *named]), *hosted])
    return Removal(removed, changed, stopped, left, leftovers.warnings)
