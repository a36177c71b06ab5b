"""Downloading a dump over HTTP: only if it changed, resumed if the connection breaks, bounded in time and size.

By RFC 9110: conditional requests (section 13), ranges (section 14). Proxies are those of the environment, and certificates
are verified. The caller owns the file and removes it.
"""

import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse, InvalidURL
from io import FileIO
from pathlib import Path
from typing import NamedTuple, NoReturn

from n2k_fcgi import logs
from n2k_fcgi.errors import DownloadFailed, DownloadRefused, DownloadTooLarge, DownloadTooSlow, NoMemory, is_no_memory
from n2k_fcgi.files import refuse_os_error, write_all
from n2k_fcgi.service.dumps.archives import Kind, kind_of
from n2k_fcgi.service.dumps.encoding import looks_like_text
from n2k_fcgi.service.dumps.location import Location
from n2k_fcgi.service.update.client import Client, content_encoding, retry_after

BLOCK = 256 * 1024
HEAD = 4096
"""Bytes that show what is being received."""
_BUSY = frozenset({429, 503})
_END_OF_PAGE = b"</html>"
_PAGES = frozenset({"text/html", "application/xhtml+xml"})


class Limits(NamedTuple):
    """The bounds of a download."""

    stall: float
    """Seconds without a byte."""
    total: float
    """Seconds for the whole download, pauses included."""
    size: int
    """Bytes as they are sent, still packed."""
    tries: int
    """Connections, including the first."""
    pause: float = 1.0
    """Seconds before the second connection; twice as long before each further one."""
    longest_pause: float = 600.0
    """The longest ``Retry-After`` that is waited for, in seconds."""


class Validators(NamedTuple):
    """What identifies a version of a file; '' if the server does not send it."""

    etag: str = ""
    last_modified: str = ""

    @property
    def for_range(self) -> str:
        """The value of If-Range; a weak tag does not guarantee the same bytes (RFC 9110, 13.1.5)."""
        return self.last_modified if self.etag.startswith("W/") or not self.etag else self.etag


class Fetched(NamedTuple):
    """A finished download."""

    validators: Validators
    encoding: str
    """Content-Encoding, which was not requested, in lower case without ``identity``. It may be wrong."""


