"""Branch coverage of the package over a whole run: ``pytest -p tests.support.coverage -n 4``, as ``make test`` has it.

Every worker of pytest-xdist is measured from its first import, and so are the commands and servers that start during a test
with the mark ``measured``. Each such child costs a tenth of a second: the mark is for tests whose children run lines that run
in no worker and in no other marked test. All other children do not know that coverage exists: tests count system calls, memory,
descriptors and modules of what a user runs.

To measure doubles the time of a test that does its work in the worker. Files with the mark ``unmeasured`` do the same again and
again (generated requests, long lists, scripts in simulated regions): their lines run in other tests, too.
"""

import json
import os
import shutil
from pathlib import Path

import coverage
import pytest

REPOSITORY = Path(__file__).parents[2]
CONFIGURATION = REPOSITORY / "setup.cfg"
FOLDER = REPOSITORY / ".run" / "coverage"
REPORT = FOLDER / "report.json"

SHOWN_BELOW = 85
"""Percent: the files that are covered less are named."""

_VARIABLES = ("COVERAGE_PROCESS_START", "COVERAGE_FILE")
"""With these in its environment a Python measures itself, and every Python that it starts (coverage.py's .pth file)."""

_measuring: dict[str, str] = {}
_children = False
_own: coverage.Coverage | None = None
"""What measures this worker."""
_is_paused = False


def measured() -> dict[str, str]:
    """What belongs into the environment of a child of this test: nothing, unless it is to be measured."""
    return _measuring if _children else {}


def pytest_configure(config: pytest.Config) -> None:
    """Have the workers measured; in a worker, hide the variables from children that are not to be measured."""
    if hasattr(config, "workerinput"):
        _measuring.update({name: os.environ.pop(name) for name in _VARIABLES})
        return
    if not config.getoption("numprocesses"):
        raise pytest.UsageError("coverage is measured in workers: add -n 1")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ.update(zip(_VARIABLES, (str(CONFIGURATION), str(FOLDER / "data")), strict=True))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the first fixture: are this test and its children measured?"""
    global _children, _own, _is_paused
    _children = item.get_closest_marker("measured") is not None
    if _own is None:
        _own = coverage.Coverage.current()
    is_unmeasured = item.get_closest_marker("unmeasured") is not None
    if _own is not None and is_unmeasured is not _is_paused:
        (_own.stop if is_unmeasured else _own.start)()
        _is_paused = is_unmeasured


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Worker: write its data, since xdist ends it without exit handlers. Controller: fail a run that covers too little."""
    if hasattr(session.config, "workerinput"):
        own = _own or coverage.Coverage.current()
        assert own is not None
        if not _is_paused:
            own.stop()
        own.save()
        return
    whole = coverage.Coverage(data_file=str(FOLDER / "data"), config_file=str(CONFIGURATION))
    try:
        whole.combine()
        percent = whole.json_report(outfile=str(REPORT))
    except coverage.CoverageException as problem:  # the failures of the tests must be printed all the same
        REPORT.unlink(missing_ok=True)
        print(f"\nno report of coverage: {problem}")  # noqa: T201
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return
    if percent < float(str(whole.get_option("report:fail_under"))) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The files that are covered least, and the whole package; pytest's own closing line comes after it."""
    if not REPORT.exists():
        return
    report = json.loads(REPORT.read_text())
    found = {name: each["summary"]["percent_covered"] for name, each in report["files"].items()}
    low = sorted((percent, name) for name, percent in found.items() if percent < SHOWN_BELOW)
    least = float(str(coverage.Coverage(config_file=str(CONFIGURATION)).get_option("report:fail_under")))
    total = report["totals"]["percent_covered"]
    terminalreporter.section("branch coverage")
    for percent, name in low:
        terminalreporter.write_line(f"{percent:6.1f} %  {name}")
    terminalreporter.write_line(
        f"{total:6.1f} %  in {len(found)} files, {len(low)} of them below {SHOWN_BELOW} % (at least {least:g} % is asked for)",
        red=total < least,
    )
