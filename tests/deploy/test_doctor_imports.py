"""What ``n2k doctor`` says of imports: the host's limits, from files as hosts have them, and estimates by them."""

import os
import resource
import stat
from pathlib import Path

import pytest

from n2k_fcgi.cli.examinations import imports, trial
from n2k_fcgi.cli.examinations.imports import Disk, Work, duration, estimate, rations
from n2k_fcgi.examinations import host
from n2k_fcgi.examinations.host import Kind, Limit, control_groups, least, left_of, lve, quota
from n2k_fcgi.model.findings import Verdict
from tests.support.hosting import Account

MIB = 1 << 20
LVE_LIST = (
    "10:LVE\tlCPU\tlCPUW\tnCPU\tlEP\tlNPROC\tlMEM\tlMEMPHY\tlIO\tlIOPS\tlNETO\tlNETI\tEP\tCPU\tMEM\tIO\n"
    "0,0\t\t10000\t100\t1\t20\t100\t0\t262144\t1024\t1024\t0\t0\t0\t0\t0\t0\n"
    "0,1001\t5000\t100\t1\t10\t50\t0\t131072\t512\t0\t0\t0\t3\t123\t40000\t0\n"
)
"""As CloudLinux's kernel writes it: the default, and one user with half of everything and no limit of operations."""
FREE = 1 << 40
DUMP = Work("first import", moved=300, room=150, file=90, seconds=3e-6)


def _files(folder: Path, content: dict[str, str]) -> Path:
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _amounts(found: list[Limit]) -> dict[Kind, int]:
    kinds = {kind: least(found, kind) for kind in Kind}
    return {kind: limit.amount for kind, limit in kinds.items() if limit is not None}


def test_control_groups_of_version_2(tmp_path: Path) -> None:
    """The lowest limit of a group and all above it counts; ``max`` is none."""
    root = _files(
        tmp_path / "cgroup",
        {
            "user.slice/memory.max": "1073741824\n",
            "user.slice/memory.high": "max\n",
            "user.slice/pids.max": "100\n",
            "user.slice/io.max": "8:0 rbps=1048576 wbps=2097152 riops=1024 wiops=max\n",
            "user.slice/user-7.slice/memory.max": "max\n",
            "user.slice/user-7.slice/memory.high": "536870912\n",
            "user.slice/user-7.slice/cpu.max": "50000 100000\n",
        },
    )
    (tmp_path / "own").write_text("0::/user.slice/user-7.slice\n")
    assert _amounts(list(control_groups(tmp_path / "own", root))) == {
        Kind.MEMORY: 512 * MIB, Kind.PROCESSES: 100, Kind.DISK: MIB, Kind.OPERATIONS: 1024, Kind.PROCESSOR: 50,
    }  # fmt: skip


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    """Each controller has a folder; the largest number of pages is no limit; a group that is not seen leaves the root's."""
    root = _files(
        tmp_path / "cgroup",
        {
            "memory/site/memory.limit_in_bytes": "268435456\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "pids/pids.max": "40\n",
            "blkio/site/blkio.throttle.read_bps_device": "8:0 4194304\n",
            "blkio/site/blkio.throttle.write_bps_device": "8:0 1048576\n8:16 2097152\n",
            "blkio/site/blkio.throttle.write_iops_device": "8:0 200\n",
            "cpu/site/cpu.cfs_quota_us": "-1\n",
            "cpu/site/cpu.cfs_period_us": "100000\n",
        },
    )
    (tmp_path / "own").write_text("5:cpu,cpuacct:/site\n4:memory:/site\n3:pids:/on/the/host\n2:blkio:/site\n1:name=systemd:/\n")
    assert _amounts(list(control_groups(tmp_path / "own", root))) == {
        Kind.MEMORY: 256 * MIB, Kind.PROCESSES: 40, Kind.DISK: MIB, Kind.OPERATIONS: 200,
    }  # fmt: skip


