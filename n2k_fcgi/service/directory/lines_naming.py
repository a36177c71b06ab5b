"""Lines of files that name one avatar: logs, typed lines, settings, what a killed download left, copies by the owner."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from n2k_fcgi.files import AROUND, pieces_of
from n2k_fcgi.service.directory.one_avatar import Finder


class Line(NamedTuple):
    """A line of a file; *text* is None where it is no text, or too long to be one."""

    byte: int
    """Where the avatar is named first in it."""
    text: str | None


def why_not_searched(status: os.stat_result, owners: set[int] | None = None) -> str | None:
    """Why a file is not read that anybody may have put there; None: it is. *owners*: only theirs is."""
    if stat.S_ISLNK(status.st_mode):
        return "it is a link"
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    return "it belongs to another user" if owners is not None and status.st_uid not in owners else None


def opened(path: Path) -> BinaryIO:
    """Open a file to be searched: never one that a link leads to, and without waiting for anybody. Raises OSError.

    Unbuffered: ``_written`` moves the position of the descriptor.
    """
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)


def lines_naming(finder: Finder, file: BinaryIO) -> Iterator[Line]:
    """Yield each line of *file* that names the avatar, once. Memory is bounded, holes are not read. Raises OSError."""
    last_end = -1
    for first, last in _written(file.fileno()):
        for offset, data, begin, end in pieces_of(file, first, last):
            for mention in finder.in_bytes(data):
                at = offset + mention.start
                if begin <= mention.start < end and at >= last_end:
                    line, line_end = _line_around(data, mention.start, mention.end)
                    last_end = offset + line_end
                    yield Line(at, line)


def _written(fd: int) -> Iterator[tuple[int, int | None]]:
    """The parts of a file that are no holes (lseek(2), SEEK_DATA): anybody can make a file of petabytes out of holes."""
    at = 0
    while True:
        try:
            first = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, first, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.EINVAL:  # the file system knows no holes
                yield at, None
            elif error.errno != errno.ENXIO:  # no more of them
                raise
            return
        yield first, at


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
