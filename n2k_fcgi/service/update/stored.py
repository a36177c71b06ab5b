"""A download that is stored before it is read: any format, unpacked by the fastest program. The caller removes the files."""

import os
from collections.abc import Callable
from pathlib import Path

from n2k_fcgi.files import PRIVATE, open_new, refuse_os_error, write_all
from n2k_fcgi.service.dumps.location import Location
from n2k_fcgi.service.update.codings import Decoded, gzips_around_archive
from n2k_fcgi.service.update.contents import HEAD, Announced, Validators
from n2k_fcgi.service.update.download import BLOCK, BeganAnew, Download, Limits
from n2k_fcgi.store.ration import Passing


def fetch(
    location: Location,
    path: Path,
    known: Validators,
    limits: Limits,
    *,
    token: str = "",
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Announced | None:
    """Download *location* into the new file *path*; return what the server says about it, None if it is still *known*.

    Raises what ``Download`` raises, StoreFull, StoreUnreadable.
    """
    with Download(location, known, limits, token=token, progress=progress) as download:
        if not download.begin():
            return None
        _store(download, path)
        return download.said


def _store(download: Download, path: Path) -> None:
    with _New(path) as file:
        while True:
            try:
                while block := download.read():
                    file.write(block)
                return
            except BeganAnew:
                file.begin_again()


def without_codings(path: Path, said: Announced, inner: Path, *, location: Location, limit: int) -> Path:
    """Return the file *path*, or the new one *inner*: the archive in it without the gzips of its encoding.

    Raises DumpBroken, DownloadTooLarge, StoreFull, StoreUnreadable.
    """
    try:
        with path.open("rb") as coded:
            Passing(coded.fileno())  # before the first byte: what is read ahead once goes on being read ahead by all readers
            count = gzips_around_archive(said.encoding, coded.read(HEAD))
            if not count:
                return path
            coded.seek(0)
            decoded = Decoded(coded, count, location=location, limit=limit)
            with _New(inner) as file:
                while block := decoded.read(BLOCK):
                    file.write(block)
    except OSError as error:
        refuse_os_error(path, error)
    return inner


class _New:
    """A new file, whose pages leave the disk cache where the disk is rationed. Raises StoreFull, StoreUnreadable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = open_new(path, PRIVATE.file)
        except OSError as error:
            refuse_os_error(path, error)
        self._passing = Passing(self._fd)

    def write(self, block: bytes) -> None:
        """Append *block*."""
        try:
            write_all(self._fd, block)
            self._passing.wrote(len(block))
        except OSError as error:
            refuse_os_error(self._path, error)

    def begin_again(self) -> None:
        """Make it empty."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)

    def __enter__(self) -> "_New":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
