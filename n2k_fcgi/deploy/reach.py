"""Whether the web server may come in: the modes on the way to a web folder, and options that forbid its rewriting.

Web servers mostly run as a user of their own, and with suEXEC only the script runs as its owner. So the server itself must
be able to pass through every folder on the way and to read ``.htaccess``: else each answer is 403. A server that runs as
the owner throughout gets in anyway: which one it is cannot be seen from here.
"""

import os
import re
import stat
from pathlib import Path

from n2k_fcgi.deploy.htaccess import HTACCESS
from n2k_fcgi.deploy.replacing import content

ACL = "system.posix_acl_access"
"""The attribute of a file that has an access list: it may let the web server in where the mode does not."""

LINKS_ON = "put 'Options +SymLinksIfOwnerMatch' above our block in .htaccess"

_OPTIONS = re.compile(rb"^[ \t]*Options[ \t]+(.*?)[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_LINKS = frozenset({"followsymlinks", "symlinksifownermatch"})


def closed_to_others(web_dir: Path) -> list[Path]:
    """The folders on the way to *web_dir*, itself and its ``.htaccess``, where only the owner gets in; outermost first."""
    whole = web_dir.resolve()
    rules = whole / HTACCESS
    wanted = [(place, 0o1) for place in (*reversed(whole.parents), whole)] + ([(rules, 0o4)] if rules.exists() else [])
    return [place for place, bit in wanted if _is_closed(place, bit)]


def mended(closed: list[Path]) -> str:
    """The command that lets the web server pass through them, and no more."""
    folders = [str(place) for place in closed if place.name != HTACCESS]
    files = [str(place) for place in closed if place.name == HTACCESS]
    commands = [" ".join([f"chmod {bit}", *places]) for bit, places in (("o+x", folders), ("o+r", files)) if places]
    return "; ".join(commands)


def forbids_rewriting(web_dir: Path) -> Path | None:
    """The ``.htaccess`` that switches off both FollowSymLinks and SymLinksIfOwnerMatch, without which Apache forbids rewriting.

    None: no such line is on the way; the server's own configuration, which we cannot read, may do the same.
    """
    on: dict[str, bool] = {}
    culprit = None
    for folder in (*reversed(web_dir.resolve().parents), web_dir.resolve()):
        for words in _option_lines(folder / HTACCESS):
            was_off = _is_off(on)
            _apply(words, on)
            if _is_off(on) and not was_off:
                culprit = folder / HTACCESS
    return culprit if _is_off(on) else None


def _is_closed(place: Path, bit: int) -> bool:
    status = place.stat()
    if status.st_mode & bit:
        return False
    if stat.S_IMODE(status.st_mode) & bit << 3 and status.st_gid not in {os.getegid(), *os.getgroups()}:
        return False  # a group that we are not in: hosts give folders to the web server's
    try:
        return ACL not in os.listxattr(place)
    except OSError:  # the file system knows no such attributes
        return True


def _option_lines(rules: Path) -> list[list[str]]:
    try:
        text = content(rules)
    except OSError:
        return []
    return [line.decode("latin-1").lower().split() for line in _OPTIONS.findall(text)]


def _apply(words: list[str], on: dict[str, bool]) -> None:
    """What one ``Options`` line makes of the two options; a list without signs names all that is on."""
    if not any(word[0] in "+-" for word in words):
        on.update(dict.fromkeys(_LINKS, "all" in words))
    for word in words:
        name = word.lstrip("+-")
        if name in _LINKS:
            on[name] = not word.startswith("-")


def _is_off(on: dict[str, bool]) -> bool:
    """Whether both are known to be off; with one line of a server's own default in doubt, FollowSymLinks decides."""
    return on.get("followsymlinks") is False and not on.get("symlinksifownermatch", False)
