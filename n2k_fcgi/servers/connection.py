"""One connection from a web server: records in, applications run, records out. It never blocks.

Of flup's classes the life cycle stays (a connection holds requests by id, a request runs when it is complete) and the
streams go: a block is asked of the application when all of the one before is written, and when its turn has come.
"""

import itertools
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from flup.server import fcgi_base as flup

from n2k_fcgi import logs
from n2k_fcgi.servers.gateway import Reply
from n2k_fcgi.servers.pace import Pace
from n2k_fcgi.servers.protocol import (
    BEGIN_BODY,
    HEADER,
    Buffer,
    Malformed,
    decode_pairs,
    end_request,
    ending,
    output,
    record,
)
from n2k_fcgi.servers.request import Request

if TYPE_CHECKING:
    from n2k_fcgi.servers.loop import Server

MAX_REQUESTS = 16
"""Requests that one connection may have open at a time. Known web servers send one."""

HIGH_WATER = 256 * 1024
"""Bytes of pending output above which the web server is not asked for more, and no further request is begun."""

HELD_AFTER_CUT = 600.0
"""Seconds that a web server gets to close, too, when an answer was cut off: Apache's Timeout is 300 at most in practice."""

MAX_BUFFERS = 64
"""Buffers handed to one ``sendmsg``: about 2 MB of a large answer, more than any socket takes at once."""


