"""Implausible times of dumps: which time is used instead, what the report says, and that later names still win."""

import gzip
import json
import os
import struct
import subprocess
import sys
import time
import zipfile
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.commands import PEOPLE, Commands, Done
from tests.support.sandbox import MASAKAZU, csv
from tests.support.web_server import sent, web_server

IN_2031, IN_2062 = 1_924_992_000, 2_903_299_200
MAY_2026 = 1_780_000_000
AUCKLAND, LOS_ANGELES = "NZDT-13", "PST+8"
"""Thirteen hours before UTC and eight behind it, for hosts without a table of zones."""


def imported(n2k: Commands, *options: object, **variables: str) -> dict[str, object]:
    """The report of an import."""
    done = n2k("import", "--json", *options, **variables)
    assert done.code == 0, done
    report = json.loads(done.out)
    assert isinstance(report, dict)
    return report


def is_now(report: dict[str, object], why: str) -> bool:
    """Whether a dump counts as of now, with a reason that begins with this text."""
    as_of, created = report["as_of"], report["created"]
    return as_of == created and abs(time.time() - int(str(created))) < 60 and str(report["as_of_from"]).startswith(why)


def later_names_win(n2k: Commands, folder: Path) -> None:
    """A name that is registered now, and that of the next dump, become current; no other name becomes a former one."""
    assert n2k("register", "Masakazu Seen", MASAKAZU).code == 0
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Seen\t")
    following = folder / "following.csv"
    following.write_bytes(PEOPLE.replace(b"Masakazu Kojima", b"Masakazu Newname"))
    report = json.loads(n2k("update", "--json", following).out)
    assert (report["added"], report["changed"], report["unchanged"], report["former"]) == (0, 1, 2, 1)


def packed_in(zone: str, folder: Path) -> Path:
    """A zip of a csv from this minute, packed by Python's zipfile where clocks show *zone*."""
    (folder / "name2key.csv").write_bytes(PEOPLE)
    command = [sys.executable, "-m", "zipfile", "-c", "dump.zip", "name2key.csv"]
    subprocess.run(command, cwd=folder, env={"TZ": zone}, check=True)
    os.utime(folder / "dump.zip", (MAY_2026, MAY_2026))
    return folder / "dump.zip"


@pytest.mark.parametrize(("there", "here"), [(AUCKLAND, LOS_ANGELES), ("LINT-14", "UTC0"), ("UTC0", LOS_ANGELES)])
def test_a_zip_from_a_zone_ahead_is_as_of_now(n2k: Commands, tmp_path: Path, there: str, here: str) -> None:
    """Its time has no zone: by the local clock it is hours ahead, so it counts as now, and the report says why."""
    report = imported(n2k, packed_in(there, tmp_path), TZ=here)
    assert is_now(report, "now: the zip's local time is ")
    later_names_win(n2k, tmp_path)


def test_a_zip_from_a_zone_behind_is_taken_as_local(n2k: Commands, tmp_path: Path) -> None:
    """The zone cannot be known, and a time that is too early does no harm to later names."""
    report = imported(n2k, packed_in(LOS_ANGELES, tmp_path), TZ=AUCKLAND)
    assert report["as_of_from"] == "the zip's local time"
    assert 20 * 3600 < time.time() - int(str(report["as_of"])) < 22 * 3600
    later_names_win(n2k, tmp_path)


UNIX_TIME = struct.pack("<HHBi", 0x5455, 5, 1, MAY_2026)
NTFS_TIME = struct.pack("<HHIHHQQQ", 0x000A, 32, 0, 1, 24, *[(MAY_2026 + 11_644_473_600) * 10_000_000] * 3)


@pytest.mark.parametrize("extra", [UNIX_TIME, NTFS_TIME, b"\x99\x99\0\0" + UNIX_TIME], ids=["Info-ZIP", "7-Zip", "third"])
def test_a_zip_that_says_its_zone_is_believed(n2k: Commands, tmp_path: Path, extra: bytes) -> None:
    """Info-ZIP and 7-Zip also write the time in UTC, which is used then."""
    info = zipfile.ZipInfo("name2key.csv", (2031, 1, 1, 0, 0, 0))
    info.extra = extra
    with zipfile.ZipFile(tmp_path / "dump.zip", "w") as archive:
        archive.writestr(info, PEOPLE)
    report = imported(n2k, tmp_path / "dump.zip", TZ=LOS_ANGELES)
    assert (report["as_of"], report["as_of_from"]) == (MAY_2026, "the zip's time")


