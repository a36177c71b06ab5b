"""Invented dumps: determined by rows and seed, unique, in order; the hostile ones have every kind of bad line."""

import bz2
import gzip
import hashlib
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from n2k_fcgi.errors import StoreUnreadable
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.model.keys import is_key_shaped
from n2k_fcgi.model.names import canonical, is_what_name
from n2k_fcgi.service.dumps import hostile
from n2k_fcgi.service.dumps.lines import batches
from n2k_fcgi.service.dumps.packers import Format, format_of, new_file, write_packed
from n2k_fcgi.service.dumps.sample import MAX_ROWS, WELL_KNOWN, Sample, csv_lines, json_lines
from n2k_fcgi.service.dumps.tally import Oddity, Reason, Tally

SIZES = [1, 2, 3, 4, 5, 7, 20, 23, 100, 1003, 20_000]

KINDS = {
    Reason.FIELD_COUNT,
    Reason.KEY,
    Reason.NULL_KEY,
    Reason.EMPTY_NAME,
    Reason.LONG_NAME,
    Reason.KEY_AS_NAME,
    Reason.NOT_UTF8,
    Reason.QUOTES,
}
"""In every hostile csv of 1,000 rows and more."""


def test_the_bytes_are_settled() -> None:
    """Rows and seed determine every byte, on any Python."""
    csv = b"".join(csv_lines(Sample(5000, 42).by_name()))
    shuffled = b"".join(json_lines(Sample(5000, 42).shuffled()))
    assert hashlib.sha256(csv).hexdigest() == "cc52f3620670e6f90c245bbc66ae3ce084fd266fdf9f5e8f02ad637d027442f5"
    assert hashlib.sha256(shuffled).hexdigest() == "df9d059cd6ebff04d29534128ed358edc66fdeac8e8deca6013048bd2ef2c08d"


@pytest.mark.parametrize("rows", SIZES)
def test_names_and_keys_are_unique(rows: int) -> None:
    """As many avatars as requested, no two with one canonical name or one key, all valid for W-Hat."""
    sample = list(Sample(rows, 7).by_name())
    assert len(sample) == rows
    assert len({canonical(row.name) for row in sample}) == len({row.key for row in sample}) == rows
    assert all(is_key_shaped(row.key) and row.key[14] in "4a9" for row in sample[:100])
    assert all(is_what_name(row.name) and row.name.title() == row.name for row in sample)


@pytest.mark.parametrize("rows", SIZES)
def test_the_order(rows: int) -> None:
    """By name, or shuffled with the well-known ones first: the same rows."""
    ordered, shuffled = list(Sample(rows, 7).by_name()), list(Sample(rows, 7).shuffled())
    assert ordered == sorted(ordered)
    assert sorted(shuffled) == ordered
    assert tuple(shuffled[: len(WELL_KNOWN)]) == WELL_KNOWN[:rows]
    assert rows < 20 or shuffled != ordered


def test_the_mixture() -> None:
    """A quarter legacy names, two thirds newer accounts, a tenth single words."""
    names = [row.name for row in Sample(20_003, 3).by_name()]
    newcomers = sum(name.endswith(" Resident") for name in names)
    singles = sum(" " not in name for name in names)
    assert (newcomers, singles) == (13_001, 2000) and len(names) - newcomers - singles == 5002


def test_another_seed_gives_other_people() -> None:
    """Two seeds share the well-known avatars only."""
    first, second = (set(Sample(1000, seed).by_name()) for seed in (1, 2))
    assert first & second == set(WELL_KNOWN)


def test_memory_does_not_grow_with_rows() -> None:
    """The largest sample begins at once, in either order, with little memory."""
    tracemalloc.start()
    try:
        for rows in (Sample(MAX_ROWS, 1).by_name(), Sample(MAX_ROWS, 1).shuffled()):
            names = [row.name for row in islice(rows, 1000)]
            assert len(set(names)) == 1000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def _tally(lines: Iterator[bytes]) -> tuple[Tally, int]:
    """The reasons of bad lines and the number of good rows, by the reader of dumps."""
    tally = Tally()
    text = b"".join(lines)
    blocks = (text[at : at + 2**20] for at in range(0, len(text), 2**20))
    return tally, sum(batch.rows for batch in batches(blocks, tally, Grids(), lambda *_: 0))


