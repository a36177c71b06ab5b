"""The kind of a file, by its first bytes; and the command for one that is not read here."""

import os
from enum import Enum
from typing import NamedTuple

from n2k_fcgi.errors import DumpNeedsUnpacking, DumpNotUnderstood


class Kind(Enum):
    """How a dump is packed. The value is its text in messages."""

    PLAIN = "plain"
    BZ2 = "bz2"
    GZ = "gz"
    XZ = "xz"
    ZIP = "zip"


MAGIC = {Kind.BZ2: b"BZh", Kind.GZ: b"\x1f\x8b", Kind.XZ: b"\xfd7zXZ\x00", Kind.ZIP: b"PK\x03\x04"}
"""The first bytes of a file of each kind, and of each stream in it."""

LONGEST_MAGIC = max(map(len, MAGIC.values()))

TAR = "a tar archive"
DECOMPRESSED_BY_TAR = (Kind.BZ2, Kind.GZ, Kind.XZ)

_EMPTY_ZIP = b"PK\x05\x06"
_ZIP_TAIL = 22 + 65_535
"""Bytes at the end of a zip in which its last record begins: the record and the longest comment."""
_TAR_HEADER = 512
_TAR_SUM = slice(148, 156)
_WHITE_SPACE = b"\xef\xbb\xbf \t\r\n"
"""What scripts and editors add before a file: blank lines, a byte-order mark."""


class _Foreign(NamedTuple):
    """A format that is not read here."""

    what: str
    command: str
    """What converts it."""


_FOREIGN = {
    b"7z\xbc\xaf\x27\x1c": _Foreign("a 7z archive", "7z x -so FILE | n2k import -"),
    b"Rar!\x1a\x07": _Foreign("a rar archive", "unrar p -inul FILE | n2k import -"),
    b"\x28\xb5\x2f\xfd": _Foreign("a zstd file", "zstd -dc FILE | n2k import -"),
    b"\x04\x22\x4d\x18": _Foreign("an lz4 file", "lz4 -dc FILE | n2k import -"),
    b"LZIP": _Foreign("an lzip file", "lzip -dc FILE | n2k import -"),
    b"\x89LZO\x00": _Foreign("an lzop file", "lzop -dc FILE | n2k import -"),
    b"]\x00\x00": _Foreign("an lzma file", "xz --format=lzma -dc FILE | n2k import -"),
    b"\x1f\x9d": _Foreign("a file of 'compress'", "gzip -dc FILE | n2k import -"),
    b"MSCF": _Foreign("a cab archive", "cabextract -p FILE | n2k import -"),
    b"PK\x07\x08": _Foreign("a zip in several parts", "zip -s 0 FILE --out WHOLE.zip"),
    b"PK00PK\x03\x04": _Foreign("a part of a zip", "zip -s 0 FILE --out WHOLE.zip"),
    b"\xd0\xcf\x11\xe0\xa1\xb1": _Foreign("an Excel or Word file", "save the table as csv"),
    b"SQLite format 3": _Foreign("an SQLite database", "sqlite3 -csv FILE 'select ...' | n2k import -"),
    b"%PDF-": _Foreign("a PDF", "it has no rows, look for the csv"),
}


def kind_of(head: bytes) -> Kind:
    """Determine the kind of a file by its first bytes."""
    if head.startswith(_EMPTY_ZIP):
        return Kind.ZIP
    return next((kind for kind, magic in MAGIC.items() if head.startswith(magic)), Kind.PLAIN)


def described(start: bytes) -> str:
    """Return the kind of archive that begins with *start*, read here or not; '' if it is not one."""
    kind = kind_of(start)
    if kind is not Kind.PLAIN:
        return f"a {kind.value}"
    foreign = _foreign(start)
    return foreign.what if foreign else ""


def refuse_archive(kind: Kind, start: bytes) -> None:
    """Reject archives as content: *start*, up to a megabyte, was unpacked from a file of this *kind*.

    Raises DumpNeedsUnpacking, DumpNotUnderstood.
    """
    foreign = _foreign(start)
    if foreign and foreign.what == TAR and kind in DECOMPRESSED_BY_TAR:
        raise DumpNeedsUnpacking(what=f"{TAR}, packed as {kind.value}", command=foreign.command)
    inner = described(start)
    if inner and kind is not Kind.PLAIN:
        raise DumpNotUnderstood(why=f"it is an archive in an archive ({inner} in a {kind.value}): unpack the outer one first")
    if foreign:
        raise DumpNeedsUnpacking(what=foreign.what, command=foreign.command)
    trimmed = start.lstrip(_WHITE_SPACE)
    before = len(start) - len(trimmed)
    if before and (inner := described(trimmed)):
        what = f"there is white space before {inner}, perhaps from a script"
        raise DumpNotUnderstood(why=f"{what}: remove it (tail -c +{before + 1} FILE > NEW)")


def refuse_end_of_zip(fd: int) -> None:
    """Raise DumpNeedsUnpacking for a file that does not begin as a zip but ends as one.

    It is the last part of several (the one called .zip), or a self-extracting zip.
    """
    size = os.fstat(fd).st_size
    tail = os.pread(fd, _ZIP_TAIL, max(0, size - _ZIP_TAIL))
    place = tail.rfind(_EMPTY_ZIP)
    if place < 0:
        return
    if any(tail[place + len(_EMPTY_ZIP) :][:2]):  # the number of this part, from 0
        raise DumpNeedsUnpacking(what="the last part of a zip in several parts", command="zip -s 0 FILE --out WHOLE.zip")
    raise DumpNeedsUnpacking(what="a zip with something before it", command="unzip -p FILE | n2k import -")


def _foreign(start: bytes) -> _Foreign | None:
    if _is_tar(start):
        return _Foreign(TAR, f"tar -xOf FILE {_first_file(start)} | n2k import -")
    return next((foreign for magic, foreign in _FOREIGN.items() if start.startswith(magic)), None)


def _is_tar(start: bytes) -> bool:
    """No magic is common to all forms of tar, but each header has a sum of its bytes, with the sum's own counted as blanks."""
    header = start[:_TAR_HEADER]
    stated = header[_TAR_SUM].strip(b" \0")
    if len(header) < _TAR_HEADER or not stated.isdigit() or b"8" in stated or b"9" in stated:
        return False
    return int(stated, 8) == sum(header) - sum(header[_TAR_SUM]) + len(header[_TAR_SUM]) * ord(" ")


def _first_file(start: bytes) -> str:
    """Return the name of the first file in a tar, quoted for a shell."""
    import io  # late: for the error message only
    import shlex
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(start), mode="r:") as archive:
            names = (member.name for member in archive if member.isfile())
            return next((shlex.quote(name) for name in names if is_of_users(name)), "NAME")
    except (tarfile.TarError, OSError, ValueError):  # it continues after *start*
        return "NAME"


def is_of_users(name: str) -> bool:
    """Whether a file in an archive was put there on purpose: those that macOS adds beside each were not."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" not in parts and not parts[-1].startswith(".")
