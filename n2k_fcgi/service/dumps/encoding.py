"""Converts a dump to UTF-8 without a byte-order mark, with lines ended by line feeds; determined once, at the beginning.

Spreadsheets and Windows write UTF-16 with a mark, old Macs ended lines with CR alone.
"""

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

from n2k_fcgi.errors import DumpNotUnderstood

HEAD_BYTES = 64 * 1024
"""Bytes at the beginning of a dump that determine its encoding."""

UTF8_MARK = codecs.BOM_UTF8
_MARKS = {  # UTF-32 first: its little-endian mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_PRINTABLE = bytes([*b"\t\n\r", *range(0x20, 0x7F), *range(0x80, 0x100)])


def as_utf8(blocks: Iterable[bytes], found: list[str]) -> Iterator[bytes]:
    """Yield *blocks* converted; the first has HEAD_BYTES, unless the dump is shorter. What was odd is appended to *found*.

    Raises DumpNotUnderstood for UTF-16 without a mark, which could only be guessed at.
    """
    rest = iter(blocks)
    head = _head(rest)
    encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")
    if encoding:
        found.append(encoding)
        rest = _decoded(chain([head], rest), encoding)
        head = next(rest, b"")
    elif _looks_like_utf16(head):
        raise DumpNotUnderstood(why="it is UTF-16 without a byte-order mark: save it as UTF-8")
    elif head.startswith(UTF8_MARK):
        found.append("a byte-order mark")
        head = head[len(UTF8_MARK) :]
    if b"\r" in head and b"\n" not in head:
        found.append("lines that end with CR")
        return (block.replace(b"\r", b"\n") for block in chain([head], rest))
    return chain([head], rest)


def looks_like_text(head: bytes) -> bool:
    """Whether content that begins with *head* is text in an encoding that is read here, even if not a dump."""
    if head.startswith(tuple(_MARKS)):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not head.translate(None, _PRINTABLE).strip(b"\0")


def _head(blocks: Iterator[bytes]) -> bytes:
    """Read HEAD_BYTES: a pipe and an archive of many streams return their first bytes in small pieces."""
    head = b""
    while len(head) < HEAD_BYTES and (block := next(blocks, b"")):
        head += block
    return head


def _decoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Decode; invalid bytes become U+FFFD, which no name has, so that their line is rejected and not the dump."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _looks_like_utf16(head: bytes) -> bool:
    """Keys are ASCII: in UTF-16 every other byte is NUL, and none between them."""
    halves = head[0::2], head[1::2]
    return any(
        len(high) > 2 and high.count(b"\0") * 4 > len(high) * 3 and b"\0" not in low for high, low in (halves, halves[::-1])
    )
