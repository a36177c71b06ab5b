"""An ASGI adapter with short deadlines under granian, run as a child: ``python -m tests.support.asgi_app``; prints its port."""

import os
from collections.abc import Iterator

from granian import Granian
from granian.constants import Interfaces

from n2k_fcgi.servers.asgi import Asgi
from n2k_fcgi.servers.http import free_port

BLOCK = b"x" * 100_000
BLOCKS = 1000


class Endless:
    """Answers /stream with 100 MB in blocks, anything else with its body's length; says on standard error what ended."""

    max_body = 1000

    def __call__(self, environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/stream":
            return Stream()
        return [b"%d" % len(environ["wsgi.input"].read())]

    def close(self) -> None:
        """Nothing is held."""


class Stream:
    """100 MB."""

    def __init__(self) -> None:
        self._made = 0

    def __iter__(self) -> Iterator[bytes]:
        for self._made in range(1, BLOCKS + 1):
            yield BLOCK

    def close(self) -> None:
        """Said, so that a test sees it."""
        os.write(2, b"stream closed after %d blocks\n" % self._made)


def application() -> Asgi:
    """Called by granian in its worker."""
    return Asgi(Endless, lambda application: application, rate=1_000_000, period=1.0, body_seconds=1.0)


if __name__ == "__main__":
    port = free_port("127.0.0.1", 0)
    os.write(1, f"http://127.0.0.1:{port}/\n".encode())
    Granian(
        "tests.support.asgi_app:application", port=port, interface=Interfaces.ASGI, factory=True, log_level="warning"
    ).serve()
