"""The limits of a host whose files and commands say nonsense: ``n2k doctor`` leaves it out and raises nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi.cli.examinations.imports import cores, disk_of, rations
from n2k_fcgi.examinations import host
from n2k_fcgi.examinations.host import Kind, Limit, control_groups, left_of, lve, quota

LONG = "9" * 5000
NO_NUMBERS = ["1²", "٣", "１２", LONG, "-1", "+1", "1_0", "1.5", "0x10", "1e9", "", " ", "\x00", "\udcff", "max\n1", "nan"]
"""Python's ``isdigit`` or ``int`` takes some of them."""
CONTROLS_2 = ("memory.max", "memory.high", "pids.max", "io.max", "cpu.max")
CONTROLS_1 = (
    *("memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
    *(f"blkio/blkio.throttle.{way}_{unit}_device" for way in ("read", "write") for unit in ("bps", "iops")),
)
GROUPS = "0::/\n1:memory:/\n2:pids:/\n3:cpu,cpuacct:/\n4:blkio:/\n"


def data(text: str) -> bytes:
    """With surrogates as the bytes that are no text."""
    return text.encode("utf-8", "surrogateescape")


def groups(folder: Path, own: bytes, controls: dict[str, bytes]) -> list[Limit]:
    """The limits by these files."""
    for name in {*CONTROLS_1, *CONTROLS_2, *controls}:
        (folder / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "root" / name).write_bytes(controls.get(name, b""))
    (folder / "own").write_bytes(own)
    return list(control_groups(folder / "own", folder / "root"))


def listed(folder: Path, text: bytes) -> list[Limit]:
    """The limits by this list of LVE."""
    (folder / "list").write_bytes(text)
    return list(lve(folder / "list", 1000))


def use(found: list[Limit]) -> None:
    """All that doctor does with limits; each is a number, and one printable line."""
    assert all(0 <= limit.amount < 1 << 75 and str(limit).isprintable() and len(str(limit)) < 300 for limit in found)
    host.listed(found)
    list(rations(found, 0))
    assert cores(found) >= 0
    disk_of(found, 0, None)


@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: ascii(text[:9]))
def test_what_is_no_number_is_no_limit(tmp_path: Path, text: str) -> None:
    """In every place where a number belongs; what is beside it is read."""
    lines = {
        "io.max": f"8:0 rbps={text} wbps={text} riops={text} wiops=5\n",
        "cpu.max": f"{text} {text}\n",
        **{name: f"8:0 {text}\n" for name in CONTROLS_1 if "blkio" in name},
    }
    said = {name: data(lines.get(name, text)) for name in (*CONTROLS_1, *CONTROLS_2)}
    assert groups(tmp_path, GROUPS.encode(), said) == [Limit(Kind.OPERATIONS, 5, "cgroup v2")]
    assert listed(tmp_path, data(f"8:LVE lIO lMEMPHY lCPU\n0,1000 7 {text}\n")) == [Limit(Kind.DISK, 7 * 1024, "LVE")]
    row = f"/dev/sda1 {text} 204800 256000 0 {text} 0 {text} 0"
    assert list(left_of(row)) == []


@pytest.mark.parametrize(("share", "period"), [("50000", "0"), ("0", "0"), ("max", "0"), (LONG, LONG), ("1", LONG)])
def test_a_period_that_is_none(tmp_path: Path, share: str, period: str) -> None:
    """A processor's share of no time is no limit."""
    controls = {"cpu.max": f"{share} {period}", "cpu/cpu.cfs_quota_us": share, "cpu/cpu.cfs_period_us": period}
    assert groups(tmp_path, GROUPS.encode(), {name: data(text) for name, text in controls.items()}) == []


ODD_GROUPS = (
    *(
        b"0::/a\x00b\n",
        b"0::/" + b"a" * 300,
        b"0::/" + b"a/" * 2000,
        b"0::/" + b"a/" * 90_000,
        b"0::/../../../../etc\n",
        b"0:://etc\n",
        b"0\n::\n:\n0::\n",
    ),
    *(b"5:" + b"c" * 300 + b":/\n", b"5:a\x00b:/\n", b"5:..:/x\n", b"5:,,,:/\n", b"\xff:\xfe:\xfd\n", bytes(range(256))),
)


