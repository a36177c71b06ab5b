"""Legacy names and usernames: the spelling that is shown, and the canonical form that lookups compare.

Second Life writes one avatar as ``Governor Linden``, ``governor.linden`` or ``GOVERNOR+LINDEN``, and newer accounts as
``foo``, ``Foo Resident`` or ``foo.resident``; all spellings of one avatar share one canonical form (``governor.linden``,
``foo``). Display names are not unique and play no part here.
"""

from __future__ import annotations

from n2k_fcgi.errors import BadGrid, BadName
from n2k_fcgi.model.grids import Grids, Wanted, has_controls
from n2k_fcgi.model.keys import is_key_shaped
from n2k_fcgi.model.placeholders import PLAIN_MARK, is_placeholder
from n2k_fcgi.named import NamedTuple

PART_BYTES = 63
"""Longest first or last name in UTF-8. Second Life permits 31 characters; OpenSimulator's columns hold 64 with the end."""

NAME_BYTES = 2 * PART_BYTES + 1
"""Longest whole spelling. Case folding makes at most three bytes of one, so a canonical name fits LMDB's limit of 511."""

LONGEST_TEXT = 1024
"""Most characters of a text that may be a name, including spaces and a visitor's grid."""

DEFAULT_LAST_NAME = "resident"
_AS_RESIDENT = f" {DEFAULT_LAST_NAME}"

ANY_GRIDS = Grids()
"""For names whose home does not matter."""

# No regular expressions here: importing ``re`` and compiling them would take a tenth of a cold start.

_MARK = PLAIN_MARK.decode()
_PLAIN_PART = 31


class ParsedName(NamedTuple):
    """A caller's name: the ``spelling`` to store, the ``canonical`` form to compare, the ``home`` grid of a visitor."""

    spelling: str
    canonical: str
    home: str | None

    def on(self, wanted: Wanted) -> Wanted:
        """Return the grid on which to look up or register the name: a visitor's home, else *wanted*."""
        return Wanted(self.home, True) if self.home else wanted


def canonical(name: str) -> str:
    """Return the form that all spellings of *name* share; '' if nothing of it remains. Idempotent.

    Unicode NFC and case folded; separators become one dot; a last name of ``resident`` is removed, but only as a whole
    second part (W-Hat removes it anywhere, so that ``x.residentfoo`` equals ``xfoo``).
    """
    folded = name.lower() if name.isascii() else _fold(name)
    parts = _parts(folded)
    if len(parts) == 2 and parts[1] == DEFAULT_LAST_NAME:
        del parts[1]
    return ".".join(parts)


def _parts(name: str) -> list[str]:
    """Split at separators: white space, the plus sign of an undecoded query, the dot of a username, and runs of them."""
    return name.replace("+", " ").replace(".", " ").split()


def _fold(name: str) -> str:
    """Case-fold so that folding again changes nothing (Unicode 3.13, definition D145: fold between normalisations)."""
    import unicodedata  # late: most names are ASCII

    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold()))


def parse_name(text: str, grids: Grids = ANY_GRIDS) -> ParsedName:
    """Parse a name in any spelling, with the home grid of a visitor (``First.Last @host:port``, at home ``First Last``).

    *grids*: the known grids, for the spelling of the home.

    Raises BadName for a text that no avatar can have as a name: empty, control or unprintable characters, a UUID, a
    placeholder, a part longer than PART_BYTES, a whole longer than NAME_BYTES, a home that is not a grid.
    """
    # Nearly all names, for which the rules below find the same: a lookup takes 4 % more without this.
    first, space, last = text.partition(" ")
    if (
        text.isascii()
        and first.isalnum()
        and (last.isalnum() or not space)
        and len(first) <= _PLAIN_PART >= len(last)
        and _MARK not in (form := text.lower())
    ):
        return ParsedName(text, form.removesuffix(_AS_RESIDENT).replace(" ", "."), None)
    if len(text) > LONGEST_TEXT:  # checked first: normalising a run of combining marks takes quadratic time
        raise BadName(name=text, why=_which_is_long(text), too_long=True)
    if has_controls(text):
        raise BadName(name=text, why="it has characters that cannot be shown")
    spelling = " ".join(text.replace("+", " ").split())
    if not spelling.isprintable() or "\ufffd" in spelling:
        raise BadName(name=text, why="it has characters that cannot be shown")
    home = None
    if "@" in spelling:
        name, _, grid = spelling.partition("@")
        if not name.strip() or "@" in grid or grid.split() != [grid]:
            raise BadName(name=text, why="an @ must be followed by a grid")
        spelling, home = _at_home(name.rstrip()), _home(grid, text, grids)
    form = canonical(spelling)
    if not form:
        raise BadName(name=text, why="it is empty")
    if is_placeholder(spelling):
        raise BadName(name=text, why="it is a placeholder for an unknown name")
    if is_key_shaped(form):
        raise BadName(name=text, why="it is a key")
    if len(spelling) > NAME_BYTES or _too_long(spelling):
        raise BadName(name=text, why=_which_is_long(spelling), too_long=True)
    return ParsedName(spelling, form, home)


def _at_home(name: str) -> str:
    """Return a visitor's name as the home grid writes it: other simulators put a dot between first and last name."""
    first, _, last = name.partition(".")
    return f"{first} {last}" if first and last and " " not in name else name


def _home(grid: str, text: str, grids: Grids) -> str:
    try:
        return grids.parse(grid)
    except BadGrid as error:
        raise BadName(name=text, why=str(error)) from None


def _too_long(spelling: str) -> bool:
    encoded = spelling.encode()
    if len(encoded) <= PART_BYTES:
        return False
    return len(encoded) > NAME_BYTES or _has_long_part(spelling)


def _has_long_part(spelling: str) -> bool:
    return any(len(part.encode("utf-8", "surrogatepass")) > PART_BYTES for part in _parts(spelling))


def _which_is_long(spelling: str) -> str:
    if _has_long_part(spelling):
        return f"a first or last name has at most {PART_BYTES} bytes"
    return f"a whole name has at most {NAME_BYTES} bytes"


def is_second_life_name(spelling: str) -> bool:
    """Whether Linden Lab could have issued *spelling*: one or two parts of ASCII letters, digits and underscores."""
    parts = _parts(spelling)
    return len(parts) <= 2 and all(map(_is_word, parts))


def is_what_name(text: str) -> bool:
    """Whether W-Hat's own endpoints accept *text*: ASCII letters, digits, underscore, one space or dot."""
    parts = text.split(" " if " " in text else ".")
    return len(parts) <= 2 and all(map(_is_word, parts))


def _is_word(part: str) -> bool:
    """Whether *part* is ASCII letters, digits and underscores, at least one."""
    return part.isascii() and part.replace("_", "0").isalnum()
