"""statistics.mdb and the lines before it: torn, hostile, killed, damaged, full, bounded."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Front
from n2k_fcgi.model.statistics import DAY, DAYS_KEPT, HOUR, HOURS_KEPT, Family
from n2k_fcgi.store.counts import LONGEST_LINE, MOST_NAMES, MOST_WAITING, Counts
from n2k_fcgi.store.datadir import COUNTED, MERGING, OPENING, STATISTICS
from n2k_fcgi.store.lmdb import layout, statistics_rows
from n2k_fcgi.store.lmdb.statistics import StatisticsFile
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from tests.support.nights import killed_at
from tests.support.processes import REPOSITORY, SECONDS
from tests.support.sandbox import Sandbox


class Box:
    """Counts and statistics of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts = Counts(str(folder), PRIVATE, lambda: 12345)
        self.statistics = StatisticsFile(str(folder), PRIVATE)
        self.lines = folder / COUNTED

    def note(self, **counts: int) -> None:
        """Count, and note it: ``hits=3`` is ``lookups.hit``."""
        for name, count in counts.items():
            self.counts.add(f"values.{name}", count)
        self.counts.note()

    def total(self, family: Family = Family.VALUES) -> dict[str, int]:
        """All that is merged now."""
        self.statistics.merge()
        return self.statistics.read().total.of(family)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """An empty folder."""
    return Box(tmp_path)


# --- lines --------------------------------------------------------------------------------------------------------------


def test_lines_are_short(box: Box) -> None:
    """However many counters there are, and labels are written so that they have no blank: 512 bytes at most each."""
    for number in range(MOST_NAMES + 50):
        box.counts.add(f"values.operation{number}", number + 1)
    box.counts.looked_up("a grid\nwith = lines, ünd %")
    box.counts.note()
    lines = [line for line in box.lines.read_bytes().split(b"\n") if line]
    assert len(lines) > 50 and max(map(len, lines)) <= LONGEST_LINE
    assert not box.counts
    assert sum(box.total().values()) == MOST_NAMES * (MOST_NAMES + 1) // 2, "counters beyond the limit are not kept in memory"
    box.counts.looked_up("a grid\nwith = lines, ünd %")
    box.counts.note()
    assert box.total(Family.GRIDS) == {"a grid\nwith = lines, ünd %": 1}


def test_a_torn_line_costs_no_other(box: Box) -> None:
    """Cut anywhere: the lines before and after it count."""
    box.note(a=1)
    whole = box.lines.read_bytes()
    for cut in range(len(whole)):
        box.lines.write_bytes(whole[:cut])
        box.note(b=1)
    box.lines.write_bytes(whole[:-1])  # all but its end: the length says that it is whole
    assert box.total().get("a", 0) == 1 and box.statistics.read().total.of(Family.VALUES) == {"a": 1}


def test_a_disk_that_is_full_at_any_byte_doubles_nothing(box: Box) -> None:
    """Also at the last one, the line feed: what a line was written of counts once, then and when there is room again."""
    box.note(a=1)
    size = box.lines.stat().st_size
    box.lines.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in range(size - 3, size + 1):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            box.note(a=1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        box.note(b=1)
        assert box.total()["a"] == room - size + 4
    assert box.total() == {"a": 4, "b": 4}


def test_hostile_lines_are_dropped(box: Box) -> None:
    """Whoever can write the file can count, but break nothing: no name, number or time that does not belong there."""
    now = int(time.time())
    head = f"{now} fastcgi 1 {now} 1 1"
    bodies = [
        *(
            head + end
            for end in (" values.a=-1", " values.a=1e9", " values.a=", " values.a", " =1", " values.=1", " other.a=1")
        ),
        *(
            head + end
            for end in (" values.a=99999999999999999999", " values.a b=1", " values.a=1=1", "  values.a=1", " VALUES.a=1")
        ),
        *(f"{when} fastcgi 1 {now} 1 1 values.a=1" for when in (0, now - 15 * DAY, now + 3 * DAY, 10**15, -1, "x")),
        *(f"{now} stranger 1 1 1 1 values.a=1", f"{now} fastcgi 1 1", "", " " * 400, head + f" values.{'a' * 600}=1"),
    ]
    lines = [f"\n{len(body)}:{body}\n".encode() for body in bodies]
    lines += [b"\n5:\xff\xfe\xfd\xfc\xfb\n", b"\0" * 5000, b"\n-1:\n", b"\n:\n", b"\n" * 100, b"\n999999999:x\n"]
    box.lines.write_bytes(b"".join(lines))
    box.note(b=2)
    assert box.total() == {"b": 2}


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/full")], ids=["folder", "fifo", "full"]
)
def test_what_is_no_file_of_lines_costs_counts_alone(box: Box, make: Callable[[Path], object]) -> None:
    """Nothing waits, nothing fails; once it is gone, what was counted meanwhile is there."""
    make(box.lines)
    box.note(a=1)
    box.statistics.merge()
    assert box.counts and box.statistics.read().total.counts == {}
    box.lines.rmdir() if box.lines.is_dir() else box.lines.unlink()
    box.note()
    assert box.total() == {"a": 1}


