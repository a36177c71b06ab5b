"""Gzip around an archive, as web servers add it on the way; the content decides, names of codings are often wrong."""

import zlib

from n2k_fcgi.errors import DownloadTooLarge, DumpBroken, NoMemory, is_no_memory
from n2k_fcgi.service.dumps.archives import Kind, kind_of
from n2k_fcgi.service.dumps.location import Location
from n2k_fcgi.service.dumps.streams import DAMAGE, Readable, Streams

_START = 4096
"""Unpacked bytes that show what is within a gzip."""


def gzips_around_archive(encoding: str, head: bytes) -> int:
    """Return how many gzips to remove from content that begins with *head*: as many as *encoding* names, around an archive.

    A gzip around lines is none of them: it is read as a gz dump.
    """
    count = 0
    for _ in filter(None, encoding.split(",")):
        head = _start_within(head)
        if kind_of(head) is Kind.PLAIN:
            break
        count += 1
    return count


def _start_within(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, _START)
    except zlib.error:
        return b""


class Decoded:
    """Reads what is within *count* gzips, up to *limit* bytes."""

    def __init__(self, coded: Readable, count: int, *, location: Location, limit: int) -> None:
        self._coded = coded
        for _ in range(count):
            self._coded = Streams(self._coded, Kind.GZ)
        self._location = location
        self._limit = limit
        self._given = 0

    def read(self, size: int, /) -> bytes:
        """Return *size* bytes at most; b"" at the end. Raises DumpBroken, DownloadTooLarge, and what the source raises."""
        try:
            block = self._coded.read(size)
        except DAMAGE as error:
            if is_no_memory(error):
                raise NoMemory(what="the download") from None
            raise DumpBroken(why=f"its Content-Encoding gzip: {error}") from None
        self._given += len(block)
        if self._given > self._limit:
            raise DownloadTooLarge(url=self._location, limit=self._limit)
        return block

    def close(self) -> None:
        """Close the source."""
        self._coded.close()