class Connection(flup.Connection):  # type: ignore[misc]
    """Reads and writes when the loop says so; closes itself and tells the server."""

    _multiplexed = True

    def __init__(self, sock: socket.socket, addr: Any, server: "Server") -> None:
        super().__init__(sock, addr, server)
        self.closed = False
        self.touched = time.monotonic()  # when bytes last went either way
        self._requests: dict[int, Request] = {}
        self._input = bytearray()  # the beginning of a record
        self._output: deque[Buffer] = deque()
        self._queued = 0  # bytes in _output
        self._pace: Pace | None = None  # of the answers under way
        self._drained = self.touched  # when all of _output was written last: from then on the reader waits for us
        self._begun = False  # at least one request was
        self._ended = False  # the web server sends no more
        self._closing = False  # close when all is written
        self._unread = False  # the web server may be writing a request that was refused
        self._lingering = False  # written, or cut off, and half closed; what still arrives is thrown away
        self._cut = False  # off, before its answers ended
        self._interest = -1  # as registered with epoll; -1: not yet

    @property
    def idle(self) -> bool:
        """Kept open by the web server between two requests."""
        return self._begun and not (self._input or self._requests or self._output or self._lingering)

    @property
    def answering(self) -> bool:
        """An answer is being written."""
        return bool(self._output) or (self._is_running and not self._cut)

    @property
    def _is_running(self) -> bool:
        return any(request.reply for request in self._requests.values())

    @property
    def pending(self) -> int:
        """Bytes that wait for the reader."""
        return self._queued

    def patience(self, now: float, stalled_after: float) -> float:
        """Seconds until ``is_overdue`` may become true."""
        if self._awaits_us:
            return stalled_after
        if self._cut:
            return max(0.0, self.touched + HELD_AFTER_CUT - now)
        left = max(0.0, self.touched + stalled_after - now)
        return min(left, self._pace.left(now)) if self._pace else left

    def is_overdue(self, now: float, stalled_after: float) -> bool:
        """Whether no byte moved for *stalled_after* seconds, or the reader is too slow. Not while it waits for us."""
        if self.idle or self._awaits_us:
            return False
        if self._cut:
            return now - self.touched >= HELD_AFTER_CUT
        is_slow = self._pace is not None and self._pace.is_too_slow(now)
        return is_slow or now - self.touched >= stalled_after

    @property
    def _awaits_us(self) -> bool:
        """All that there was is written, and there will be more."""
        return self.answering and not self._output

    def ready(self, events: int) -> None:
        """Do what epoll says can be done without waiting."""
        if events & select.EPOLLIN:
            data = self.server.receive(self._sock)
            if data is not None:
                self.feed(data)
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.close()
        self.pump()

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived; empty: no more will."""
        if not data:
            self._end_of_input()
        elif not self._lingering:
            self.touched = time.monotonic()
            self._input += data
            try:
                self._read_records()
            except Malformed as problem:
                logs.debug(f"dropped a FastCGI connection: {problem}")
                self.close()

    def take_over(self, request_id: int, reply: Reply, rest: list[Buffer]) -> None:
        """Go on with an answer that was begun on the short road; *rest* of it waits to be written."""
        self._begun = True
        self._put(rest)
        if reply.done:
            self._closing = True
        else:
            self._requests[request_id] = request = Request(self, request_id, 0)
            request.stdin_ended = True
            request.reply = reply
        self.pump()

    def advance(self) -> None:
        """Ask one of the running applications, each in its turn, for its next block, and write what fits."""
        for number, request in self._requests.items():
            if request.reply:
                self._requests[number] = self._requests.pop(number)
                self._advance(request, request.reply)
                break
        now = self.touched = time.monotonic()
        if self._pace is not None:
            self._pace.waited(now - self._drained)
        self.pump()

    def pump(self) -> None:
        """Write what fits; when that was all, get in line for the next block."""
        if self.closed:
            return
        self._send()
        if self.closed:
            return
        if not self._output and not self._requests and (self._closing or self._ended):
            self._leave()
        elif self.server.stopping and self.idle:
            self.close()
        if self.closed:
            return
        if not self.answering:
            self._pace = None
        elif self._awaits_us:
            self.server.line_up(self)
        self._watch()

    def stop(self) -> None:
        """The server stops: a kept connection closes, unless a request arrived just now."""
        if self.idle:
            data = self.server.receive(self._sock)
            if data is not None:
                self.feed(data)
            self.pump()

    def cut_off(self) -> None:
        """End in the middle of an answer: its reader sees no end of it.

        An application that is not done is closed when the web server has closed, too. mod_fcgid does not when we do: it waits
        for its own reader, and gives this process nothing else. What the application holds, as a slot, is not free until then.
        """
        if not self._is_running or self._cut:
            self.close()
            return
        self._cut, self._pace = True, None
        self._output.clear()
        self.server.queued -= self._queued
        self._queued = 0
        self.touched = time.monotonic()
        self._half_close()
        if not self.closed:
            self._watch()

    def close(self) -> None:
        """Give up everything: sockets, and the iterables of applications under way."""
        if self.closed:
            return
        self.closed = True
        for request in self._requests.values():
            if request.reply:
                request.reply.close()
        self._requests.clear()
        self._output.clear()
        self.server.queued -= self._queued
        self.server.forget(self._sock, self)
        self._sock.close()

    # --- records in -------------------------------------------------------------------------------------------------

    def _end_of_input(self) -> None:
        """What is running gets its answer, if the web server still listens; what is incomplete stays so."""
        self._ended = True
        self._input.clear()
        self._requests = {number: request for number, request in self._requests.items() if request.reply}
        if not self.answering:
            self.close()

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
        # What belongs to no open request is ignored: it follows a refused or aborted one (specification, 3.3).

    def _manage(self, kind: int, content: bytes) -> None:
        if kind == flup.FCGI_GET_VALUES:
            asked: dict[str, str] = {}
            decode_pairs(content, asked)
            known = {name: self.server.capability[name] for name in asked if name in self.server.capability}
            pairs = b"".join(flup.encode_pair(name.encode(), str(value).encode()) for name, value in known.items())
            self._put([record(flup.FCGI_GET_VALUES_RESULT, 0, pairs)])
        elif flup.FCGI_BEGIN_REQUEST <= kind <= flup.FCGI_DATA:
            raise Malformed("a request with the id 0")
        else:
            self._put([record(flup.FCGI_UNKNOWN_TYPE, 0, bytes([kind, 0, 0, 0, 0, 0, 0, 0]))])

    def _begin(self, request_id: int, content: bytes) -> None:
        if len(content) != BEGIN_BODY.size or request_id in self._requests:
            raise Malformed("a bad BEGIN_REQUEST")
        role, flags = BEGIN_BODY.unpack(content)
        self._begun = True
        request = Request(self, request_id, flags)
        if role not in self.server.roles:
            self._end(request, end_request(request_id, 0, flup.FCGI_UNKNOWN_ROLE))
        elif len(self._requests) >= MAX_REQUESTS:
            self._end(request, end_request(request_id, 0, flup.FCGI_OVERLOADED))
        else:
            self._requests[request_id] = request

    def _continue(self, request: Request, kind: int, content: bytes) -> None:
        if kind == flup.FCGI_ABORT_REQUEST:
            if request.reply:
                request.reply.close()
            self._end(request, ending(request.requestId, b"", 1))
        elif kind == flup.FCGI_PARAMS:
            request.add_params(content)
        elif kind == flup.FCGI_STDIN:
            request.add_body(content)
        # FCGI_DATA and unknown types are of no use to a responder.
        if request.complete and not request.reply:
            reply = request.run()
            if self._queued < HIGH_WATER:
                self._advance(request, reply)

    # --- records out ------------------------------------------------------------------------------------------------

    def _advance(self, request: Request, reply: Reply) -> None:
        blocks = reply.advance()
        if not reply.done:
            self._put(output(request.requestId, blocks))
            return
        last = ending(request.requestId, reply.errors.getvalue(), int(reply.failed))
        self._end(request, *output(request.requestId, blocks, last))

    def _end(self, request: Request, *last: Buffer) -> None:
        self._put(last)
        self._requests.pop(request.requestId, None)
        if not request.flags & flup.FCGI_KEEP_CONN:
            self._closing = True
            self._unread |= not request.stdin_ended

    def _put(self, buffers: "list[Buffer] | tuple[Buffer, ...]") -> None:
        self._output.extend(buffers)
        size = sum(map(len, buffers))
        self._queued += size
        self.server.queued += size

    def _send(self) -> None:
        if not self._output:
            return
        if self._pace is None:
            self._pace = self.server.pace(time.monotonic())
        try:
            sent = self.server.send(self._sock, list(itertools.islice(self._output, MAX_BUFFERS)))
        except OSError:
            self.close()
            return
        if sent:
            self.touched = self._drained = time.monotonic()
            self._pace.took(sent)
        self._queued -= sent
        self.server.queued -= sent
        while sent:
            first = self._output.popleft()
            if sent < len(first):
                self._output.appendleft(memoryview(first)[sent:])
                break
            sent -= len(first)

    def _leave(self) -> None:
        """Close. A web server in the middle of a refused request would lose the answer with it: let it finish first."""
        if not self._unread:
            self.close()
        if not (self.closed or self._lingering):
            self._half_close()

    def _half_close(self) -> None:
        self._lingering = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def _watch(self) -> None:
        """Tell epoll what to wait for."""
        wanted = 0
        if not self._ended and self._queued < HIGH_WATER:
            wanted |= select.EPOLLIN
        if self._output:
            wanted |= select.EPOLLOUT
        if wanted != self._interest:
            self.server.watch(self._sock, self, wanted, is_new=self._interest < 0)
            self._interest = wanted
