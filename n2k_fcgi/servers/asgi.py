"""The WSGI application as an ASGI one, for granian: the event loop reads bodies and sends answers, with deadlines.

granian's WSGI interface has no deadlines: one body that stops, or one answer that is not read, blocks a worker (tried). It also
takes the header ``X_Forwarded_For`` for ``X-Forwarded-For``, so a caller could add its own before the proxy does. The
application runs in one thread, because an LMDB environment is not shared between threads here.
"""

import asyncio
import io
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from n2k_fcgi import logs
from n2k_fcgi.servers.limits import DEFAULT
from n2k_fcgi.servers.pace import LEAST_RATE, PERIOD, Pace
from n2k_fcgi.servers.wsgi import Environ, Served, WSGIApplication

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 60.0
"""How long a whole body may take: 128 KB at 2 KB a second."""

HOUSEKEEPING = 60.0
"""Seconds between two calls of ``Served.keep_house``, after a request: an idle process is not woken."""

TOO_LATE = b"the body did not arrive within a minute: send it again, all at once\n"
BROKEN = b"the body broke off, or is not chunked as its header says\n"


class Begun(NamedTuple):
    """An answer whose first block is made."""

    status: int
    headers: list[tuple[bytes, bytes]]
    first: bytes
    rest: "Iterator[bytes] | None"
    """None if the first block is all of it."""
    close: Callable[[], None]


class TooSlow(Exception):
    """The reader takes the answer too slowly: the connection ends in the middle of the body."""


class Asgi:
    """Serves the application from *make*, wrapped by *mount*. *rate*, *period*: see ``Pace``. *body_seconds*: of a body."""

    def __init__(
        self,
        make: Callable[[], Served],
        mount: Callable[[WSGIApplication], WSGIApplication],
        *,
        rate: float = LEAST_RATE,
        period: float = PERIOD,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._thread = ThreadPoolExecutor(1, "n2k")
        self._rate, self._period, self._body_seconds = rate, period, body_seconds
        self._served = self._thread.submit(make).result()
        self._application = mount(self._served)
        self._noted: asyncio.TimerHandle | None = None
        self._next_housekeeping = time.monotonic() + HOUSEKEEPING

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3.0."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        if self._noted is not None:
            self._noted.cancel()
        await self._in_thread(self._served.close)
        self._thread.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._body(scope, receive)
        except asyncio.TimeoutError:
            await _refuse(send, 408, TOO_LATE)
            return
        if body is None:  # without an answer granian makes one: status 500
            await _refuse(send, 400, BROKEN)
            return
        answer = await self._in_thread(self._begin, environ_of(scope, body))
        try:
            if answer.rest is None:
                await _send_at_once(send, answer.status, answer.headers, answer.first)
            else:
                await self._send_stream(receive, send, answer)
        except TooSlow:
            logs.info("cut off an answer that was read too slowly")
            raise
        finally:
            if answer.rest is not None:
                await self._in_thread(answer.close)
            self._keep_house()

    def _keep_house(self) -> None:
        if self._noted is None and self._served.has_counted:
            self._noted = asyncio.get_running_loop().call_later(DEFAULT.noting, self._note_counts)
        if time.monotonic() >= self._next_housekeeping:
            self._next_housekeeping = time.monotonic() + HOUSEKEEPING
            self._thread.submit(self._served.keep_house)

    def _note_counts(self) -> None:
        self._noted = None
        self._thread.submit(self._served.note_counts)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; not read if there is none, or its announced length is too large. None: it broke off."""
        headers = dict(scope["headers"])
        announced, most = headers.get(b"content-length", b""), self._served.max_body
        if not announced and b"transfer-encoding" not in headers:
            return b""
        if announced.isdigit() and int(announced) > most:
            return b""
        return await asyncio.wait_for(_read(receive, most), self._body_seconds)

    def _begin(self, environ: Environ) -> Begun:
        """Run the application up to its first block; in its thread."""
        started: list[Any] = []
        blocks = self._application(environ, lambda status, headers, exc_info=None: started.extend((status, headers)))
        close = getattr(blocks, "close", lambda: None)
        try:
            rest = iter(blocks)
            first = next(rest, b"")
        except BaseException:
            close()
            raise
        status, headers = started
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        is_whole = isinstance(blocks, list | tuple) and len(blocks) <= 1
        return Begun(int(status[:3]), encoded, first, None if is_whole else rest, close)

    async def _send_stream(self, receive: Receive, send: Send, answer: Begun) -> None:
        """Send block by block, each made when the one before is sent, until the reader is gone. Raises TooSlow."""
        assert answer.rest is not None
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        pace = Pace(time.monotonic(), rate=self._rate, period=self._period)
        block: bytes | None = answer.first
        left = asyncio.ensure_future(_until_gone(receive))
        try:
            while block is not None:
                await self._send_block(send, block, pace)
                if left.done():  # granian silently drops what is sent from now on
                    return
                taken = time.monotonic()
                block = await self._in_thread(next, answer.rest, None)
                pace.waited(time.monotonic() - taken)
            await send({"type": "http.response.body", "body": b""})
        finally:
            left.cancel()

    async def _send_block(self, send: Send, block: bytes, pace: Pace) -> None:
        sending = asyncio.ensure_future(send({"type": "http.response.body", "body": block, "more_body": True}))
        try:
            while not sending.done():
                await asyncio.wait({sending}, timeout=pace.left(time.monotonic()))
                if pace.is_too_slow(time.monotonic()):
                    raise TooSlow
        finally:
            sending.cancel()
        sending.result()
        pace.took(len(block))

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)


async def _refuse(send: Send, status: int, line: bytes) -> None:
    await _send_at_once(send, status, [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")], line)


async def _send_at_once(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _until_gone(receive: Receive) -> None:
    """Wait until the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass  # the rest of a body that is not read


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body; of a body larger than *most* only *most* + 1 bytes. None: it broke off."""
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        data += message.get("body", b"")
        if len(data) > most or not message.get("more_body"):
            return bytes(data[: most + 1])


def environ_of(scope: Scope, body: bytes) -> Environ:
    """The WSGI variables of a request. Headers with an underscore are dropped: their variables equal those with a hyphen."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    host, port = scope.get("server") or ("", "")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "REQUEST_URI": (path + b"?" + query if query else path).decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" not in name:
            variable = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            text = value.decode("latin-1")
            environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    announced: str = environ.pop("HTTP_CONTENT_LENGTH", "")
    # The length of a chunked body is known by now; an announced length that is too large is kept, and refused.
    environ["CONTENT_LENGTH"] = announced or (str(len(body)) if body else "")
    return environ
