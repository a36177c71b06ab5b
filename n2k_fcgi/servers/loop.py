"""The event loop: one thread, many connections, no wake-up without a reason but one a minute, to see whether we are gone.

mod_fcgid opens a connection for every request, writes all of it and waits. Such a request takes the short road: accept,
one ``recv``, the application, one ``send``, close; nothing is registered and no stream is made.

Answers of several blocks stand in line: one block a turn is made, of one of them, and all that happened is looked at in
between. So whoever asks meanwhile waits for one block, however many lists are under way.
"""

import errno
import os
import resource
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from flup.server.fcgi_base import FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS, BaseFCGIServer

from n2k_fcgi import logs
from n2k_fcgi.errors import counted
from n2k_fcgi.servers.connection import MAX_REQUESTS, Connection
from n2k_fcgi.servers.counters import Counters
from n2k_fcgi.servers.gateway import Reply, new_environ
from n2k_fcgi.servers.listeners import Peers
from n2k_fcgi.servers.pace import Pace
from n2k_fcgi.servers.presence import Presence
from n2k_fcgi.servers.protocol import Buffer, Malformed, decode_pairs, ending, output, whole_request
from n2k_fcgi.servers.request import Request
from n2k_fcgi.servers.stopping import StopRequest
from n2k_fcgi.servers.wsgi import WSGIApplication

RECEIVE_BYTES = 64 * 1024
FLUSH_AFTER = 1.0
"""Seconds that log lines wait to be written together."""

STALLED_AFTER = 60.0
"""Seconds without a byte, either way, after which a connection in the middle of a request is dropped."""

MAX_QUEUED = 16 * 1024 * 1024
"""Bytes of output that all connections together may have waiting; beyond, whose reader took nothing for longest is dropped."""

ACCEPT_AGAIN_AFTER = 1.0
"""Seconds to wait when the process has no descriptor left all the same, unless a connection closes before."""

LOOK_EVERY = 60.0
"""Seconds between two looks at whether our own script and code are still there: the one wake-up of an idle process."""

GRACE = 0.5
"""Seconds that half-received requests get when the server stops: mod_fcgid kills a second after it asks."""

WRITING_GRACE = 5.0
"""Seconds that answers under way get then: their readers may be slow."""


