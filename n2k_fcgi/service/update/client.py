"""HTTP as a download needs it: GET requests that follow redirects, and some headers of their responses."""

import binascii
import re
import time
from collections.abc import Callable, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from typing import Any

from n2k_fcgi import __version__
from n2k_fcgi.errors import DownloadRefused
from n2k_fcgi.interpreter import needed
from n2k_fcgi.service.dumps.location import Location

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SHA256 = re.compile(r"(?:^|[\s,])sha-256=:?([A-Za-z0-9+/]{43}=)", re.IGNORECASE)


class Client:
    """Sends requests for one location, with its password and *token* to the hosts that may have them."""

    def __init__(self, location: Location, token: str) -> None:
        self._location = location
        self._token = token
        self._opener = _opener()

    def get(self, headers: Mapping[str, str], timeout: Callable[[], float]) -> HTTPResponse:
        """Return the response of any status that is not a redirect; *timeout*: the seconds without a byte for each request.

        Raises DownloadRefused, PythonLacks (https without the module ssl), OSError, HTTPException, and what *timeout* raises.
        """
        location, token = self._location, self._token
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(location, {**headers, **_secrets(location, token)}, timeout())
            if response.status not in _REDIRECTS:
                return response
            response.close()
            target = location.redirected(_sent_as_utf8(response.headers.get("Location", "")))
            location, token = target, token if location.trusts(target) else ""
        raise DownloadRefused(url=self._location, why=f"more than {MAX_REDIRECTS} redirects")

    def _ask(self, location: Location, headers: dict[str, str], timeout: float) -> HTTPResponse:
        from urllib.request import Request  # late: as below

        if location.url.startswith("https:"):
            needed("ssl")
        agent = {"User-Agent": f"n2k_fcgi/{__version__}", "Accept-Encoding": "identity"}
        response: HTTPResponse = self._opener.open(Request(location.url, headers={**agent, **headers}), timeout=timeout)
        return response


def content_encoding(headers: list[str]) -> str:
    """Return all codings of Content-Encoding, innermost first."""
    names = [name.strip().lower() for header in headers for name in header.split(",")]
    return ", ".join(name for name in names if name not in ("", "identity"))


def retry_after(header: str) -> float | None:
    """Read Retry-After, a number of seconds or a date; None if it is neither. A date that has passed is 0."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def stated_sha256(headers: Message) -> bytes:
    """Return the SHA-256 of the whole file that the server states (RFC 9530, and its predecessor RFC 3230); b"" if none."""
    stated = _SHA256.search(", ".join([*headers.get_all("Repr-Digest", []), *headers.get_all("Digest", [])]))
    return binascii.a2b_base64(stated[1]) if stated else b""


def _secrets(location: Location, token: str) -> dict[str, str]:
    secrets = {"Authorization": location.authorization, "X-N2K-Token": token}
    return {name: secret for name, secret in secrets.items() if secret}


def _sent_as_utf8(header: str) -> str:
    """Decode a header that http.client decoded as ISO-8859-1; bytes that are not UTF-8 become surrogates, as in a path."""
    return header.encode("iso-8859-1").decode("utf-8", "surrogateescape")


def _opener() -> Any:
    """Return an opener for http and https only, with the environment's proxies; responses of every status are returned.

    Redirects are followed here and not by urllib, which does not know 308 in Python 3.10.
    """
    from urllib import request  # late: slow to load; imports of files need no download

    opener = request.OpenerDirector()
    opener.add_handler(request.ProxyHandler())
    opener.add_handler(request.HTTPHandler())
    if hasattr(request, "HTTPSHandler"):  # missing without the module ssl; https was rejected before
        opener.add_handler(request.HTTPSHandler())
    return opener