@pytest.mark.parametrize("rows", [1, 2, 150, 200, 201, 999, 1000, 1001, 1799, 1800, 2000, 2001, 3000, 30_000])
@pytest.mark.parametrize("as_json", [False, True], ids=["csv", "jsonl"])
def test_a_hostile_dump_loses_no_row(rows: int, as_json: bool) -> None:
    """All good rows are read, and the bad lines are below the usual limit of 1 %."""
    sample = Sample(rows, 5).by_name()
    mixed = hostile.with_bad_json(json_lines(sample), rows) if as_json else hostile.with_bad_csv(csv_lines(sample), rows)
    tally, good = _tally(mixed)
    assert good == rows
    assert tally.bad_lines <= max(1, tally.lines / 100)


def test_a_hostile_csv_has_every_kind() -> None:
    """From 1,000 rows on every kind that is rejected or repaired, from 2,000 the endless line, too."""
    tally, _ = _tally(hostile.with_bad_csv(csv_lines(Sample(1000, 5).by_name()), 1000))
    assert set(tally.bad) == KINDS
    assert tally.found == ["a byte-order mark", "the header 'uuid,name'"]
    assert set(tally.odd) == {Oddity.CR_LF, Oddity.QUOTES} and tally.number > tally.lines + 1
    tally, _ = _tally(hostile.with_bad_csv(csv_lines(Sample(2000, 5).by_name()), 2000))
    assert set(tally.bad) == KINDS | {Reason.NAME, Reason.TOO_LONG}


def test_hostile_json_lines_have_every_kind() -> None:
    """From 3,000 rows on every kind of JSON line that is refused."""
    tally, _ = _tally(hostile.with_bad_json(json_lines(Sample(3000, 5).by_name()), 3000))
    csv_only = {Reason.FIELD_COUNT, Reason.QUOTES}
    json_only = {
        Reason.JSON,
        Reason.NO_KEY_AND_NAME,
        Reason.TIME,
        Reason.GRID,
        Reason.FORMER_NAMES,
        Reason.NAME,
        Reason.TOO_LONG,
    }
    assert set(tally.bad) == KINDS - csv_only | json_only


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "csv": bytes,
    "jsonl": bytes,
    "bz2": bz2.decompress,
    "gz": gzip.decompress,
    "xz": lzma.decompress,
    "zip": lambda packed: zipfile.ZipFile(io.BytesIO(packed)).read("name2key.csv"),
}


@pytest.mark.parametrize("form", Format)
def test_packing(form: Format) -> None:
    """Each format decompresses to the input, and has neither time nor name of its making."""
    lines = list(csv_lines(Sample(5000, 1).by_name()))
    packed = io.BytesIO()
    write_packed(packed, form, iter(lines))
    again = io.BytesIO()
    write_packed(again, form, iter(lines))
    assert UNPACK[form.value](packed.getvalue()) == b"".join(lines)
    assert packed.getvalue() == again.getvalue()
    assert form is not Format.GZ or packed.getvalue()[3:8] == bytes(5)  # RFC 1952: flags, mtime
    assert form is not Format.ZIP or packed.getvalue()[10:14] == b"\0\0\x21\0"  # 1980-01-01 00:00


@pytest.mark.parametrize(
    ("path", "form"),
    [("a.csv.bz2", "bz2"), ("A.GZ", "gz"), ("a.b/c.jsonl", "jsonl"), ("a.csv", "csv"), ("a.txt", None), ("csv", "csv")],
)
def test_the_ending_tells_the_format(path: str, form: str | None) -> None:
    """The last suffix counts, in upper or lower case; an unknown one means no format."""
    assert format_of(path) == (form and Format(form))


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """After an error the old file is kept, and no temporary file is left."""
    path = tmp_path / "dump.csv"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with new_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_what_is_no_plain_file_stays_what_it_is(tmp_path: Path) -> None:
    """A device behind a link is written to and not replaced; a folder is refused."""
    device = tmp_path / "null"
    device.symlink_to("/dev/null")
    with new_file(device) as file:
        file.write(b"gone")
    assert device.is_char_device()
    with pytest.raises(StoreUnreadable, match="Is a directory"), new_file(tmp_path):
        pass
