"""One FastCGI request: what has arrived of it, then the reply to it."""

from __future__ import annotations

from flup.server import fcgi_base as flup

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers.fastcgi.records import Malformed, decode_pairs
from n2k_fcgi.servers.gateway import new_environ

if TYPE_CHECKING:
    from n2k_fcgi.servers.fastcgi.server import Server
    from n2k_fcgi.servers.gateway import Reply

MAX_PARAMS = 256 * 1024
"""Bytes of PARAMS of one request; Apache's own limits allow less than half in practice."""

MAX_DISCARDED = 64 * 1024 * 1024
"""Bytes of a body above the limit that are read and thrown away, so that the web server gets to see the 413."""


class Request(flup.Request):  # type: ignore[misc]
    """A request: arriving until both its streams ended, then running as ``reply``.

    It runs when all of it is here, so its input is a ``BytesIO``: flup's stream waits for more, and its ``readline`` joins
    what arrived again for every record and ignores its limit.
    """

    def __init__(self, server: Server, request_id: int, flags: int) -> None:
        # Not flup's __init__: it makes the four streams that this class replaces.
        self.server = server
        self.requestId = request_id
        self.flags = flags
        self.reply: Reply | None = None
        self.stdin_ended = False
        self._params = bytearray()
        self._params_ended = False
        self._body = bytearray()
        self._discarded = 0

    @classmethod
    def running(cls, server: Server, request_id: int, reply: Reply) -> Request:
        """The only request of its connection, all of which has arrived."""
        request = cls(server, request_id, 0)
        request.reply = reply
        request._params_ended = request.stdin_ended = True
        return request

    @property
    def complete(self) -> bool:
        """Whether all of it has arrived."""
        return self._params_ended and self.stdin_ended

    def add_params(self, data: bytes) -> None:
        """Take a piece of PARAMS; empty: the end. Raises Malformed."""
        if self._params_ended or len(self._params) + len(data) > MAX_PARAMS:
            raise Malformed("PARAMS after their end, or too long")
        self._params += data
        self._params_ended = not data

    def add_body(self, data: bytes) -> None:
        """Take a piece of STDIN; empty: the end. Above the limit only the length is kept. Raises Malformed."""
        if self.stdin_ended:
            raise Malformed("STDIN after its end")
        self.stdin_ended = not data
        if self._discarded or len(self._body) + len(data) > self.server.application.max_body:
            self._discarded += len(self._body) + len(data)
            self._body.clear()
            if self._discarded > MAX_DISCARDED:
                raise Malformed("STDIN without an end")
        else:
            self._body += data

    def run(self) -> Reply:
        """Make the reply and return it. Raises Malformed for PARAMS that cannot be decoded."""
        environ = new_environ()
        decode_pairs(bytes(self._params), environ)
        if self._discarded:
            environ["CONTENT_LENGTH"] = str(self._discarded)  # which the application refuses
        self.reply = self.server.run(environ, bytes(self._body))
        return self.reply
