"""Lines of a dump become batches of rows; bad lines are counted by reason and the first few kept to be shown.

W-Hat's ``uuid,First Last`` in plain ASCII takes a fast path (``plain``); everything else (quotes, other scripts, CR LF, JSON
lines) takes a slow path to the same rows. The beginning of the dump determines its form (``encoding``, ``dialect``). A line
without data, such as a blank one, counts neither as good nor as bad.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from n2k_fcgi.errors import BadGrid, BadKey, BadName, DumpNotUnderstood, N2KError
from n2k_fcgi.model.batch import Batch, joined, separate, together
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import LONGEST_TEXT, parse_name
from n2k_fcgi.model.placeholders import is_placeholder
from n2k_fcgi.service.dumps.dialect import LOOKED_AT, Dialect, beginning, is_blank
from n2k_fcgi.service.dumps.encoding import UTF8_MARK, as_utf8
from n2k_fcgi.service.dumps.plain import read_plain, stretches
from n2k_fcgi.service.dumps.tally import Oddity, Reason, Tally

LINE_BYTES = 64 * 1024
"""No good line is longer; a longer one is not held in memory."""

BATCH_BYTES = 128 * 1024
"""Text of one batch at most: its rows' objects then stay in the processor's cache."""

LONG_AGO = 1
"""Unix seconds of a former name without a time: before any other."""

Numbering = Callable[[str | None, int | None], int]
"""Returns the origin number of a row by its grid and its time in unix seconds; None: it has none of its own."""

_BRACED_KEY = re.compile(rb"\s*\{[0-9a-fA-F-]{32,36}\}")
"""A possible beginning of a csv line; JSON lines begin with a brace too."""


class Row(NamedTuple):
    """One good line of the slow path."""

    key: bytes
    spelling: str
    canonical: str
    grid: str | None
    seen: int | None


class BadLine(Exception):
    """A line is rejected; never leaves this module."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def batches(blocks: Iterable[bytes], tally: Tally, grids: Grids, number: Numbering) -> Iterator[Batch]:
    """Read blocks of a dump (csv or JSON lines, distinguished by the first character) as batches of rows.

    Raises DumpNotUnderstood if it is neither.
    """
    chunks = _whole_lines(as_utf8(blocks, tally.found), tally)
    first = next(chunks, b"")
    if _refuse_other_formats(first):
        read = _json_reader(tally, grids, number)
    else:
        dialect, begin = beginning(first, tally.found)
        tally.number += first.count(b"\n", 0, begin)
        first = first[begin:]
        read = _csv_reader(dialect, tally, grids, number)
    for chunk in _chain(first, chunks):
        for lines in _pieces(chunk):
            yield read(lines)


def why_no_rows(start: bytes, *, is_whole: bool) -> str:
    """Return why most lines of content with this *start* are not rows; '' if they are."""
    whole_lines = start if is_whole else start[: start.rfind(b"\n") + 1]
    tally = Tally()
    try:
        rows = sum(batch.rows for batch in batches([whole_lines], tally, Grids(), lambda _grid, _seen: 0))
    except N2KError:
        return "no csv"
    if rows and rows >= tally.bad_lines:  # a header is a bad line
        return ""
    return tally.commonest.value if tally.commonest else "empty"


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _refuse_other_formats(first: bytes) -> bool:
    """Whether it is JSON lines, else csv. Raises DumpNotUnderstood for a web page, a JSON array or binary data."""
    start = first.lstrip()[:1]
    if start == b"<":
        raise DumpNotUnderstood(why="it is a web page or XML, not csv or JSON lines")
    if start == b"[":
        raise DumpNotUnderstood(why="it is a JSON array: one object a line is wanted")
    lines = first.split(b"\n", LOOKED_AT)[:LOOKED_AT]
    if sum(b"\0" in line for line in lines) * 2 > len(lines):
        raise DumpNotUnderstood(why="it is not text: most of its lines have NUL bytes")
    return start == b"{" and _BRACED_KEY.match(first) is None