def test_limits_of_cloudlinux(tmp_path: Path) -> None:
    """Those of the user, in its units; another user has those of the default row."""
    path = tmp_path / "list"
    path.write_text(LVE_LIST)
    page = os.sysconf("SC_PAGE_SIZE")
    assert _amounts(list(lve(path, 1001))) == {
        Kind.MEMORY: 131072 * page, Kind.DISK: 512 * 1024, Kind.PROCESSES: 50, Kind.PROCESSOR: 50,
    }  # fmt: skip
    assert _amounts(list(lve(path, 1002))) == {
        Kind.MEMORY: 262144 * page, Kind.DISK: MIB, Kind.OPERATIONS: 1024, Kind.PROCESSES: 100, Kind.PROCESSOR: 100,
    }  # fmt: skip


def test_nothing_is_found_where_no_file_can_be_read(tmp_path: Path) -> None:
    """No file, an empty one, another text, no command: no limit, and a line that says so."""
    nothing = tmp_path / "nothing"
    (tmp_path / "empty").write_text("")
    (tmp_path / "odd").write_text("odd\n\n0,1001\n:::\n")
    for own in (nothing, tmp_path / "empty", tmp_path / "odd"):
        assert [*control_groups(own, tmp_path), *lve(own, 1001), *quota(str(nothing))] == []
    assert "none" in host.listed([])


@pytest.mark.parametrize(
    ("row", "room", "files"),
    [
        ("/dev/sda1 102400 204800 256000 0 900 0 1000 0", 150, 100),
        ("/dev/sda1 102400 204800 0 0 900 0 0 0", 100, None),
        ("/dev/sda1 245760* 204800 256000 1795000000 900 0 1000 0", 10, 100),
        ("/dev/sda1 102400 204800 256000 900 0 1000", 150, 100),
        ("/dev/sda1 245760* 204800 256000 6days 900 0 1000", 10, 100),
        ("/dev/sda1 300000 204800 256000 1795000000 900 0 0 0", 0, None),
    ],
)
def test_what_a_quota_leaves(tmp_path: Path, row: str, room: int, files: int | None) -> None:
    """MiB and files below the hard limit, or the soft one; with the grace as a number, in words, or without it.

    The command is a program, as on a host, which ends with 1 above the quota.
    """
    program = tmp_path / "quota"
    head = "Disk quotas for user ash (uid 1001): \n Filesystem blocks quota limit grace files quota limit grace\n"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{head} {row}\nEND\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    found = _amounts(list(quota(str(program))))
    assert found == {Kind.ROOM: room * MIB} | ({} if files is None else {Kind.FILES: files})
    assert list(left_of("Disk quotas for user ash (uid 1001): none\n")) == []


def test_usual_limits_of_a_cheap_host_lead_to_a_rate() -> None:
    """1,024 KB/s and 1 GB: warnings with a value for the setting, below the limit; none once it is set."""
    found = [Limit(Kind.MEMORY, 1024 * MIB, "LVE"), Limit(Kind.DISK, MIB, "LVE"), Limit(Kind.PROCESSES, 100, "LVE")]
    lines = {line.subject: line for line in rations(found, 0)}
    assert set(lines) == {"memory", "disk traffic"}
    assert all(line.verdict is Verdict.WARNING and "io = 716K" in line.advice for line in lines.values())
    assert list(rations(found, 716 * 1024)) == []
    assert [line.subject for line in rations(found, 2 * MIB)] == ["disk traffic"]


def test_limits_that_no_import_fits_into() -> None:
    """Little memory: build elsewhere. Two processes: one job. No file left: remove some."""
    found = [Limit(Kind.MEMORY, 64 * MIB, "cgroup v2"), Limit(Kind.PROCESSES, 2, "LVE"), Limit(Kind.FILES, 3, "quota of /")]
    lines = {line.subject: line for line in rations(found, MIB)}
    assert "--to DIR" in lines["memory"].advice and "generations use" in lines["memory"].advice
    assert "--jobs 1" in lines["host processes"].advice
    assert "3 more files" in lines["quota"].text


