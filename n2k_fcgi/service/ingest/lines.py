"""Lines of a dump become rows; bad ones are counted by reason and the first few kept to be shown.

W-Hat's ``uuid,First Last`` in plain ASCII goes through bulk operations (``plain``); everything else (quotes, other scripts,
CR LF, JSON lines) takes a slower road to the same rows.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from n2k_fcgi.errors import BadGrid, BadKey, BadName, DumpNotUnderstood
from n2k_fcgi.model.grids import parse_grid
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import LONGEST_TEXT, parse_name
from n2k_fcgi.model.placeholders import is_placeholder
from n2k_fcgi.service.ingest.batch import Batch, joined, separate, together
from n2k_fcgi.service.ingest.plain import read_plain, stretches

BAD_SHOWN = 10
"""Bad lines that are kept to be shown."""

LINE_BYTES = 64 * 1024
"""No good line is longer; what is longer is not held in memory."""

BATCH_BYTES = 128 * 1024
"""Of a dump's text, at most this becomes one batch: its rows' objects then stay in the processor's cache."""

PLACEHOLDER = "a placeholder as a name"
"""Why a line is refused that says "(Loading...)" or the like."""

LONG_AGO = 1
"""Unix seconds of a former name that does not say when it was seen: before any other."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One good line of the slow road."""

    key: bytes
    spelling: str
    canonical: str
    grid: str | None
    seen: int | None


class BadLine(Exception):
    """Why a line is refused; never leaves this module."""


class Tally:
    """What was read: lines, bad ones by reason, odd but good ones by kind, and the first bad lines."""

    def __init__(self) -> None:
        self.lines = 0
        self.bad: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
        self.shown: list[tuple[int, str, str]] = []
        """(line number from 1, reason, the line's beginning)."""

    @property
    def bad_lines(self) -> int:
        """How many lines were refused."""
        return sum(self.bad.values())

    def refuse(self, number: int, reason: str, line: bytes) -> None:
        """Count a bad line."""
        self.bad[reason] += 1
        if len(self.shown) < BAD_SHOWN:
            self.shown.append((number, reason, line[:80].decode("utf-8", "replace").rstrip("\r\n")))


def batches(
    blocks: Iterable[bytes], tally: Tally, known_grids: tuple[str, ...], number: Callable[[str | None, int | None], int]
) -> Iterator[Batch]:
    """Read blocks of a dump (csv or JSON lines, told apart by the first character) as batches of rows.

    *number* gives a row's origin its number: of its own grid and time in unix seconds, where it has them.
    """
    chunks = _whole_lines(blocks, tally)
    first = next(chunks, b"")
    if first.startswith(_BYTE_ORDER_MARK):
        tally.mended["byte-order mark"] += 1
        first = first[len(_BYTE_ORDER_MARK) :]
    is_json = _refuse_other_formats(first)

    def slowly(lines: bytes) -> Batch:
        if is_json:
            return _slowly(lines, tally, number, lambda line: _json_row(line, tally, known_grids))
        return _slowly(lines, tally, number, lambda line: _csv_row(line, tally, known_grids))

    for chunk in _chain(first, chunks):
        for lines in _pieces(chunk):
            yield slowly(lines) if is_json else _csv(lines, tally, slowly)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _refuse_other_formats(first: bytes) -> bool:
    """Tell JSON lines from csv; raise DumpNotUnderstood for a web page, a JSON array or another alphabet's bytes."""
    start = first.lstrip()[:1]
    if start == b"<":
        raise DumpNotUnderstood(why="it is a web page or XML, not csv or JSON lines")
    if start == b"[":
        raise DumpNotUnderstood(why="it is a JSON array: one object a line is wanted")
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in first[:LINE_BYTES]:
        raise DumpNotUnderstood(why="it is not text in UTF-8")
    return start == b"{"


