"""The event loop: one thread, many connections, and no wake-up without a reason but the housekeeping, once per minute.

A connection is read from as soon as it is accepted. What a protocol can answer at once and whole, as FastCGI nearly all that
mod_fcgid sends, takes accept, receive, send and close: epoll never hears of it, and no ``Connection`` is made, which would take
9 % of a lookup.

Connections that have more to write stand in line: each turn advances one of them, and all that happened is looked at in
between. So a new request waits for one block of one answer, however many long answers are under way.
"""

from __future__ import annotations

import os
import select
import time

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.servers.accepting import Acceptor
from n2k_fcgi.servers.connection import Connection, receive, send
from n2k_fcgi.servers.deadlines import Deadlines

NO_MEMORY = "no memory left for a request: its connection is closed"

FLUSH_AFTER = 1.0
"""Seconds that log lines wait to be written together."""

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from n2k_fcgi.servers.accepting import Admits
    from n2k_fcgi.servers.limits import Counters, Limits
    from n2k_fcgi.servers.protocol import Notes, Protocol
    from n2k_fcgi.servers.stopping import StopRequest

Speak: TypeAlias = "Callable[[Connection], Protocol]"
"""Makes the protocol of a connection."""

AtOnce: TypeAlias = "Callable[[bytes], bytes | Speak | None]"
"""Takes what a new connection sent first, and returns the whole answer, after which the connection is closed; or the protocol,
if the answer is longer; or None, if it is not taken."""

Settle: TypeAlias = "Callable[[], Iterable[Connection]]"
"""Finishes together what the connections have begun in one turn; returns those that it wrote to."""