def test_lines_that_nobody_merges_do_not_fill_the_disk(box: Box) -> None:
    """Above a megabyte none is added; what is counted then stays in memory until they are merged."""
    box.lines.write_bytes(b"\n" * (MOST_WAITING + 1))
    box.note(a=1)
    assert box.lines.stat().st_size == MOST_WAITING + 1 and box.counts
    assert box.total() == {}
    box.note(a=1)
    assert box.total() == {"a": 2}


# --- several processes, kills -------------------------------------------------------------------------------------------

MERGE = """
import sys
from pathlib import Path
from tests.store.test_statistics import Box
Box(Path(sys.argv[1])).statistics.merge()
"""
AT_ONCE = """
import sys
from pathlib import Path
from tests.store.test_statistics import Box
box = Box(Path(sys.argv[1]))
for number in range(300):
    box.note(a=1)
    if number % 3 == 0:
        box.statistics.merge()
box.counts.note()
sys.exit(bool(box.counts))
"""


def test_processes_that_note_and_merge_at_once(box: Box) -> None:
    """Six of them: every note is merged once, none lost."""
    command = [sys.executable, "-c", AT_ONCE, str(box.folder)]
    children = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(6)]
    assert [child.wait(SECONDS) for child in children] == [0] * 6
    assert box.total() == {"a": 1800} == box.total()


@pytest.mark.parametrize("call", ["rename", "unlink", "pwrite64", "ftruncate", "fdatasync", "flock"])
def test_a_merge_that_is_killed_counts_once(sandbox: Sandbox, call: str, tmp_path: Path) -> None:
    """SIGKILL at each system call that changes the disk: the next merge counts every note, none twice."""
    sandbox.store.close()
    box = Box(sandbox.data_dir)
    box.note(a=1)
    assert box.total() == {"a": 1}
    box.note(a=10)
    assert (sandbox.data_dir / MERGING).exists() and box.lines.exists()
    whole = tmp_path / "whole"
    shutil.copytree(sandbox.data_dir, whole)
    number = 0
    while True:
        number += 1
        shutil.rmtree(sandbox.data_dir)
        subprocess.run(["cp", "-a", str(whole), str(sandbox.data_dir)], check=True)
        code = killed_at(call, number, [sys.executable, "-c", MERGE, str(sandbox.data_dir)])
        assert box.total() in ({"a": 11},), (call, number)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert number < 200


# --- the file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:4096] + b"\xff" * (len(data) - 4096),
        lambda data: b"no database at all" * 1000,
        lambda data: b"",
        lambda data: data.replace(zlib.compress(b'{"values.a":1}'), b"\0" * 22),
    ],
    ids=["cut", "overwritten", "text", "empty", "row"],
)
def test_a_damaged_file_costs_statistics_alone(box: Box, damage: Callable[[bytes], bytes]) -> None:
    """They begin anew, in the same process; nothing raises, and nothing counts twice."""
    box.note(a=1)
    assert box.total() == {"a": 1}
    path = box.folder / STATISTICS
    path.write_bytes(damage(path.read_bytes()))
    box.note(a=5)
    begun = box.total()["a"]
    assert begun in (5, 6), "6: what was merged last is there still"
    box.note(a=10)
    assert box.total() == {"a": begun + 10}


