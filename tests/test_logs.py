"""Logging: the level, one line per event, no secrets, and no cost before the first line."""

import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from n2k_fcgi import logs
from tests.support.log_writer import SECONDS, python
from tests.support.strategies import hostile_text

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d{4} (\w+) +(\d+) (.*)")


@pytest.fixture(autouse=True)
def _as_at_start() -> Iterator[None]:
    """Before and after each test the module is as in a new process."""
    logs.set_up(None, "WARNING", rotate_bytes=4096, keep=0)
    yield
    logs.set_up(None, "WARNING", rotate_bytes=4096, keep=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log goes."""
    return tmp_path / "log" / "n2k.log"


def to(path: Path | None, level: str = "INFO", *, buffered: bool = False) -> None:
    """Log to *path*, in files that are never full."""
    logs.set_up(path, level, rotate_bytes=1 << 20, keep=1, buffered=buffered)


def events(path: Path) -> list[tuple[str, str]]:
    """Level and message of every line in the log; each line must be an event."""
    found = [STAMP.fullmatch(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert None not in found
    return [(match[1], match[3]) for match in found if match]


def test_a_line_says_when_how_grave_who_and_what(path: Path) -> None:
    """A line has the time with its zone, the level, the process and the message."""
    to(path)
    logs.info("one {} %s <red>")
    match = STAMP.fullmatch(path.read_text().rstrip("\n"))
    assert match and match.groups() == ("INFO", str(os.getpid()), "one {} %s <red>")


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_level_is_a_threshold(path: Path, level: str) -> None:
    """Only lines of that level and above are written, and enabled says so in advance."""
    to(path, level)
    logs.debug("debug")
    logs.timed("timed", 0.0)
    logs.info("info")
    logs.warning("warning")
    logs.error("error")
    all_levels = ["DEBUG", "DEBUG", "INFO", "WARNING", "ERROR"]
    assert [found for found, _ in events(path)] == all_levels[all_levels.index(level) :]
    enabled = [logs.enabled(number) for number in (logs.DEBUG, logs.DEBUG, logs.INFO, logs.WARNING, logs.ERROR)]
    assert enabled == [number >= all_levels.index(level) for number in range(5)]


def test_timed_gives_milliseconds(path: Path) -> None:
    """At DEBUG the duration follows the message, in milliseconds."""
    to(path, "DEBUG")
    logs.timed("lookup of 'x'", 0.0)
    ((level, message),) = events(path)
    assert level == "DEBUG" and re.fullmatch(r"lookup of 'x' \d+\.\d{3} ms", message)


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("a\nb\r\nc", "a\\nb\\r\\nc"),
        ("a\x0bb\x0cc\x85d\u2028e", "a\\x0bb\\x0cc\\x85d\\u2028e"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\ud800", "\\ud800"),
        ("{message} {0} {", "{message} {0} {"),
        ("Ñandú ✓", "Ñandú ✓"),
    ],
)
def test_one_event_is_one_line(path: Path, message: str, written: str) -> None:
    """Text of a caller makes no second line, controls no terminal and is not a format."""
    to(path)
    logs.info(message)
    assert events(path) == [("INFO", written)]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile_text)
def test_any_text_is_one_line(path: Path, message: str) -> None:
    """Any text at all adds one printable line, whichever way a reader splits lines."""
    path.unlink(missing_ok=True)
    to(path)
    logs.warning(message)
    (line,) = path.read_text("utf-8").splitlines()
    assert line.isprintable() and STAMP.fullmatch(line)


def check(token: str) -> None:
    """Fail with *token* in a local variable."""
    raise ValueError(f"a token of {len(token)} characters is refused")


def test_a_traceback_shows_no_values(path: Path) -> None:
    """A traceback has the exception and the functions, and no values of variables, such as tokens."""
    to(path)
    token = secrets.token_hex(20)
    try:
        check(token)
    except ValueError:
        logs.error("request failed", traceback=True)
    text = path.read_text()
    assert text.count("Traceback (most recent call last)") == 1
    assert text.count("ValueError: a token of 40 characters is refused") == 1
    assert "in check" in text and token not in text


def test_an_error_without_traceback_has_none(path: Path) -> None:
    """The current exception is written only when asked for."""
    to(path)
    try:
        check("x")
    except ValueError:
        logs.error("refused")
    assert events(path) == [("ERROR", "refused")]


def test_an_error_is_written_at_once(path: Path) -> None:
    """Buffered, an error is written at once with all lines before it; other lines wait."""
    to(path, buffered=True)
    assert not logs.pending()
    logs.info("one")
    assert logs.pending() and not path.exists()
    logs.error("two")
    assert not logs.pending() and events(path) == [("INFO", "one"), ("ERROR", "two")]


def test_flush_and_shut_down_write_what_is_pending(path: Path) -> None:
    """Nothing waits after flush, nor after shut_down; logging works after both."""
    to(path, buffered=True)
    for number, write in enumerate((logs.flush, logs.shut_down, logs.flush)):
        logs.info(f"line {number}")
        write()
        assert not logs.pending() and len(events(path)) == number + 1


def test_set_up_again_changes_the_level_and_loses_nothing(path: Path) -> None:
    """Waiting lines are written to the old file; then the new level and the new file apply."""
    other = path.with_name("other.log")
    to(path, buffered=True)
    logs.debug("too fine")
    logs.info("waits")
    to(other, "DEBUG")
    logs.debug("fine enough")
    to(other, "WARNING")
    logs.info("too fine again")
    assert events(path) == [("INFO", "waits")]
    assert events(other) == [("DEBUG", "fine enough")]


def test_before_set_up_warnings_go_to_standard_error() -> None:
    """A process that did not set up the log shows warnings and errors only, and does not fail."""
    program = (
        "from n2k_fcgi import logs; logs.info('fine'); logs.warning('odd'); logs.flush(); logs.shut_down(); logs.error('bad')"
    )
    with python("-c", program) as process:
        out, err = process.communicate(timeout=SECONDS)
    assert (out, process.returncode) == ("", 0)
    assert [STAMP.fullmatch(line)[3] for line in err.splitlines()] == ["odd", "bad"]  # type: ignore[index]


def test_loguru_waits_for_the_first_line(path: Path) -> None:
    """Setting up and lines below the level do not import loguru: a worker at INFO is spared it."""
    program = f"""if True:
        import pathlib, sys
        from n2k_fcgi import logs
        logs.set_up(pathlib.Path({str(path)!r}), "INFO", rotate_bytes=4096, keep=1)
        logs.debug("x"); logs.timed("x", 0.0); logs.flush(); logs.pending()
        print("loguru" in sys.modules)
        logs.info("x")
        print("loguru" in sys.modules)"""
    with python("-c", program) as process:
        assert process.communicate(timeout=SECONDS) == ("False\nTrue\n", "")


def test_standard_error_is_asked_for_by_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    """With no path lines are written to standard error as it is at that moment."""
    to(None, "DEBUG")
    logs.debug("one\ntwo")
    assert STAMP.fullmatch(capsys.readouterr().err.rstrip("\n"))
    assert not logs.pending()


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("broken", [None, "closed"])
def test_nothing_is_raised_without_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str | None, to_file: bool
) -> None:
    """A server without standard error, or with a closed one, logs nothing and into a directory, without a failure."""
    stream = None
    if broken:
        stream = (tmp_path / "stream").open("w")
        stream.close()
    to(tmp_path if to_file else None)
    monkeypatch.setattr(sys, "stderr", stream)
    logs.info("one")
    logs.error("two", traceback=True)
    logs.flush()


def test_what_cannot_be_logged_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that cannot be written is not an error: the line appears on standard error, with the reason."""
    to(tmp_path)
    logs.info("still said")
    reason, line = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in reason and line.endswith("still said")


def test_the_log_is_private(path: Path) -> None:
    """The log names avatars and addresses: others may not read it."""
    to(path)
    logs.info("one")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_quick_line_looks_like_the_others(path: Path) -> None:
    """A line of ``timed`` is written without loguru, in the same form and zone, and nothing in it breaks the line."""
    to(path, "DEBUG")
    began = time.time() - 0.001  # stamps are cut to milliseconds
    logs.debug("slow {x}\n")
    logs.timed("quick {x}\n\x1b[2J", 0.0)
    ended = time.time()
    slow, quick = path.read_text("utf-8").splitlines()
    assert STAMP.fullmatch(slow) and STAMP.fullmatch(quick)
    moments = [datetime.strptime(line[:28], "%Y-%m-%d %H:%M:%S.%f%z") for line in (slow, quick)]
    assert began <= moments[0].timestamp() <= moments[1].timestamp() <= ended
    assert all(moment.utcoffset() == moment.astimezone().utcoffset() for moment in moments)
    assert slow[28:].split()[:2] == quick[28:].split()[:2] == ["DEBUG", str(os.getpid())]
    assert r" quick {x}\n\x1b[2J " in quick
