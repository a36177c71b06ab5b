"""One connection of the loop: a socket that never blocks, what waits to be written to it, and how long it may take."""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections import deque

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.servers.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from n2k_fcgi.servers.limits import Counters, Limits
    from n2k_fcgi.servers.protocol import Protocol

Buffer = bytes | memoryview

RECEIVE_BYTES = 64 * 1024

MAX_BUFFERS = 64
"""Buffers handed to one ``sendmsg``: about 2 MB of a large answer, more than any socket takes at once."""


def receive(sock: socket.socket) -> bytes | None:
    """Read once. None: nothing has arrived; b"": nothing will.

    The socket is left in blocking mode, which saves a system call: each call says that it must not wait.
    """
    try:
        return sock.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""  # reset by the peer


def send(sock: socket.socket, data: Buffer) -> int:
    """Write once, without waiting; return how many bytes are done with: all, if the reader is gone."""
    try:
        return sock.send(data, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0
    except OSError:
        return len(data)


class Connection:
    """Carries bytes between a socket and its protocol. It knows neither the loop nor the protocol.

    The protocol calls ``write``, ``finish``, ``hold`` and ``close``. All else is for the loop, which after each call reads
    ``closed``, ``awaits_turn``, ``events``, ``pending`` and ``time_left``.
    """

    __slots__ = ("_counters", "_drained", "_ended", "_finishing", "_held", "_lingering", "_output", "_pace", "_protocol",
                 "_sock", "_unread", "accounted", "closed", "fd", "limits", "pending", "touched", "watched")  # fmt: skip

    def __init__(
        self, sock: socket.socket, speak: Callable[[Connection], Protocol], limits: Limits, counters: Counters
    ) -> None:
        self.fd = sock.fileno()
        self.limits = limits
        self.closed = False
        self.touched = time.monotonic()  # when a byte last moved, in either direction
        self.pending = 0  # bytes in _output
        self.accounted = 0  # of them, those that the loop has counted in its sum
        self.watched = -1  # the events that epoll reports; -1: not registered
        self._sock = sock
        self._counters = counters
        self._output: deque[Buffer] = deque()
        self._pace: Pace | None = None  # of the reader, since output first had to wait for it
        self._drained = self.touched  # when all of _output was last written: from then on the reader waits for us
        self._ended = False  # the peer sends no more
        self._finishing = False  # close when all is written
        self._unread = False  # the peer may be sending something that was refused
        self._lingering = False  # half closed; what still arrives is thrown away
        self._held = False  # lingering for a peer that was cut off
        self._protocol = speak(self)

    # --- for the protocol ---------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the limit of waiting output is reached: begin nothing new until ``advance`` is called."""
        return self.pending >= self.limits.high_water

    def write(self, buffers: list[Buffer] | tuple[Buffer, ...]) -> None:
        """Send *buffers*, in order, at the speed of the reader. They are not copied and must not change."""
        self._output.extend(buffers)
        self.pending += sum(map(len, buffers))

    def finish(self, *, unread: bool = False) -> None:
        """Close when all is written and the protocol has no more.

        *unread*: the peer is in the middle of sending something that was refused. It would lose the answer if we closed
        before it is done (the kernel resets the connection), so what it sends is read and thrown away.
        """
        self._finishing = True
        self._unread |= unread

    def hold(self) -> None:
        """Drop the output and half close: the peer sees an end now, and ``closed`` is called when it has closed, too."""
        self._held = True
        self._drop_output()
        self.touched = time.monotonic()
        self._half_close()

    def close(self) -> None:
        """Close at once, and drop what is not sent."""
        if self.closed:
            return
        self.closed = True
        self._drop_output()
        self._sock.close()
        protocol = self._protocol
        del self._protocol  # no cycle is left for the garbage collector
        protocol.closed()

    # --- for the loop: what it wants ------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it may be closed without loss."""
        return not (self._output or self._lingering) and self._protocol.idle

    @property
    def answering(self) -> bool:
        """Whether an answer is being written or made."""
        return bool(self._output) or (not self._held and self._protocol.has_more)

    @property
    def awaits_turn(self) -> bool:
        """Whether ``advance`` should be called: all output is written, and there is more."""
        return not self._output and not self._held and self._protocol.has_more

    @property
    def events(self) -> int:
        """What epoll should report."""
        wanted = 0
        if not self._ended and (self._lingering or (not self.is_full and self._protocol.wants_input)):
            wanted |= select.EPOLLIN
        if self._output:
            wanted |= select.EPOLLOUT
        return wanted

    def time_left(self, now: float) -> float | None:
        """Seconds until ``is_overdue`` may become true; None: no deadline runs."""
        if self.awaits_turn:
            return None
        allowed = self._silence
        left = None if allowed is None else max(0.0, self.touched + allowed - now)
        if self._pace is None:
            return left
        measured = self._pace.left(now)
        return measured if left is None else min(left, measured)

    def is_overdue(self, now: float) -> bool:
        """Whether no byte moved for too long, or the reader is too slow. Never while it waits for us."""
        if self.awaits_turn:
            return False
        allowed = self._silence
        if allowed is not None and now - self.touched >= allowed:
            return True
        return self._pace is not None and self._pace.is_too_slow(now)

    @property
    def _silence(self) -> float | None:
        if self._held:
            return self.limits.held_after_cut
        return self.limits.stalled_after if self._lingering else self._protocol.patience

    # --- for the loop: what it does -------------------------------------------------------------------------------------

    def begin(self, data: bytes | None) -> None:
        """Just accepted: handle what ``receive`` found, and often answer it, before the socket is registered with epoll."""
        self._take(data)
        self._flush()

    def end_with(self, rest: bytes) -> None:
        """Just accepted, and answered without the protocol: send what is left of the answer."""
        self.write((rest,))
        self.finish()
        self._flush()

    def ready(self, events: int) -> None:
        """Do what epoll says can be done without waiting."""
        if events & select.EPOLLIN:
            self._receive()
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.close()
        self._flush()

    def advance(self) -> None:
        """Let the protocol go on, if there is still more to write."""
        if self.awaits_turn:
            self._protocol.advance()
            now = self.touched = time.monotonic()
            if self._pace is not None:
                self._pace.waited(now - self._drained)
        self._flush()

    def proceed(self) -> None:
        """The protocol has written outside of a call: send it."""
        if not self.closed:
            self._flush()

    def stop(self) -> None:
        """The server stops: an idle connection may have sent a request just now."""
        if self.idle:
            self._receive()
            self._flush()

    def cut_off(self) -> None:
        """End in the middle of an answer."""
        if self._lingering:
            self.close()
        else:
            self._protocol.cut_off()

    # --- the socket -----------------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        self._counters.receives += 1
        self._take(receive(self._sock))

    def _take(self, data: bytes | None) -> None:
        """Handle what ``receive`` found."""
        if data is None:
            return
        if not data:
            self._ended = True
            if self._lingering:
                self.close()
            else:
                self._protocol.ended()
        elif not self._lingering:
            self.touched = time.monotonic()
            self._protocol.received(data)

    def _flush(self) -> None:
        """Write what fits. When that was all, and no more comes, close."""
        if self._output:
            self._send()
        if self._output or self.closed or not (self._held or not self._protocol.has_more):
            return
        self._pace = None
        if (self._finishing or self._ended) and not self._lingering:
            self._leave()

    def _send(self) -> None:
        self._counters.sends += 1
        try:
            if len(self._output) == 1:
                sent = self._sock.send(self._output[0], socket.MSG_DONTWAIT)
            else:
                sent = self._sock.sendmsg(list(itertools.islice(self._output, MAX_BUFFERS)), (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:  # the reader is gone
            self.close()
            return
        now = time.monotonic()
        if sent:
            self.touched = self._drained = now
            self._remove(sent)
        if self._pace is not None:
            self._pace.took(sent)
        elif self._output:
            self._pace = Pace(now, rate=self.limits.rate, period=self.limits.period)

    def _remove(self, sent: int) -> None:
        """Forget output that was sent."""
        self.pending -= sent
        if not self.pending:
            self._output.clear()
            return
        while sent:
            first = self._output.popleft()
            if sent < len(first):
                self._output.appendleft(memoryview(first)[sent:])
                break
            sent -= len(first)

    def _drop_output(self) -> None:
        self._output.clear()
        self.pending = 0

    def _leave(self) -> None:
        if self._unread and not self._ended:
            self._half_close()
        else:
            self.close()

    def _half_close(self) -> None:
        self._lingering = True
        self._pace = None
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
