"""Plain CGI: one process, one request. For hosts without FastCGI, and to see an error that FastCGI hides.

``n2k.cgi`` calls ``main``; ``dispatch.fcgi``, started without a listening socket, calls ``answer_one``. Not wsgiref's
handler: with the gateway of FastCGI both answer in the same way, errors included.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import sys
import time

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.servers.gateway import Reply, new_environ
from n2k_fcgi.servers.pace import LEAST_RATE, PERIOD, Pace

if TYPE_CHECKING:
    from typing import NoReturn

    from n2k_fcgi.servers.limits import Limits
    from n2k_fcgi.servers.live import LiveApplication
    from n2k_fcgi.servers.wsgi import Environ, Served


class TooSlow(Exception):
    """The reader takes the answer too slowly. Never leaves this module."""


def main(limits: Limits | None = None, **flags: str) -> None:
    """Answer one request, straight away: nothing asks whether a web server left a listening socket.

    *flags*: as for ``servers.fastcgi.main``.
    """
    gc.disable()  # as there: importing makes nothing that could be collected
    from n2k_fcgi.model.choices import Front
    from n2k_fcgi.servers.live import LiveApplication

    gc.freeze()
    gc.enable()
    answer_one(LiveApplication(flags, front=Front.CGI), limits)


def answer_one(application: LiveApplication, limits: Limits | None = None) -> NoReturn:
    """Answer the request in the environment, do what a loop does between requests, and end this process."""
    try:
        answer(application, limits)
        _end_of_answer()
        application.rest()
    finally:
        application.close()
    leave()


def answer(application: Served, limits: Limits | None = None) -> None:
    """Answer the request in the environment; its body is on standard input, the answer is written to standard output.

    *limits*: how slowly it may be read. An answer that is cut off has no mark that it is incomplete: CGI knows none. What
    cannot be written, because standard output is closed or full, is logged: the request was carried out.
    """
    environ = new_environ()
    environ.update((name.decode("latin-1"), value.decode("latin-1")) for name, value in os.environb.items())
    body = _body(environ, application.max_body)
    if len(body) > application.max_body:
        environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or str(len(body))  # which the application refuses
        body = b""
    reply = Reply(application, environ, body, run_once=True)
    rate, period = (limits.rate, limits.period) if limits else (LEAST_RATE, PERIOD)
    reader = Pace(time.monotonic(), rate=rate, period=period)
    try:
        while not reply.done:
            asked = time.monotonic()
            blocks = reply.advance()
            reader.waited(time.monotonic() - asked)
            for block in blocks:
                _write(1, block, reader)
        with contextlib.suppress(OSError):  # standard error may be closed or full
            _write(2, reply.errors.getvalue(), reader)
    except BrokenPipeError:
        reply.close()  # the reader went away
    except OSError as problem:
        logs.warning(f"an answer could not be written to standard output: {problem.strerror or problem}")
        reply.close()
    except TooSlow:
        logs.info("cut off an answer that was read too slowly")
        reply.close()


def _end_of_answer() -> None:
    """Let the web server read the end of the answer now: what is done before this process ends keeps no caller waiting."""
    with contextlib.suppress(OSError):  # no descriptor is free: the end of this process is near anyway
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, 1)
        os.close(nowhere)


def leave() -> NoReturn:
    """End this process, whose answer is written and whose store is closed, without taking its modules apart: 3 ms of 20."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # standard error may be closed, or None
        sys.stderr.flush()
    os._exit(0)


def _body(environ: Environ, max_body: int) -> bytes:
    """CONTENT_LENGTH bytes, or all when the web server decoded a chunked body; at most one byte above *max_body*.

    Nothing comes from a standard input that is closed or cannot be read: the application answers as to an empty body.
    """
    length = environ.get("CONTENT_LENGTH", "")
    if length.isascii() and length.isdecimal() and len(length) < 20:
        expected = min(int(length), max_body + 1)
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        expected = max_body + 1
    else:
        return b""  # not read: standard input may be a terminal
    try:
        return sys.stdin.buffer.read(expected) if sys.stdin else b""
    except OSError:
        return b""


def _write(fd: int, data: bytes, reader: Pace) -> None:
    """Write all of *data*. Raises TooSlow. If poll reports a pipe as writable, PIPE_BUF bytes fit (pipe(7))."""
    view = memoryview(data)
    room = select.poll()
    room.register(fd, select.POLLOUT)
    while view:
        while not room.poll(int(reader.left(time.monotonic()) * 1000) + 1):
            if reader.is_too_slow(time.monotonic()):
                raise TooSlow
        written = os.write(fd, view[: select.PIPE_BUF])
        reader.took(written)
        view = view[written:]
        if reader.is_too_slow(time.monotonic()):
            raise TooSlow
