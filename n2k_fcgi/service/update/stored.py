"""A download that is stored before it is read: any format, unpacked by the fastest program. The caller removes the files."""

import os
from collections.abc import Callable
from pathlib import Path

from n2k_fcgi.files import PRIVATE, open_new, refuse_os_error, write_all
from n2k_fcgi.service.dumps.location import Location
from n2k_fcgi.service.update.codings import Decoded, gzips_around_archive
from n2k_fcgi.service.update.contents import HEAD, Announced, Validators
from n2k_fcgi.service.update.download import BLOCK, BeganAnew, Download, Limits


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
    file = _new(path)
    try:
        while True:
            try:
                while block := download.read():
                    _write(file, block, path)
                return
            except BeganAnew:
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
    finally:
        os.close(file)


def without_codings(path: Path, said: Announced, inner: Path, *, location: Location, limit: int) -> Path:
    """Return the file *path*, or the new one *inner*: the archive in it without the gzips of its encoding.

    Raises DumpBroken, DownloadTooLarge, StoreFull, StoreUnreadable.
    """
    try:
        with path.open("rb") as coded:
            count = gzips_around_archive(said.encoding, coded.read(HEAD))
            if not count:
                return path
            coded.seek(0)
            decoded = Decoded(coded, count, location=location, limit=limit)
            file = _new(inner)
            try:
                while block := decoded.read(BLOCK):
                    _write(file, block, inner)
            finally:
                os.close(file)
    except OSError as error:
        refuse_os_error(path, error)
    return inner


def _new(path: Path) -> int:
    try:
        return open_new(path, PRIVATE.file)
    except OSError as error:
        refuse_os_error(path, error)


def _write(file: int, block: bytes, path: Path) -> None:
    try:
        write_all(file, block)
    except OSError as error:
        refuse_os_error(path, error)
