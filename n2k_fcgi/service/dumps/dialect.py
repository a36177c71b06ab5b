"""The dialect of a csv dump, determined once by its first lines: separator, key column, first row.

The fast path reads any of these. A later line in another dialect is rejected.
"""

import csv
import re
from collections import Counter
from typing import NamedTuple

SEPARATORS = ",;\t|"
LOOKED_AT = 100
"""Lines that are examined; the majority decides."""
_END_BYTES = 200
"""Bytes in which a key at the end of a line is searched: 64 KB of tabs would take long."""

_KEY = rb"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_FIRST_AND_LAST = re.compile(rb"first.*last", re.IGNORECASE)
_NAME_PART = re.compile(r"[^\W\d_][\w'-]*")
_CELL_EDGE = ' ="'
_EDGE, _SEPARATOR = rb'[\s"={}]*', rb"([,;\t|])"
_KEY_FIRST = re.compile(rb"%b%b%b%b" % (_EDGE, _KEY, _EDGE, _SEPARATOR))
_KEY_LAST = re.compile(rb"%b%b%b%b$" % (_SEPARATOR, _EDGE, _KEY, _EDGE))
_SEPARATOR_HINT = re.compile(rb'"?sep=[,;\t|]?"?[\s,;|]*', re.IGNORECASE)
_BETWEEN = re.compile(rb"[,;\t|]")
_CELL = re.compile(r'^\s*="(.*)"\s*$')
_DIGIT = re.compile(rb"[0-9]")
_HEADER_DIGITS = 3
"""Most digits of a header; a damaged key has more."""


class Dialect(NamedTuple):
    """The form of the lines of a csv dump."""

    separator: str = ","
    key_column: int = 0
    """0 or 1: before or after the name."""
    in_parts: bool = False
    """First and last name have a column each."""

    def key_and_name(self, fields: list[str]) -> tuple[str, str] | None:
        """Return key and name of a line; None if it has too few or too many fields."""
        if not 2 <= len(fields) <= 2 + self.in_parts:
            return None
        key = fields[-self.key_column]
        names = fields[:-1] if self.key_column else fields[1:]
        cells = [from_cells(key, name) for name in names]
        return cells[0][0], " ".join(name.strip() for _, name in cells) if self.in_parts else cells[0][1]

    def fields(self, text: str) -> list[str]:
        """Return the fields of a line, unquoted, without empty ones after the second. Raises csv.Error."""
        if '"' in text:
            fields = next(csv.reader([text], delimiter=self.separator, strict=True, skipinitialspace=True))
            if len(fields) == 1 and len(fields[0]) < len(text) and self.separator in fields[0]:
                return self.fields(fields[0])  # a spreadsheet read the line as one cell
        else:
            fields = text.split(self.separator)
        while len(fields) > 2 and not fields[-1].strip():  # a spreadsheet pads all rows to the longest
            fields.pop()
        return fields


WHAT = Dialect()
"""W-Hat's own: ``uuid,First Last``."""


def is_blank(line: bytes) -> bool:
    """Whether a line has no data: it is empty, or an empty row of a spreadsheet such as ``,`` or ``"";""``."""
    return not line.strip(b' \t\r\v\f,;|"')


def beginning(lines: bytes, found: list[str]) -> tuple[Dialect, int]:
    """Return the dialect of a dump that begins with *lines*, and how many of their bytes precede the first row.

    These may be blank lines, Excel's ``sep=;``, and a header in any words. What differs from W-Hat's form is appended to
    *found*.
    """
    at = _blank_until(lines, 0)
    hint = _line(lines, at)
    if _SEPARATOR_HINT.fullmatch(hint):
        found.append(f"the line '{_shown(hint)}'")
        at = _blank_until(lines, at + len(hint) + 1)
    header = _line(lines, at)
    found_header = _is_header(header)
    if found_header:
        found.append(f"the header '{_shown(header)}'")
        at = _blank_until(lines, at + len(header) + 1)
    dialect = _dialect(lines, at)
    if dialect.separator != WHAT.separator:
        found.append("tabs between the columns" if dialect.separator == "\t" else f"'{dialect.separator}' between the columns")
    if _has_two_names(lines, at, dialect, header if found_header else b""):
        dialect = dialect._replace(in_parts=True)
        found.append("first and last name in a column each")
    if dialect.key_column != WHAT.key_column:
        found.append("columns swapped: name,uuid")
    return dialect, at


def from_cells(key: str, name: str) -> tuple[str, str]:
    """Remove the ``="..."`` that makes a spreadsheet keep text as it is, from both if the key has it."""
    if key.strip().startswith('="'):
        return _CELL.sub(r"\1", key), _CELL.sub(r"\1", name)
    return key, name


def _line(lines: bytes, at: int) -> bytes:
    end = lines.find(b"\n", at)
    return lines[at : end if end >= 0 else len(lines)]


def _blank_until(lines: bytes, at: int) -> int:
    while at < len(lines) and is_blank(line := _line(lines, at)):
        at += len(line) + 1
    return min(at, len(lines))


def _is_header(line: bytes) -> bool:
    """Several fields, none of them a key, and few digits."""
    has_key = _KEY_FIRST.match(line) or _KEY_LAST.search(line[-_END_BYTES:])
    return not has_key and b"\0" not in line and bool(_BETWEEN.search(line)) and len(_DIGIT.findall(line)) <= _HEADER_DIGITS


def _dialect(lines: bytes, at: int) -> Dialect:
    votes: Counter[Dialect] = Counter()
    for _ in range(LOOKED_AT):
        if at >= len(lines):
            break
        line = _line(lines, at)
        at += len(line) + 1
        if found := _KEY_FIRST.match(line):
            votes[Dialect(found[1].decode(), 0)] += 1
        elif found := _KEY_LAST.search(line[-_END_BYTES:]):
            votes[Dialect(found[1].decode(), 1)] += 1
    return max(votes, key=votes.__getitem__, default=WHAT)


def _has_two_names(lines: bytes, at: int, dialect: Dialect, header: bytes) -> bool:
    """Whether most lines are a key and two words, and the *header*, if there is one, calls these first and last."""
    if header and not _FIRST_AND_LAST.search(header):
        return False
    looked_at = lines[at:].split(b"\n", LOOKED_AT)[:LOOKED_AT]
    rows = [line for line in looked_at if not is_blank(line)]
    return 2 * sum(_is_key_and_words(line, dialect) for line in rows) > len(rows)


def _is_key_and_words(line: bytes, dialect: Dialect) -> bool:
    try:
        fields = dialect.fields(line.decode("utf-8", "replace").strip("\r\n"))
    except csv.Error:
        return False
    if len(fields) != 3:
        return False
    key = fields.pop(-dialect.key_column)
    are_words = all(_NAME_PART.fullmatch(field.strip(_CELL_EDGE)) for field in fields)
    return are_words and _KEY_FIRST.match(key.encode() + b",") is not None


def _shown(line: bytes) -> str:
    return line[:80].decode("utf-8", "replace").strip()
