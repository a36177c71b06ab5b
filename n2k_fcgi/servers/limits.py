"""What a loop allows, and what it counted."""

from __future__ import annotations

import resource

from n2k_fcgi.named import NamedTuple
from n2k_fcgi.servers.pace import LEAST_RATE, PERIOD


class Limits(NamedTuple):
    """Sizes in bytes, times in seconds."""

    stalled_after: float = 60.0
    """Time without a byte, in either direction, after which a connection in the middle of something is cut off."""
    high_water: int = 256 * 1024
    """Output of a connection above which nothing more is read from it, and nothing more begun."""
    max_queued: int = 16 * 1024 * 1024
    """Output that may wait in all connections together; above it the one whose reader took nothing for longest is cut off."""
    rate: float = LEAST_RATE
    """Least bytes per second at which an answer must be read."""
    period: float = PERIOD
    """Time over which the rate is measured."""
    held_after_cut: float = 600.0
    """Time that the peer gets to close, too, after ``Connection.hold``: Apache's Timeout is 300 at most in practice."""
    accept_again: float = 1.0
    """Time to wait when the process has no descriptor left, unless a connection closes before."""
    housekeeping: float = 60.0
    """Time between two calls of the housekeeping hook: the one wake-up of an idle process."""
    noting: float = 5.0
    """Time within which a process notes what it counted: what a kill may cost."""
    grace: float = 0.5
    """Time for half-received requests when the server stops: mod_fcgid kills a second after it asks."""
    writing_grace: float = 5.0
    """Time for answers under way then: their readers may be slow."""


DEFAULT = Limits()


def most_connections() -> int:
    """Half of the descriptors that this process may have: the store, the log and late imports need some, too."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


class Counters:
    """What was done since the start: tests hold the cost of a request to these counts.

    ``turns`` are wake-ups of the loop; ``receives`` and ``sends`` system calls; ``requests`` are counted by the protocol, and
    ``express`` those of them that took its fast path.
    """

    __slots__ = ("accepts", "express", "receives", "requests", "sends", "turns")

    def __init__(self) -> None:
        self.accepts = self.express = self.receives = self.requests = self.sends = self.turns = 0
