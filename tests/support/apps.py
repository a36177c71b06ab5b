"""A WSGI application with one path per behaviour, served by a child process: ``python -m tests.support.apps OPTIONS``."""

import argparse
import contextlib
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2k_fcgi import logs
from n2k_fcgi.servers.fastcgi.serving import serve
from n2k_fcgi.servers.limits import DEFAULT, Counters
from n2k_fcgi.servers.listeners import bind_tcp, bind_unix, inherited

COUNTERS = Counters()
CLOSED = {"count": 0}
MADE = {"blocks": 0}
HELD: list[int] = []
TEXT = [("Content-Type", "text/plain")]


class Closing:
    """Blocks that count their ``close``."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        """PEP 3333's."""
        CLOSED["count"] += 1


def pattern(size: int) -> bytes:
    """*size* bytes that are not the same at any two record boundaries."""
    return b"".join(b"%09d\n" % number for number in range(size // 10 + 1))[:size]


def hello(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    return [b"hello"]


def counters(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    counts = {name: getattr(COUNTERS, name) for name in Counters.__slots__}
    return [json.dumps(counts | {"closed": CLOSED["count"], "blocks": MADE["blocks"]}).encode()]


def environment(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, (str, bool))}).encode()]


def echo(environ, start_response):  # type: ignore[no-untyped-def]
    body = environ["wsgi.input"].read()
    start_response("200 OK", [*TEXT, ("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return [body]


def lines(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    return [repr(environ["wsgi.input"].readlines()).encode()]


def boom(environ, start_response):  # type: ignore[no-untyped-def]
    raise RuntimeError("secret detail")


def leave(environ, start_response):  # type: ignore[no-untyped-def]
    raise SystemExit(3)


def late(environ, start_response):  # type: ignore[no-untyped-def]
    def blocks() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("secret detail")

    start_response("200 OK", TEXT)
    return Closing(blocks())


def errors(environ, start_response):  # type: ignore[no-untyped-def]
    stream = environ["wsgi.errors"]
    stream.write("text é\n")
    stream.write(b"bytes\n")
    stream.writelines(["line \ud800\n"])
    stream.flush()
    start_response("200 OK", TEXT)
    return [b"fine"]


def big(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    return [pattern(int(environ["QUERY_STRING"]))]


def pieces(environ, start_response):  # type: ignore[no-untyped-def]
    data = pattern(int(environ["QUERY_STRING"]))
    start_response("200 OK", TEXT)
    return Closing(data[start : start + 70000] for start in range(0, len(data), 70000))


def endless(environ, start_response):  # type: ignore[no-untyped-def]
    def blocks() -> Iterator[bytes]:
        while True:
            yield b"x" * (1 << 20)

    start_response("200 OK", TEXT)
    return Closing(blocks())


def drops(environ, start_response):  # type: ignore[no-untyped-def]
    """Many small blocks, counted."""

    def blocks() -> Iterator[bytes]:
        for _ in range(1000):
            MADE["blocks"] += 1
            yield b"a drop\n"

    start_response("200 OK", TEXT)
    return Closing(blocks())


def thinking(environ, start_response):  # type: ignore[no-untyped-def]
    """Ten blocks, each of which takes a while to make."""

    def blocks() -> Iterator[bytes]:
        for _ in range(10):
            time.sleep(0.2)
            yield b"a thought\n"

    start_response("200 OK", TEXT)
    return Closing(blocks())


def header(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [*TEXT, ("X-Name", json.loads(environ["X_VALUE"]))])
    return [b"fine"]


def written(environ, start_response):  # type: ignore[no-untyped-def]
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"two ")
    return [b"three"]


def replaced(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    try:
        raise ValueError("too early to tell")
    except ValueError:
        start_response("418 Teapot", TEXT, sys.exc_info())
    return [b"short and stout"]


def twice(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"unreachable"]


def text(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", TEXT)
    return [b"bytes", "text"]


def silent(environ, start_response):  # type: ignore[no-untyped-def]
    return [b"no start_response"]


def longer(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return Closing(iter([b"hel", b"lo and", b" more"]))


def empty(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("204 No Content", [])
    return []


def wait(environ, start_response):  # type: ignore[no-untyped-def]
    """Say ``begun`` in the folder QUERY_STRING names, and go on when ``go`` is there."""
    folder = Path(environ["QUERY_STRING"])
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return hello(environ, start_response)


def log(environ, start_response):  # type: ignore[no-untyped-def]
    logs.info("a line that waits")
    return hello(environ, start_response)


def hold(environ, start_response):  # type: ignore[no-untyped-def]
    """Take every descriptor that is left."""
    with contextlib.suppress(OSError):
        while True:
            HELD.append(os.dup(0))
    return hello(environ, start_response)


def release(environ, start_response):  # type: ignore[no-untyped-def]
    while HELD:
        os.close(HELD.pop())
    return hello(environ, start_response)


PATHS: dict[str, Any] = {
    name: value for name, value in globals().items() if getattr(value, "__module__", "") == __name__ and name.islower()
}


class Dispatch:
    """The application: a path, a behaviour."""

    def __init__(self, max_body: int = 131072) -> None:
        self.max_body = max_body

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Dispatch on the first part of the path."""
        return PATHS[environ.get("REQUEST_URI", "/hello").partition("?")[0].split("/")[1]](environ, start_response)

    has_counted = False

    def keep_house(self) -> None:
        """There is nothing to do."""

    def note_counts(self) -> None:
        """Nothing is counted."""

    def close(self) -> None:
        """Nothing is open."""


def listener(listen: str) -> tuple[socket.socket, bool]:
    """Standard input's listener, or ``unix:PATH`` or ``tcp:HOST``: the latter are ours, and their address is printed."""
    if listen == "stdin":
        inherited_one = inherited()
        assert inherited_one is not None
        return inherited_one, False
    kind, _, where = listen.partition(":")
    return bind_unix(Path(where)) if kind == "unix" else bind_tcp(where, 0), True


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="stdin")
    parser.add_argument("--descriptors", type=int)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--send-buffer", type=int, help="bytes, inherited by the connections of a TCP listener")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help="one of the loop's limits")
    options = parser.parse_args()
    if options.log:
        logs.set_up(options.log, "INFO", rotate_bytes=1 << 20, keep=1, buffered=True)
    limits = DEFAULT._replace(**{name: float(number) for name, _, number in (text.partition("=") for text in options.set)})
    bound, owns = listener(options.listen)
    if options.send_buffer:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer)
    if options.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, options.descriptors))
    if owns:
        sys.stdout.write(json.dumps(bound.getsockname()) + "\n")
        sys.stdout.flush()
    with bound:
        serve(Dispatch(), bound, owns_listener=owns, limits=limits, counters=COUNTERS)
    logs.shut_down()


if __name__ == "__main__":
    main()
