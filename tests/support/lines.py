"""A second protocol on the real loop, served by a child process: ``python -m tests.support.lines LIMIT=NUMBER...``.

A line is answered by itself; ``* COUNT TEXT`` by COUNT times TEXT, in blocks; ``bye`` ends the connection, as a line that is
too long does. Connections are long-lived and requests pipelined, as memcached has it. A connection that begins with ``once``
is answered without the protocol.
"""

from __future__ import annotations

import json
import sys

from n2k_fcgi.servers import worker
from n2k_fcgi.servers.connection import Connection
from n2k_fcgi.servers.limits import DEFAULT, Counters
from n2k_fcgi.servers.listeners import inherited
from n2k_fcgi.servers.loop import Speak

LONGEST = 10_000
BLOCK = 64 * 1024


class Lines:
    """See ``servers.protocol.Protocol``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._input = bytearray()
        self._text = b""
        self._left = 0  # times that _text is still to be written

    @property
    def idle(self) -> bool:
        """No byte of a line is here that is not answered."""
        return not (self._input or self._left)

    @property
    def has_more(self) -> bool:
        """A whole line waits for the output to be written, or an answer is under way."""
        return self._left > 0 or b"\n" in self._input

    @property
    def wants_input(self) -> bool:
        """One batch of lines at a time."""
        return not self.has_more

    @property
    def patience(self) -> float | None:
        """A connection may be idle for ever; the rest of a line must follow."""
        return self._connection.limits.stalled_after if self._input else None

    def received(self, data: bytes) -> None:
        """Take a piece of input. The loop promises not to bring more than was wanted."""
        assert self.wants_input
        self._input += data
        self._go_on()

    def ended(self) -> None:
        """The beginning of a line is dropped."""
        del self._input[self._input.rfind(b"\n") + 1 :]

    def advance(self) -> None:
        """Go on with what waits."""
        self._go_on()

    def cut_off(self) -> None:
        """Nothing has to be held."""
        self._connection.close()

    def closed(self) -> None:
        """Said, so that a test sees it."""
        sys.stderr.write("closed\n")
        sys.stderr.flush()

    def _go_on(self) -> None:
        while self.has_more and not self._connection.is_full:
            if self._left:
                count = min(self._left, BLOCK // len(self._text) + 1)
                self._connection.write([self._text * count])
                self._left -= count
            else:
                line, _, rest = bytes(self._input).partition(b"\n")
                self._input[:] = rest
                self._answer(line)
        if not self.has_more and len(self._input) > LONGEST:
            self._input.clear()
            self._connection.write([b"too long\n"])
            self._connection.finish(unread=True)

    def _answer(self, line: bytes) -> None:
        if line == b"bye":
            self._input.clear()
            self._connection.finish()
        elif line.startswith(b"* "):
            _, count, self._text = line.split(b" ", 2)
            self._left = int(count)
        else:
            self._connection.write([line + b"\n"])


def at_once(data: bytes) -> bytes | Speak | None:
    """``once COUNT TEXT`` is answered by COUNT times TEXT, ``once under way`` by the protocol; ``once`` alone is a fault."""
    if not data.startswith(b"once"):
        return None
    if data == b"once under way\n":
        return UnderWay
    _, count, text = data.split(b" ", 2)
    return text * int(count)


class UnderWay(Lines):
    """Has an answer to write when it is made."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._text, self._left = b"on the way\n", 100_000


def main() -> None:
    """Serve the listener on descriptor 0 until told to stop; then say what is loaded."""
    limits = DEFAULT._replace(**{name: float(number) for name, _, number in (text.partition("=") for text in sys.argv[1:])})
    listener = inherited()
    assert listener is not None
    with listener:
        worker.serve(listener, Lines, owns_listener=False, at_once=at_once, limits=limits, counters=Counters())
    sys.stdout.write(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    main()
