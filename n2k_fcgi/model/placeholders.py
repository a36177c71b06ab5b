"""Placeholders: texts that viewers and simulators show for an unknown name. No avatar has one as a name.

Sources: the viewer's name cache ("(Loading...)", "(waiting)", "(nobody)", "(none)", and "Loading..." without brackets in
libraries for bots), what simulators answer for no key ("(???) (???)", "(hippos)"), and OpenSimulator's user management
and friends modules: "Unknown UserUMMAU43", "Unknown UserUMMTGUN9", "Unknown UserHGGAI", "UnknownUMM2 <key>", "Unknown <key>",
"First.Last UMMM0Unknown", and "Unknown User", which is the name of the null key there.

One word without brackets or dots may be a username: "Loading", "Unknown Resident", "waiting". "Unknown
User" is rejected everywhere: "User" was never among the last names of Second Life.
"""

from __future__ import annotations

from functools import cache

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    import re

_WORD = r"(?:loading|waiting|retrieving|unknown(?: (?:user|name|avatar|resident))?|no ?name|nobody|no one|none|hippos|multiple)"
_OPEN, _CLOSE = r"[(\[{<«‹「『【〈《]", r"[)\]}>»›」』】〉》]"
_INSIDE = rf"[^{_OPEN[1:-1]}{_CLOSE[1:-1]}]"
_KEY = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_PLAIN = (r"unknown user(?:(?:umm|hgg)[a-z0-9]*)?", r"[a-z0-9_]+ ummm[0-9]+unknown")
"""Those of letters, digits and one space: the fast path of an import must find them without parsing single names."""

_ANY = (
    rf"(?:{_OPEN}+ ?(?:{_WORD}|[?.]*|{_INSIDE}*\.\.) ?{_CLOSE}+[ .]?)+",  # in any language, if it ends in dots
    rf"{_WORD} ?\.\.+",
    r"[?. ]+",
    _PLAIN[0].replace(" ", "[ .]+"),
    r".+[ .]ummm[0-9]+unknown",
    rf"unknown[a-z0-9]*[ .]+{_KEY}",
)
PLAIN_PLACEHOLDER = rf"(?i:{'|'.join(_PLAIN)})".encode()
"""A regular expression for a whole ASCII name of one or two words; every match contains ``PLAIN_MARK``."""
PLAIN_MARK = b"unknown"
"""In lower case."""


def is_placeholder(spelling: str) -> bool:
    """Whether *spelling*, with single spaces, is a placeholder, in any case and with any kind of bracket."""
    word = spelling.replace(" ", "").replace(".", "").replace("_", "")
    if word.isascii() and word.isalnum() and ".." not in spelling and PLAIN_MARK.decode() not in word.lower():
        return False  # nearly always, and a cold start compiles no regular expression
    if not spelling.isascii():
        import unicodedata  # late: as above

        spelling = unicodedata.normalize("NFKC", spelling)  # the ellipsis character, and full-width brackets
    return _placeholder().fullmatch(spelling) is not None


@cache
def _placeholder() -> re.Pattern[str]:
    import re  # late: as above

    return re.compile("|".join(_ANY), re.IGNORECASE)
