"""What was read of a dump: its lines counted, the rejected ones by reason."""

from collections import Counter
from enum import Enum

BAD_SHOWN = 10
"""Rejected lines that are kept to be shown."""


class Reason(Enum):
    """Why a line is rejected. The value is its text in reports, which JSON has too."""

    TOO_LONG = "line too long"
    NUL_BYTE = "a NUL byte"
    NOT_UTF8 = "invalid UTF-8"
    QUOTES = "broken quotes"
    FIELD_COUNT = "wrong field count"
    JSON = "broken JSON"
    NO_KEY_AND_NAME = "no key and name"
    FORMER_NAMES = "broken former names"
    TIME = "bad time"
    GRID = "bad grid"
    SWAPPED = "key and name swapped"
    KEY = "bad UUID"
    NULL_KEY = "null key"
    EMPTY_NAME = "empty name"
    KEY_AS_NAME = "a UUID as a name"
    PLACEHOLDER = "a placeholder as a name"
    LONG_NAME = "over-long name"
    NAME = "bad name"


class Oddity(Enum):
    """What is odd about a line that is accepted. The value is its text in reports, which JSON has too."""

    BYTE_ORDER_MARK = "byte-order mark"
    CR_LF = "CR LF line end"
    QUOTES = "quoted field"
    BRACES = "key in braces"
    PLACEHOLDER = "placeholder among real names"


class Tally:
    """Counts lines with data: rejected ones by reason, odd but accepted ones by kind. Keeps the first rejected lines."""

    def __init__(self) -> None:
        self.number = 0
        """Of the line that was read last, from 1, as an editor counts."""
        self.lines = 0
        """Those with data, good or bad."""
        self.bad: Counter[Reason] = Counter()
        self.odd: Counter[Oddity] = Counter()
        self.found: list[str] = []
        """What was odd about the dump as a whole: its encoding, header, separator, order of columns."""
        self.shown: list[tuple[int, Reason, str]] = []
        """(line number, reason, the line's beginning)."""

    @property
    def bad_lines(self) -> int:
        """How many lines were rejected."""
        return sum(self.bad.values())

    @property
    def commonest(self) -> Reason | None:
        """The reason of most rejected lines; None if there are none."""
        return self.bad.most_common(1)[0][0] if self.bad else None

    def count(self, lines: int) -> None:
        """Count lines with data."""
        self.number += lines
        self.lines += lines

    def reject(self, reason: Reason, line: bytes) -> None:
        """Count the line that was read last as bad."""
        self.bad[reason] += 1
        if len(self.shown) < BAD_SHOWN:
            self.shown.append((self.number, reason, line[:80].decode("utf-8", "replace").rstrip("\r\n")))
