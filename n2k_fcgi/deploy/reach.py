"""Whether the web server has access: the modes of a web folder and those above, and options that forbid rewriting.

Most web servers run as a user of their own, and with suEXEC only the script runs as its owner. So the server must be able
to enter every folder above and to read ``.htaccess``: else it answers 403. A server that runs as the owner has access
anyway; which one it is cannot be found out here.
"""

import os
import re
import stat
from pathlib import Path

from n2k_fcgi.deploy.htaccess import HTACCESS
from n2k_fcgi.deploy.replacing import content

ACL = "system.posix_acl_access"
"""The attribute of a file with an access control list, which may give access where the mode does not."""

LINKS_ON = "put 'Options +SymLinksIfOwnerMatch' above our block in .htaccess"

_OPTIONS = re.compile(rb"^[ \t]*Options[ \t]+(.*?)[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_LINKS = frozenset({"followsymlinks", "symlinksifownermatch"})


def closed_to_others(web_dir: Path) -> list[Path]:
    """Those of *web_dir*, the folders above and its ``.htaccess`` that only the owner can access; outermost first."""
    whole = web_dir.resolve()
    rules = whole / HTACCESS
    wanted = [(place, 0o1) for place in (*reversed(whole.parents), whole)] + ([(rules, 0o4)] if rules.exists() else [])
    return [place for place, bit in wanted if _is_closed(place, bit)]


def opening(closed: list[Path]) -> str:
    """The command that gives the web server access to them, and no more."""
    folders = [str(place) for place in closed if place.name != HTACCESS]
    files = [str(place) for place in closed if place.name == HTACCESS]
    commands = [" ".join([f"chmod {bit}", *places]) for bit, places in (("o+x", folders), ("o+r", files)) if places]
    return "; ".join(commands)


def forbids_rewriting(web_dir: Path) -> Path | None:
    """The ``.htaccess`` that disables both FollowSymLinks and SymLinksIfOwnerMatch, one of which rewriting needs.

    None: there is no such line; the server's configuration, which cannot be read here, may do the same.
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
        return False  # a group that we are not in: on some hosts that of the web server
    try:
        return ACL not in os.listxattr(place)
    except OSError:  # the file system has no such attributes
        return True


def _option_lines(rules: Path) -> list[list[str]]:
    try:
        text = content(rules)
    except OSError:
        return []
    return [line.decode("latin-1").lower().split() for line in _OPTIONS.findall(text)]


def _apply(words: list[str], on: dict[str, bool]) -> None:
    """Apply one ``Options`` line to the two options; a list without signs names all enabled options."""
    if not any(word[0] in "+-" for word in words):
        on.update(dict.fromkeys(_LINKS, "all" in words))
    for word in words:
        name = word.lstrip("+-")
        if name in _LINKS:
            on[name] = not word.startswith("-")


def _is_off(on: dict[str, bool]) -> bool:
    """Whether both are known to be off; where the server's default is unknown, FollowSymLinks decides."""
    return on.get("followsymlinks") is False and not on.get("symlinksifownermatch", False)
