"""``n2k export``: where it writes, in which format, and that an import accepts the result."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME

LINES = f"{USERNAME},Username Resident\n{GOVERNOR},Governor Linden\n{MASAKAZU},Masakazu Kojima\n".encode()


@pytest.mark.measured
def test_csv_on_standard_output(peopled: Commands) -> None:
    """W-Hat's lines in the order of keys; messages are on standard error; the data directory is not changed."""
    before = peopled.contents()
    done = peopled("export", "--format", "csv", "-")
    assert (done.code, done.raw, done.err) == (0, LINES, "exported 3 avatars to -\n")
    assert peopled.contents() == before
    assert peopled("-q", "export", "--format", "csv", "-").err == ""


@pytest.mark.parametrize(
    ("name", "unpack"),
    [("a.csv", bytes), ("a.csv.bz2", bz2.decompress), ("a.csv.gz", gzip.decompress), ("a.csv.xz", lzma.decompress)],
)
def test_the_name_of_the_file_says_form_and_packing(
    peopled: Commands, tmp_path: Path, name: str, unpack: Callable[[bytes], bytes]
) -> None:
    """The suffix selects csv and the compression; the file is private."""
    assert peopled("export", tmp_path / name).code == 0
    assert unpack((tmp_path / name).read_bytes()) == LINES
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_everything_goes_into_another_directory(peopled: Commands, tmp_path: Path) -> None:
    """JSON lines by default, captures included; the other directory returns the same answers and its check is clean."""
    key = "11111111-2222-3333-4444-555555555555"
    peopled("register", "Élodie Straße", key, "--grid", "OpenSim")
    assert peopled("export", tmp_path / "all.xz").code == 0
    other = Commands(tmp_path / "other")
    assert other("import", tmp_path / "all.xz").out.startswith("imported all.xz: 4 avatars")
    asked = ("lookup", "élodie straße", GOVERNOR, "masakazu.kojima", USERNAME)
    assert other(*asked).out == peopled(*asked).out
    assert other("check").code == 0


def test_captures_and_grids(peopled: Commands) -> None:
    """Only captures; only one grid."""
    peopled("register", "Masakazu Kojima", MASAKAZU)
    peopled("register", "Someone Else", USERNAME, "--grid", "OpenSim")
    keys = [json.loads(line)["key"] for line in peopled("export", "--captures", "-").out.splitlines()]
    assert keys == [USERNAME, MASAKAZU]
    assert peopled("export", "--grid", "opensim", "--format", "csv", "-").out == f"{USERNAME},Someone Else\n"
    assert peopled("export", "--grid", "OpenSim", "-").out.count("\n") == 1


def test_what_cannot_be_written_is_refused(peopled: Commands, tmp_path: Path) -> None:
    """A directory, a zip, a missing folder: nothing is left behind."""
    (tmp_path / "there").mkdir()
    (tmp_path / "full").symlink_to("/dev/full")
    codes = [peopled("export", tmp_path / name).code for name in ("there", "a.zip", "none/a.csv", "full")]
    assert codes == [2, 2, 41, 45]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "full", "there"]
