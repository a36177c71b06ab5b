"""Run a Python program with another clock for the key-value service and for rate limits.

``python -m tests.support.with_clock FILE PYTHON -c CODE …``: FILE holds the time in Unix milliseconds, read anew each time.
The program keeps no house.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from n2k_fcgi import wiring
from n2k_fcgi.config import Settings
from n2k_fcgi.service.access import limits
from n2k_fcgi.service.access.limits import Limits
from n2k_fcgi.service.keyvalue import space
from n2k_fcgi.store.base import Store
from n2k_fcgi.web.access import Access

NOON = 1_764_000_000.0
"""A moment, in Unix seconds."""


class FileClock:
    """Stands for the module ``time`` there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def time_ns(self) -> int:
        """The time that the file says."""
        return int(self._path.read_text()) * 1_000_000

    def seconds(self) -> float:
        """The same in Unix seconds."""
        return self.time_ns() / 1e9


@contextmanager
def limits_by(clock: Callable[[], float] = lambda: NOON) -> Iterator[None]:
    """Applications that are made in the block count rate limits by *clock*, which stands still unless it is given.

    A limit of a few writes per minute admits another one some seconds later: by the real clock, within a test on a busy
    machine.
    """
    really = wiring.access

    def access(store: Store, settings: Settings) -> Access:
        with patch.object(limits, "Limits", partial(Limits, clock=clock)):
            return really(store, settings)

    with patch.object(wiring, "access", access):
        yield


if __name__ == "__main__":
    _, file, _, _, code, *arguments = sys.argv
    clock = FileClock(Path(file))
    space.time = clock  # type: ignore[assignment]
    sys.argv = ["-c", *arguments]
    wiring.keep_house = lambda store: None  # it sweeps by the real clock, once a minute, unknown to the test
    with limits_by(clock.seconds):
        exec(code)