@pytest.mark.parametrize(
    "date", [(1980, 1, 1, 0, 0, 0), (1980, 0, 0, 0, 0, 0), (2002, 12, 30, 0, 0, 0)], ids=["first", "zero", "2002"]
)
def test_a_zip_without_a_time_says_so(n2k: Commands, tmp_path: Path, date: tuple[int, int, int, int, int, int]) -> None:
    """A zip writes 1980 or zeros for an unknown time, and Second Life began in 2003: the file's own time is used."""
    info = zipfile.ZipInfo("name2key.csv")
    info.date_time = (*date, 0, 0, 0)
    dump = tmp_path / "dump.zip"
    with zipfile.ZipFile(dump, "w") as archive:
        archive.writestr(info, PEOPLE)
    os.utime(dump, (MAY_2026, MAY_2026))
    report = imported(n2k, dump)
    assert report["as_of"] == MAY_2026
    assert str(report["as_of_from"]).startswith("the file's time: the zip's local time is ")
    os.utime(dump, (0, 0))
    assert is_now(imported(n2k, "--force", dump), "now: the zip's local time is ")


def gz(folder: Path, stamp: int, file_time: int) -> Path:
    """A gz with one time in its header and one of its file."""
    path = folder / "dump.csv.gz"
    path.write_bytes(gzip.compress(PEOPLE, mtime=stamp))
    os.utime(path, (file_time, file_time))
    return path


@pytest.mark.parametrize("stamp", [IN_2031, 2**32 - 1])
def test_a_gz_of_the_future_is_as_of_now(n2k: Commands, tmp_path: Path, stamp: int) -> None:
    """Its header has Unix seconds, from whatever clock."""
    assert is_now(imported(n2k, gz(tmp_path, stamp, MAY_2026)), "now: the gz's time is 2")
    later_names_win(n2k, tmp_path)


@pytest.mark.parametrize(
    ("stamp", "file_time", "used", "source"),
    [
        (MAY_2026, MAY_2026 + 9, MAY_2026, "the gz's time"),
        (0, MAY_2026, MAY_2026, "the file's time"),
        (1, MAY_2026, MAY_2026, "the file's time: the gz's time is 1970-01-01T00:00:01Z, before Second Life began"),
    ],
)
def test_the_time_of_a_gz_comes_before_its_file_s(
    n2k: Commands, tmp_path: Path, stamp: int, file_time: int, used: int, source: str
) -> None:
    """It is that of the packed file; 0 means unknown, by the format's specification."""
    report = imported(n2k, gz(tmp_path, stamp, file_time))
    assert (report["as_of"], report["as_of_from"]) == (used, source)


@pytest.mark.parametrize("seconds", [IN_2031, IN_2062])
def test_a_file_of_the_future_is_as_of_now(n2k: Commands, tmp_path: Path, seconds: int) -> None:
    """After a wrong clock, or touch: the report says so, and the same file again is still unchanged."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    os.utime(dump, (seconds, seconds))
    done = n2k("import", dump)
    assert " as of 20" in done.out and "Z (now: the file's time is 20" in done.out and "in the future), gen" in done.out
    assert n2k("import", dump).out.startswith("unchanged: dump.csv of Production is live already")
    assert is_now(imported(n2k, "--force", dump), "now: the file's time is 20")
    later_names_win(n2k, tmp_path)


@pytest.mark.parametrize("seconds", [0, 315_532_800, 1_000_000_000])
def test_a_file_older_than_second_life_is_as_of_now(n2k: Commands, tmp_path: Path, seconds: int) -> None:
    """Hosts and archives write 1970, 1980 or 2001 for a file without a time."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    os.utime(dump, (seconds, seconds))
    assert is_now(imported(n2k, dump), "now: the file's time is ")


