"""A download that is read while it arrives: it is stored nowhere, and read once, in order."""

from n2k_fcgi.service.dumps.as_of import Clue
from n2k_fcgi.service.dumps.streams import Readable
from n2k_fcgi.service.update.codings import Decoded, gzips_around_archive
from n2k_fcgi.service.update.contents import HEAD
from n2k_fcgi.service.update.download import Download


class Arriving:
    """One attempt to read a download as a dump (a ``sources.Source``), from its first byte.

    Raises what ``Download.read`` raises, here too; after BeganAnew a new one is needed. The end is reported after all bytes
    were checked: whoever reads to the end has the whole file.
    """

    file = None
    why_no_zip = (
        "a zip has its directory at the end and cannot be read while it is downloaded: "
        "update with --no-stream, or without the setting 'update_stream'"
    )

    def __init__(self, download: Download) -> None:
        self._download = download
        self._head = b""
        while len(self._head) < HEAD and (block := download.read(HEAD - len(self._head))):
            self._head += block
        self.gzips = gzips_around_archive(download.said.encoding, self._head)
        """Those of its encoding that are removed."""
        self.size = None if self.gzips else download.said.size
        """Bytes of the dump, for the progress; None: unknown."""
        self.times: list[Clue] = []
        self._source: Readable = _Replayed(download, self._head)
        if self.gzips:
            self._source = Decoded(self._source, self.gzips, location=download.location, limit=download.limits.size)

    def read(self, size: int, /) -> bytes:
        """Return *size* bytes at most, b"" at the end."""
        return self._source.read(size)

    def has_changed(self) -> bool:
        """Never: that the same version arrives is checked with every connection."""
        return False

    def interrupt(self) -> None:
        """End the download, whatever it waits for."""
        self._download.interrupt()

    def close(self) -> None:
        """Do nothing: the next attempt may use the connection."""


class _Replayed:
    """Reads the head of a download again, then the rest."""

    def __init__(self, download: Download, head: bytes) -> None:
        self._download = download
        self._head = head

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._download.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data

    def close(self) -> None:
        pass
