"""Zips: the member that is the dump is chosen by name and content, and messages name it."""

import io
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from n2k_fcgi.errors import DumpBroken, DumpNeedsUnpacking, DumpNotUnderstood, N2KError, NoDumpInZip, TooManyBadLines
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.report import Order
from tests.support.sandbox import Sandbox

ROWS = b"".join(b"%08d-1111-4111-8111-111111111111,Fake%d Resident\n" % (n, n) for n in range(100, 500))
FIRST = ROWS[: ROWS.index(b"\n") + 1]
FEW = FIRST * 5
JSON_ROWS = b'{"key": "00000100-1111-4111-8111-111111111111", "name": "Fake100 Resident"}\n' * 9
README = b"This is the name2key dump.\nUnpack it, then import it.\n" * 900
REGIONS = b"".join(b"%08d-2222-4222-8222-222222222222,Region%d,1000,1000\n" % (n, n) for n in range(2000))
MAC = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(120)


def packed(*members: tuple[str, bytes]) -> bytes:
    """A zip with these members, in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def patched(data: bytes, *, flags: int = 0, method: int | None = None) -> bytes:
    """The same zip with other flags and another method in the headers of its members."""
    found = bytearray(data)
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := found.find(magic, place + 1)) >= 0:
            old_flags, old_method = struct.unpack_from("<HH", found, place + at)
            struct.pack_into("<HH", found, place + at, old_flags | flags, old_method if method is None else method)
    return bytes(found)


def read(folder: Path, content: bytes) -> tuple[str, bytes]:
    """The member that is read, and its content."""
    path = folder / "dump.zip"
    path.write_bytes(content)
    with Dump(path) as dump:
        return dump.member, b"".join(dump.blocks())


CHOICES: dict[str, tuple[list[tuple[str, bytes]], str]] = {
    "macOS first": ([("__MACOSX/._name2key.csv", MAC), ("name2key.csv", ROWS)], "name2key.csv"),
    "macOS first, rows in it": ([("__MACOSX/x.csv", ROWS), ("name2key.csv", FEW), ("README", README)], "name2key.csv"),
    "a dotted name first": ([("._name2key.csv", ROWS), ("name2key.csv", FEW)], "name2key.csv"),
    "another csv first": ([("regions.csv", REGIONS), ("people.csv", ROWS)], "people.csv"),
    "a README first": ([("README", README), ("README.csv", README), ("d/people.csv", ROWS)], "d/people.csv"),
    "a folder first": ([("tmp/", b""), ("tmp/deep/", b""), ("tmp/deep/people.csv", ROWS)], "tmp/deep/people.csv"),
    "two dumps": ([("old/name2key.csv", FEW), ("name2key.csv", ROWS), ("older/name2key.csv", FEW)], "name2key.csv"),
    "two csv": ([("a.csv", FEW), ("b.csv", ROWS), ("c.csv", FEW)], "b.csv"),
    "groups that read as rows": ([("groups.csv", ROWS), ("NAME2KEY.CSV", FEW)], "NAME2KEY.CSV"),
    "an empty dump beside one": ([("name2key.csv", b""), ("people.csv", FEW)], "people.csv"),
    "no csv by name": ([("README", README), ("people.txt", FEW), ("photo.jpg", b"\xff\xd8\xff" * 9000)], "people.txt"),
    "JSON lines": ([("README", README), ("people.jsonl", JSON_ROWS)], "people.jsonl"),
    "from Windows": ([("tmp\\__MACOSX\\._name2key.csv", MAC), ("tmp\\", b""), ("tmp\\name2key.csv", FEW)], "tmp\\name2key.csv"),
    "other letters": ([("ПРОЧТИ", README), ("имена/люди.csv", FEW)], "имена/люди.csv"),
    "a header and one row": ([("README", README), ("people.csv", b"uuid,name\n" + FIRST)], "people.csv"),
}


@pytest.mark.parametrize(("members", "chosen"), CHOICES.values(), ids=CHOICES)
def test_the_dump_is_chosen_wherever_it_stands(tmp_path: Path, members: list[tuple[str, bytes]], chosen: str) -> None:
    """The largest member whose lines read as rows, name2key.csv before others, in any order."""
    for order in (members, members[::-1]):
        name, content = read(tmp_path, packed(*order))
        assert (name, content) == (chosen, dict(members)[chosen])


def test_a_member_that_is_alone_or_the_only_csv_is_taken_as_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever its name is; the import reports its problems with the member's name."""
    assert read(tmp_path, packed(("dump", ROWS), ("__MACOSX/._dump", MAC)))[0] == "dump"
    path = tmp_path / "dump.zip"
    for content in (packed(("tmp/a.csv", REGIONS)), packed(("README", README), ("tmp/a.csv", REGIONS))):
        path.write_bytes(content)
        with Dump(path) as dump, pytest.raises(TooManyBadLines, match=r"^tmp/a.csv in the zip: 2000 of 2000"):
            sandbox.importer().run(dump, Order("Production"))