def test_a_usual_time_is_told_too(n2k: Commands, tmp_path: Path) -> None:
    """The line says where the time comes from, for a file, an option and a pipe."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE)
    os.utime(dump, (MAY_2026, MAY_2026))
    assert " as of 2026-05-28T20:26:40Z (the file's time), generation " in n2k("import", dump).out
    assert " as of 2026-05-01T00:00:00Z (--as-of), generation " in n2k("import", "--as-of", "2026-05-01", dump).out
    assert "Z (now: no time is stated), generation " in n2k("import", "-", stdin=PEOPLE).out


def updated(n2k: Commands, *options: str, last_modified: str, content: bytes = PEOPLE) -> Done:
    """The report of an update from a server with this Last-Modified."""
    with web_server(dump=sent(content, Last_Modified=last_modified)) as web:
        return n2k("update", *options, web.url("/dump"))


@pytest.mark.parametrize("seconds", [IN_2031, IN_2062, 0, 315_532_800])
def test_a_last_modified_that_cannot_be_is_now(n2k: Commands, tmp_path: Path, seconds: int) -> None:
    """In the future, in 1970, in 1980: the report of the update says so."""
    done = updated(n2k, last_modified=formatdate(seconds, usegmt=True))
    assert " as of 20" in done.out and "Z (now: Last-Modified is " in done.out
    report = json.loads(updated(n2k, "--force", "--json", last_modified=formatdate(seconds, usegmt=True)).out)
    assert is_now(report, "now: Last-Modified is ")
    later_names_win(n2k, tmp_path)


def test_a_last_modified_is_told(n2k: Commands) -> None:
    """Without one a download is as of now, whatever time its file has here; an archive's own time has priority."""
    usual = formatdate(MAY_2026 + 60, usegmt=True)
    assert " as of 2026-05-28T20:27:40Z (Last-Modified), gen" in updated(n2k, last_modified=usual).out
    packed = gzip.compress(PEOPLE, mtime=MAY_2026 + 120)
    assert " as of 2026-05-28T20:28:40Z (the gz's time), gen" in updated(n2k, last_modified=usual, content=packed).out
    assert "Z (now: no time is stated), gen" in updated(n2k, last_modified="", content=PEOPLE + b"\n").out


def test_the_time_of_a_transfer_s_packing_is_none_of_the_dump_s(n2k: Commands) -> None:
    """A web server that compresses its responses may write the time of sending into them."""
    answer = sent(gzip.compress(PEOPLE), Content_Encoding="gzip", Last_Modified=formatdate(MAY_2026, usegmt=True))
    with web_server(dump=answer) as web:
        assert "as of 2026-05-28T20:26:40Z (Last-Modified)" in n2k("update", web.url("/dump")).out


@pytest.mark.parametrize("when", ["2031-01-01", "2062-01-01T00:00:00Z", "99999999999"])
@pytest.mark.parametrize("command", ["import", "update"])
def test_an_as_of_in_the_future_is_refused(peopled: Commands, tmp_path: Path, command: str, when: str) -> None:
    """One line, exit code 28, with the current time; nothing is downloaded or imported, not even with --force."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE.replace(b"Kojima", b"Other"))
    before = peopled.contents()
    with web_server() as web:
        source = str(dump) if command == "import" else web.url("/dump")
        done = peopled(command, "--force", "--as-of", when, source)
        assert web.requests == []
    assert (done.code, done.out, done.err.count("\n")) == (28, "", 1)
    assert done.err.startswith("n2k: --as-of ") and " is in the future (it is 20" in done.err
    assert {**before, "update.lock": ""} == {**peopled.contents(), "update.lock": ""}


def test_a_refusal_of_an_older_dump_names_ways_out_that_work(n2k: Commands, tmp_path: Path) -> None:
    """--as-of makes it newer; --force --replace goes back to it. Neither makes a current name a former one."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(PEOPLE.replace(b"Masakazu Kojima", b"Masakazu Older"))
    os.utime(dump, (MAY_2026, MAY_2026))
    n2k("import", "--as-of", "2026-06-01", "-", stdin=PEOPLE)
    refusal = n2k("update", dump)
    assert refusal.code == 74
    assert refusal.err == (
        "n2k: the dump is as of 2026-05-28T20:26:40Z, the live generation of Production is as of 2026-06-01T00:00:00Z: "
        "nothing was imported "
        "(if the dump is newer: --as-of 2026-06-01T00:00:00Z; to go back to it: --force --replace)\n"
    )
    assert "1 changed" in n2k("update", "--as-of", "2026-06-01T00:00:00Z", dump).out
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Older\t")
    n2k(
        "import",
        "--as-of",
        "2026-07-01",
        "-",
        stdin=PEOPLE + csv(("11111111-1111-4111-8111-111111111111", "New Comer")).encode(),
    )
    assert n2k("update", "--force", "--replace", dump).code == 0
    assert n2k("lookup", MASAKAZU).out.startswith("Masakazu Older\t")
    assert n2k("lookup", "New Comer").code == 17
