"""How fast a reader must take an answer: one that stops in the middle would occupy a process, or part of it, for ever."""

LEAST_RATE = 64 * 1024
"""Bytes per second. A list of 500 MB then takes two hours."""

PERIOD = 60.0
"""Seconds over which the rate is measured: a reader may pause, and at first only buffers are filled."""


class Pace:
    """Measures how fast a reader takes one answer. *now*: seconds of ``time.monotonic``."""

    def __init__(self, now: float, *, rate: float = LEAST_RATE, period: float = PERIOD) -> None:
        self._rate = rate
        self._period = period
        self._since = now
        self._taken = 0

    def took(self, count: int) -> None:
        """The reader took *count* bytes."""
        self._taken += count

    def waited(self, seconds: float) -> None:
        """The reader had taken everything and waited for us: these *seconds* do not count."""
        self._since += seconds

    def left(self, now: float) -> float:
        """Seconds until the period ends."""
        return max(0.0, self._since + self._period - now)

    def is_too_slow(self, now: float) -> bool:
        """Whether too little was taken in the period that is over now; if enough was taken, the next period begins."""
        if now - self._since < self._period:
            return False
        if self._taken < self._rate * self._period:
            return True
        self._since, self._taken = now, 0
        return False
