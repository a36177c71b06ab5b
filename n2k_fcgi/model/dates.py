"""Times as people read them, in UTC."""

import time


def iso(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 has it: ``2026-11-27T14:54:07Z``."""
    return written("%Y-%m-%dT%H:%M:%SZ", seconds)


def day(seconds: float) -> str:
    """Return the day of a time in Unix seconds: ``2026-11-27``."""
    return written("%Y-%m-%d", seconds)


def minute(seconds: float) -> str:
    """Return a time in Unix seconds to the minute: ``2026-11-27 14:54``."""
    return written("%Y-%m-%d %H:%M", seconds)


def written(pattern: str, seconds: float) -> str:
    """Return a time in Unix seconds as *pattern* (strftime) says.

    A number that is no such time, as a damaged file may have, is returned as it is.
    """
    try:
        return time.strftime(pattern, time.gmtime(seconds))
    except (OSError, OverflowError, ValueError):
        return f"{seconds} s"