def _whole_lines(blocks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    """Cut blocks at line ends; add a missing last one. A line beyond LINE_BYTES is rejected, not held."""
    carry = b""
    too_long = False
    for block in blocks:
        if too_long:
            _, end, block = block.partition(b"\n")
            if not end:
                continue
            too_long = False
        end_of_last = block.rfind(b"\n") + 1
        if end_of_last:
            yield carry + block[:end_of_last]
            carry = block[end_of_last:]
        else:
            carry += block
        if len(carry) > LINE_BYTES:
            tally.count(1)
            tally.reject(Reason.TOO_LONG, carry)
            carry, too_long = b"", True
    if carry:
        yield carry + b"\n"


def _pieces(chunk: bytes) -> Iterator[bytes]:
    """Yield whole lines, about BATCH_BYTES at a time."""
    at = 0
    while at < len(chunk):
        end = chunk.find(b"\n", at + BATCH_BYTES) + 1 or len(chunk)
        yield chunk[at:end]
        at = end


def _csv_reader(dialect: Dialect, tally: Tally, grids: Grids, number: Numbering) -> Callable[[bytes], Batch]:
    def read(chunk: bytes) -> Batch:
        batch = None if dialect.in_parts else read_plain(chunk, dialect)
        if batch is not None:
            tally.count(batch.rows)
            return batch
        return together([read_stretch(*part) for part in stretches(chunk, dialect)])

    def read_stretch(lines: bytes, plain: Batch | None) -> Batch:
        if plain is not None:
            tally.count(plain.rows)
            return plain
        return _slowly(lines, tally, number, lambda line: _csv_row(line, dialect, tally, grids))

    return read


def _json_reader(tally: Tally, grids: Grids, number: Numbering) -> Callable[[bytes], Batch]:
    return lambda lines: _slowly(lines, tally, number, lambda line: _json_row(line, tally, grids))


def _slowly(lines: bytes, tally: Tally, number: Numbering, parse: Callable[[bytes], list[Row]]) -> Batch:
    rows: list[Row] = []
    for line in separate(lines):
        if is_blank(line):
            tally.number += 1
            continue
        tally.count(1)
        try:
            if b"\0" in line:
                raise BadLine(Reason.NUL_BYTE)
            if line.startswith(UTF8_MARK):  # another file was appended here
                tally.odd[Oddity.BYTE_ORDER_MARK] += 1
            rows += parse(line.removeprefix(UTF8_MARK))
        except BadLine as error:
            tally.reject(error.reason, line)
    return Batch(
        b"".join([row.key for row in rows]),
        joined([row.spelling.encode() for row in rows]),
        joined([row.canonical.encode() for row in rows]),
        bytes([number(row.grid, row.seen) for row in rows]),
    )


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadLine(Reason.NOT_UTF8) from None


def _csv_row(line: bytes, dialect: Dialect, tally: Tally, grids: Grids) -> list[Row]:
    text = _text(line)
    try:
        fields = dialect.fields(text)
    except csv.Error:
        raise BadLine(Reason.QUOTES) from None
    found = dialect.key_and_name(fields)
    if found is None:
        raise BadLine(Reason.FIELD_COUNT)
    key, name = found
    row = [_row(key, name, grids)]
    if line.endswith(b"\r"):
        tally.odd[Oddity.CR_LF] += 1
    if '"' in text:
        tally.odd[Oddity.QUOTES] += 1
    if "{" in key:
        tally.odd[Oddity.BRACES] += 1
    return row


def _json_row(line: bytes, tally: Tally, grids: Grids) -> list[Row]:
    """One avatar, preceded by its former names: of the rows of a key the latest is current.

    A placeholder among them, as in exports of earlier versions, is dropped, and the real names are kept.
    """
    try:
        fields = json.loads(_text(line))
    except (ValueError, RecursionError):
        raise BadLine(Reason.JSON) from None
    if not isinstance(fields, dict) or not isinstance(fields.get("key"), str) or not isinstance(fields.get("name"), str):
        raise BadLine(Reason.NO_KEY_AND_NAME)
    grid, seen = fields.get("grid"), _seconds(fields.get("seen"))
    if grid is not None:
        grid = _grid(grid, grids)
    names: list[tuple[str, int | None]] = []
    for former in _former(fields.get("former", [])):
        names.append((former["name"], _seconds(former.get("seen")) or LONG_AGO))
    names.append((fields["name"], seen))
    real = [(name, when) for name, when in names if not _is_placeholder(name)]
    rows = [_row(fields["key"], name, grids, grid=grid, seen=when) for name, when in real or names]
    if len(real) < len(names):
        tally.odd[Oddity.PLACEHOLDER] += 1
    return rows


def _former(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(f, dict) and isinstance(f.get("name"), str) for f in value):
        raise BadLine(Reason.FORMER_NAMES)
    return value


def _seconds(value: Any) -> int | None:
    """Unix seconds, or None. Anything else is rejected: a time in words would be a guess."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        raise BadLine(Reason.TIME)
    return int(value)


def _grid(value: Any, grids: Grids) -> str:
    try:
        return grids.parse(value if isinstance(value, str) else "")
    except BadGrid:
        raise BadLine(Reason.GRID) from None


def _is_placeholder(name: str) -> bool:
    return len(name) <= LONGEST_TEXT and is_placeholder(" ".join(name.split()))


def _row(key: str, name: str, grids: Grids, *, grid: str | None = None, seen: int | None = None) -> Row:
    key = _bare(key)
    if not is_key_shaped(key):
        raise BadLine(Reason.SWAPPED if is_key_shaped(_bare(name)) else Reason.KEY)
    try:
        avatar_key = parse_key(key)
    except BadKey:
        raise BadLine(Reason.NULL_KEY) from None
    if not name.strip():
        raise BadLine(Reason.EMPTY_NAME)
    if is_key_shaped(name.strip()):
        raise BadLine(Reason.KEY_AS_NAME)
    if _is_placeholder(name):
        raise BadLine(Reason.PLACEHOLDER)
    try:
        parsed = parse_name(name, grids)
    except BadName as error:
        raise BadLine(Reason.LONG_NAME if error.too_long else Reason.NAME) from None
    return Row(avatar_key, parsed.spelling, parsed.canonical, parsed.home or grid, seen)


def _bare(key: str) -> str:
    """Strip blanks from a key, and the braces that some programs put around it."""
    key = key.strip()
    return key[1:-1] if key.startswith("{") and key.endswith("}") else key