@pytest.mark.parametrize("own", ODD_GROUPS, ids=lambda own: repr(own[:12]))
def test_groups_of_odd_names(tmp_path: Path, own: bytes) -> None:
    """The root's limits count where a group's cannot be read."""
    found = groups(tmp_path, own + b"\n0::/\n", {"memory.max": b"70000000\n"})
    use(found)
    assert Limit(Kind.MEMORY, 70_000_000, "cgroup v2") in found


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    """It is read as nothing."""
    for name in CONTROLS_2:
        (tmp_path / name).mkdir()
    (tmp_path / "own").write_text(GROUPS)
    assert [*control_groups(tmp_path / "own", tmp_path), *lve(tmp_path, 1000)] == []


PRINTS = {
    "escapes": (r"printf '/dev/\033[31msda\007\302\233 1 2 3 0 4 5 6 0\n'", 2),
    "a long name": ("printf '/dev/%0999d 1 2 3 0 4 5 6 0\n' 1", 2),
    "no text": (r"printf '/dev/\377 1 2 3 0 4 5 6 0\n'", 2),
    "no number": (r"printf '/dev/sda 1² 2 3 0 4 5 6 0\n'", 0),
    "stars": (r"printf '/dev/sda *** ** * 0 * * * 0\n'", 0),
    "nothing": ("exit 1", 0),
    "an end by a signal": ("kill -9 $$", 0),
}


@pytest.mark.parametrize("what", PRINTS)
def test_a_command_that_prints_nonsense(tmp_path: Path, what: str) -> None:
    """Its words come out as one printable line, whatever bytes they are."""
    script, count = PRINTS[what]
    program = tmp_path / "quota"
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o700)
    found = list(quota(str(program)))
    assert len(found) == count
    use(found)


WORDS = st.lists(
    st.sampled_from(
        (
            *(
                *NO_NUMBERS,
                "max",
                "0",
                "1",
                "7",
                "50000",
                " ",
                "\n",
                "\t",
                ":",
                "::",
                "/",
                "..",
                ",",
                "*",
                "8:0",
                "rbps=",
                "wiops=",
            ),
            *(
                "0,1000",
                "1000",
                "LVE",
                "lIO",
                "lCPU",
                "lMEMPHY",
                "/dev/sda",
                "\x1b[31m",
                "\u2028",
                "\x85",
                "memory",
                "cpu",
                "blkio",
            ),
        )
    ),
    max_size=40,
)
ANY = st.binary(max_size=300) | WORDS.map("".join).map(data) | WORDS.map(" ".join).map(data)
"""Bytes of all kinds, and what is nearly of the right form."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written anew by each example."""
    return tmp_path_factory.mktemp("limits")


@given(own=ANY, control=ANY)
def test_any_bytes_in_control_groups(folder: Path, own: bytes, control: bytes) -> None:
    """In the list of groups, and in every control."""
    use(groups(folder, own + b"\n" + GROUPS.encode(), dict.fromkeys((*CONTROLS_1, *CONTROLS_2), control)))


@given(ANY)
def test_any_bytes_in_the_list_of_lve(folder: Path, text: bytes) -> None:
    """As the whole list, as its head, and as rows."""
    head = b"8:LVE lIO lMEMPHY lIOPS lNPROC lCPU\n"
    for whole in (text, text + b"\n0,1000 1 2 3 4\n", head + text, head + b"0,1000 " + text):
        use(listed(folder, whole))


@given(ANY)
def test_any_output_of_quota(text: bytes) -> None:
    """As it is, and behind a device's name."""
    said = text.decode("utf-8", "replace")
    for whole in (said, f"/dev/sda {said}", f"/dev/sda {said} 1 2 3 4 5 6 7"):
        use(list(left_of(whole)))