def test_the_lowest_rate_decides() -> None:
    """The setting, the host's limit, or what was tried."""
    found = [Limit(Kind.DISK, MIB, "LVE"), Limit(Kind.DISK, 4 * MIB, "cgroup v2")]
    assert imports.disk_of(found, 0, 9e9) == Disk(MIB, "the host's limit, LVE")
    assert imports.disk_of(found, 700 * 1024, 9e9) == Disk(700 * 1024, "the setting io")
    assert imports.disk_of([], 0, 5e5) == Disk(5e5, "tried")
    assert imports.disk_of([], 0, None).rate is None


def test_estimates() -> None:
    """Bytes by the rate, or seconds of the processor, whichever is longer; and room with what is left for others."""
    slow = estimate(DUMP, 10_000_000, Disk(MIB, "the host's limit, LVE"), processes=1, free=FREE)
    assert slow.verdict is Verdict.OK
    assert "10,000,000 avatars: about 48 min (at 1.0 MB/s, the host's limit, LVE), 1,446 MiB" in slow.text
    fast = estimate(DUMP, 10_000_000, Disk(1e9, "tried"), processes=1, free=FREE)
    assert "about 31 s (the processor decides)" in fast.text
    assert "about 24 s" in estimate(DUMP, 10_000_000, Disk(None, "not known"), processes=2, free=FREE).text


def test_what_does_not_fit_is_built_elsewhere() -> None:
    """Too little room, or too long: a warning with the commands."""
    full = estimate(DUMP, 10_000_000, Disk(1e9, "tried"), processes=1, free=200 * MIB)
    long = estimate(DUMP, 10_000_000, Disk(128 * 1024, "the setting io"), processes=1, free=FREE)
    assert "; 200 MiB are free" in full.text and "6.4 h" in long.text
    for line in (full, long):
        assert line.verdict is Verdict.WARNING
        assert all(word in line.advice for word in ("n2k import DUMP --to DIR --base DIR", "rsync", "n2k generations use"))


@pytest.mark.parametrize(
    ("limit", "most", "word"), [("RLIMIT_FSIZE", 500 * MIB, "ulimit -f"), ("RLIMIT_CPU", 20_000, "ulimit -t")]
)
def test_limits_of_the_shell(limit: str, most: int, word: str) -> None:
    """The size of a file and processor time, as ``ulimit`` sets them, are named where they are too low; else nothing is."""
    number = getattr(resource, limit)
    before = resource.getrlimit(number)
    roomy = {"processes": 1, "free": 1 << 60}
    resource.setrlimit(number, (most, before[1]))
    try:
        assert word in estimate(DUMP, 10_000_000_000, Disk(None, "not known"), **roomy).text
        assert word not in estimate(DUMP, 1_000_000, Disk(None, "not known"), **roomy).text
    finally:
        resource.setrlimit(number, before)


@pytest.mark.parametrize(("seconds", "text"), [(0.1, "1 s"), (99, "99 s"), (600, "10 min"), (36_000, "10.0 h")])
def test_durations_have_two_digits(seconds: float, text: str) -> None:
    """An estimate says no more than it knows."""
    assert duration(seconds) == text


def test_the_trial_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports for real, in a folder of its own, and both times are above zero; the disk is tried without a name."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    speed = trial.speed()
    assert isinstance(speed, trial.Speed) and speed.first > 0
    rate = trial.writing(tmp_path)
    assert rate is None or rate > 0
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_says_it_before_the_first_import(tmp_path: Path) -> None:
    """Limits, and estimates for so many avatars as it is told; with a rate of the settings they follow that."""
    account = Account(tmp_path / "home")
    account.settings("io = 1M")
    lines = account.n2k("doctor", "--rows", "10000000").splitlines()
    first, night = (next(line for line in lines if f" {subject}: " in line) for subject in ("first import", "a night"))
    assert any(line.startswith("ok       host limits: ") for line in lines)
    assert "10,000,000 avatars: about 53 min (at 1.0 MB/s, the setting io)" in first
    assert "about 26 min" in night
