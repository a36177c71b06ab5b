"""How fast a reader must take an answer: who stops in the middle would keep a process, or a part of it, for ever."""

LEAST_RATE = 64 * 1024
"""Bytes a second. The slowest line that is any use for a list of 500 MB takes it in two hours."""

PERIOD = 60.0
"""Seconds over which the rate is measured: a reader may pause, and the first of them fill buffers only."""


class Pace:
    """Counts what a reader takes of one answer. *now*: seconds of a monotonic clock, as everywhere here."""

    def __init__(self, now: float, *, rate: float = LEAST_RATE, period: float = PERIOD) -> None:
        self._rate = rate
        self._period = period
        self._since = now
        self._taken = 0

    def took(self, count: int) -> None:
        """The reader took *count* bytes."""
        self._taken += count

    def waited(self, seconds: float) -> None:
        """The reader waited for us so long, with all taken: that does not count."""
        self._since += seconds

    def left(self, now: float) -> float:
        """Seconds until the next look is due."""
        return max(0.0, self._since + self._period - now)

    def is_too_slow(self, now: float) -> bool:
        """Whether a period is over in which too little was taken; else the next period begins when one is over."""
        if now - self._since < self._period:
            return False
        if self._taken < self._rate * self._period:
            return True
        self._since, self._taken = now, 0
        return False
