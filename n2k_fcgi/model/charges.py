"""What rate limits count."""

from typing import NamedTuple


class Charge(NamedTuple):
    """What is to be counted against whom."""

    subject: bytes
    a_minute: int
    """How much is admitted in a minute, and at once after a quiet one."""
    weight: int = 1
    """More than *a_minute* is admitted after a quiet minute, and spread over the minutes that follow: nothing is until then."""
