"""Run a Python program with another clock for the key-value service.

``python -m tests.support.with_clock FILE PYTHON -c CODE …``: FILE holds the time in Unix milliseconds, read anew each time.
"""

import sys
from pathlib import Path

from n2k_fcgi.service.keyvalue import space


class FileClock:
    """Stands for the module ``time`` there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def time_ns(self) -> int:
        """The time that the file says."""
        return int(self._path.read_text()) * 1_000_000


if __name__ == "__main__":
    _, clock, _, _, code, *arguments = sys.argv
    space.time = FileClock(Path(clock))  # type: ignore[assignment]
    sys.argv = ["-c", *arguments]
    exec(code)
