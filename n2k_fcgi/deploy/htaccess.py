"""The marked block in a site's ``.htaccess``, and how it is merged with the owner's lines."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.errors import DeployRefused, RemovalRefused

HTACCESS = ".htaccess"
BEGIN = "# BEGIN n2k_fcgi"
END = "# END n2k_fcgi"

_WRITTEN = "# Written by 'n2k deploy', which replaces these lines when it runs again. Yours go above or below."

_OPEN = b"# The line above had no end.\n"
"""In the block if a newline was added above it, which goes with it."""

_MARKS = re.compile(rb"^[ \t]*(# BEGIN n2k_fcgi|# END n2k_fcgi)[ \t\r]*$\n?", re.MULTILINE)
SCRIPT_NAME = r"(?!-(?:\s|$))[A-Za-z0-9_-][A-Za-z0-9_.-]*"
"""The file name of a script: no path, and no sole hyphen, which means "no change" in a RewriteRule."""

_SCRIPTS = re.compile(rb"^[ \t]*RewriteRule \^ (%b) \[L\]" % SCRIPT_NAME.encode(), re.MULTILINE)
_REWRITES = re.compile(rb"^[ \t]*Rewrite(Engine|Rule)\b", re.MULTILINE | re.IGNORECASE)
_INHERITS = re.compile(rb"^[ \t]*RewriteOptions\b.*\bInherit", re.MULTILINE | re.IGNORECASE)


def block(lines: list[str]) -> bytes:
    """The block with these lines."""
    return os.fsencode("\n".join([BEGIN, _WRITTEN, *lines, END, ""]))


class Unsafe(ValueError):
    """A ``.htaccess`` that must not be changed; the message says why, and what to do."""


@contextlib.contextmanager
def told_as(refusal: type[DeployRefused | RemovalRefused], web_dir: Path) -> Iterator[None]:
    """Raise *refusal* for rules that must not be changed, and for what the operating system refuses in *web_dir*."""
    try:
        yield
    except Unsafe as problem:
        raise refusal(why=problem) from None
    except OSError as error:
        raise refusal(why=f"{error.strerror}: {error.filename or web_dir}") from None


def file_of(web_dir: Path) -> Path:
    """The file that holds the folder's rules: ``.htaccess``, or what it links to.

    Raises Unsafe for a link out of the folder, unless the target belongs to the folder's owner: else anybody who can make a
    link there could have us write to any file of ours.
    """
    link = web_dir / HTACCESS
    if not link.is_symlink():
        return link
    try:
        target = link.resolve(strict=True)
        is_good = target.is_relative_to(web_dir.resolve()) or target.stat().st_uid == web_dir.stat().st_uid
    except (OSError, RuntimeError):  # a broken link, or a loop
        is_good = False
    if not is_good:
        raise Unsafe(f"{HTACCESS} is a link to a file that is not the folder owner's: remove the link")
    return target


def merged(before: bytes, new_block: bytes) -> bytes:
    """*before* with the block in place of the old one, else at the end; every other byte is kept.

    Raises Unsafe if the marks of an old block are not one pair, or the line above would go on in the block.
    """
    place = place_of_block(before)
    above, below = (before, b"") if place is None else (before[: place.start], before[place.stop :])
    if above.removesuffix(b"\n").removesuffix(b"\r").endswith(b"\\"):
        raise Unsafe(f"the last line of {HTACCESS} above our block ends with a backslash, so that it would go on there: end it")
    is_open = bool(above) and not above.endswith(b"\n") if place is None else _OPEN in before[place]
    if place is None and is_open:
        above += b"\n"
    first, rest = new_block.split(b"\n", 1)
    return above + first + b"\n" + (_OPEN if is_open else b"") + rest + below


def without_block(before: bytes) -> bytes:
    """*before* without the block; every other byte is kept. Raises Unsafe if its marks are not one pair."""
    place = place_of_block(before)
    if place is None:
        return before
    above, below = before[: place.start], before[place.stop :]
    return above.removesuffix(b"\n") if _OPEN in before[place] and not below else above + below


def place_of_block(text: bytes) -> slice | None:
    """The position of the block; None: there is none. Raises Unsafe if its marks are not one pair."""
    marks = list(_MARKS.finditer(text))
    if not marks:
        return None
    if [mark[1].decode() for mark in marks] != [BEGIN, END]:
        raise Unsafe(f"{HTACCESS} must have one '{BEGIN}' and below it one '{END}': repair it by hand")
    return slice(marks[0].start(), marks[1].end())


def is_deployed(text: bytes) -> bool:
    """Whether *text* has the block, also where its marks are not one pair."""
    return bool(_MARKS.search(text))


def scripts_named(text: bytes) -> list[str]:
    """The file names of the scripts that the block in *text* starts, in order; without a block none.

    A path is not one of them: whoever may write there could lead us to a file elsewhere. Raises Unsafe if the marks of the
    block are not one pair.
    """
    place = place_of_block(text)
    found = [name.decode() for name in _SCRIPTS.findall(text[place])] if place else []
    return found[-1:] + found[:-1]  # the first one is in the last rule


def rewrites_itself(text: bytes) -> bool:
    """Whether these rules configure rewriting, on or off, which replaces that of the folder above."""
    return bool(_REWRITES.search(text)) and not _INHERITS.search(text)