class Server(BaseFCGIServer):  # type: ignore[misc]
    """Serves *application* to whoever connects to *listener*, which is made non-blocking. Use from one thread.

    *max_body*: gives the cap on request bodies in bytes. *pace*: measures a reader from a moment on.
    """

    request_class = Request

    def __init__(
        self,
        application: WSGIApplication,
        listener: socket.socket,
        *,
        max_body: Callable[[], int],
        owns_listener: bool,
        stop: StopRequest,
        counters: Counters,
        presence: Presence,
        pace: Callable[[float], Pace] = Pace,
    ) -> None:
        super().__init__(application, multithreaded=False, multiprocess=True, multiplexed=True, debug=False)
        self._connectionClass = Connection
        self.max_body = max_body
        self.counters = counters
        self.pace = pace
        self.queued = 0  # bytes of output that wait in all connections
        self.stopping = False
        self._owns_listener = owns_listener
        self._stop = stop
        self._presence = presence
        # Connections may take half of the descriptors: the store, the log and late imports need some, too.
        self._most = most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        self.capability = {FCGI_MAX_CONNS: most, FCGI_MAX_REQS: most * MAX_REQUESTS, FCGI_MPXS_CONNS: 1}
        self._listener = listener
        self._peers = Peers.of(listener)
        self._connections: dict[int, Connection] = {}
        self._line: dict[Connection, None] = {}  # for the next block, in order
        self._due: dict[Callable[[], None], float] = {}  # one-shot deadlines
        self._paused = False
        listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(stop.fd, select.EPOLLIN)

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until asked to stop, then finish what is in flight or waits to be accepted."""
        self._in(LOOK_EVERY, self._look)
        try:
            while not self._stop.asked:
                self._turn(None)
            self._drain()
        finally:
            self._drop(lambda connection: True)
            self._epoll.close()
            logs.flush()

    def _turn(self, at_most: float | None) -> None:
        """Wait for events and handle each once; *at_most* seconds, None: until there is one or a deadline passes."""
        if logs.pending():
            self._in(FLUSH_AFTER, logs.flush)
        if self._due:
            until_due = max(0.0, min(self._due.values()) - time.monotonic())
            at_most = until_due if at_most is None else min(at_most, until_due)
        if self._line:
            at_most = 0.0
        self.counters.turns += 1
        for fd, events in self._epoll.poll(at_most):
            connection = self._connections.get(fd)
            try:
                if connection is not None:
                    connection.ready(events)
                elif fd == self._stop.fd:
                    os.read(fd, 512)
                else:
                    self._accept()
            except MemoryError:
                self._drop_for_memory(connection)
        if self._line:
            first = next(iter(self._line))
            del self._line[first]
            try:
                first.advance()
            except MemoryError:
                self._drop_for_memory(first)
        if self.queued > MAX_QUEUED:
            self._drop_least_read()
        if self._due:
            self._run_due()

    def _drop_for_memory(self, connection: Connection | None) -> None:
        """A request that is too large for what is left costs nobody else."""
        logs.error("no memory left for a request: its connection is dropped")
        if connection is not None:
            connection.close()

    def _in(self, seconds: float, action: Callable[[], None]) -> None:
        """Run *action* once, *seconds* from now, unless it is due before."""
        when = time.monotonic() + seconds
        self._due[action] = min(when, self._due.get(action, when))

    def _run_due(self) -> None:
        now = time.monotonic()
        for action in [action for action, when in self._due.items() if when <= now]:
            del self._due[action]
            action()

    def _look(self) -> None:
        """Stop when the script or the code is gone; the data may be away: requests are told so."""
        if self._presence.is_over():
            logs.warning("this worker ends: its script or its code is gone")
            self._stop.asked = True
        else:
            self._in(LOOK_EVERY, self._look)

    # --- accepting --------------------------------------------------------------------------------------------------

    def _accept(self) -> bool:
        """Take one connection and answer it if its request is there; False: none waits, or none can be taken now."""
        if len(self._connections) >= self._most:
            return self._pause("as many as can be served at once")
        try:
            sock, address = self._listener.accept()
        except BlockingIOError:
            return False
        except OSError as problem:
            return self._cannot_accept(problem)
        self.counters.accepts += 1
        if not self._isClientAllowed(address):
            logs.warning(f"refused a connection from {address[0]}: not in FCGI_WEB_SERVER_ADDRS")
            sock.close()
            return True
        data = self.receive(sock)
        if not data or not self._answer_at_once(sock, address, data):
            connection = self._adopt(sock, address)
            if data is not None:
                connection.feed(data)
            connection.pump()
        return True

    def _answer_at_once(self, sock: socket.socket, address: Any, data: bytes) -> bool:
        """The short road. False: *data* is no whole request, nothing was done."""
        whole = whole_request(data)
        if whole is None:
            return False
        request_id, params = whole
        environ = new_environ()
        try:
            decode_pairs(params, environ)
        except Malformed:
            return False  # the general road drops it
        self.counters.requests += 1
        reply = Reply(self.application, environ)
        blocks = reply.advance()
        last = ending(request_id, reply.errors.getvalue(), int(reply.failed)) if reply.done else b""
        buffers = output(request_id, blocks, last)
        if reply.done and len(buffers) == 1:
            self._send_and_close(sock, address, request_id, reply, buffers[0])
        else:
            self._adopt(sock, address).take_over(request_id, reply, buffers)
        return True

    def _send_and_close(self, sock: socket.socket, address: Any, request_id: int, reply: Reply, answer: Buffer) -> None:
        try:
            sent = self.send(sock, [answer])
        except OSError:
            sent = len(answer)  # the reader went away
        if sent == len(answer):
            sock.close()
        else:
            self._adopt(sock, address).take_over(request_id, reply, [memoryview(answer)[sent:]])

    def _adopt(self, sock: socket.socket, address: Any) -> Connection:
        """Give a connection to the general road."""
        connection = Connection(sock, address, self)
        self._connections[sock.fileno()] = connection
        return connection

    def _cannot_accept(self, problem: OSError) -> bool:
        if problem.errno == errno.ECONNABORTED:
            return True  # that one went away; the next may be well
        if self.stopping and problem.errno == errno.EINVAL:
            return False  # closed for new connections and empty, see _drain
        self._in(ACCEPT_AGAIN_AFTER, self._accept_again)
        return self._pause(problem.strerror or "")

    def _pause(self, why: str) -> bool:
        """Stop accepting until a connection closes: epoll would report the waiting one again and again."""
        self._paused = True
        if not self.stopping:
            self._epoll.unregister(self._listener)
        logs.warning(f"cannot accept now ({counted(len(self._connections), 'connection')}): {why}")
        return False

    def _accept_again(self) -> None:
        self._paused = False
        self._due.pop(self._accept_again, None)
        if not self.stopping:
            self._epoll.register(self._listener, select.EPOLLIN)

    def _isClientAllowed(self, addr: Any) -> bool:
        return self._peers.allow(addr)

    # --- for the connections ----------------------------------------------------------------------------------------

    def receive(self, sock: socket.socket) -> bytes | None:
        """What arrived; empty: the web server went away; None: nothing yet. Sockets block, so every call says it must not."""
        self.counters.receives += 1
        try:
            return sock.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def send(self, sock: socket.socket, buffers: list[Buffer]) -> int:
        """Write what fits and give its length. Raises OSError when the reader went away."""
        self.counters.sends += 1
        try:
            if len(buffers) == 1:
                return sock.send(buffers[0], socket.MSG_DONTWAIT)
            return sock.sendmsg(buffers, (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def watch(self, sock: socket.socket, connection: Connection, events: int, *, is_new: bool) -> None:
        """Have ``connection.ready`` called for *events*."""
        (self._epoll.register if is_new else self._epoll.modify)(sock, events)
        if not connection.idle:
            self._in(connection.patience(time.monotonic(), STALLED_AFTER), self._drop_slow)

    def line_up(self, connection: Connection) -> None:
        """Have ``connection.advance`` called when its turn comes."""
        self._line[connection] = None

    def forget(self, sock: socket.socket, connection: Connection) -> None:
        """A connection is about to close."""
        self._connections.pop(sock.fileno(), None)
        self._line.pop(connection, None)
        if self._paused:
            self._accept_again()

    def _drop_slow(self) -> None:
        now = time.monotonic()
        for connection in list(self._connections.values()):
            if connection.is_overdue(now, STALLED_AFTER):
                logs.info("a connection was cut off that stopped, or read too slowly")
                connection.cut_off()
            if not (connection.closed or connection.idle):
                self._in(connection.patience(now, STALLED_AFTER), self._drop_slow)

    def _drop_least_read(self) -> None:
        """Drop connections until no more than MAX_QUEUED waits; one alone may go on, however large its answer is."""
        waiting = sorted((each for each in self._connections.values() if each.pending), key=lambda each: each.touched)
        for connection in waiting[:-1]:
            if self.queued <= MAX_QUEUED:
                break
            logs.warning("an answer was cut off that waited to be read: all of them together are too much")
            connection.cut_off()

    # --- stopping ---------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Answer what is in flight or waits to be accepted; drop what is still half received after GRACE."""
        self.stopping = True
        self._close_to_newcomers()
        for connection in list(self._connections.values()):
            connection.stop()
        started = time.monotonic()
        backlog = True
        while True:
            if backlog and not self._paused:
                backlog = self._accept_waiting()
            left = GRACE - (time.monotonic() - started)
            if left <= 0:
                self._turn(0)  # what has arrived while others were answered
                self._drop(lambda connection: not connection.answering)
                left += WRITING_GRACE
            if left <= 0 or not (self._connections or backlog):
                return
            self._turn(left)

    def _accept_waiting(self) -> bool:
        """Accept all that wait; give whether some could not be."""
        while self._accept():
            pass
        if self._owns_listener and not self._paused:
            self._listener.close()
        return self._paused

    def _close_to_newcomers(self) -> None:
        if not self._paused:
            self._epoll.unregister(self._listener)
        if self._owns_listener and self._listener.family == socket.AF_UNIX:
            # Linux refuses new connections from here on and still hands out the waiting ones, then EINVAL. Nobody falls
            # between the last accept and the close. TCP has no such thing, and a shared listener is not ours to end.
            self._listener.shutdown(socket.SHUT_RD)

    def _drop(self, condition: Callable[[Connection], bool]) -> None:
        for connection in [each for each in self._connections.values() if condition(each)]:
            connection.close()
