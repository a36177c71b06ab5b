"""Writing dump files, plain or packed; a file appears under its name when it is complete, or not at all.

Headers contain no time and no name: the same content gives the same bytes.
"""

import contextlib
import gzip
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO, cast

from n2k_fcgi.errors import StoreUnreadable
from n2k_fcgi.files import refuse_os_error, replacement
from n2k_fcgi.interpreter import needed
from n2k_fcgi.store.datadir import PART_SUFFIX


class Format(Enum):
    """What can be written, named as file endings are; all but JSONL contain csv lines."""

    CSV = "csv"
    BZ2 = "bz2"
    GZ = "gz"
    ZIP = "zip"
    XZ = "xz"
    JSONL = "jsonl"


_LINES_A_WRITE = 2000
_MEMBER = "name2key.csv"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can have."""


def format_of(path: str) -> Format | None:
    """The format that the ending of *path* names; None: no ending of a ``Format``."""
    ending = path.lower().rpartition(".")[2]
    return next((form for form in Format if form.value == ending), None)


def write_packed(target: BinaryIO, form: Format, lines: Iterable[bytes]) -> None:
    """Write *lines* to *target*, which may be a pipe. Raises PythonLacks."""
    remaining = iter(lines)
    with _PACKERS.get(form, contextlib.nullcontext)(target) as packed:
        while block := b"".join(islice(remaining, _LINES_A_WRITE)):
            packed.write(block)
    target.flush()


def _bz2(target: BinaryIO) -> IO[bytes]:
    return cast(IO[bytes], needed("bz2").BZ2File(target, "wb"))


def _gz(target: BinaryIO) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile("", "wb", fileobj=target, mtime=0))


def _xz(target: BinaryIO) -> IO[bytes]:
    return cast(IO[bytes], needed("lzma").LZMAFile(target, "wb"))


@contextlib.contextmanager
def _zip_member(target: BinaryIO) -> Iterator[IO[bytes]]:
    member = zipfile.ZipInfo(_MEMBER, _ZIP_TIME)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with zipfile.ZipFile(target, "w") as archive, archive.open(member, "w", force_zip64=True) as opened:
        yield opened


_PACKERS: dict[Format, Callable[[BinaryIO], contextlib.AbstractContextManager[IO[bytes]]]] = {
    Format.BZ2: _bz2,
    Format.GZ: _gz,
    Format.XZ: _xz,
    Format.ZIP: _zip_member,
}


@contextlib.contextmanager
def new_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a file that becomes *path* if the block succeeds, and is removed if it fails.

    *mode*: None is what the umask leaves. Anything but a plain file, such as a device, is written to in place.
    Raises StoreFull, StoreUnreadable.
    """
    is_special = path.exists() and not path.is_file()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        with path.open("wb") if is_special else replacement(path, mode, beside=unfinished) as file:
            yield file
    except PermissionError:
        raise StoreUnreadable(path=path, why="you may not write there") from None
    except OSError as error:
        refuse_os_error(path, error)
