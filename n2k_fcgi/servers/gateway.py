"""From the variables of a web server to a CGI answer, through a WSGI application (PEP 3333). FastCGI and CGI share it.

The answer is made block by block, headers first: a caller that cannot send any more does not ask for the next block.
"""

from __future__ import annotations

import io
from types import TracebackType

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import NoMemory, is_no_memory, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from n2k_fcgi.servers.wsgi import Environ, WSGIApplication

ExcInfo = tuple[type[BaseException], BaseException, TracebackType]

MAX_ERRORS = 32 * 1024
"""Bytes that one request may write to ``wsgi.errors``, which the web server logs; the rest is dropped."""

MAX_WRITTEN = 32 * 1024 * 1024
"""Bytes that one request may pass to ``write()``: it cannot be made to wait for the reader, as an iterable can."""

_HEAD = b"Status: %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n"


def _plain(status: bytes, body: bytes) -> list[bytes]:
    return [_HEAD % (status, len(body)), body]


_FAILED = _plain(b"500 Internal Server Error", b"internal error: the log of the server says what happened\n")
_NO_MEMORY = _plain(b"503 Service Unavailable", f"{NoMemory()}\n".encode())
"""The answers when the application raises: made in advance, because there may be no memory for them then."""


def failure(problem: BaseException, environ: Environ) -> list[bytes]:
    """Log what the application raised for the request in *environ*; return the answer to that, head and body."""
    path = str(environ.get("REQUEST_URI") or environ.get("PATH_INFO", "")).partition("?")[0]
    method = environ.get("REQUEST_METHOD", "")
    if is_no_memory(problem):
        logs.error(f"no memory left to answer {shown(method)} {shown(path)}")
        return _NO_MEMORY
    logs.error(f"uncaught exception answering {shown(method)} {shown(path)}", traceback=True)
    return _FAILED


_DEFAULTS: Environ = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.0",
}
"""What WSGI requires and some web servers leave out. What they send is not changed: PATH_INFO may be empty."""


def new_environ() -> Environ:
    """A new environ with the defaults, into which the variables of the web server are decoded."""
    return _DEFAULTS.copy()


def head(status: str, headers: list[tuple[str, str]]) -> bytes:
    """What comes before a body, in latin-1 (PEP 3333). Raises ValueError for what cannot be sent."""
    text = "\r\n".join([f"Status: {status}", *(f"{name}: {value}" for name, value in headers)])
    if not text.count("\n") == text.count("\r") == len(headers):
        raise ValueError("a line break inside a header")
    return (text + "\r\n\r\n").encode("latin-1")


