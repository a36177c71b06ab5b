"""Reading the text of a setting: each function returns the value, or raises ValueError with the values that it takes.

The reason is a noun phrase: it completes "must be …" in messages and fills the column of values in docs/settings.md.
"""

from __future__ import annotations

import os

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import BadGrid
from n2k_fcgi.model.grids import PRODUCTION, TESTING, Grid, parse_grid

_URL_CHARACTERS = r"[A-Za-z0-9%._~:/!$&'()*+,;=\[\]-]+"
"""Of RFC 3986, without those that begin a query or a fragment, or end a user name."""

_TOKEN = r"[A-Za-z0-9._~+/=-]{1,500}"
"""Of RFC 6750; the length fits into a header."""


def path(text: str) -> str:
    """An absolute path, without needless slashes and dots; ``~`` is the home directory."""
    if not text.strip() or "\0" in text:
        raise ValueError("a path")  # an empty path would be the current folder
    place = _at_home(text.strip())
    try:
        whole = place if os.path.isabs(place) else os.path.join(os.getcwd(), place)
    except FileNotFoundError:
        raise ValueError("an absolute path, because the current folder no longer exists") from None
    return "/" + "/".join(part for part in whole.split("/") if part not in ("", "."))


def _at_home(text: str) -> str:
    place = os.path.expanduser(text)
    if place.startswith("~"):
        raise ValueError("a path below the home directory of an existing user")
    return place


def log_file(text: str) -> str:
    """A path, ``-`` for standard error, or empty."""
    if "\0" in text:
        raise ValueError("a path")
    return _at_home(text.strip())


def source(text: str) -> str:
    """A URL or a path, or empty."""
    source = text.strip()
    if not source.isprintable():
        raise ValueError("a URL or a path, or empty")
    return _at_home(source)


def token(text: str) -> str:
    """A secret for another server, or empty."""
    token = text.strip()
    if not token:
        return ""
    import re  # late: as in url

    if not re.fullmatch(_TOKEN, token):
        raise ValueError("a token as 'n2k token create' prints it there, or empty")
    return token


def url(text: str) -> str:
    """A base address for paths and queries. A folder's address ends in a slash: without it Apache redirects."""
    url, wanted = text.strip(), "an address such as https://example.com/n2k/, without '?', '#' or a password, or empty"
    if not url:
        return ""
    import re  # late: most installations do not set it
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(wanted) from None
    if not is_good or not re.fullmatch(_URL_CHARACTERS, url) or len(url) > 255:
        raise ValueError(wanted)
    last = parts.path.rpartition("/")[2]
    return url if (last and "." in last) or url.endswith("/") else f"{url}/"


def contact(text: str) -> str:
    """How to reach the owner: a line that pages show as text, or an address that they make a link of."""
    line = text.strip()
    if not line.isprintable() or len(line) > 200:
        raise ValueError("one line of at most 200 characters, for instance mailto:me@example.com, or empty")
    return line


if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from n2k_fcgi.model.choices import Choice

    Chosen = TypeVar("Chosen", bound=Choice)


def choice_of(choices: type[Chosen]) -> Callable[[str], Chosen]:
    """A member of an Enum, by its value in upper or lower case."""

    def parse(text: str) -> Chosen:
        for choice in choices:
            if text.strip().lower() == choice.lower():
                return choice
        raise ValueError("one of " + ", ".join(choices))

    return parse


def _number(digits: str) -> int:
    """-1 if it is not a number, or far too long (``int`` refuses thousands of digits with a message of its own)."""
    return int(digits) if digits.isdecimal() and len(digits) < 20 else -1


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from *low* to *high*."""

    def parse(text: str) -> int:
        number = _number(text.strip())
        if not low <= number <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return number

    return parse


def size(low: int, high: int) -> Callable[[str], int]:
    """Bytes, with an optional K, M or G (powers of 1024)."""

    def parse(text: str) -> int:
        digits, factor = text.strip().upper().removesuffix("B").rstrip(), 1
        if digits.endswith(("K", "M", "G")):
            factor = 1024 ** ("KMG".index(digits[-1]) + 1)
            digits = digits[:-1].rstrip()
        size = _number(digits) * factor
        if not low <= size <= high:
            raise ValueError(f"a size from {in_short(low)} to {in_short(high)} bytes, such as 512K or 10M")
        return size

    return parse


def in_short(size: int) -> str:
    """Return bytes as they are written in the settings: ``128K``, ``64M``, ``4G``, ``1000``."""
    for letter, factor in (("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{letter}"
    return str(size)


def rate(low: int, high: int) -> Callable[[str], int]:
    """Bytes per second, as ``size``; 0: no limit."""

    def parse(text: str) -> int:
        if text.strip() == "0":
            return 0
        try:
            return size(low, high)(text)
        except ValueError as problem:
            raise ValueError(f"0, or {problem}") from None

    return parse


def percent(text: str) -> float:
    """A percentage, with or without its sign."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ValueError("a percentage from 0 to 100")
    return value


def flag(text: str) -> bool:
    """Yes or no."""
    words = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError("yes or no") from None


def grid(text: str) -> str:
    """The label of a grid."""
    try:
        return parse_grid(text)
    except BadGrid as error:
        raise ValueError(f"the name of a grid ({error})") from None


def grids(text: str) -> tuple[Grid, ...]:
    """Labels as the owner spells them, except Second Life's two; ``Label=Shard`` where the shard is another word."""
    found: dict[str, Grid] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        label, has_shard, shard = (piece.strip() for piece in part.partition("="))
        grid(label)  # raises if it is not a grid
        label = parse_grid(label, (label,))
        if not has_shard:
            shard = label
        elif label in (PRODUCTION, TESTING) or grid(shard) in (PRODUCTION, TESTING):
            raise ValueError("without '=' for Production and Testing, which always mean Second Life")
        found.setdefault(label.casefold(), Grid(label, shard))
    if not found:
        raise ValueError("one grid or more, separated by commas")
    _refuse_same_shard(tuple(found.values()))
    return tuple(found.values())


def _refuse_same_shard(grids: tuple[Grid, ...]) -> None:
    labels: dict[str, str] = {}
    for grid in grids:
        other = labels.setdefault(grid.shard.casefold(), grid.label)
        if other != grid.label:
            raise ValueError(f"one grid for each shard: {grid.shard!r} is given for {other!r} and {grid.label!r}")


def networks(text: str) -> tuple[str, ...]:
    """Addresses or networks, in the standard library's spelling."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        return ()
    from ipaddress import ip_network  # late: most installations do not set it

    try:
        return tuple(str(ip_network(part)) for part in parts)
    except ValueError as error:
        raise ValueError(f"addresses or networks such as 127.0.0.1, 10.0.0.0/8 ({error})") from None
