"""Files: durable replacement, whole writes, locks, and the system's refusals in our words."""

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi import files
from n2k_fcgi.errors import N2KError, NoMemory, StoreFull, StoreReadOnly, StoreUnreadable


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_replacement_has_its_content_and_exact_mode(tmp_path: Path) -> None:
    """The umask does not reduce the mode, and nothing is left beside the file."""
    path = tmp_path / "state"
    for content in (b"one", b"two"):
        files.replace(path, content, 0o660)
        assert path.read_bytes() == content and _mode(path) == 0o660
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_a_replacement_without_a_mode_follows_the_umask(tmp_path: Path) -> None:
    """0666 without what the umask takes."""
    with files.replacement(tmp_path / "dump", None) as file:
        file.write(b"x")
    assert _mode(tmp_path / "dump") == 0o600


def test_a_replacement_is_closed_before_its_rename(tmp_path: Path) -> None:
    """A script that is open for writing cannot be started: a web server that does so at that moment would answer 500."""
    code = "import sys; from pathlib import Path; from n2k_fcgi.files import replace; replace(Path(sys.argv[1]), b'x', 0o755)"
    calls = tmp_path / "calls"
    tracer = ["strace", "-qq", "-o", str(calls), "-e", "trace=openat,close,rename,renameat,renameat2"]
    subprocess.run([*tracer, sys.executable, "-c", code, str(tmp_path / "script")], check=True)
    lines = calls.read_text().splitlines()
    (opened,) = [number for number, line in enumerate(lines) if "script.new" in line and line.startswith("openat")]
    (renamed,) = [number for number, line in enumerate(lines) if "script.new" in line and line.startswith("rename")]
    assert any(line.startswith(f"close({lines[opened].split()[-1]})") for line in lines[opened:renamed])


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path) -> None:
    """The old content is kept, and the new file is removed."""
    path = tmp_path / "state"
    files.replace(path, b"old", 0o600)
    with pytest.raises(ZeroDivisionError), files.replacement(path, 0o600) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_replacement_does_not_write_through_a_link_of_a_killed_run(tmp_path: Path) -> None:
    """What has the temporary name is removed: a link there does not lead the write elsewhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep")
    (tmp_path / "state.new").symlink_to(victim)
    files.replace(tmp_path / "state", b"new", 0o600)
    assert victim.read_bytes() == b"keep" and (tmp_path / "state").read_bytes() == b"new"


def test_a_replacement_is_synced_before_and_after_the_rename(tmp_path: Path) -> None:
    """File, rename, folder, in this order: what a power cut could tear apart."""
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi import files\n"
        "files.replace(Path(sys.argv[1]), b'x' * 100_000, 0o600)\n"
    )
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=write,fsync,rename,renameat,renameat2", "-o", str(trace)]
    subprocess.run([*command, sys.executable, "-c", code, str(tmp_path / "state")], check=True)
    calls = [line.split(None, 1)[1] for line in trace.read_text().splitlines() if str(tmp_path) in line]
    assert [call.split("(")[0] for call in calls] == ["write", "fsync", "rename", "fsync"]
    assert f"<{tmp_path}>" in calls[-1] and "state.new" in calls[1]


def test_create_keeps_an_existing_file(tmp_path: Path) -> None:
    """A new file has its content and mode; the second call says False and changes nothing."""
    path = tmp_path / "settings"
    assert files.create(path, b"first", 0o660)
    assert not files.create(path, b"second", 0o600)
    assert path.read_bytes() == b"first" and _mode(path) == 0o660


def test_write_all_survives_short_writes() -> None:
    """A pipe takes a large piece in several parts; all bytes arrive in order."""
    reader, writer = os.pipe()
    data = os.urandom(1 << 20)
    received = bytearray()

    def read() -> None:
        while part := os.read(reader, 1 << 16):
            received.extend(part)

    thread = threading.Thread(target=read)
    thread.start()
    files.write_all(writer, data)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert received == data


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.ENOMEM, NoMemory),
        (errno.EACCES, StoreUnreadable),
        (errno.EIO, StoreUnreadable),
    ],
)
def test_os_errors_become_ours(tmp_path: Path, number: int, expected: type[N2KError]) -> None:
    """Each kind has its own class; the message names the path, which the system may not."""
    with pytest.raises(expected, match=str(tmp_path)):
        files.refuse_os_error(tmp_path, OSError(number, os.strerror(number)))


def test_a_replacement_in_a_missing_folder_is_refused_in_our_words(tmp_path: Path) -> None:
    """``replace`` raises no OSError."""
    with pytest.raises(StoreUnreadable, match="No such file"):
        files.replace(tmp_path / "gone" / "state", b"", 0o600)


def test_a_lock_excludes_others_and_ends_with_its_holder(tmp_path: Path) -> None:
    """A second holder is told at once; after the block the lock is free. The file keeps its mode."""
    path = tmp_path / "lock"
    with files.hold(path, files.SHARED, 0) as first, files.hold(path, files.SHARED, 0) as second:
        assert first and not second
    with files.hold(path, files.SHARED, 0) as third:
        assert third
    assert _mode(path) == files.SHARED.file


def test_a_folder_that_is_not_readable_is_no_obstacle(tmp_path: Path) -> None:
    """Where a file may be put but the folder not opened, the sync of the folder is left out."""
    code = (
        "import os; from pathlib import Path; from n2k_fcgi import files\n"
        "os.getuid() or os.setuid(65534)\n"
        "files.replace(Path('state'), b'x', 0o600)\n"
    )
    folder = tmp_path / "drop"
    folder.mkdir()
    folder.chmod(0o333)
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    folder.chmod(0o700)
    assert (folder / "state").read_bytes() == b"x"


def test_little_room_is_refused(tmp_path: Path) -> None:
    """Long runs stop before the disk is full."""
    files.refuse_when_low(tmp_path)
    with pytest.raises(StoreFull, match="MB are free"):
        files.refuse_when_low(tmp_path, reserve=1 << 62)
