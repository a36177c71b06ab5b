"""What a loop does at a later time."""

from __future__ import annotations

import time

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadlines:
    """Actions that run once, each at the earliest time that was asked for."""

    def __init__(self) -> None:
        self._due: dict[Callable[[], None], float] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def within(self, seconds: float, action: Callable[[], None]) -> None:
        """Run *action* in *seconds*, unless it is due before."""
        when = time.monotonic() + seconds
        self._due[action] = min(when, self._due.get(action, when))

    def drop(self, action: Callable[[], None]) -> None:
        """Do not run *action*."""
        self._due.pop(action, None)

    def next(self) -> float | None:
        """Seconds until the first is due; None: there is none."""
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def run(self) -> None:
        """Run what is due."""
        now = time.monotonic()
        for action in [action for action, when in self._due.items() if when <= now]:
            del self._due[action]
            action()
