"""What is spoken on one connection from a web server: records in, applications run, records out.

Of flup's classes the life cycle is kept (a connection holds requests by id, a request runs when it is complete) and the
streams are replaced: the application is asked for a block when all of the one before is written, and its turn has come.
"""

from __future__ import annotations

from flup.server import fcgi_base as flup

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.servers.fastcgi.records import (
    BEGIN_BODY,
    HEADER,
    Malformed,
    decode_pairs,
    ending,
    output,
    record,
    refusal,
)
from n2k_fcgi.servers.fastcgi.request import Request
from n2k_fcgi.servers.fastcgi.server import MAX_REQUESTS

if TYPE_CHECKING:
    from n2k_fcgi.servers.connection import Connection
    from n2k_fcgi.servers.fastcgi.express import Express
    from n2k_fcgi.servers.fastcgi.server import Server
    from n2k_fcgi.servers.gateway import Reply


class FastCGI(flup.Connection):  # type: ignore[misc]
    """The protocol of one ``Connection``: see ``servers.protocol.Protocol``."""

    _multiplexed = True

    wants_input = True
    """Always: the web server may abort a request, and what it sends is bounded by MAX_REQUESTS and the limits of each."""

    def __init__(
        self, connection: Connection, server: Server, express: Express | None = None, begun: Request | None = None
    ) -> None:
        """*begun*: the only request of this connection; its reply is under way."""
        super().__init__(None, None, server)  # the socket and its address are the loop's
        self.server: Server = server
        self._connection = connection
        self._express = express
        self._requests: dict[int, Request] = {begun.requestId: begun} if begun else {}
        self._input = bytearray()  # the beginning of a record
        self._fresh = True  # not a byte has arrived
        self._begun = False  # at least one request was
        self._closing = False  # after a request without KEEP_CONN
        self._unread = False  # the web server may be writing a request that was refused

    @property
    def idle(self) -> bool:
        """Kept open by the web server between two requests."""
        return self._begun and not (self._input or self._requests)

    @property
    def has_more(self) -> bool:
        """Whether an application is running."""
        return bool(self._requests) and any(request.reply for request in self._requests.values())

    @property
    def patience(self) -> float | None:
        """A kept connection may wait; one that never sent a request may not."""
        return None if self.idle and not self._connection.pending else self._connection.limits.stalled_after

    def received(self, data: bytes) -> None:
        """Take bytes: the beginning of a connection by the fast path, if it is what that takes."""
        try:
            answer = self._express(data) if self._fresh and self._express else None
            self._fresh = False
            if answer is None:
                self._input += data
                self._read_records()
                return
            self._begun = True
            if isinstance(answer, bytes):
                self._connection.write((answer,))
                self._connection.finish()
            else:
                self._requests[answer.requestId] = answer
        except Malformed as problem:
            logs.debug(f"dropped a FastCGI connection: {problem}")
            self._connection.close()

    def ended(self) -> None:
        """What is running gets its answer, if the web server still listens; incomplete requests are dropped."""
        self._input.clear()
        self._requests = {number: request for number, request in self._requests.items() if request.reply}

    def advance(self) -> None:
        """Ask one of the running applications, each in its turn, for its next block."""
        for number, request in self._requests.items():
            if request.reply:
                self._requests[number] = self._requests.pop(number)
                self._advance(request, request.reply)
                break

    def cut_off(self) -> None:
        """An application that is not done is closed when the web server has closed, too.

        mod_fcgid does not close when we do: it waits for its own reader, and sends this process no other request until then.
        What the application holds, such as a slot, is not free either.
        """
        if self.has_more:
            self._connection.hold()
        else:
            self._connection.close()

    def closed(self) -> None:
        """Close the iterables of applications under way."""
        for request in self._requests.values():
            if request.reply:
                request.reply.close()
        self._requests.clear()

    # --- records in -----------------------------------------------------------------------------------------------------

    def _read_records(self) -> None:
        data, position = self._input, 0
        while len(data) - position >= HEADER.size:
            version, kind, request_id, length, padding = HEADER.unpack_from(data, position)
            if version != flup.FCGI_VERSION_1:
                raise Malformed(f"FastCGI version {version}")
            start = position + HEADER.size
            if len(data) < start + length + padding:
                break
            position = start + length + padding
            self._read_record(kind, request_id, bytes(data[start : start + length]))
        del data[:position]

    def _read_record(self, kind: int, request_id: int, content: bytes) -> None:
        if request_id == flup.FCGI_NULL_REQUEST_ID:
            self._manage(kind, content)
        elif kind == flup.FCGI_BEGIN_REQUEST:
            self._begin(request_id, content)
        elif request_id in self._requests:
            self._continue(self._requests[request_id], kind, content)
        # A record of no open request is ignored: it follows a refused or aborted one (specification, 3.3).

    def _manage(self, kind: int, content: bytes) -> None:
        if kind == flup.FCGI_GET_VALUES:
            asked: dict[str, str] = {}
            decode_pairs(content, asked)
            known = {name: self.server.capability[name] for name in asked if name in self.server.capability}
            pairs = b"".join(flup.encode_pair(name.encode(), str(value).encode()) for name, value in known.items())
            self._connection.write([record(flup.FCGI_GET_VALUES_RESULT, 0, pairs)])
        elif flup.FCGI_BEGIN_REQUEST <= kind <= flup.FCGI_DATA:
            raise Malformed("a request with the id 0")
        else:
            self._connection.write([record(flup.FCGI_UNKNOWN_TYPE, 0, bytes([kind, 0, 0, 0, 0, 0, 0, 0]))])

    def _begin(self, request_id: int, content: bytes) -> None:
        if len(content) != BEGIN_BODY.size or request_id in self._requests:
            raise Malformed("a bad BEGIN_REQUEST")
        role, flags = BEGIN_BODY.unpack(content)
        self._begun = True
        request = Request(self.server, request_id, flags)
        if role not in self.server.roles:
            self._connection.write([refusal(request_id, flup.FCGI_UNKNOWN_ROLE)])
            self._end(request)
        elif len(self._requests) >= MAX_REQUESTS:
            self._connection.write([refusal(request_id, flup.FCGI_OVERLOADED)])
            self._end(request)
        else:
            self._requests[request_id] = request

    def _continue(self, request: Request, kind: int, content: bytes) -> None:
        if kind == flup.FCGI_ABORT_REQUEST:
            if request.reply:
                request.reply.close()
            self._connection.write([ending(request.requestId, b"", 1)])
            self._end(request)
        elif kind == flup.FCGI_PARAMS:
            request.add_params(content)
        elif kind == flup.FCGI_STDIN:
            request.add_body(content)
        # FCGI_DATA and unknown types are of no use to a responder.
        if request.complete and not request.reply:
            reply = request.run()
            if not self._connection.is_full:
                self._advance(request, reply)

    # --- records out ----------------------------------------------------------------------------------------------------

    def _advance(self, request: Request, reply: Reply) -> None:
        if self._write(request.requestId, reply):
            self._end(request)

    def _write(self, request_id: int, reply: Reply) -> bool:
        """Write the next blocks of a reply. Return whether they were the last."""
        blocks = reply.advance()
        last = ending(request_id, reply.errors.getvalue(), int(reply.failed)) if reply.done else b""
        self._connection.write(output(request_id, blocks, last))
        return reply.done

    def _end(self, request: Request) -> None:
        """Forget a request that is answered; with the last one the connection may end."""
        self._requests.pop(request.requestId, None)
        if not request.flags & flup.FCGI_KEEP_CONN:
            self._closing = True
            self._unread |= not request.stdin_ended
        if self._closing and not self._requests:
            self._connection.finish(unread=self._unread)