class ErrorStream:
    """``wsgi.errors``: takes text as in PEP 3333, and bytes as in flup; accepts anything without raising."""

    __slots__ = ("_written",)

    def __init__(self) -> None:
        self._written = b""

    def write(self, text: str | bytes) -> None:
        """Keep *text* until the answer ends."""
        data = text if isinstance(text, bytes) else str(text).encode("utf-8", "backslashreplace")
        self._written += data[: MAX_ERRORS - len(self._written)]

    def writelines(self, lines: Iterable[str | bytes]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: it is sent with the end of the answer."""

    def getvalue(self) -> bytes:
        """All that was written."""
        return self._written


def _is_more(announced: str, length: int) -> bool:
    """Whether more was announced than arrived: the application then gets the announced length, and refuses it."""
    return announced.isascii() and announced.isdecimal() and len(announced) < 20 and int(announced) > length


class Reply:
    """The answer to one request. Call ``advance`` until ``done``, or ``close`` to end it before.

    *environ*: from ``new_environ``, with the variables of the web server. *body*: all that arrived, whatever
    CONTENT_LENGTH was; the application gets its true length. *begun*: what the application will return, if it holds something
    already: it is closed with the reply.
    """

    __slots__ = ("_application", "_blocks", "_emitted", "_environ", "_handed_over", "_headers", "_left", "_out", "_result",
                 "_status", "done", "errors", "failed")  # fmt: skip

    def __init__(
        self,
        application: WSGIApplication,
        environ: Environ,
        body: bytes = b"",
        *,
        begun: Iterable[bytes] | None = None,
        run_once: bool = False,
    ) -> None:
        self.done = False
        self.failed = False
        self.errors = ErrorStream()
        self._application = application
        self._environ = environ
        self._result: Any = begun
        self._blocks: Iterator[bytes] | None = None
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._emitted = False
        self._handed_over = False
        self._left: int | None = None  # bytes of the body still to come, if there is a Content-Length
        self._out: list[bytes] = []
        environ["wsgi.version"] = (1, 0)
        environ["wsgi.multithread"] = False
        environ["wsgi.multiprocess"] = True
        environ["wsgi.run_once"] = run_once
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
        environ["wsgi.errors"] = self.errors
        environ["wsgi.url_scheme"] = "https" if environ.get("HTTPS", "").lower() in ("on", "1") else "http"
        announced = environ.get("CONTENT_LENGTH", "")
        if (body or announced) and not _is_more(announced, len(body)):
            environ["CONTENT_LENGTH"] = str(len(body))

    def advance(self) -> list[bytes]:
        """Return the next blocks of the answer, the headers (``Status: …``) before the first.

        Errors of the application are not raised but logged. If nothing was returned before, the answer is a plain 500; else it
        is cut off.
        """
        answer = self._run(self._produce)
        if answer is not None:
            self.failed = self._handed_over
            if not self._handed_over:
                self._out = answer[:1] if self._head_only else answer[:]
            self.done = True
        if self.done:
            self.close()
        out, self._out = self._out, []
        self._handed_over |= bool(out)
        return out

    def close(self) -> None:
        """Close the iterable of the application; also when the reader is gone."""
        self.done = True
        result, self._result, self._blocks = self._result, None, None
        close = getattr(result, "close", None)
        if close is not None:
            self._run(close)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """As in PEP 3333. A second call needs *exc_info*, and raises it if the headers are sent already."""
        if self._status:
            if exc_info is None:
                raise RuntimeError("start_response called twice")
            if self._emitted:
                raise exc_info[1].with_traceback(exc_info[2])
        if not status[:3].isdecimal() or len(status) < 4:
            raise ValueError(f"not a status: {status!r}")
        self._status, self._headers = status, list(headers)
        return self._write

    @property
    def _head_only(self) -> bool:
        return bool(self._environ["REQUEST_METHOD"] == "HEAD")

    def _produce(self) -> None:
        """Run the application up to its next block. A list is taken as a whole: its blocks exist already."""
        if self._blocks is None:
            self._result = result = self._application(self._environ, self.start_response)
            self._blocks = iter(result)
            if isinstance(result, (list, tuple)):
                self._add_length(result)
                for block in result:
                    self._emit(block)
                self._finish()
                return
        for block in self._blocks:
            if block:
                self._emit(block)
                if self._left != 0 and not self._head_only:
                    return  # PEP 3333: a block does not wait for the next one
                break
        self._finish()

    def _finish(self) -> None:
        if not self._emitted:
            self._emit(b"")
        self.done = True

    def _add_length(self, result: list[bytes] | tuple[bytes, ...]) -> None:
        """Add the Content-Length of a body of one block, unless the status forbids a body."""
        if len(result) != 1 or self._status[:3] in ("204", "304"):
            return
        if not any(name.lower() == "content-length" for name, _ in self._headers):
            self._headers.append(("Content-Length", str(len(result[0]))))

    def _write(self, block: bytes) -> None:
        """What start_response returns, for old frameworks."""
        if sum(map(len, self._out)) + len(block) > MAX_WRITTEN:
            raise OSError(f"more than {MAX_WRITTEN} bytes passed to write(): use an iterable")
        self._emit(block)

    def _emit(self, block: bytes) -> None:
        if not isinstance(block, bytes):
            raise TypeError(f"a block of the body must be bytes, not {type(block).__name__}")
        if not self._emitted:
            self._out.append(self._head())
            self._emitted = True
        if self._left is not None:
            block = block[: self._left]
            self._left -= len(block)
        if block and not self._head_only:
            self._out.append(block)

    def _head(self) -> bytes:
        """Raises for a header that cannot be sent."""
        if not self._status:
            raise RuntimeError("no start_response before the first block")
        for name, value in self._headers:
            if name.lower() == "content-length":
                if not value.isdecimal():
                    raise ValueError(f"not a Content-Length: {value!r}")
                self._left = int(value)
        return head(self._status, self._headers)

    def _run(self, action: Callable[[], object]) -> list[bytes] | None:
        """Run a part of the application. Log what it raises, and return the answer to that."""
        try:
            action()
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - the last resort of this front end
            return failure(problem, self._environ)
        return None
