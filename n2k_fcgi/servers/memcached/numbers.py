"""Numbers of command lines, and the times that they mean (memcached's doc/protocol.txt, "Expiration times")."""

import re
from typing import NamedTuple

_SIGNED = re.compile(rb"[+-]?[0-9]{1,20}")
_UNSIGNED = re.compile(rb"\+?[0-9]{1,20}")

LONGEST_RELATIVE = 60 * 60 * 24 * 30
"""Seconds up to which a time counts from now; a larger number is a Unix time."""
MOST_32, MOST_64 = 2**32 - 1, 2**64 - 1
MOST_SIGNED_32 = 2**31 - 1


class Life(NamedTuple):
    """How long an entry lives from now on."""

    ttl: int | None
    """Milliseconds; None: for ever."""
    is_over: bool = False
    """It is gone at once."""
    end: int = 0
    """The Unix time in milliseconds that was named; 0: none was."""

    def still(self, now: int) -> "Life":
        """Return what is left of it at *now*, when the value has arrived."""
        return _until(self.end, now) if self.end else self


FOR_EVER = Life(None)
OVER = Life(None, is_over=True)


def signed_32(token: bytes) -> int | None:
    """Return a number of 32 bits with sign; None: it is none."""
    if _SIGNED.fullmatch(token) is None:
        return None
    number = int(token)
    return number if -MOST_SIGNED_32 - 1 <= number <= MOST_SIGNED_32 else None


def unsigned(token: bytes, most: int = MOST_64) -> int | None:
    """Return a number from 0 to *most*; None: it is none."""
    if _UNSIGNED.fullmatch(token) is None:
        return None
    number = int(token)
    return number if number <= most else None


def life_of(token: bytes, now: int) -> Life | None:
    """Return what an exptime means at *now*, in Unix milliseconds; None: it is no number."""
    seconds = signed_32(token)
    if seconds is None:
        return None
    if seconds == 0:
        return FOR_EVER
    if seconds < 0:
        return OVER
    if seconds <= LONGEST_RELATIVE:
        return Life(seconds * 1000)
    return _until(seconds * 1000, now)


def _until(end: int, now: int) -> Life:
    return Life(end - now, end=end) if end > now else OVER
