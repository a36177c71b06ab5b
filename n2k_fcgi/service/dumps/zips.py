"""Which member of a zip is the dump: chosen by name and content, in any folder of the zip."""

import contextlib
import shlex
import struct
import time
import zipfile
from collections.abc import Iterator
from typing import IO, BinaryIO, NamedTuple

from n2k_fcgi.errors import DumpBroken, DumpNeedsUnpacking, DumpNotUnderstood, NoDumpInZip
from n2k_fcgi.interpreter import needed
from n2k_fcgi.service.dumps.archives import described, is_of_users
from n2k_fcgi.service.dumps.as_of import Clue, Stated
from n2k_fcgi.service.dumps.lines import why_no_rows
from n2k_fcgi.service.dumps.streams import DAMAGE

LOOK_BYTES = 64 * 1024
"""Unpacked bytes of a member that show whether its lines are rows."""

MOST_LOOKS = 100
"""Members that are examined, the likeliest first."""

_NAME = "name2key"
_ENDINGS = (".csv", ".jsonl")
_ENCRYPTED, _STRONGLY, _UTF8 = 0x1, 0x40, 0x800
_AES = 99
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "zstd", 95: "xz", 98: "PPMd"}
_READ_HERE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MODULES = {zipfile.ZIP_BZIP2: "bz2", zipfile.ZIP_LZMA: "lzma"}
"""The modules that zipfile needs for a method."""
_DOUBT = dict.fromkeys(
    (
        "Bad magic number for central directory",
        "Bad offset for central directory",
        "Corrupt zip64 end of central directory locator",
    ),
    "; or it is whole and Python cannot read it: unzip -p FILE | n2k import -",
)
"""Messages of zipfile about a damaged directory, or an intact one with features that it does not know."""
_OFFICE = ("[Content_Types].xml", "META-INF/manifest.xml")
_LOCAL_HEADER = struct.Struct("<6xH18xH")
"""Of a member: flags and length of the name, which follows after two more bytes."""
_FIELD = struct.Struct("<HH")
_UNIX_TIME, _NTFS_TIME = 0x5455, 0x000A
_1601_TO_1970 = 11_644_473_600


class Member(NamedTuple):
    """The member that is the dump, open."""

    name: str
    stream: IO[bytes]
    time: Clue


def open_member(file: BinaryIO) -> Member:
    """Open the largest member of the zip *file* whose lines read as rows, ``name2key`` and csv by name before others.

    The only member, or the only csv, is taken in any case: the import reports what is wrong with it.
    Raises DumpBroken, DumpNotUnderstood, DumpNeedsUnpacking, NoDumpInZip.
    """
    with _refusals(""):
        archive = zipfile.ZipFile(file)
    chosen = _chosen(archive, file)
    with _refusals(chosen.filename):
        return Member(chosen.filename, _opened(archive, file, chosen), _time_of(chosen))


