"""Times as people read them."""

import time


def iso(seconds: float) -> str:
    """Unix seconds as ISO 8601, UTC; a number that is no such time, as a damaged file may have, as it is."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (OSError, OverflowError, ValueError):
        return f"{seconds} s"