def fetch(
    location: Location,
    path: Path,
    known: Validators,
    limits: Limits,
    *,
    token: str = "",
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Fetched | None:
    """Download *location* into the file *path*, which exists and is empty; None if it is still the *known* version.

    *token* is sent as X-N2K-Token to the hosts that may have the password (``Location.trusts``). *progress* is called with
    the bytes received and the bytes expected. Raises DownloadFailed, DownloadRefused, DownloadTooLarge, DownloadTooSlow,
    StoreFull, StoreUnreadable, PythonLacks (https without the module ssl).
    """
    with path.open("r+b", buffering=0) as file:
        return _Download(location, file, path, known=known, limits=limits, token=token, progress=progress).run()


class _Broken(Exception):
    """The connection or the server failed: another try may help. Never leaves this module."""


class _Busy(_Broken):
    """The server asks for the next try after *pause* seconds."""

    def __init__(self, why: str, pause: float) -> None:
        super().__init__(why)
        self.pause = pause


class _Download:
    """One download, over several connections if needed."""

    def __init__(
        self,
        location: Location,
        file: FileIO,
        path: Path,
        *,
        known: Validators,
        limits: Limits,
        token: str,
        progress: Callable[[int, int | None], None],
    ) -> None:
        self._location = location
        self._file = file
        self._path = path
        self._known = known
        self._limits = limits
        self._progress = progress
        self._deadline = time.monotonic() + limits.total
        self._client = Client(location, token)
        self._received = 0
        self._expected: int | None = None
        self._validators = Validators()
        self._encoding = ""
        self._head = b""
        self._tail = b""
        self._is_page = False

    def run(self) -> Fetched | None:
        why, pause = "", 0.0
        for number in range(self._limits.tries):
            if number:
                time.sleep(min(pause, self._remaining()))
            try:
                changed = self._connect()
            except InvalidURL:  # its text contains the query, which may hold a secret
                self._refuse("it is not a URL")
            except (OSError, HTTPException, _Broken) as error:
                if is_no_memory(getattr(error, "reason", error)):
                    raise NoMemory(what="the download") from None
                why = self._reason(error)
                pause = error.pause if isinstance(error, _Busy) else self._limits.pause * 2**number
                continue
            if not changed:
                return None
            return Fetched(self._validators, self._encoding)
        raise DownloadFailed(url=self._location, why=why)

    def _connect(self) -> bool:
        """Send one request and receive the response. False: not modified."""
        with self._client.get(self._conditions(), self._timeout) as response:
            status = response.status
            if status == 304 and any(self._known) and not self._received:
                return False
            if status == 206 and self._received:
                self._continue(response)
            elif status == 200:
                self._start_over(response)
            elif status == 416 and self._received:
                self._forget()
                raise _Broken("the file has changed meanwhile")
            else:
                self._refuse_status(response)
            self._receive(response)
        return True

    def _refuse_status(self, response: HTTPResponse) -> NoReturn:
        """Raise _Busy for a status that says to wait (RFC 9110, 10.2.3) if there is time for it, else DownloadFailed."""
        why = f"the server answers {response.status} {response.reason}"
        if response.status in _BUSY and (pause := retry_after(response.headers.get("Retry-After", ""))) is not None:
            if pause <= self._limits.longest_pause and pause < self._remaining():
                logs.info(f"download: {why}; waiting {pause:.0f} s, as it asks")
                raise _Busy(why, pause)
            why = f"{why}, and not to come back for {pause:.0f} s"
        raise DownloadFailed(url=self._location, why=why)

    def _timeout(self) -> float:
        return max(0.001, min(self._limits.stall, self._remaining()))

    def _conditions(self) -> dict[str, str]:
        """The headers that ask for a changed version, or for the missing end of this one."""
        if self._received and not self._validators.for_range:
            self._forget()
        if self._received:
            return {"Range": f"bytes={self._received}-", "If-Range": self._validators.for_range}
        headers = {"If-None-Match": self._known.etag, "If-Modified-Since": self._known.last_modified}
        return {name: value for name, value in headers.items() if value}

    def _start_over(self, response: HTTPResponse) -> None:
        """Receive the whole file: the first time, or because it changed or ranges are not supported."""
        self._forget()
        headers = response.headers
        self._validators = Validators(headers.get("ETag", ""), headers.get("Last-Modified", ""))
        self._encoding = content_encoding(headers.get_all("Content-Encoding", []))
        self._is_page = headers.get_content_type() in _PAGES
        self._expected = response.length
        if self._expected is not None and self._expected > self._limits.size:
            raise DownloadTooLarge(url=self._location, limit=self._limits.size)

    def _continue(self, response: HTTPResponse) -> None:
        if not response.headers.get("Content-Range", "").strip().startswith(f"bytes {self._received}-"):
            self._forget()
            raise _Broken("the server resumes at another place than it was asked to")

    def _forget(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._received = 0
        self._expected = None
        self._head = self._tail = b""

    def _receive(self, response: HTTPResponse) -> None:
        while block := response.read1(BLOCK):
            self._look_at(block)
            self._write(block)
            self._received += len(block)
            self._tail = (self._tail + block)[-HEAD:]
            if self._received > self._limits.size:
                raise DownloadTooLarge(url=self._location, limit=self._limits.size)
            self._progress(self._received, self._expected)
            self._remaining()
        if self._expected is not None and self._received < self._expected:
            raise _Broken(f"it breaks off after {self._received} of {self._expected} bytes")
        if self._received < HEAD:
            self._judge()
        if kind_of(self._head) is Kind.PLAIN and self._tail.rstrip().lower().endswith(_END_OF_PAGE):
            self._forget()  # Apache appends its error page to what it had sent: there is nothing to resume
            raise _Broken("it ends in a web page: the server failed and appended an error page")

    def _look_at(self, block: bytes) -> None:
        """Judge by the head as soon as it is complete: it may arrive byte by byte, over several connections."""
        missing = HEAD - len(self._head)
        if missing > 0:
            self._head += block[:missing]
            if len(self._head) == HEAD:
                self._judge()

    def _judge(self) -> None:
        """Reject content that is not a dump; an archive with a wrong type or coding is accepted.

        Error pages may have status 200. With a coding that is real and not an archive, such as br, the bytes are not text.
        """
        if kind_of(self._head) is not Kind.PLAIN:
            return
        if self._is_page or self._head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            self._refuse("it is a web page, not a dump")
        if self._encoding and not looks_like_text(self._head):
            self._refuse(f"it is encoded as {self._encoding}, which was not requested and cannot be decoded")

    def _write(self, block: bytes) -> None:
        try:
            write_all(self._file.fileno(), block)
        except OSError as error:
            refuse_os_error(self._path, error)

    def _remaining(self) -> float:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise DownloadTooSlow(url=self._location, limit=f"{self._limits.total:g}")
        return seconds

    def _reason(self, error: Exception) -> str:
        """Return why a try failed. Raises DownloadRefused if the next one would fail too."""
        cause = getattr(error, "reason", error)  # urllib wraps errors of connecting
        if type(cause).__name__ == "SSLCertVerificationError":
            self._refuse(f"its certificate is not valid ({getattr(cause, 'verify_message', cause)})")
        if isinstance(cause, TimeoutError):
            return f"no byte came for {self._limits.stall:g} s"
        return str(getattr(cause, "strerror", None) or cause)

    def _refuse(self, why: object) -> NoReturn:
        raise DownloadRefused(url=self._location, why=why)
