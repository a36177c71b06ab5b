"""The web folder that was deployed into, as it lies on the disk: the script, the block, who gets in, what vanished."""

import os
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.cli.examinations.findings import Finding, ok, problem, warning
from n2k_fcgi.deploy import htaccess
from n2k_fcgi.deploy.neighbours import named, vanishing
from n2k_fcgi.deploy.reach import LINKS_ON, closed_to_others, forbids_rewriting, mended
from n2k_fcgi.deploy.replacing import content
from n2k_fcgi.deploy.script import is_ours
from n2k_fcgi.deploy.workers import workers


def served_here(data_dir: Path) -> list[Path]:
    """The folders whose workers run now, on this machine, with this data directory; by their scripts' own words."""
    wanted = f"data_dir={str(data_dir)!a}"
    scripts = {worker.script for worker in workers()}
    return sorted({script.parent for script in scripts if wanted in _text_of_ours(script)})


def examine(web_dir: Path, code: str) -> Iterator[Finding]:
    """Look at one folder; *code* is the digest of what is installed."""
    try:
        rules = htaccess.file_of(web_dir)
        text = content(rules)
        name = htaccess.script_named(text)
    except htaccess.Unsafe as fault:
        yield problem("folder", f"{web_dir}: {fault}", "then run 'n2k deploy' again")
        return
    except OSError as error:
        yield problem("folder", f"{error.filename}: {error.strerror}", "run 'n2k deploy' again")
        return
    if not name:
        yield problem("folder", f"{rules} has no block of ours", "run 'n2k deploy' again")
        return
    yield script(web_dir / name, code)
    yield reach(web_dir)
    yield neighbours(web_dir)


def script(path: Path, code: str) -> Finding:
    """Whether the script that the block names can be started, and was written by the installed code."""
    if not path.exists():
        what = f"{path} is gone, and every address below its folder is 404"
        return problem("script", what, f"'n2k deploy {path.parent}' again, or '--remove' for what is left")
    if not os.access(path, os.X_OK):
        return problem("script", f"{path} is not executable", f"chmod 755 {path}")
    if f"(code {code})" not in _text_of_ours(path):
        return warning("script", f"{path} was written by other code than is installed here", "run 'n2k deploy' again")
    return ok("script", str(path))


def reach(web_dir: Path) -> Finding:
    """Whether the web server gets in, and may rewrite."""
    rules = forbids_rewriting(web_dir)
    if rules is not None:
        return warning("folder", f"{rules} switches FollowSymLinks off: Apache answers 403", LINKS_ON)
    closed = closed_to_others(web_dir)
    if closed:
        return warning("folder", "only you get in: 403 unless the web server runs as you", mended(closed))
    return ok("folder", f"{web_dir} lets a web server in")


def neighbours(web_dir: Path) -> Finding:
    """What cannot be fetched because the folder is ours."""
    try:
        names = vanishing(web_dir)
    except OSError as error:
        return warning("other files", f"{error.filename}: {error.strerror}", "make it readable for yourself")
    if names:
        what = f"in {web_dir} these cannot be fetched any more: {named(names)}"
        return warning("other files", what, "give n2k a folder of its own, or move them")
    return ok("other files", "none that the service hides")


def _text_of_ours(path: Path) -> str:
    try:
        text = content(path)
    except OSError:
        return ""
    return text.decode("ascii", "replace") if is_ours(text) else ""
