"""The listening socket of a loop: connections are taken while there are descriptors for them."""

from __future__ import annotations

import errno
import select
import socket

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import counted
from n2k_fcgi.servers.limits import most_connections

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from n2k_fcgi.servers.deadlines import Deadlines
    from n2k_fcgi.servers.limits import Counters


Admits: TypeAlias = "Callable[[Any], bool]"
"""Whether a peer may connect, by its address as ``accept`` returns it; it logs a refusal."""


class Acceptor:
    """Accepts from *listener*, which it makes non-blocking and registers with *epoll*.

    ``paused``: nothing can be accepted now. Epoll would report the waiting connection again and again, so it is not asked
    until ``resume`` is called, when a connection has closed. If the lack is not of our making, that is tried after
    *again_after* seconds, too.
    """

    def __init__(
        self,
        listener: socket.socket,
        epoll: select.epoll,
        deadlines: Deadlines,
        *,
        again_after: float,
        owns_listener: bool,
        admits: Admits,
        counters: Counters,
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._epoll = epoll
        self._deadlines = deadlines
        self._again_after = again_after
        self._owns_listener = owns_listener
        self._admits = admits
        self._counters = counters
        self._most = most_connections()
        self._stopping = False
        self.paused = False
        epoll.register(listener, select.EPOLLIN)

    def accept(self, connections: int) -> socket.socket | None:
        """The next connection that is admitted, beside *connections* others. None: none waits, or ``paused``."""
        while connections < self._most:
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return None
            except OSError as problem:
                if problem.errno == errno.ECONNABORTED:
                    continue  # the peer is gone; another may wait
                if not (self._stopping and problem.errno == errno.EINVAL):  # see stop
                    self._deadlines.within(self._again_after, self.resume)
                    self._pause(connections, problem.strerror or "")
                return None
            self._counters.accepts += 1
            if self._admits(address):
                return sock
            sock.close()
        self._pause(connections, "the limit of connections is reached")
        return None

    def resume(self) -> None:
        """Accept again."""
        self.paused = False
        self._deadlines.drop(self.resume)
        if not self._stopping:
            self._epoll.register(self._listener, select.EPOLLIN)

    def stop(self) -> None:
        """Refuse new connections where that is possible; those that wait can still be accepted."""
        self._stopping = True
        if not self.paused:
            self._epoll.unregister(self._listener)
        if self._owns_listener and self._listener.family == socket.AF_UNIX:
            # Linux refuses new connections from here on and still hands out the waiting ones, then EINVAL. So none is lost
            # between the last accept and the close. TCP has no such thing, and a shared listener is not ours to end.
            self._listener.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close the listener, if no other process accepts from it."""
        if self._owns_listener:
            self._listener.close()

    def _pause(self, connections: int, why: str) -> None:
        self.paused = True
        if not self._stopping:
            self._epoll.unregister(self._listener)
        logs.warning(f"cannot accept now ({counted(connections, 'connection')}): {why}")