def test_hours_and_days_are_bounded(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours for 14 days, days for two years; the total goes on."""
    begin = 1_800_000_000 - 1_800_000_000 % DAY
    now = [0.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    steps = [*range(0, 800 * DAY, DAY), *range(800 * DAY, 815 * DAY, HOUR)]
    for step in steps:
        now[0] = begin + step
        box.note(a=1)
        box.statistics.merge()
    read = box.statistics.read()
    assert len(read.hours) == HOURS_KEPT and len(read.days) == DAYS_KEPT
    assert read.total.of(Family.VALUES) == {"a": len(steps)}
    assert read.days[-2].of(Family.VALUES) == {"a": 24}
    assert (box.folder / STATISTICS).stat().st_size < 1_000_000
    now[0] = begin  # a clock that is set back: nothing is lost of what is kept, and nothing raises
    box.note(b=1)
    assert box.total() == {"a": len(steps), "b": 1}


def test_names_of_a_period_are_bounded(box: Box) -> None:
    """Further counters are one: whoever registers a thousand grids makes no row that fills the disk."""
    most = statistics_rows.MOST_OF_A_FAMILY
    for number in range(most + 500):
        box.counts.looked_up(f"grid {number}")
    box.counts.note()
    grids = box.total(Family.GRIDS)
    assert sum(grids.values()) == most + 500 and len(grids) == most + 1 and grids["more"] == 500
    box.note(a=1)
    assert box.total() == {"a": 1}, "other families are not concerned"


def test_workers_are_those_of_a_day(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last 200 at most; neither commands nor processes of CGI are workers; one of an old process id is replaced."""
    now = [1_800_000_000]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def told(pid: int, front: str) -> None:
        now[0] += 1
        body = f"{now[0]} {front} {pid} {now[0]} 1000 1 starts.{front}=1"
        with box.lines.open("a") as file:
            file.write(f"\n{len(body)}:{body}\n")

    for pid, front in enumerate([*Front, Front.FASTCGI], 10):
        told(pid, front)
    told(10, Front.MEMCACHED)
    assert box.statistics.merge()
    workers = {worker.pid: worker.front for worker in box.statistics.read().workers}
    assert workers == {10: "memcached", 12: "hosted", 13: "standalone", 14: "memcached", 16: "fastcgi"}
    for pid in range(1000, 1250):
        told(pid, Front.FASTCGI)
    assert box.statistics.merge()
    assert {worker.pid for worker in box.statistics.read().workers} == {*range(1050, 1250)}
    now[0] += 2 * DAY
    box.note(a=1)
    assert box.statistics.merge() and box.statistics.read().workers == ()


# --- what a disk or a stranger can do to the file -----------------------------------------------------------------------

READ_OR_MERGE = """
import sys
from pathlib import Path
from tests.store.test_statistics import Box
box = Box(Path(sys.argv[1]))
if sys.argv[2] == "merge":
    box.note(a=1)
print(getattr(box.statistics, sys.argv[2])())
"""


def alone(box: Box, action: str) -> int:
    """``read`` or ``merge`` by a process of its own; its exit code, negative: the signal that ended it."""
    command = [sys.executable, "-c", READ_OR_MERGE, str(box.folder), action]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=SECONDS, check=False).returncode


@pytest.fixture
def full(box: Box, monkeypatch: pytest.MonkeyPatch) -> Box:
    """Statistics of a week: a tree of several pages."""
    now = time.time()
    with monkeypatch.context() as patched:
        for hour in range(-170, 0):
            patched.setattr(time, "time", lambda hour=hour: now + hour * HOUR)
            box.note(**{f"operation{number}": number + hour + 200 for number in range(100)})
            assert box.statistics.merge()
    return box


