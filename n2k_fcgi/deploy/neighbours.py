"""Other files in a web folder: our block passes every request below it to the script, so they can no longer be fetched."""

import os
from itertools import islice
from pathlib import Path

from n2k_fcgi.deploy.htaccess import HTACCESS, rewrites_itself
from n2k_fcgi.deploy.kind import PROBE_FOLDER
from n2k_fcgi.deploy.replacing import content
from n2k_fcgi.deploy.script import scripts_in

CHALLENGES = Path(".well-known") / "acme-challenge"
"""The exception in the block: certificates are still renewed."""

FRONT_PAGES = ("index.html", "index.htm", "index.php", "default.html", "default.htm")
WORDPRESS = frozenset({"wp-config.php", "wp-login.php", "wp-includes"})

SHOWN = 8
"""The most names in a line."""

LOOKED_AT = 10_000
"""The most folders below one that are searched for a file: many empty folders cause no delay."""


def vanishing(web_dir: Path) -> list[str]:
    """What the block makes unreachable: files, and folders (with a slash) with a file in them; front pages first, then by name.

    Not listed: hidden files, our own, empty folders, and folders with rewriting of their own, which does not change. Raises
    OSError if the folder cannot be read.
    """
    own = {script.name for script in scripts_in(web_dir)}
    found = [entry.name + "/" * entry.is_dir() for entry in web_dir.iterdir() if entry.name not in own and _is_missed(entry)]
    return sorted(found, key=lambda name: (name not in FRONT_PAGES, name))


def named(names: list[str]) -> str:
    """A bounded list: ``index.html, blog/ and 3 more``."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def site_in(web_dir: Path) -> str:
    """What kind of site the folder has: ``a WordPress``, ``a site``; '': it has no front page."""
    names = {entry.name for entry in web_dir.iterdir()}
    if names & WORDPRESS:
        return "a WordPress"
    return "a site" if names & set(FRONT_PAGES) else ""


def _is_missed(entry: Path) -> bool:
    if entry.name == CHALLENGES.parts[0]:
        return any(path.name != CHALLENGES.name for path in entry.iterdir())
    if entry.name.startswith(".") or PROBE_FOLDER.fullmatch(entry.name):
        return False
    return not entry.is_dir() or _holds_a_file(entry)


def _holds_a_file(folder: Path) -> bool:
    """Whether requests below *folder* can reach a file. A folder that cannot be read may have some."""
    if folder.is_symlink():
        return True
    for place, folders, files in islice(os.walk(folder), LOOKED_AT):
        if HTACCESS in files and _has_own_rewriting(Path(place)):
            folders.clear()
        elif any(not name.startswith(".") for name in files):
            return True
    return not os.access(folder, os.R_OK)


def _has_own_rewriting(folder: Path) -> bool:
    try:
        return rewrites_itself(content(folder / HTACCESS))
    except OSError:
        return False
