"""A deployed web folder on the disk: script, block, access of the web server, hidden files."""

import os
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.cli.examinations import crowding
from n2k_fcgi.deploy import htaccess, passenger
from n2k_fcgi.deploy.kind import Kind
from n2k_fcgi.deploy.kinds import kind_in
from n2k_fcgi.deploy.neighbours import named, vanishing
from n2k_fcgi.deploy.reach import LINKS_ON, closed_to_others, forbids_rewriting, opening
from n2k_fcgi.deploy.replacing import content
from n2k_fcgi.deploy.script import is_ours, missing
from n2k_fcgi.deploy.workers import workers
from n2k_fcgi.model.findings import Finding, ok, problem, warning


def served_here(data_dir: Path) -> list[Path]:
    """The folders whose workers run on this machine with this data directory, as their scripts say."""
    wanted = f"data_dir={str(data_dir)!a}"
    scripts = {worker.script for worker in workers()}
    return sorted({script.parent for script in scripts if wanted in _text_of_ours(script)})


def examine(web_dir: Path, code: str) -> Iterator[Finding]:
    """Examine one folder; *code*: the digest of the installed code."""
    try:
        rules = htaccess.file_of(web_dir)
        text = content(rules)
        kind = kind_in(text)
    except htaccess.Unsafe as fault:
        yield problem("folder", f"{web_dir}: {fault}", "then run 'n2k deploy' again")
        return
    except OSError as error:
        yield problem("folder", f"{error.filename}: {error.strerror}", "run 'n2k deploy' again")
        return
    if kind is None:
        yield problem("folder", f"{rules} has no block of ours", "run 'n2k deploy' again")
        return
    hosted = passenger.application_in(text)
    if hosted:
        yield application(hosted, web_dir, code)
    else:
        paths = [web_dir / name for name in htaccess.scripts_named(text)]
        yield scripts(paths, code)
        if kind is Kind.FCGID and paths:
            yield from crowding.examine(paths)
    yield reach(web_dir)
    yield neighbours(web_dir)


def application(path: Path, web_dir: Path, code: str) -> Finding:
    """Whether Passenger's application is there, and was written by the installed code."""
    again = f"run 'n2k deploy {web_dir}' again"
    if not path.exists():
        return problem("script", f"{path} is missing, so Passenger can start nothing", f"{again}, or with --remove")
    if f"(code {code})" not in _text_of_ours(path):
        return warning("script", f"{path} was written by other code than is installed here", again)
    return ok("script", str(path))


def scripts(paths: list[Path], code: str) -> Finding:
    """Whether the scripts of the block can be started, are files of their own, and were written by the installed code."""
    if not paths:
        return problem("script", "the block in .htaccess names no script that could be one", "run 'n2k deploy' again")
    again = f"run 'n2k deploy {paths[0].parent}' again"
    for path in paths:
        if not path.exists():
            which = (
                "every address below its folder is 404" if len(paths) == 1 else f"one request in {len(paths)} is answered 404"
            )
            return problem("script", f"{path} is missing, so {which}", f"{again}, or with --remove")
        if not os.access(path, os.X_OK):
            return problem("script", f"{path} is not executable", f"chmod 755 {path}")
        text = _text_of_ours(path)
        if not text:
            return problem("script", f"{path} is not ours, but the block starts it", f"move it elsewhere, then {again}")
        interpreter, packages = missing(text)
        if interpreter:
            return problem("script", f"{path} is started by {interpreter}, which is not there", again)
        if f"(code {code})" not in text:
            return warning("script", f"{path} was written by other code than is installed here", again)
        if packages:
            what = f"{path} names {packages[0]}, which is not there, so that each start looks for the packages"
            return warning("script", what, again)
    if len({path.stat().st_ino for path in paths}) < len(paths):
        what = f"of the {len(paths)} scripts some are links to one file: mod_fcgid has one set of processes for those"
        return warning("script", what, again)
    return ok("script", str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else ""))


def reach(web_dir: Path) -> Finding:
    """Whether the web server has access, and may rewrite."""
    rules = forbids_rewriting(web_dir)
    if rules is not None:
        return warning("folder", f"{rules} switches FollowSymLinks off: Apache answers 403", LINKS_ON)
    closed = closed_to_others(web_dir)
    if closed:
        return warning("folder", "only you have access: 403 unless the web server runs as you", opening(closed))
    return ok("folder", f"{web_dir} is accessible to a web server")


def neighbours(web_dir: Path) -> Finding:
    """Which files cannot be fetched because the block covers the folder."""
    try:
        names = vanishing(web_dir)
    except OSError as error:
        return warning("other files", f"{error.filename}: {error.strerror}", "make it readable by yourself")
    if names:
        what = f"in {web_dir} these can no longer be fetched: {named(names)}"
        return warning("other files", what, "use a separate folder for n2k, or move them")
    return ok("other files", "none is hidden")


def _text_of_ours(path: Path) -> str:
    try:
        text = content(path)
    except OSError:
        return ""
    return text.decode("ascii", "replace") if is_ours(text) else ""
