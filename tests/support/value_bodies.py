"""Bodies below ``/db`` as HTTP clients send them, to any front end: chunked, empty, too large, where none belongs."""

import http.client
from collections.abc import Iterable
from contextlib import closing

from tests.support.processes import SECONDS

TOO_LARGE = (65_537, 131_073)
"""Above kv_max_value, and above max_body."""


def send_all_kinds(host: str, port: int, token: str, mount: str = "") -> None:
    """Send them with *token*; assert that each is stored whole or refused, and that none is stored in part."""

    def ask(method: str, target: str, body: bytes | Iterable[bytes] = b"") -> tuple[int, bytes]:
        """Send *body*, chunked unless it is bytes; each request on a connection of its own."""
        with closing(http.client.HTTPConnection(host, port, timeout=SECONDS)) as connection:
            headers = {"X-N2K-Token": token, "Content-Type": "application/octet-stream"}
            connection.request(method, f"{mount}/db{target}", body, headers, encode_chunked=not isinstance(body, bytes))
            answer = connection.getresponse()
            return answer.status, answer.read()

    value = bytes(range(256)) * 100
    assert ask("PUT", "/chunked", iter([value[start : start + 1000] for start in range(0, len(value), 1000)]))[0] == 201
    assert ask("GET", "/chunked") == (200, value)
    assert ask("PUT", "/empty", iter([]))[0] == ask("PUT", "/also-empty")[0] == 201
    assert ask("GET", "/empty") == ask("GET", "/also-empty") == (200, b"")
    for size in TOO_LARGE:
        status, line = ask("PUT", "/large", iter([b"v" * size]))
        assert status == 413 and line.count(b"\n") == 1, line
    assert ask("POST", "/chunked?op=append", iter([b"!"]))[0] == 200
    assert ask("GET", "/chunked") == (200, value + b"!")
    status, line = ask("POST", "/n?op=incr&initial=1", iter([b"by=5"]))
    assert status == 400 and b"no body belongs here" in line
    assert ask("DELETE", "/chunked", iter([b"a body"]))[0] == 200
    assert ask("GET", "/large")[0] == ask("GET", "/chunked")[0] == 404
