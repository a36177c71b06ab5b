"""Where a dump is on the web: what may be asked, with which password, and what of it may be shown."""

import re
from typing import NamedTuple

from n2k_fcgi.errors import DownloadRefused

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SAFE = "/%:=&?~#+!$,;'@()*[]"
"""Characters of a path or query that are sent as they are; others, such as spaces, are percent-encoded."""


def is_url(source: str) -> bool:
    """Tell whether *source* is a URL of any kind; else it is a path."""
    return _SCHEME.match(source) is not None


class Location(NamedTuple):
    """An http or https URL without user and password; those are in ``authorization``, a header's value ('': none).

    As text it has no query either, which may hold a secret: fit for logs and messages.
    """

    url: str
    authorization: str = ""

    def __str__(self) -> str:
        return self.url.partition("?")[0]

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"

    @property
    def file_name(self) -> str:
        """The last part of the path; the host when there is none."""
        return str(self).rstrip("/").rpartition("/")[2]

    def redirected(self, to: str) -> "Location":
        """Where a redirect leads; the password goes along within the same origin only.

        Raises DownloadRefused when it is no http or https URL, or leads from https to http.
        """
        from urllib.parse import urljoin

        try:
            joined = urljoin(self.url, to.strip())
        except ValueError:
            joined = ""
        if not to.strip() or not _is_http(joined):
            raise DownloadRefused(url=self, why="it redirects to something else than http or https")
        target = parse_location(joined)
        if self.url.startswith("https:") and not target.url.startswith("https:"):
            raise DownloadRefused(url=self, why="it redirects from https to http")
        if not target.authorization and _origin(target.url) == _origin(self.url):
            return target._replace(authorization=self.authorization)
        return target


def parse_location(text: str) -> Location:
    """Read a URL. Raises DownloadRefused, without repeating a password."""
    from urllib.parse import quote, urlsplit, urlunsplit

    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise DownloadRefused(url=_before_user(text), why="it is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise DownloadRefused(url=_before_user(text), why="only http and https are fetched")
    if not parts.hostname or not parts.netloc.isascii():
        raise DownloadRefused(url=_before_user(text), why="it names no host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    url = urlunsplit((parts.scheme, place, quote(parts.path or "/", _SAFE), quote(parts.query, _SAFE), ""))
    return Location(url, _basic(parts.username, parts.password))


def _basic(user: str | None, password: str | None) -> str:
    """The Authorization header of RFC 7617."""
    from base64 import b64encode
    from urllib.parse import unquote

    if user is None:
        return ""
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode()


def _is_http(url: str) -> bool:
    found = _SCHEME.match(url)
    return found is not None and found[1].lower() in ("http", "https")


def _before_user(text: str) -> str:
    """As much of a URL as surely has no password in it."""
    found = _SCHEME.match(text.strip())
    return f"{found[0]}..." if found else "it"


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])
