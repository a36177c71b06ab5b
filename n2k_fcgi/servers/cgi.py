"""Plain CGI: one process, one request. For hosts without FastCGI, and to see an error that FastCGI hides.

Not wsgiref's handler: with the gateway that FastCGI uses, both give the same answers to the same faults.
"""

import os
import sys

from n2k_fcgi.servers.gateway import Environ, Reply, WSGIApplication, body_refused, new_environ


def answer(application: WSGIApplication, *, max_body: int) -> None:
    """Answer the request in the process's environment; its body is on standard input, the answer goes to standard output."""
    environ = new_environ()
    environ.update((name.decode("latin-1"), value.decode("latin-1")) for name, value in os.environb.items())
    body = _body(environ, max_body)
    reply = Reply(application if len(body) <= max_body else body_refused(max_body), environ, body, run_once=True)
    try:
        while not reply.done:
            for block in reply.advance():
                _write(1, block)
        _write(2, reply.errors.getvalue())
    except BrokenPipeError:
        reply.close()  # the reader went away


def _body(environ: Environ, max_body: int) -> bytes:
    """What CONTENT_LENGTH says, or everything when the web server decoded a chunked body; at most a byte above the cap."""
    length = environ.get("CONTENT_LENGTH", "")
    if length.isascii() and length.isdecimal() and len(length) < 20:
        expected = min(int(length), max_body + 1)
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        expected = max_body + 1
    else:
        return b""  # not even looked at: standard input may be a terminal
    return sys.stdin.buffer.read(expected)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