@pytest.mark.parametrize("action", ["read", "merge"])
def test_a_page_of_zeros_ends_two_processes_at_most(full: Box, action: str) -> None:
    """Each page, as a damaged disk leaves it: LMDB may end the process that meets it, then the file is replaced."""
    path = full.folder / STATISTICS
    whole = path.read_bytes()
    ended = 0
    for page in range(2, len(whole) // 4096):
        (full.folder / MERGING).unlink(missing_ok=True)
        path.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        codes = [alone(full, action)]
        if codes == [0]:
            continue
        codes.append(alone(full, action))
        ended += -signal.SIGABRT in codes
        assert alone(full, "merge") == 0, (page, codes)
        assert alone(full, "read") == 0, (page, codes)
        full.note(b=1)
        assert full.total()["b"] == 1, page
    assert ended, "no page showed it: the test proves nothing"


def test_a_page_of_zeros_in_the_middle_of_a_merge_is_no_end(full: Box) -> None:
    """The page that says of what version the file is: what LMDB raises there is a damaged file, which is replaced."""
    path = full.folder / STATISTICS
    whole = path.read_bytes()
    for page in range(2, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :])
        assert alone(full, "merge") in (0, -signal.SIGABRT), page
    assert alone(full, "merge") == 0


def test_a_merge_is_on_the_disk(box: Box) -> None:
    """A power cut cannot damage the file: its pages are synced before what makes them valid is written."""
    box.note(a=1)
    assert box.total() == {"a": 1}
    box.note(a=10)
    assert killed_at("fdatasync", 1, [sys.executable, "-c", MERGE, str(box.folder)]) == -signal.SIGKILL
    assert box.total() == {"a": 11}


@pytest.mark.parametrize(
    "row",
    [
        '{"lookups.hit":Infinity}',
        '{"lookups.hit":NaN}',
        '{"lookups.hit":-1}',
        '{"lookups.hit":1e3}',
        '{"lookups.hit":true}',
        '{"lookups.hit":"5"}',
        f'{{"lookups.hit":{"9" * 4000}}}',
        f'{{"lookups.hit":{"9" * 6000}}}',
        '{"a":' + "[" * 200_000,
        '["fastcgi",Infinity,1,1,1,1]',
        '["stranger",1,1,1,1,1]',
        f'["fastcgi",{"9" * 400},1,1,1,1]',
        "\x9c\xff",
    ],
)
@pytest.mark.parametrize("db_key", [layout.OF_ALL_TIME, layout.OF_A_WORKER + b"1"])
def test_a_row_that_is_none_is_left_out(box: Box, row: str, db_key: bytes) -> None:
    """Numbers that are none, too large or nested: nothing raises, and counting goes on."""
    volatile = VolatileFile(str(box.folder), PRIVATE, STATISTICS)
    for value in (row.encode(), zlib.compress(row.encode())):
        volatile.write(lambda transaction, value=value: transaction.put(db_key, value))
        volatile.close()
        read = box.statistics.read()
        assert read.total.counts in ({}, {"values.a": 1}) and read.workers == ()
        box.note(a=1)
        assert box.total()["a"] >= 1


@pytest.mark.parametrize("name", [STATISTICS, COUNTED, MERGING, OPENING])
def test_a_fifo_is_waited_for_by_nobody(box: Box, name: str) -> None:
    """Whoever opens one for reading waits for a writer: the command that reads ends, by an error perhaps."""
    os.mkfifo(box.folder / name)
    assert alone(box, "merge") == 0
    assert alone(box, "read") in (0, 1)


def test_periods_that_are_not_asked_for_are_not_read(full: Box) -> None:
    """Whoever wants the total has it without decoding a thousand rows; lines that wait count in all that is returned."""
    everything = full.statistics.read()
    full.note(late=7)
    some = full.statistics.read(hours=3, days=1)
    assert len(some.hours) <= 3 and len(some.days) == 1
    assert some.hours[-1].of(Family.VALUES)["late"] == 7 == some.days[0].of(Family.VALUES)["late"]
    assert [hour for hour in some.hours if hour in everything.hours] == list(everything.hours[-len(some.hours) + 1 :])
    none = full.statistics.read(hours=0, days=0)
    assert none.hours == none.days == () and none.total == full.statistics.read().total


def test_rows_are_small(full: Box) -> None:
    """170 hours and 8 days with 100 counters each."""
    assert (full.folder / STATISTICS).stat().st_size < 250_000
