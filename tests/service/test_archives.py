"""Files that are not a supported archive: the message says which kind it is and what to do."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from n2k_fcgi.errors import DumpBroken, DumpNeedsUnpacking, DumpNotUnderstood, N2KError
from n2k_fcgi.service.dumps.reading import Dump

ROWS = b"".join(b"%08d-1111-4111-8111-111111111111,Fake%d Resident\n" % (n, n) for n in range(100, 500))


def zipped(content: bytes, comment: bytes = b"") -> bytes:
    """A zip with a csv."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("name2key.csv", content)
        archive.comment = comment
    return buffer.getvalue()


def tarred(form: int, *names: str) -> bytes:
    """A tar of one of tarfile's forms with a csv under each of the names, or a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(ROWS)
            if name.endswith("/"):
                member.type, member.size = tarfile.DIRTYPE, 0
            archive.addfile(member, io.BytesIO(ROWS))
    return buffer.getvalue()


def old_tar() -> bytes:
    """A tar as before 1988, without a magic number."""
    content = bytearray(tarred(tarfile.USTAR_FORMAT, "name2key.csv"))
    content[257:265] = bytes(8)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def refusal(folder: Path, content: bytes, **options: int) -> N2KError:
    """The error when it is read."""
    path = folder / "dump"
    path.write_bytes(content)
    with pytest.raises(N2KError) as caught, Dump(path, **options) as dump:
        b"".join(dump.blocks())
    return caught.value


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("tar", "command"),
    [
        (tarred(tarfile.GNU_FORMAT, "name2key.csv"), "tar -xOf FILE name2key.csv | n2k import -"),
        (tarred(tarfile.PAX_FORMAT, "./", "./._a", "./д a.csv"), "tar -xOf FILE './д a.csv' | n2k import -"),
        (tarred(tarfile.USTAR_FORMAT, "tmp/"), "tar -xOf FILE NAME | n2k import -"),
        (old_tar(), "tar -xOf FILE name2key.csv | n2k import -"),
    ],
    ids=["gnu", "pax", "folder", "old"],
)
def test_a_tar_is_told_with_the_command_that_unpacks_it(tmp_path: Path, kind: str, jobs: int, tar: bytes, command: str) -> None:
    """Plain and compressed, with a name that says gz: the message has the command."""
    error = refusal(tmp_path, PACK[kind](tar), jobs=jobs)
    packing = "" if kind == "plain" else f", packed as {kind}"
    assert isinstance(error, DumpNeedsUnpacking)
    assert str(error).startswith(f"this is a tar archive{packing}, which n2k does not read: unpack it first ({command})")


FOREIGN = {
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "7z x -so FILE | n2k import -"),
    "rar 4": (b"Rar!\x1a\7\0", "a rar archive", "unrar p -inul FILE | n2k import -"),
    "rar 5": (b"Rar!\x1a\7\1\0", "a rar archive", "unrar p -inul FILE | n2k import -"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24", "a zstd file", "zstd -dc FILE | n2k import -"),
    "lz4": (b"\x04\x22\x4d\x18\x64", "an lz4 file", "lz4 -dc FILE | n2k import -"),
    "lzip": (b"LZIP\1", "an lzip file", "lzip -dc FILE | n2k import -"),
    "lzop": (b"\x89LZO\0\r\n\x1a\n", "an lzop file", "lzop -dc FILE | n2k import -"),
    "lzma": (lzma.compress(ROWS, lzma.FORMAT_ALONE), "an lzma file", "xz --format=lzma -dc FILE | n2k import -"),
    "compress": (b"\x1f\x9d\x90", "a file of 'compress'", "gzip -dc FILE | n2k import -"),
    "cab": (b"MSCF\0\0\0\0", "a cab archive", "cabextract -p FILE | n2k import -"),
    "first part of a zip": (b"PK\7\x08PK\3\4", "a zip in several parts", "zip -s 0 FILE --out WHOLE.zip"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel or Word file", "save the table as csv"),
    "sqlite": (b"SQLite format 3\0", "an SQLite database", "sqlite3 -csv FILE 'select ...' | n2k import -"),
    "pdf": (b"%PDF-1.7\n", "a PDF", "it has no rows, look for the csv"),
}


@pytest.mark.parametrize(("magic", "what", "command"), FOREIGN.values(), ids=FOREIGN)
def test_what_others_write_is_told(tmp_path: Path, magic: bytes, what: str, command: str) -> None:
    """Alone with the command that converts it; inside a supported archive as an archive in an archive.

    Never 'download it again'.
    """
    error = refusal(tmp_path, magic + bytes(600))
    assert isinstance(error, DumpNeedsUnpacking)
    assert str(error) == f"this is {what}, which n2k does not read: unpack it first ({command}); nothing was imported"
    for kind in ("gz", "bz2", "xz"):
        error = refusal(tmp_path, PACK[kind](magic + bytes(600)))
        assert isinstance(error, DumpNotUnderstood) and f"an archive in an archive ({what} in a {kind})" in str(error)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
@pytest.mark.parametrize("before", [b"\n", b"\r\n", b"\n\n \t" * 9, b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_white_space_before_an_archive_is_told(tmp_path: Path, kind: str, before: bytes) -> None:
    """A script that sends a file after a blank line causes it: the message has the command that removes it."""
    content = {**PACK, "zip": zipped}[kind](ROWS)
    error = refusal(tmp_path, before + content)
    assert isinstance(error, DumpNotUnderstood)
    assert f"there is white space before a {kind}" in str(error) and f"(tail -c +{len(before) + 1} FILE > NEW)" in str(error)
    assert "again" not in str(error)


@pytest.mark.parametrize(("outer", "inner"), [("gz", "bz2"), ("gz", "gz"), ("xz", "zip"), ("bz2", "xz")])
def test_an_archive_in_an_archive_names_both(tmp_path: Path, outer: str, inner: str) -> None:
    """The message shows what to unpack."""
    content = {**PACK, "zip": zipped}[inner](ROWS)
    error = refusal(tmp_path, PACK[outer](content))
    assert f"an archive in an archive (a {inner} in a {outer}): unpack the outer one first" in str(error)


def test_an_xz_that_this_python_cannot_read_is_told(tmp_path: Path) -> None:
    """Its header has a valid checksum but needs an unknown feature: not reported as damage."""
    content = bytearray(lzma.compress(ROWS))
    content[6] = 1
    content[8:12] = zlib.crc32(content[6:8]).to_bytes(4, "little")
    error = refusal(tmp_path, bytes(content))
    assert isinstance(error, DumpNeedsUnpacking) and "(xz -dc FILE | n2k import -)" in str(error)


def test_text_is_no_archive(tmp_path: Path) -> None:
    """Leading blank lines, and lines that begin with a magic number, are read as lines."""
    path = tmp_path / "dump"
    for content in (ROWS, b"\n\n" + ROWS, b"PK\n" + ROWS, b"7z,x\n" + ROWS, b"BZ\n" + ROWS):
        path.write_bytes(content)
        with Dump(path) as dump:
            assert b"".join(dump.blocks()) == content


@pytest.mark.parametrize("comment", [b"", b"x" * 65_535])
def test_the_last_part_of_a_zip_is_called_one(tmp_path: Path, comment: bytes) -> None:
    """It has the suffix .zip, begins in the middle of a file, and has its number in its last record."""
    whole = bytearray(zipped(ROWS, comment))
    whole[whole.rindex(b"PK\5\6") + 4] = 1
    error = refusal(tmp_path, b"\x8f\0\x10" + bytes(whole[5000:]))
    assert isinstance(error, DumpNeedsUnpacking)
    assert "the last part of a zip in several parts" in str(error) and "(zip -s 0 FILE --out WHOLE.zip)" in str(error)


@pytest.mark.parametrize("before", [b"MZ\x90\0\3\0\0\0" * 100, b"#!/bin/sh\nexit\n\0", b"\x7fELF\2\1\1\0" + bytes(5000)])
def test_a_zip_behind_a_program(tmp_path: Path, before: bytes) -> None:
    """A self-extracting zip: other programs find the zip in it."""
    error = refusal(tmp_path, before + zipped(ROWS))
    assert isinstance(error, DumpNeedsUnpacking)
    assert str(error).startswith("this is a zip with something before it") and "unzip -p FILE | n2k import -" in str(error)


def test_a_zip_with_more_in_it_than_python_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip64 may have data of its makers' in its last record but two, which unzip passes over and zipfile stumbles on: what
    reads it is said, beside that it may be damaged."""
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    whole = zipped(ROWS)
    at, end = whole.index(b"PK\6\6"), whole.index(b"PK\6\7")
    extra = b"\1\0\4\0\0\0abcd"
    size = int.from_bytes(whole[at + 4 : at + 12], "little") + len(extra)
    error = refusal(tmp_path, whole[: at + 4] + size.to_bytes(8, "little") + whole[at + 12 : end] + extra + whole[end:])
    assert isinstance(error, DumpBroken) and "unzip -p FILE | n2k import -" in str(error)