def _whole_lines(blocks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    """Cut blocks at line ends; a last line without one gets it; a line beyond LINE_BYTES is refused, not kept."""
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
            tally.lines += 1
            tally.refuse(tally.lines, "line too long", carry)
            carry, too_long = b"", True
    if carry:
        yield carry + b"\n"


def _pieces(chunk: bytes) -> Iterator[bytes]:
    """Whole lines, about BATCH_BYTES at a time."""
    at = 0
    while at < len(chunk):
        end = chunk.find(b"\n", at + BATCH_BYTES) + 1 or len(chunk)
        yield chunk[at:end]
        at = end


def _csv(chunk: bytes, tally: Tally, slowly: Callable[[bytes], Batch]) -> Batch:
    batch = read_plain(chunk)
    if batch is not None:
        tally.lines += batch.rows
        return batch
    parts = []
    for lines, plain in stretches(chunk):
        if plain is not None:
            tally.lines += plain.rows
        parts.append(plain if plain is not None else slowly(lines))
    return together(parts)


def _slowly(
    lines: bytes, tally: Tally, number: Callable[[str | None, int | None], int], parse: Callable[[bytes], list[Row]]
) -> Batch:
    rows: list[Row] = []
    for line in separate(lines):
        tally.lines += 1
        try:
            rows += parse(line)
        except BadLine as error:
            tally.refuse(tally.lines, str(error), line)
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
        raise BadLine("invalid UTF-8") from None


def _csv_row(line: bytes, tally: Tally, known_grids: tuple[str, ...]) -> list[Row]:
    text = _text(line)
    if '"' in text:
        try:
            fields = next(csv.reader([text], strict=True))
        except csv.Error:
            raise BadLine("broken quotes") from None
    else:
        fields = text.split(",")
    if len(fields) != 2:
        raise BadLine("empty line" if not text.strip() else "wrong field count")
    key, name = fields
    if not is_key_shaped(key.strip()) and tally.lines <= 1 and "key" in key.lower().replace("uuid", "key"):
        raise BadLine("header line")
    row = [_row(key, name, None, None, known_grids)]
    if line.rstrip(b"\n").endswith(b"\r"):
        tally.mended["CR LF line end"] += 1
    if '"' in text:
        tally.mended["quoted field"] += 1
    return row


def _json_row(line: bytes, tally: Tally, known_grids: tuple[str, ...]) -> list[Row]:
    """One avatar, preceded by its former names (older rows: the later name becomes the current one).

    A placeholder among them, as exports of earlier versions have, is left out, and the real names stay.
    """
    try:
        fields = json.loads(_text(line))
    except (ValueError, RecursionError):
        raise BadLine("broken JSON") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("key"), str) or not isinstance(fields.get("name"), str):
        raise BadLine("no key and name")
    grid, seen = fields.get("grid"), _seconds(fields.get("seen"))
    if grid is not None:
        grid = _grid(grid, known_grids)
    names: list[tuple[str, int | None]] = []
    for former in _former(fields.get("former", [])):
        names.append((former["name"], _seconds(former.get("seen")) or LONG_AGO))
    names.append((fields["name"], seen))
    real = [(name, when) for name, when in names if not _is_placeholder(name)]
    rows = [_row(fields["key"], name, grid, when, known_grids) for name, when in real or names]
    if len(real) < len(names):
        tally.mended["placeholder among real names"] += 1
    return rows


def _former(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(f, dict) and isinstance(f.get("name"), str) for f in value):
        raise BadLine("broken former names")
    return value


def _seconds(value: Any) -> int | None:
    """Unix seconds, or None. Anything else is refused: a time in words would be guessed at."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        raise BadLine("bad time")
    return int(value)


def _grid(value: Any, known_grids: tuple[str, ...]) -> str:
    try:
        return parse_grid(value if isinstance(value, str) else "", known_grids)
    except BadGrid:
        raise BadLine("bad grid") from None


def _is_placeholder(name: str) -> bool:
    return len(name) <= LONGEST_TEXT and is_placeholder(" ".join(name.split()))


def _row(key: str, name: str, grid: str | None, seen: int | None, known_grids: tuple[str, ...]) -> Row:
    if not is_key_shaped(key.strip()):
        raise BadLine("bad UUID")
    try:
        avatar_key = parse_key(key)
    except BadKey:
        raise BadLine("null key") from None
    if not name.strip():
        raise BadLine("empty name")
    if is_key_shaped(name.strip()):
        raise BadLine("a UUID as a name")
    if _is_placeholder(name):
        raise BadLine(PLACEHOLDER)
    try:
        parsed = parse_name(name, known_grids)
    except BadName as error:
        raise BadLine("over-long name" if "at most" in str(error) else "bad name") from None
    return Row(avatar_key, parsed.spelling, parsed.canonical, parsed.home or grid, seen)
