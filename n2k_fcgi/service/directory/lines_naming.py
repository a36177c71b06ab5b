"""Lines of files that name one avatar: logs, typed lines, settings, what a killed download left, copies by the owner."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.files import AROUND, pieces
from n2k_fcgi.service.directory.one_avatar import Finder


class Line(NamedTuple):
    """A line of a file; *text* is None where it is no text, or too long to be one."""

    byte: int
    """Where the avatar is named first in it."""
    text: str | None


def lines_naming(finder: Finder, path: Path) -> Iterator[Line]:
    """Yield each line of *path* that names the avatar, once. Memory is bounded. Raises OSError."""
    last_end = -1
    for offset, data, begin, end in pieces(path):
        for mention in finder.in_bytes(data):
            at = offset + mention.start
            if begin <= mention.start < end and at >= last_end:
                line, line_end = _line_around(data, mention.start, mention.end)
                last_end = offset + line_end
                yield Line(at, line)


def _line_around(data: bytes, start: int, end: int) -> tuple[str | None, int]:
    """The line around a mention, and where it ends. What is cut at AROUND bytes has an ellipsis."""
    first = data.rfind(b"\n", max(0, start - AROUND), start) + 1
    left = "" if first or start < AROUND else "…"
    first = first or max(0, start - AROUND)
    last = data.find(b"\n", end, end + AROUND)
    right = "" if last >= 0 or len(data) - end < AROUND else "…"
    last = last if last >= 0 else min(len(data), end + AROUND)
    text = data[first:last].decode("utf-8", "ignore" if left or right else "surrogateescape").rstrip("\r")
    return (f"{left}{text}{right}" if text.replace("\t", " ").isprintable() else None), last
