"""The log file: several processes write and rotate it, nothing is lost or mixed, and errors never stop the caller."""

import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from n2k_fcgi.files import PRIVATE, SHARED, Modes
from n2k_fcgi.logfile import BUFFER_BYTES, LogFile
from tests.support.log_writer import ROTATE_BYTES, line, python, write_together

WRITERS, LINES, KEEP = 4, 1000, 300


def all_lines(path: Path) -> list[str]:
    """Every line of the log and of its rotated files."""
    texts = [p.read_text("utf-8") for p in path.parent.glob(path.name + "*") if p.suffix != ".lock"]
    assert all(text.endswith("\n") for text in texts)
    return [line for text in texts for line in text.splitlines()]


def filled(path: Path, *, keep: int, lines: int = 9) -> None:
    """Write *lines* numbered lines, each of which fills a file."""
    log = LogFile(path, rotate_bytes=10, keep=keep)
    for number in range(lines):
        log.write(f"line {number}...\n")
    log.close()


@pytest.mark.parametrize("every", [0, 1, 50], ids=lambda every: f"flush-{every}")
def test_several_processes_lose_and_mangle_nothing(tmp_path: Path, every: int) -> None:
    """Four processes write through many rotations: each line is there once and whole, and no file is above its limit."""
    path = tmp_path / "log" / "n2k.log"
    write_together(path, WRITERS, LINES, keep=KEEP, every=every)
    seen = Counter(text[text.index("writer") :] for text in all_lines(path))
    assert seen == Counter(line(writer, number) for writer in range(WRITERS) for number in range(LINES))
    aside = [p for p in path.parent.iterdir() if p.suffix[1:].isdigit()]
    assert 10 < len(aside) < KEEP
    if every < 50:  # neither set aside twice, by two who saw it full, nor written to for long after
        assert all(ROTATE_BYTES - 150 < p.stat().st_size <= ROTATE_BYTES + WRITERS * 150 for p in aside)


def test_several_processes_keep_no_more_than_allowed(tmp_path: Path) -> None:
    """With few files kept, what remains are whole lines, among them the newest of each writer at the end."""
    path = tmp_path / "n2k.log"
    write_together(path, WRITERS, LINES, keep=2, every=0)
    assert {p.name for p in tmp_path.iterdir()} == {"n2k.log", "n2k.log.1", "n2k.log.2", "n2k.log.lock"}
    expected = {line(writer, number) for writer in range(WRITERS) for number in range(LINES)}
    seen = [text[text.index("writer") :] for text in all_lines(path)]
    assert set(seen) <= expected and len(set(seen)) == len(seen)


def test_retention_deletes_the_oldest(tmp_path: Path) -> None:
    """The newest lines are in the file, older ones in .1, .2 and so on up to keep; still older ones are removed."""
    path = tmp_path / "n2k.log"
    filled(path, keep=2)
    assert path.read_text() == "line 8...\n"
    assert (tmp_path / "n2k.log.1").read_text() == "line 7...\n"
    assert (tmp_path / "n2k.log.2").read_text() == "line 6...\n"
    assert not (tmp_path / "n2k.log.3").exists()


def test_a_smaller_keep_takes_effect(tmp_path: Path) -> None:
    """Files from a time when more were kept are removed at the next rotation; with keep 0 all are."""
    path = tmp_path / "n2k.log"
    filled(path, keep=5)
    filled(path, keep=1, lines=1)
    assert {p.name for p in tmp_path.iterdir()} == {"n2k.log", "n2k.log.1", "n2k.log.lock"}
    filled(path, keep=0, lines=2)
    assert {p.name for p in tmp_path.iterdir()} == {"n2k.log", "n2k.log.lock"}
    assert path.read_text() == "line 1...\n"


def test_a_line_longer_than_a_file_is_written_whole(tmp_path: Path) -> None:
    """A line above the limit gets a file of its own."""
    path = tmp_path / "n2k.log"
    log = LogFile(path, rotate_bytes=10, keep=3)
    long = "x" * 1000 + "\n"
    for text in (long, "short\n", long):
        log.write(text)
    log.close()
    assert path.read_text() == long == (tmp_path / "n2k.log.2").read_text()
    assert (tmp_path / "n2k.log.1").read_text() == "short\n"
    assert not (tmp_path / "n2k.log.3").exists()


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_a_person_took_away_is_opened_again(tmp_path: Path, how: str) -> None:
    """After a move or a deletion the next line is written to a new file of the old name."""
    path = tmp_path / "n2k.log"
    log = LogFile(path, rotate_bytes=1000, keep=1)
    log.write("before\n")
    if how == "moved":
        path.rename(tmp_path / "moved")
    else:
        path.unlink()
    log.write("after\n")
    log.close()
    assert path.read_text() == "after\n"
    assert how == "deleted" or (tmp_path / "moved").read_text() == "before\n"