class Loop:
    """Serves the connections to *listener*, which is made non-blocking. Use from one thread.

    *speak*: makes the protocol of a new connection. *owns_listener*: no other process accepts from it. *housekeeping*: called
    every ``limits.housekeeping`` seconds, between requests; it may ask *stop* to stop. *notes*: asked to note what
    was counted within ``limits.noting`` seconds. *settle*: called at the end of each turn, for protocols that do in
    one step what came from several connections. *at_once*: answers without a protocol.
    """

    def __init__(
        self,
        listener: socket.socket,
        speak: Speak,
        *,
        owns_listener: bool,
        admits: Admits,
        stop: StopRequest,
        limits: Limits,
        counters: Counters,
        housekeeping: Callable[[], None],
        notes: Notes | None = None,
        settle: Settle | None = None,
        at_once: AtOnce | None = None,
    ) -> None:
        self._settle = settle
        self._at_once = at_once
        self._speak = speak
        self._stop = stop
        self._limits = limits
        self._counters = counters
        self._housekeeping = housekeeping
        self._notes = notes
        self._will_note = False
        self._stopping = False
        self._queued = 0  # bytes of output that wait in all connections
        self._connections: dict[int, Connection] = {}  # by descriptor
        self._line: dict[Connection, None] = {}  # in the order of their turns
        self._deadlines = Deadlines()
        self._epoll = select.epoll()
        self._epoll.register(stop.fd, select.EPOLLIN)
        self._acceptor = Acceptor(
            listener,
            self._epoll,
            self._deadlines,
            again_after=limits.accept_again,
            owns_listener=owns_listener,
            admits=admits,
            counters=counters,
        )

    def run(self) -> None:
        """Serve until asked to stop, then finish what is in flight or waits to be accepted."""
        self._deadlines.within(self._limits.housekeeping, self._keep_house)
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
            self._deadlines.within(FLUSH_AFTER, logs.flush)
        if not self._will_note and self._notes is not None and self._notes.has_counted:
            self._will_note = True
            self._deadlines.within(self._limits.noting, self._note_counts)
        until_due = self._deadlines.next()
        if until_due is not None:
            at_most = until_due if at_most is None else min(at_most, until_due)
        if self._line:
            at_most = 0.0
        self._counters.turns += 1
        for fd, events in self._epoll.poll(at_most):
            connection = self._connections.get(fd)
            if connection is not None:
                self._let(connection, connection.ready, events)
            elif fd == self._stop.fd:
                os.read(fd, 512)
            else:
                self._accept()
        if self._line:
            first = next(iter(self._line))
            del self._line[first]
            self._let(first, first.advance)
        if self._settle is not None:
            self._finish_turn(self._settle)
        if self._queued > self._limits.max_queued:
            self._cut_off_least_read()
        if self._deadlines:
            self._deadlines.run()

    def _finish_turn(self, settle: Settle) -> None:
        for connection in settle():
            if not connection.closed:
                self._let(connection, connection.proceed)

    def _accept(self) -> bool:
        """Take one connection and answer what it has sent already. False: none waits, or none can be taken now."""
        connection = None
        try:
            sock = self._acceptor.accept(len(self._connections))
            if sock is None:
                return False
            self._counters.receives += 1
            data = receive(sock)
            answer = self._at_once(data) if data and self._at_once is not None else None
            if isinstance(answer, bytes):
                self._counters.sends += 1
                sent = send(sock, answer)
                if sent == len(answer):
                    sock.close()
                    return True
                connection = Connection(sock, self._speak, self._limits, self._counters)
                connection.end_with(answer[sent:])
            else:
                connection = Connection(sock, answer or self._speak, self._limits, self._counters)
                connection.begin(None if answer else data)
        except Exception as problem:  # noqa: BLE001 - as in _let
            _log(problem)
            if connection is None:
                return True  # its socket, if there is one, is closed with the object
            connection.close()
        if not connection.closed:
            self._connections[connection.fd] = connection
            self._note(connection)
        return True

    def _let(self, connection: Connection, act: Callable[..., None], *arguments: int) -> None:
        """Call *act* of a connection, then note what it waits for. If that fails, only this connection is closed."""
        try:
            act(*arguments)
        except Exception as problem:  # noqa: BLE001 - the last resort: a fault of ours must not end the connections of others
            _log(problem)
            connection.close()
        self._note(connection)

    def _note(self, connection: Connection) -> None:
        """Note what a connection waits for now, or that it is closed."""
        if self._stopping and not connection.closed and connection.idle:
            connection.close()
        self._queued += connection.pending - connection.accounted
        connection.accounted = connection.pending
        if connection.closed:
            if self._connections.get(connection.fd) is connection:  # else its descriptor is another's already
                del self._connections[connection.fd]
            self._line.pop(connection, None)
            if self._acceptor.paused:
                self._acceptor.resume()
            return
        if connection.awaits_turn:
            self._line[connection] = None
        events = connection.events
        if events != connection.watched:
            (self._epoll.register if connection.watched < 0 else self._epoll.modify)(connection.fd, events)
            connection.watched = events
        left = connection.time_left(time.monotonic())
        if left is not None:
            self._deadlines.within(left, self._cut_off_overdue)

    def _keep_house(self) -> None:
        self._deadlines.within(self._limits.housekeeping, self._keep_house)
        self._housekeeping()

    def _note_counts(self) -> None:
        self._will_note = False
        if self._notes is not None:
            self._notes.note_counts()

    def _cut_off_overdue(self) -> None:
        now = time.monotonic()
        for connection in list(self._connections.values()):
            if connection.is_overdue(now):
                if not connection.idle:
                    logs.info("cut off a connection that stalled or read too slowly")
                connection.cut_off()
            self._note(connection)

    def _cut_off_least_read(self) -> None:
        """Cut off until no more than ``max_queued`` waits; one alone may go on, however large its answer is."""
        waiting = sorted((each for each in self._connections.values() if each.pending), key=lambda each: each.touched)
        for connection in waiting[:-1]:
            if self._queued <= self._limits.max_queued:
                break
            logs.warning("cut off an unread answer: too much output waits in all connections")
            connection.cut_off()
            self._note(connection)

    # --- stopping -------------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Answer what is in flight or waits to be accepted; drop what is still half received after ``limits.grace``."""
        self._stopping = True
        self._acceptor.stop()
        for connection in list(self._connections.values()):
            self._let(connection, connection.stop)
        started = time.monotonic()
        backlog = True
        while True:
            if backlog and not self._acceptor.paused:
                backlog = self._accept_waiting()
            if self._settle is not None:
                self._finish_turn(self._settle)  # what was received since the last turn, without waiting for the next
            left = self._limits.grace - (time.monotonic() - started)
            if left <= 0:
                self._turn(0)  # what has arrived while others were answered
                self._drop(lambda connection: not connection.answering)
                left += self._limits.writing_grace
            if left <= 0 or not (self._connections or backlog):
                return
            self._turn(left)

    def _accept_waiting(self) -> bool:
        """Accept all that wait; return whether some could not be."""
        while self._accept():
            pass
        if not self._acceptor.paused:
            self._acceptor.close()
        return self._acceptor.paused

    def _drop(self, condition: Callable[[Connection], bool]) -> None:
        for connection in [each for each in self._connections.values() if condition(each)]:
            connection.close()
            self._note(connection)


def _log(problem: Exception) -> None:
    """Say why a connection is closed; where *problem* is handled."""
    if isinstance(problem, MemoryError):
        logs.error(NO_MEMORY)
    else:
        logs.error("a connection is closed because of an error in this program", traceback=True)
