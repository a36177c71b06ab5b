"""Deploy to a web folder: dispatch.fcgi, its copies and the block in .htaccess, or an error that says why not.

A web server starts the script with almost no environment, as some user, perhaps through suEXEC. So the code must not be
writable by others.
"""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.deploy.htaccess import HTACCESS, Unsafe, block, file_of, merged, place_of_block, scripts_named
from n2k_fcgi.deploy.installation import refuse_bad_installation, refuse_open_to_all
from n2k_fcgi.deploy.neighbours import FRONT_PAGES, named, site_in, vanishing
from n2k_fcgi.deploy.replacing import Written, put, read
from n2k_fcgi.deploy.script import is_ours, script_text, scripts_in
from n2k_fcgi.deploy.spread import MOST, names_of
from n2k_fcgi.errors import DeployRefused, FilesWouldVanish
from n2k_fcgi.store.datadir import is_data_directory

WEB_ROOTS = frozenset({"public_html", "htdocs", "www", "html", "httpdocs"})
"""Names of folders that hosts serve. The DocumentRoot is in the server's configuration, which cannot be read here."""

SCRIPT_MODE, HTACCESS_MODE = 0o755, 0o644

SCRIPT = "dispatch.fcgi"

_NAME = re.compile(r"(?!-$)[A-Za-z0-9_-][A-Za-z0-9_.-]*")
"""A sole hyphen means "no change" in a RewriteRule."""
_DOMAIN = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


class Deployment(NamedTuple):
    """What to write, and where."""

    web_dir: Path
    data_dir: Path
    name: str | None = None
    """Of the script; None: as it is called there, else SCRIPT."""
    config: Path | None = None
    """The settings file, if not the data directory's own."""
    may_hide: bool = False
    """Whether other files in the folder may become unreachable."""
    spread: int | None = None
    """How many copies of the script; None: as many as there are, at least one."""


class Deployed(NamedTuple):
    """What was done."""

    scripts: list[Written]
    rules: Written
    removed: list[Path]
    """Scripts of ours that the block before this one started."""

    @property
    def replaced(self) -> list[Path]:
        """The scripts whose processes run a text that is no longer there."""
        return [script.path for script in self.scripts if script.changed] + self.removed


def deploy(plan: Deployment) -> Deployed:
    """Write the scripts and the block, then remove what is superfluous; files that are up to date are not touched.

    Files are replaced by rename: mod_fcgid identifies its processes by the script's inode, so that deploying after
    an update starts new ones, and no request reads an incomplete file. Raises DeployRefused, FilesWouldVanish.
    """
    refuse_unsafe(plan)
    try:
        rules = file_of(plan.web_dir)
        old_rules = read(rules)
        former = scripts_named(old_rules or b"")
        name = plan.name or next(iter(former), SCRIPT)
        names = names_of(name, plan.spread or len(former) or 1)
        old_scripts = {each: read(plan.web_dir / each) for each in names}
        for each, text in old_scripts.items():
            if text is not None and not is_ours(text):
                raise DeployRefused(why=f"{each} exists and is not ours: move it elsewhere, or choose another --name")
        if not plan.may_hide and not place_of_block(old_rules or b""):
            refuse_to_hide(plan.web_dir)
        new_script = script_text(plan.data_dir, plan.config).encode("ascii")
        new_rules = merged(old_rules or b"", block(names))
        mode = HTACCESS_MODE if old_rules is None else stat.S_IMODE(rules.stat().st_mode)
        written = [_put_script(plan.web_dir / each, old, new_script) for each, old in old_scripts.items()]
        block_written = put(rules, old_rules, new_rules, mode)
        no_longer = {*former, *names_of(name, MOST)} - {*names}
        superfluous = [script for script in scripts_in(plan.web_dir) if script.name in no_longer]
        for script in superfluous:
            script.unlink()
        return Deployed(written, block_written, superfluous)
    except Unsafe as problem:
        raise DeployRefused(why=problem) from None
    except OSError as error:
        raise DeployRefused(why=f"{error.strerror}: {error.filename or plan.web_dir}") from None


def _put_script(path: Path, before: bytes | None, text: bytes) -> Written:
    """Write one copy; one that a backup or a program against duplicates has linked to another becomes a file of its own."""
    beside = path.is_symlink() and path.resolve().parent == path.parent.resolve()
    is_linked = before is not None and (beside or path.stat().st_nlink > 1)
    return put(path, None if is_linked else before, text, SCRIPT_MODE)


def refuse_unsafe(plan: Deployment) -> None:
    """Raise DeployRefused for a plan that would not run, would publish data, or would let others change the code."""
    if plan.name is not None and not _NAME.fullmatch(plan.name):
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


def web_root_around(data_dir: Path, web_dir: Path | None = None) -> Path | None:
    """The folder around *data_dir* that a web server serves, or may serve; None: there is none.

    That is *web_dir*, *data_dir* itself if it has a site, and any folder that has a usual name of web roots, or the name of
    a domain and a site in it.
    """
    data = data_dir.resolve()
    if _is_served(data) or _has_site(data):
        return data
    web = web_dir.resolve() if web_dir else None
    if web and data.is_relative_to(web):
        return web
    return next((folder for folder in data.parents if _is_served(folder)), None)


def likely_url(web_dir: Path) -> str:
    """The likely address of *web_dir*: some hosts name folders after domains."""
    parts = web_dir.resolve().parts
    host, below = "YOUR-SITE", parts[len(parts) :]
    for at, part in enumerate(parts):
        if part.lower() in WEB_ROOTS:
            below = parts[at + 1 :]
        elif _DOMAIN.fullmatch(part.lower()):
            host, below = part, parts[at + 1 :]
    return "/".join([f"https://{host}", *below, ""])


def _is_served(folder: Path) -> bool:
    if folder.name.lower() in WEB_ROOTS:
        return True
    return bool(_DOMAIN.fullmatch(folder.name.lower())) and _has_site(folder)


def _has_site(folder: Path) -> bool:
    return any(os.path.exists(folder / name) for name in (HTACCESS, "dispatch.fcgi", *FRONT_PAGES))
