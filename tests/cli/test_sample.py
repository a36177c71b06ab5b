"""``n2k sample``."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import Commands, Done
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME


def _sample(n2k: Commands, *arguments: object) -> Done:
    done = n2k.bare("sample", *arguments)
    assert done.code == 0, done
    return done


def test_to_standard_output(n2k: Commands) -> None:
    """csv lines only, the same every time."""
    done = _sample(n2k, "--rows", 500, "--seed", 9, "-o", "-")
    lines = done.out.splitlines()
    assert len(lines) == 500 and done.err == ""
    assert {f"{GOVERNOR},Governor Linden", f"{MASAKAZU},Masakazu Kojima", f"{USERNAME},Username Resident"} <= set(lines)
    assert _sample(n2k, "--rows", 500, "--seed", 9, "-o", "-").raw == done.raw
    assert _sample(n2k, "--rows", 500, "--seed", 10, "-o", "-").raw != done.raw


@pytest.mark.parametrize("name", ["a.csv", "a.csv.bz2", "a.csv.gz", "a.zip", "a.xz", "a.jsonl"])
@pytest.mark.parametrize("order", [[], ["--unsorted"]], ids=["sorted", "unsorted"])
def test_every_format_can_be_imported(n2k: Commands, tmp_path: Path, name: str, order: list[str]) -> None:
    """The suffix selects the format; an import finds every row, none of them bad."""
    assert _sample(n2k, "--rows", 300, *order, "-o", tmp_path / name).err == f"wrote 300 avatars to {tmp_path / name}\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert n2k("import", tmp_path / name).out.startswith(f"imported {name}: 300 avatars (300 added")
    assert n2k("lookup", "masakazu kojima").out == f"Masakazu Kojima\t{MASAKAZU}\tProduction\n"


@pytest.mark.parametrize("form", ["bz2", "gz", "zip", "xz", "jsonl"])
def test_packed_to_a_pipe(n2k: Commands, tmp_path: Path, form: str) -> None:
    """--format compresses standard output, with the same bytes as in a file."""
    piped = _sample(n2k, "--rows", 300, "--format", form, "-o", "-").raw
    _sample(n2k, "--rows", 300, "--format", form, "-o", tmp_path / "odd name")
    if form == "zip":  # a pipe cannot be rewound: sizes are written after the member
        assert piped[:2] == b"PK"
        (tmp_path / "odd name").write_bytes(piped)
        assert n2k("import", tmp_path / "odd name").code == 0
    else:
        assert (tmp_path / "odd name").read_bytes() == piped


@pytest.mark.parametrize("name", ["a.csv.bz2", "a.csv.gz", "a.zip", "a.csv"])
@pytest.mark.parametrize("how", [[], ["--replace"]], ids=["merged", "replaced"])
def test_every_real_dump_is_newer(n2k: Commands, tmp_path: Path, name: str, how: list[str]) -> None:
    """The sample first, then an update to a real dump of some years ago, as in docs/dumps.md: it is not refused as older."""
    _sample(n2k, "--rows", 100, "-o", tmp_path / name)
    assert "as of 2003-01-01T00:00:00Z" in n2k("import", tmp_path / name).out
    real = tmp_path / "real.csv"
    real.write_text("".join(f"{GOVERNOR[:-4]}{n:04x},Real{n} Last\n" for n in range(100)))
    os.utime(real, (1_600_000_000, 1_600_000_000))
    done = n2k("update", *how, real)
    assert done.code == 0 and done.out.startswith(f"updated from {real}: {100 if how else 200} avatars"), done


@pytest.mark.parametrize("name", ["a.csv.bz2", "a.jsonl"])
def test_an_import_takes_a_hostile_one(n2k: Commands, tmp_path: Path, name: str) -> None:
    """Bad lines of every kind are counted as such, and every good row is imported."""
    _sample(n2k, "--rows", 5000, "--hostile", "-o", tmp_path / name)
    done = n2k("import", tmp_path / name)
    assert done.code == 0 and done.out.startswith(f"imported {name}: 5000 avatars")
    assert "x a UUID as a name: refused" in done.err and "  found a byte-order mark\n" in done.err
    assert n2k("lookup", "governor linden", "masakazu kojima", "username").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "."], "File '.' is a directory."),
        (["-o", "dump.txt"], "unknown format 'dump.txt'"),
        (["--rows", "0", "-o", "-"], "0 is not in the range"),
        ([], "Missing option '-o'"),
    ],
)
def test_wrong_usage(n2k: Commands, arguments: list[str], message: str) -> None:
    """A directory, an unknown suffix, no rows, no file: usage, exit code 2."""
    done = n2k.bare("sample", *arguments)
    assert done.code == 2 and done.out == "" and message in done.err


def test_where_nothing_can_be_written(n2k: Commands, tmp_path: Path) -> None:
    """A missing folder is reported in one line."""
    done = n2k.bare("sample", "-o", tmp_path / "no" / "a.csv")
    assert (done.code, done.err) == (41, f"n2k: cannot open {tmp_path / 'no' / 'a.csv'}: No such file or directory\n")


def test_a_full_disk(n2k: Commands) -> None:
    """It is reported, for a file and for standard output."""
    done = n2k.bare("sample", "--rows", "100000", "-o", "/dev/full", "--format", "csv")
    assert done.code == 45 and done.err.startswith("n2k: no space left for /dev/full: ")
    with Path("/dev/full").open("wb") as full:
        command = n2k.command("sample", "--rows", "100000", "-o", "-")
        piped = subprocess.run(command, env=n2k.environment(), stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert piped.returncode == 45 and piped.stderr.startswith(b"n2k: no space left for ")