@contextlib.contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Translate what zipfile raises for a zip, or its member *name*."""
    where = f"{name} in the zip: " if name else ""
    try:
        yield
    except UnicodeDecodeError:
        raise DumpNeedsUnpacking(what="a zip with file names in no known encoding", command=_unzip(name)) from None
    except (NotImplementedError, RuntimeError) as error:
        raise DumpNeedsUnpacking(what=f"a zip that Python cannot read ({where}{error})", command=_unzip(name)) from None
    except (*DAMAGE, zipfile.BadZipFile, ValueError, OverflowError, struct.error) as error:
        if "multiple disks" in str(error):
            raise DumpNeedsUnpacking(what="a part of a zip", command="zip -s 0 FILE --out WHOLE.zip") from None
        raise DumpBroken(why=where + (str(error) or "it ends too early") + _DOUBT.get(str(error), "")) from None


def _chosen(archive: zipfile.ZipFile, file: BinaryIO) -> zipfile.ZipInfo:
    files = [info for info in archive.infolist() if not info.filename.replace("\\", "/").endswith("/")]
    if any(info.filename in _OFFICE for info in files):
        raise DumpNotUnderstood(why="it is a file of Excel or another office program: save the table as csv")
    likeliest = sorted(filter(lambda info: is_of_users(info.filename), files), key=_likelihood, reverse=True)
    if not likeliest:
        raise DumpNotUnderstood(why=f"the zip holds nothing but {files[0].filename}" if files else "the zip is empty")
    if len(likeliest) == 1:
        _refuse_unreadable(likeliest[0])
        return likeliest[0]
    seen = []
    for info in likeliest[:MOST_LOOKS]:
        why_not = _why_not(archive, file, info)
        if not why_not:
            return info
        seen.append(f"{info.filename}: {why_not}")
    named = [info for info in likeliest if info.filename.lower().endswith(_ENDINGS)]
    if len(named) == 1:
        return named[0]
    raise NoDumpInZip(found="; ".join(seen))


def _likelihood(info: zipfile.ZipInfo) -> tuple[bool, bool, int]:
    name = info.filename.replace("\\", "/").rpartition("/")[2].lower()
    return name.partition(".")[0] == _NAME, name.endswith(_ENDINGS), info.file_size


def _why_not(archive: zipfile.ZipFile, file: BinaryIO, info: zipfile.ZipInfo) -> str:
    """Return why a member is not the dump, '' if it is. Raises DumpNeedsUnpacking for a likely one that cannot be read."""
    if _obstacle(info):
        if info.filename.lower().endswith(_ENDINGS):
            _refuse_unreadable(info)
        return "not readable here"
    with _refusals(info.filename), _opened(archive, file, info) as stream:
        start = stream.read(LOOK_BYTES)
    inner = described(start)
    return inner or why_no_rows(start, is_whole=len(start) == info.file_size)


def _obstacle(info: zipfile.ZipInfo) -> str:
    """Return why Python's zipfile cannot read a member, '' if it can."""
    if info.compress_type == _AES or info.flag_bits & _STRONGLY:
        return "encrypted with a password (AES)"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted with a password"
    if info.compress_type not in _READ_HERE:
        return f"packed by {_METHODS.get(info.compress_type, f'method {info.compress_type}')}"
    return ""


def _refuse_unreadable(info: zipfile.ZipInfo) -> None:
    obstacle = _obstacle(info)
    if not obstacle:
        return
    by_7z = info.flag_bits & _STRONGLY or info.compress_type not in (1, 6, 9, *_READ_HERE)
    command = f"7z x -so FILE {shlex.quote(info.filename)} | n2k import -" if by_7z else _unzip(info.filename)
    raise DumpNeedsUnpacking(what=f"a zip whose {info.filename} is {obstacle}", command=command)


def _unzip(name: str) -> str:
    return f"unzip -p FILE {shlex.quote(name)} | n2k import -" if name else "unzip FILE"


def _opened(archive: zipfile.ZipFile, file: BinaryIO, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member, also if its own header has another spelling of its name than the directory.

    Raises PythonLacks.
    """
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) == _LOCAL_HEADER.size:
        flags, length = _LOCAL_HEADER.unpack(header)
        file.seek(info.header_offset + _LOCAL_HEADER.size + 2)
        info.orig_filename = file.read(length).decode("utf-8" if flags & _UTF8 else "cp437")
    if info.compress_type in _MODULES:
        needed(_MODULES[info.compress_type])
    return archive.open(info)


def _time_of(info: zipfile.ZipInfo) -> Clue:
    """When a member was modified: in UTC if the packer wrote that too, else in an unknown zone, taken as local."""
    for header, data in _extra_fields(info.extra):
        if header == _UNIX_TIME and len(data) >= 5 and data[0] & 1:
            return Clue(Stated.ZIP, int.from_bytes(data[1:5], "little", signed=True))
        if header == _NTFS_TIME and len(data) >= 16 and data[4:8] == b"\x01\x00\x18\x00":
            return Clue(Stated.ZIP, int.from_bytes(data[8:16], "little") // 10_000_000 - _1601_TO_1970)
    return Clue(Stated.ZIP_LOCAL, int(time.mktime((*info.date_time, 0, 0, -1))))


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _FIELD.size <= len(extra):
        header, size = _FIELD.unpack_from(extra, at)
        at += _FIELD.size
        yield header, extra[at : at + size]
        at += size
