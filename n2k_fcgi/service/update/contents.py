"""What a server says about a file, and what has arrived of it: whether that can be a dump, and is what was announced."""

import hashlib
import re
from http.client import HTTPResponse
from typing import NamedTuple

from n2k_fcgi.errors import DownloadRefused
from n2k_fcgi.service.dumps.archives import Kind, kind_of
from n2k_fcgi.service.dumps.encoding import looks_like_text
from n2k_fcgi.service.dumps.location import Location
from n2k_fcgi.service.update.client import content_encoding, stated_sha256

HEAD = 4096
"""Bytes that show what is being received."""
_END_OF_PAGE = b"</html>"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_CONTENT_RANGE = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


class Validators(NamedTuple):
    """What identifies a version of a file; '' if the server does not send it."""

    etag: str = ""
    last_modified: str = ""

    @property
    def for_range(self) -> str:
        """The value of If-Range; a weak tag does not guarantee the same bytes (RFC 9110, 13.1.5)."""
        return self.last_modified if self.etag.startswith("W/") or not self.etag else self.etag

    def contradicts(self, other: "Validators") -> bool:
        """Whether a validator that both have differs; a tag may be weak on one side."""
        tags = [tag.removeprefix("W/") for tag in (self.etag, other.etag)]
        pairs = (tags, (self.last_modified, other.last_modified))
        return any(mine != others for mine, others in pairs if mine and others)


class Announced(NamedTuple):
    """What the server says about the file that it sends."""

    validators: Validators = Validators()
    encoding: str = ""
    """Content-Encoding, which was not requested, in lower case without ``identity``. It may be wrong."""
    size: int | None = None
    """Bytes as they are sent."""
    sha256: bytes = b""
    """Of the bytes as they are sent; b"": it is not stated."""
    is_page: bool = False
    """Its type is that of web pages."""


def announced(response: HTTPResponse) -> Announced:
    """Read the headers of a response with the whole file."""
    headers = response.headers
    encoding = content_encoding(headers.get_all("Content-Encoding", []))
    is_page = headers.get_content_type() in _PAGES
    return Announced(_validators(response), encoding, response.length, stated_sha256(headers), is_page)


class Contents:
    """What has arrived of one version of a file, over one connection or several."""

    def __init__(self, location: Location, said: Announced) -> None:
        self.said = said
        self.count = 0
        """Bytes so far."""
        self.expected = said.size
        """Bytes of the whole file; None: the server does not say."""
        self._location = location
        self._head = self._tail = b""
        self._sha256 = hashlib.sha256()

    def add(self, block: bytes) -> None:
        """Take the next bytes; judge by the first HEAD ones, which may arrive one by one. Raises DownloadRefused."""
        missing = HEAD - len(self._head)
        if missing > 0:
            self._head += block[:missing]
            if len(self._head) == HEAD:
                self._judge()
        self.count += len(block)
        self._tail = (self._tail + block)[-HEAD:]
        if self.said.sha256:
            self._sha256.update(block)

    def why_not_behind(self, response: HTTPResponse) -> str:
        """Return why a 206 is not the rest of this version; '' if it is."""
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != self.count:
            return "the server resumes at another place than it was asked to"
        if self.said.validators.contradicts(_validators(response)):
            return "the server resumes with another version of the file"
        least = int(found[2]) + 1 if found[3] == "*" else int(found[3])
        if self.expected is None:  # without a length, a part that is cut short would look like the end
            self.expected = least
        if found[3] != "*" and least != self.expected:
            return "the server resumes with a file of another size"
        return ""

    def why_unfinished(self) -> str:
        """Return why more is to come, '' if all has come that was announced."""
        if self.expected is not None and self.count < self.expected:
            return f"it breaks off after {self.count} of {self.expected} bytes"
        return ""

    def why_void(self) -> str:
        """Return why what has come to its end is worthless, '' if it is the file. Raises DownloadRefused."""
        if self.count < HEAD:
            self._judge()
        if self.expected is not None and self.count > self.expected:
            return f"it has {self.count} bytes, not {self.expected} as announced"
        if kind_of(self._head) is Kind.PLAIN and self._tail.rstrip().lower().endswith(_END_OF_PAGE):
            return "it ends in a web page: the server failed and appended an error page"  # Apache does so
        if self.said.sha256 and self._sha256.digest() != self.said.sha256:
            return "its SHA-256 is not the one that the server states"
        return ""

    def _judge(self) -> None:
        """Reject content that is not a dump; an archive with a wrong type or coding is accepted.

        Error pages may have status 200. With a coding that is real and not an archive, such as br, the bytes are not text.
        """
        if kind_of(self._head) is not Kind.PLAIN:
            return
        if self.said.is_page or self._head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise DownloadRefused(url=self._location, why="it is a web page, not a dump")
        if self.said.encoding and not looks_like_text(self._head):
            why = f"it is encoded as {self.said.encoding}, which was not requested and cannot be decoded"
            raise DownloadRefused(url=self._location, why=why)


def _validators(response: HTTPResponse) -> Validators:
    return Validators(response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))
