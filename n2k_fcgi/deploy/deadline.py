"""One deadline for a whole answer by HTTP: a timeout of the socket counts anew with every byte."""

import http.client
import io
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _InTime(io.RawIOBase):
    """What *sock* receives, until the time *until* (of ``time.monotonic``); TimeoutError then."""

    def __init__(self, file: io.BufferedReader, sock: socket.socket, until: float) -> None:
        self._file = file
        """It keeps the connection open after urllib has closed *sock*."""
        self._sock = sock
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._file.raw.readinto(memoryview(buffer))

    def close(self) -> None:
        self._file.close()
        super().close()


def handlers(until: float) -> list[urllib.request.BaseHandler]:
    """Handlers of urllib for http and https whose answers end at the time *until*, or raise TimeoutError."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
            super().__init__(sock, *arguments, **options)
            self.fp = io.BufferedReader(_InTime(self.fp, sock, until))

    def limited(connection: type[http.client.HTTPConnection]) -> Callable[..., http.client.HTTPConnection]:
        def made(*arguments: Any, **options: Any) -> http.client.HTTPConnection:
            fresh = connection(*arguments, **options)
            fresh.response_class = Answer
            return fresh

        return made

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(limited(http.client.HTTPConnection), req)

    if not hasattr(http.client, "HTTPSConnection"):  # a Python without ssl
        return [Plain()]

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(limited(http.client.HTTPSConnection), req)

    return [Plain(), Secure()]
