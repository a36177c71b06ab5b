"""What viewers and simulators say while a name is not known, or never will be: it stands for anybody, and is nobody's name.

Sources: the viewer's name cache ("(Loading...)", "(waiting)", "(nobody)", "(none)", and "Loading..." without brackets in
libraries for bots), what simulators answer for no key ("(???) (???)", "(hippos)"), and OpenSimulator's user management
and friends modules: "Unknown UserUMMAU43", "Unknown UserUMMTGUN9", "Unknown UserHGGAI", "UnknownUMM2 <key>", "Unknown <key>",
"First.Last UMMM0Unknown", and "Unknown User", which is the name of the null key there.

One word without brackets or dots is a username that somebody may have: "Loading", "Unknown Resident", "waiting". "Unknown
User" is refused everywhere: "User" was never among the last names of Second Life.
"""

import re
import unicodedata

_WORD = r"(?:loading|waiting|retrieving|unknown(?: (?:user|name|avatar|resident))?|no ?name|nobody|no one|none|hippos|multiple)"
_OPEN, _CLOSE = r"[(\[{<«‹「『【〈《]", r"[)\]}>»›」』】〉》]"
_INSIDE = rf"[^{_OPEN[1:-1]}{_CLOSE[1:-1]}]"
_KEY = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_PLAIN = (r"unknown user(?:(?:umm|hgg)[a-z0-9]*)?", r"[a-z0-9_]+ ummm[0-9]+unknown")
"""Those of letters, digits and one space: an import meets them among names that it does not look at one by one."""

_ANY = (
    rf"(?:{_OPEN}+ ?(?:{_WORD}|[?.]*|{_INSIDE}*\.\.) ?{_CLOSE}+[ .]?)+",  # in any language, while it ends in dots
    rf"{_WORD} ?\.\.+",
    r"[?. ]+",
    _PLAIN[0].replace(" ", "[ .]+"),
    r".+[ .]ummm[0-9]+unknown",
    rf"unknown[a-z0-9]*[ .]+{_KEY}",
)
_PLACEHOLDER = re.compile("|".join(_ANY), re.IGNORECASE)

PLAIN_PLACEHOLDER = rf"(?i:{'|'.join(_PLAIN)})".encode()
"""A regular expression for a whole name in ASCII of one or two words; all that it takes has ``PLAIN_MARK`` in it."""
PLAIN_MARK = b"unknown"
"""In lower case."""


def is_placeholder(spelling: str) -> bool:
    """Whether *spelling*, with single spaces in it, is no name but what stands in for one; in any case and kind of bracket."""
    if not spelling.isascii():
        spelling = unicodedata.normalize("NFKC", spelling)  # the one letter for three dots, and wide brackets
    return _PLACEHOLDER.fullmatch(spelling) is not None
