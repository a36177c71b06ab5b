"""The file system of a folder, from the kernel's list of mounts: names of any encoding, and lines that are none."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2k_fcgi import files
from tests.support.processes import REPOSITORY, SECONDS

ROOT = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
HOSTILE = [
    b"",
    b"\n\n",
    b"a b\n",
    b" - \n - nfs4\n",
    b"1 0 8:1 / /\n",
    b"1 0 8:1 / - nfs4 x rw\n",
    b"1 0 8:1 / / rw - \n",
    b"1 0 8:1 / /\\777\\400\\ rw - nfs4 x rw\n",
    b"1 0 8:1 / /\\x2 rw - nfs4 x rw\n",
    b"1 0 8:1 / /\\N{ rw - nfs4 x rw\n",
    b"1 0 8:1 / /\xff\xfe\x00 rw - nfs4 x rw\n",
    b"1 0 8:1 / /" + b"a" * 100_000 + b" rw - nfs4 x rw\n",
    bytes(range(256)),
]
"""Of none of these lines a folder is below the mount."""


def kind(monkeypatch: pytest.MonkeyPatch, lines: bytes, path: str) -> str:
    """What ``file_system`` says of *path* where these are the mounts."""
    with tempfile.NamedTemporaryFile() as mounts, monkeypatch.context() as patch:
        mounts.write(lines)
        mounts.flush()
        patch.setattr(files, "MOUNTS", mounts.name)
        return files.file_system(Path(path))


@pytest.mark.parametrize("lines", HOSTILE, ids=lambda lines: repr(lines[:20]))
def test_lines_that_are_none_are_passed_over(monkeypatch: pytest.MonkeyPatch, lines: bytes) -> None:
    """The other lines count; alone they leave it unknown."""
    assert kind(monkeypatch, lines + b"\n" + ROOT, "/srv/data") == "ext4"
    assert kind(monkeypatch, ROOT + lines, "/srv/data") == "ext4"
    assert kind(monkeypatch, lines, "/srv/data") == ""


@given(
    lines=st.binary()
    | st.lists(st.sampled_from([b"1", b"/", b"-", b" ", b"\\", b"\n", b"\xff", b"040", b"nfs4"])).map(b"".join)
)
def test_any_bytes_are_read(lines: bytes) -> None:
    """They may say what they like, but nothing is raised."""
    with pytest.MonkeyPatch.context() as patch:
        kind(patch, lines, "/srv/data")


@given(st.binary(min_size=1, max_size=60).filter(lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..")))
def test_a_mount_of_any_name_is_found(name: bytes) -> None:
    """As the kernel escapes it; what is beside it is not on it."""
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in name)
    lines = ROOT + b"2 1 0:50 / /" + escaped + b" rw shared:7 - nfs4 server:/home rw\n"
    with pytest.MonkeyPatch.context() as patch:
        assert kind(patch, lines, os.fsdecode(b"/" + name + b"/n2k-data")) == "nfs4"
        assert kind(patch, lines, os.fsdecode(b"/" + name + b"x")) == "ext4"


@pytest.mark.parametrize("name", [b"Zo\xeb", b"a b\\040\tc\n#", "é ü".encode()], ids=repr)
def test_commands_where_a_mount_has_an_odd_name(tmp_path: Path, name: bytes) -> None:
    """``n2k init`` and ``n2k doctor`` beside such a mount, which may be somebody else's, and on it."""
    place = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(place)
    n2k = f"{sys.executable} -m n2k_fcgi --dir"
    inside = f"""
    mount -t tmpfs tmpfs "$PLACE" || exit 99
    for folder in "$BESIDE" "$PLACE/data"; do
        {n2k} "$folder" init >&2 && {n2k} "$folder" doctor
    done
    true
    """
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]
    env = {**os.environb, b"PLACE": place, b"BESIDE": os.fsencode(tmp_path / "beside")}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, timeout=SECONDS)
    told = [line.split()[-1] for line in done.stdout.splitlines() if b" file system: " in line]
    assert (done.returncode, len(told), told[1:]) == (0, 2, [b"tmpfs"]), done
    assert b"internal" not in done.stderr and b"internal" not in done.stdout
