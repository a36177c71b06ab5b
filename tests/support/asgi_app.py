"""An ASGI adapter with deadlines of PATIENCE seconds under granian: ``python -m tests.support.asgi_app``; prints its port."""

import itertools
import os
from collections.abc import Iterable, Iterator

from granian import Granian
from granian.constants import Interfaces

from n2k_fcgi.servers.asgi import Asgi
from tests.support.foreground import free_port

BLOCK = b"x" * 100_000
STREAMS: dict[str, Iterable[int]] = {"/stream": range(1000), "/endless": itertools.count()}
"""One block per number."""


class Endless:
    """Answers /stream with 100 MB, /endless with blocks that never end, anything else with the length of its body."""

    max_body = 1000

    def __call__(self, environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] in STREAMS:
            return Stream(STREAMS[environ["PATH_INFO"]])
        return [b"%d" % len(environ["wsgi.input"].read())]

    has_counted = False

    def keep_house(self) -> None:
        """There is nothing to do."""

    def note_counts(self) -> None:
        """Nothing is counted."""

    def close(self) -> None:
        """Nothing is held."""


class Stream:
    """Blocks; says on standard error when it is closed."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = numbers

    def __iter__(self) -> Iterator[bytes]:
        return (BLOCK for _ in self._numbers)

    def close(self) -> None:
        """Said, so that a test sees it."""
        os.write(2, b"stream closed\n")


def application() -> Asgi:
    """Called by granian in its worker."""
    patience = float(os.environ["PATIENCE"])
    return Asgi(Endless, lambda application: application, rate=1_000_000, period=patience, body_seconds=patience)


if __name__ == "__main__":
    port = free_port()
    os.write(1, f"http://127.0.0.1:{port}/\n".encode())
    Granian(
        "tests.support.asgi_app:application", port=port, interface=Interfaces.ASGI, factory=True, log_level="warning"
    ).serve()
