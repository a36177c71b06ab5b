"""URLs of dumps: which are requested, with which password, and how they are shown."""

import re
from typing import NamedTuple

from n2k_fcgi.errors import DownloadRefused

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|https?:", re.IGNORECASE)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_BARE = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?/", re.IGNORECASE)
_SAFE = "/%:=&?~#+!$,;'@()*[]"
"""Characters of a path or query that are sent as they are; others, such as spaces, are percent-encoded."""
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_STRAY_AT = re.compile(r"\w+://[^/?#@]*:[^/?#@]*[/?#].*@")
"""``https://me:1/2@host``: a password that looks like port and path, which messages would show."""
_ADDRESS = re.compile(r"[0-9a-f:.]+(%[0-9a-z]+)?")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
_HOST_CHARACTERS = 253
_TWO_STANDARDS = frozenset("ßς\u200c\u200d")
"""IDNA 2003, which Python has, maps these letters to another host than IDNA 2008, which browsers have."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_url(source: str) -> bool:
    """Whether *source* is a URL of any kind, or was meant as one; else it is a path."""
    return _URL.match(source.strip()) is not None


def lacks_scheme(source: str) -> bool:
    """Whether *source* looks like a URL without its ``https://``: a host, perhaps a port, and a path."""
    return _BARE.match(source.strip()) is not None


class Location(NamedTuple):
    """An http or https URL without user and password; those are in ``authorization``, a header's value ('': none).

    ``str`` omits the query too, which may hold a secret: safe for logs and messages.
    """

    url: str
    authorization: str = ""

    def __str__(self) -> str:
        return self.url.partition("?")[0]

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"

    @property
    def file_name(self) -> str:
        """The last part of the path; the host if the path is empty."""
        return str(self).rstrip("/").rpartition("/")[2]

    def redirected(self, to: str) -> "Location":
        """Return the target of a redirect; the password is kept within the same origin, or from http to https of one host.

        Raises DownloadRefused if it is not an http or https URL, or leads from https to http.
        """
        from urllib.parse import urljoin  # late: for redirects only

        if not to.strip():
            raise DownloadRefused(url=self, why="it redirects without a target")
        try:
            joined = urljoin(self.url, to.strip())
        except ValueError:
            joined = ""
        if not _WEB.match(joined):
            raise DownloadRefused(url=self, why="it redirects to something else than http or https")
        try:
            target = _parsed(joined)
        except _Unfit as error:
            raise DownloadRefused(url=self, why=f"it redirects to another address, and {error}") from None
        if self.url.startswith("https:") and not target.url.startswith("https:"):
            raise DownloadRefused(url=self, why="it redirects from https to http")
        if not target.authorization and self.trusts(target):
            return target._replace(authorization=self.authorization)
        return target

    def trusts(self, target: "Location") -> bool:
        """Whether secrets may be sent to *target* too: it is the same origin, or the same host by https."""
        return _origin(target.url) in (_origin(self.url), _encrypted(_origin(self.url)))


def parse_location(text: str) -> Location:
    """Parse a URL. Raises DownloadRefused, without repeating a password."""
    if _STRAY_AT.match(text.strip()):
        raise DownloadRefused(
            url=_before_user(text), why="there is an @ after its host: write /, ?, #, @ as %2F, %3F, %23, %40"
        )
    try:
        return _parsed(text)
    except _Unfit as error:
        raise DownloadRefused(url=_before_user(text), why=error) from None


class _Unfit(Exception):
    """Why a URL is rejected, without repeating any of it. Never leaves this module."""


def _parsed(text: str) -> Location:
    """Parse a URL; bytes that are not UTF-8 may be surrogates, as in paths. Raises _Unfit."""
    from urllib.parse import quote, urlsplit, urlunsplit  # late: only URLs need it, not files

    try:
        parts = urlsplit(text.strip())
        port = parts.port
        path, query = (_bytes(part) for part in (parts.path or "/", parts.query))
        authorization = _basic(parts.username, parts.password)
    except ValueError:
        raise _Unfit("it is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _Unfit("only http and https are fetched")
    host = _host(parts.hostname or "")
    place = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    quoted = (_STRAY_PERCENT.sub("%25", quote(part, _SAFE)) for part in (path, query))
    return Location(urlunsplit((parts.scheme, place, *quoted, "")), authorization)


def _host(name: str) -> str:
    """Return a host as it is requested, international names in IDNA."""
    from urllib.parse import unquote  # late: as above

    if _ADDRESS.fullmatch(name) and ":" in name:
        return f"[{name}]"
    name = unquote(name).lower()
    if not name:
        raise _Unfit("it names no host")
    if not _TWO_STANDARDS.isdisjoint(name):
        raise _Unfit("its host has a letter of two meanings (ß, ς): write it as xn--...")
    try:
        encoded = name.encode("idna").decode("ascii").lower() if len(name) <= _HOST_CHARACTERS else ""
    except UnicodeError:
        encoded = ""
    if not _HOST.fullmatch(encoded):
        raise _Unfit("its host is not a valid name")
    return encoded


def _bytes(text: str) -> bytes:
    """Encode. Raises ValueError for a surrogate that is not a byte."""
    return text.encode("utf-8", "surrogateescape")


def _basic(user: str | None, password: str | None) -> str:
    """The Authorization header of RFC 7617."""
    from base64 import b64encode  # late: for URLs with a password only
    from urllib.parse import unquote_to_bytes

    if not user and not password:
        return ""
    return "Basic " + b64encode(b":".join(unquote_to_bytes(_bytes(part or "")) for part in (user, password))).decode()


def _before_user(text: str) -> str:
    """Return the part of a URL that certainly has no password in it."""
    found = _URL.match(text.strip())
    return f"{found[0]}..." if found else "it"


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _encrypted(origin: str) -> str:
    """The same host by https, if it has the default port."""
    return origin if _has_port(origin) else origin.replace("http:", "https:", 1)


def _has_port(url: str) -> bool:
    return re.search(r":[0-9]+$", _origin(url)) is not None
