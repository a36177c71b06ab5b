"""Downloading a dump over HTTP: only if it changed, resumed if the connection breaks, bounded in time and size.

By RFC 9110: conditional requests (section 13), ranges (section 14). Proxies are those of the environment, and certificates
are verified. The reader decides where the bytes go: into a file (``stored``), or into an import (``streamed``).
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import NamedTuple, NoReturn

from n2k_fcgi import logs
from n2k_fcgi.errors import DownloadFailed, DownloadRefused, DownloadTooLarge, DownloadTooSlow, NoMemory, is_no_memory
from n2k_fcgi.service.dumps.location import Location
from n2k_fcgi.service.update.client import Client, retry_after
from n2k_fcgi.service.update.contents import Announced, Contents, Validators, announced

BLOCK = 256 * 1024
_BUSY = frozenset({429, 503})


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


class BeganAnew(Exception):
    """What was read of a download is void: its next bytes are the first ones again. Never leaves this package."""


class _Broken(Exception):
    """The connection or the server failed: another try may help. Never leaves this module."""


class _Busy(_Broken):
    """The server asks for the next try after *pause* seconds."""

    def __init__(self, why: str, pause: float) -> None:
        super().__init__(why)
        self.pause = pause


class Download:
    """One file, read in order, over several connections if needed: ``begin``, then ``read`` to the end. A context manager.

    *token* is sent as X-N2K-Token to the hosts that may have the password (``Location.trusts``). *progress* is called with
    the bytes received and the bytes expected. ``begin`` and ``read`` raise DownloadFailed, DownloadRefused,
    DownloadTooLarge, DownloadTooSlow, NoMemory, PythonLacks (https without the module ssl).
    """

    def __init__(
        self,
        location: Location,
        known: Validators,
        limits: Limits,
        *,
        token: str = "",
        progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    ) -> None:
        self.location = location
        self.limits = limits
        self._known = known
        self._progress = progress
        self._deadline = time.monotonic() + limits.total
        self._client = Client(location, token)
        self._contents = Contents(location, Announced())
        self._response: HTTPResponse | None = None
        self._tries = 0
        self._why = ""
        self._pause = 0.0
        self._has_begun = False
        self._is_complete = False
        self._stopped = threading.Event()

    @property
    def said(self) -> Announced:
        """What the server says about the version that is being read."""
        return self._contents.said

    def begin(self) -> bool:
        """Request the file. False: it is still the *known* version."""
        self._has_begun = self._connect()
        return self._has_begun

    def read(self, size: int = BLOCK) -> bytes:
        """Return the next bytes, *size* at most; b"" when all are there, and are what was announced.

        Raises BeganAnew if the connection broke and the server does not continue the same version where it broke.
        """
        while not self._is_complete:
            if self._response is None:
                self._connect()
            try:
                return self._receive(min(size, BLOCK))
            except (OSError, HTTPException, _Broken) as error:
                self._note(error)
        return b""

    def interrupt(self) -> None:
        """Make a ``read`` that waits in another thread fail now, and all later ones."""
        self._stopped.set()
        response = self._response
        with suppress(OSError, ValueError, AttributeError):  # the connection ends just now
            if response is not None:
                with socket.socket(fileno=os.dup(response.fileno())) as twin:
                    twin.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        self.interrupt()
        self._hang_up()

    def __enter__(self) -> "Download":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> bool:
        """Send requests until one is answered. False: not modified."""
        while self._tries < self.limits.tries:
            if self._tries:
                self._stopped.wait(min(self._pause, self._remaining()))
            self._refuse_if_stopped()
            self._tries += 1
            try:
                return self._ask()
            except InvalidURL:  # its text contains the query, which may hold a secret
                raise DownloadRefused(url=self.location, why="it is not a URL") from None
            except (OSError, HTTPException, _Broken) as error:
                self._note(error)
        raise DownloadFailed(url=self.location, why=self._why)

    def _note(self, error: Exception) -> None:
        """Remember why a connection ended, for the message and the pause. Raises if the next one would fail too."""
        self._hang_up()
        if is_no_memory(getattr(error, "reason", error)):
            raise NoMemory(what="the download") from None
        self._why = self._reason(error)
        self._pause = error.pause if isinstance(error, _Busy) else self.limits.pause * 2 ** (self._tries - 1)

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _ask(self) -> bool:
        """Send one request and read the head of the response. False: not modified."""
        response = self._response = self._client.get(self._conditions(), self._timeout)
        received = self._contents.count
        if response.status == 304 and any(self._known) and not self._has_begun:
            return False
        if response.status == 206 and received:
            if why := self._contents.why_not_behind(response):
                self._forget()
                raise _Broken(why)
        elif response.status == 200:
            self._contents = Contents(self.location, announced(response))
        elif response.status == 416 and received:
            self._forget()
            raise _Broken("the file has changed meanwhile")
        else:
            self._refuse_status(response)
        self._refuse_size(self._contents.expected or 0)
        if response.status == 200 and self._has_begun:
            raise BeganAnew
        return True

    def _refuse_status(self, response: HTTPResponse) -> NoReturn:
        """Raise _Busy for a status that says to wait (RFC 9110, 10.2.3) if there is time for it, else DownloadFailed."""
        why = f"the server answers {response.status} {response.reason}"
        if response.status in _BUSY and (pause := retry_after(response.headers.get("Retry-After", ""))) is not None:
            if pause <= self.limits.longest_pause and pause < self._remaining():
                logs.info(f"download: {why}; waiting {pause:.0f} s, as it asks")
                raise _Busy(why, pause)
            why = f"{why}, and not to come back for {pause:.0f} s"
        raise DownloadFailed(url=self.location, why=why)

    def _refuse_size(self, size: int) -> None:
        if size > self.limits.size:
            raise DownloadTooLarge(url=self.location, limit=self.limits.size)

    def _timeout(self) -> float:
        return max(0.001, min(self.limits.stall, self._remaining()))

    def _conditions(self) -> dict[str, str]:
        """The headers that ask for a changed version, or for the missing end of this one."""
        validator = self.said.validators.for_range
        if self._contents.count and validator:
            return {"Range": f"bytes={self._contents.count}-", "If-Range": validator}
        if self._has_begun:
            self._forget()
            return {}
        headers = {"If-None-Match": self._known.etag, "If-Modified-Since": self._known.last_modified}
        return {name: value for name, value in headers.items() if value}

    def _forget(self) -> None:
        self._contents = Contents(self.location, Announced())

    def _receive(self, size: int) -> bytes:
        self._refuse_if_stopped()
        assert self._response is not None
        block = self._response.read1(size)
        if block:
            self._contents.add(block)
            self._refuse_size(self._contents.count)
            self._progress(self._contents.count, self._contents.expected)
            self._remaining()
        else:
            self._finish()
        return block

    def _finish(self) -> None:
        self._refuse_if_stopped()  # else the end of an interrupted connection would be that of a file without a length
        if why := self._contents.why_unfinished():
            raise _Broken(why)
        if why := self._contents.why_void():  # there is nothing to resume
            self._forget()
            raise _Broken(why)
        self._is_complete = True
        self._hang_up()

    def _remaining(self) -> float:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise DownloadTooSlow(url=self.location, limit=f"{self.limits.total:g}")
        return seconds

    def _refuse_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise DownloadFailed(url=self.location, why="it was stopped")

    def _reason(self, error: Exception) -> str:
        """Return why a try failed. Raises DownloadRefused if the next one would fail too."""
        cause = getattr(error, "reason", error)  # urllib wraps errors of connecting
        if type(cause).__name__ == "SSLCertVerificationError":
            why = f"its certificate is not valid ({getattr(cause, 'verify_message', cause)})"
            raise DownloadRefused(url=self.location, why=why)
        if isinstance(cause, TimeoutError):
            return f"no byte came for {self.limits.stall:g} s"
        return str(getattr(cause, "strerror", None) or cause)