def test_a_file_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    """If the path names another file by now, that one gets the next line."""
    path = tmp_path / "n2k.log"
    log = LogFile(path, rotate_bytes=1000, keep=1)
    log.write("before\n")
    (tmp_path / "other").write_text("other\n")
    (tmp_path / "other").replace(path)
    log.write("after\n")
    log.close()
    assert path.read_text() == "other\nafter\n"


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    """A process that dies while it rotates does not block the others."""
    path = tmp_path / "n2k.log"
    holder = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    with python("-c", holder, f"{path}.lock") as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
    filled(path, keep=1, lines=2)
    assert (tmp_path / "n2k.log.1").read_text() == "line 0...\n"


@pytest.mark.parametrize("modes", [PRIVATE, SHARED])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, modes: Modes) -> None:
    """The file, rotated files, the lock and the folder are private, or shared with the group, as asked."""
    path = tmp_path / "log" / "n2k.log"
    before = os.umask(0o022)
    try:
        log = LogFile(path, rotate_bytes=10, keep=1, modes=modes)
        for _ in range(2):
            log.write("ten bytes.\n")
        log.close()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()} == {modes.file}
    assert len(list(path.parent.iterdir())) == 3
    assert stat.S_IMODE(path.parent.stat().st_mode) == modes.directory


def test_modes_of_what_is_there_stay(tmp_path: Path) -> None:
    """A file and a folder that the owner opened to others keep their modes."""
    path = tmp_path / "n2k.log"
    path.touch()
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    filled(path, keep=1, lines=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def _full_disk(folder: Path) -> Path:
    (folder / "full").symlink_to("/dev/full")
    return folder / "full"


def _directory(folder: Path) -> Path:
    (folder / "taken").mkdir()
    return folder / "taken"


def _below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "n2k.log"


def _without_data_directory(folder: Path) -> Path:
    return folder / "missing" / "log" / "n2k.log"


@pytest.mark.parametrize("trouble", [_full_disk, _directory, _below_a_file, _without_data_directory])
@pytest.mark.parametrize("buffered", [False, True])
def test_trouble_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: object, buffered: bool
) -> None:
    """A failure is reported once on standard error, with every line; nothing is raised and nothing made."""
    assert callable(trouble)
    path: Path = trouble(tmp_path)
    log = LogFile(path, rotate_bytes=1000, keep=1, buffered=buffered)
    for text in ("one Ñ\n", "two \ud800\n"):
        log.write(text)
        log.flush()
    log.close()
    error = capsys.readouterr().err.splitlines()
    assert error[0].startswith(f"n2k: cannot log to {path}: ") and error[0].endswith("; logging to standard error")
    assert error[1:] == ["one Ñ", "two \\ud800"]
    assert not (tmp_path / "missing").exists()


def test_after_the_trouble_the_file_is_used_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A repaired log takes the next line, and the next failure is reported again."""
    path = _directory(tmp_path)
    log = LogFile(path, rotate_bytes=1000, keep=1)
    log.write("one\n")
    path.rmdir()
    log.write("two\n")
    assert path.read_text() == "two\n"
    path.unlink()
    path.mkdir()
    log.write("three\n")
    log.close()
    assert capsys.readouterr().err.count("cannot log to") == 2


def test_no_standard_error_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without standard error nothing is raised either."""
    monkeypatch.setattr("sys.stderr", None)
    log = LogFile(_directory(tmp_path), rotate_bytes=1000, keep=1)
    log.write("one\n")
    log.close()


def test_buffered_lines_wait_for_flush(tmp_path: Path) -> None:
    """Buffered, nothing is written before flush, not even the file is made; then everything is, in order."""
    path = tmp_path / "n2k.log"
    log = LogFile(path, rotate_bytes=1000, keep=1, buffered=True)
    log.write("one\n")
    log.write("two\n")
    assert log.pending and not path.exists()
    log.flush()
    assert not log.pending and path.read_text() == "one\ntwo\n"
    log.write("three\n")
    log.close()
    assert path.read_text() == "one\ntwo\nthree\n"


def test_a_full_buffer_is_written(tmp_path: Path) -> None:
    """Lines wait up to 64 KiB and not a byte more."""
    path = tmp_path / "n2k.log"
    log = LogFile(path, rotate_bytes=1 << 20, keep=1, buffered=True)
    kilobyte = "x" * 1023 + "\n"
    for _ in range(63):
        log.write(kilobyte)
    log.write("x" * 1022 + "\n")
    assert log.pending and not path.exists()
    log.write("\n")
    assert not log.pending and path.stat().st_size == BUFFER_BYTES == 65536
    log.close()


def test_a_closed_log_opens_again(tmp_path: Path) -> None:
    """Close closes the file and is not final: a later line is written."""
    path = tmp_path / "n2k.log"
    log = LogFile(path, rotate_bytes=1000, keep=1)
    log.write("one\n")
    log.close()
    log.close()
    log.write("two\n")
    log.close()
    assert path.read_text() == "one\ntwo\n"