REFUSED: dict[str, tuple[bytes, type[N2KError], str]] = {
    "nothing in it": (packed(), DumpNotUnderstood, "the zip is empty"),
    "folders only": (packed(("a/", b""), ("a\\b\\", b"")), DumpNotUnderstood, "the zip is empty"),
    "macOS only": (packed(("__MACOSX/._a.csv", MAC)), DumpNotUnderstood, "holds nothing but __MACOSX/._a.csv"),
    "no rows": (
        packed(("README", README), ("regions.csv", REGIONS), ("name2key.csv", b"")),
        NoDumpInZip,
        r"\(name2key.csv: empty; regions.csv: wrong field count; README: wrong field count\)",
    ),
    "packed in it": (
        packed(("README", README), ("name2key.csv.bz2", b"BZh91AY&SY")),
        NoDumpInZip,
        r"name2key.csv.bz2: a bz2; README",
    ),
    "Excel": (
        packed(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")),
        DumpNotUnderstood,
        "save the table as csv",
    ),
    "password": (
        patched(packed(("README", README), ("name2key.csv", ROWS)), flags=1),
        DumpNeedsUnpacking,
        r"name2key.csv is encrypted with a password, .*unzip -p FILE name2key.csv \| n2k import -",
    ),
    "AES": (
        patched(packed(("my people.csv", ROWS)), flags=1, method=99),
        DumpNeedsUnpacking,
        r"my people.csv is encrypted with a password \(AES\), .*7z x -so FILE 'my people.csv' \| n2k import -",
    ),
    "strongly": (patched(packed(("a.csv", ROWS)), flags=65), DumpNeedsUnpacking, r"encrypted with a password \(AES\)"),
    "Deflate64": (
        patched(packed(("name2key.csv", ROWS)), method=9),
        DumpNeedsUnpacking,
        r"name2key.csv is packed by Deflate64, .*unzip -p FILE name2key.csv",
    ),
    "zstd": (patched(packed(("a.csv", ROWS), ("b", README)), method=93), DumpNeedsUnpacking, r"by zstd, .*7z x -so FILE a.csv"),
    "unheard of": (patched(packed(("a.csv", ROWS)), method=250), DumpNeedsUnpacking, "packed by method 250"),
    "patched data": (
        patched(packed(("a.csv", ROWS)), flags=32),
        DumpNeedsUnpacking,
        "a.csv in the zip: compressed patched data",
    ),
    "a torn name": (
        patched(packed(("n\u00e9.csv", ROWS))).replace(b"n\xc3\xa9.csv", b"n\xc3\xff.csv"),
        DumpNeedsUnpacking,
        "file names in no known encoding",
    ),
}


@pytest.mark.parametrize(("content", "error", "said"), REFUSED.values(), ids=REFUSED)
def test_a_zip_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, error: type[N2KError], said: str) -> None:
    """The message names the member and what to do; it does not advise to download it again, which would not help."""
    with pytest.raises(error, match=said) as caught:
        read(tmp_path, content)
    assert "again" not in str(caught.value)


def test_a_tar_in_a_zip_is_an_archive_in_an_archive(sandbox: Sandbox, tmp_path: Path) -> None:
    """Reported with the member's name."""
    (tmp_path / "people.csv").write_bytes(ROWS)
    subprocess.run(["tar", "-cf", "people.tar", "people.csv"], cwd=tmp_path, check=True)
    path = tmp_path / "dump.zip"
    path.write_bytes(packed(("people.tar", (tmp_path / "people.tar").read_bytes())))
    with Dump(path) as dump, pytest.raises(DumpNotUnderstood, match=r"^people.tar in the zip: .*\(a tar archive in a zip\)"):
        sandbox.importer().run(dump, Order("Production"))


def test_damage_names_the_member(sandbox: Sandbox, tmp_path: Path) -> None:
    """Downloading it again may help here."""
    content = bytearray(packed(("name2key.csv", ROWS)))
    content[len(content) // 2] ^= 16
    (tmp_path / "dump.zip").write_bytes(content)
    with Dump(tmp_path / "dump.zip") as dump, pytest.raises(DumpBroken, match=r"^name2key.csv in the zip: .*download it again"):
        sandbox.importer().run(dump, Order("Production"))


@pytest.mark.parametrize(
    ("directory", "header"),
    [
        (b"tmp/name2key.csv", b"tmp\\name2key.csv"),
        (b"tmp/name2key.csv", b"tmp/n\x84me2key.csv"),
        (b"n\x84me.csv", b"n\xe4me.csv"),
    ],
)
def test_a_member_s_name_may_be_spelled_otherwise_in_its_header(tmp_path: Path, directory: bytes, header: bytes) -> None:
    """Some programs on Windows do that: the member is read."""
    placeholder = b"x" * len(directory)
    content = packed((placeholder.decode(), ROWS))
    first = content.index(placeholder)
    content = content[:first] + header + content[first + len(header) :]
    content = content.replace(placeholder, directory)
    assert read(tmp_path, content)[1] == ROWS


def test_what_stands_before_and_behind_a_zip_is_no_matter(tmp_path: Path) -> None:
    """Its directory has all positions: other bytes and a comment are ignored."""
    assert read(tmp_path, packed(("a.csv", ROWS)) + b"\0" * 700)[1] == ROWS
    assert read(tmp_path, packed(("a.csv", ROWS)) + b"<!-- cached -->")[1] == ROWS
