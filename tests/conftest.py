"""Fixtures for all tests: a checked data directory, and a watch for what a test leaves behind."""

import gc
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi import logs
from tests.support.commands import Commands
from tests.support.sandbox import Sandbox
from tests.support.warm import Warm


def pytest_configure(config: pytest.Config) -> None:
    """Hear Ctrl-C again where the tests run in the background of a shell, which ignores it for all its children.

    And keep the paths of sockets short, whatever TMPDIR says: Linux allows 107 bytes.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"


LONG = (
    "browser/test_every_page.py",
    *("docs/test_by_the_letter.py", "deploy/test_slow_web_readers.py", "deploy/test_homes.py", "web/test_golden.py"),
    *("deploy/test_hosts.py", "deploy/test_auto.py", "deploy/test_kinds.py", "servers/test_hosted.py"),
    *("servers/test_counting.py", "store/test_statistics.py", "deploy/test_counting.py"),
    *("servers/test_slow_readers.py", "store/keyvalue/test_dropping.py", "store/keyvalue/test_compaction.py"),
    *("servers/test_cost.py", "servers/test_csv_slots.py", "web/test_bounds.py", "web/test_keyvalue_machine.py"),
    *("web/pages/test_sessions.py", "deploy/test_log_in.py", "web/test_browser.py", "web/pages/test_servers.py"),
    *("web/test_forgotten_avatars.py", "web/test_openapi.py", "client/test_snapshot.py"),
)
"""Files that take long with few tests, or late in the alphabet: begun last, one of them would run alone in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run those of LONG first. ``make test`` has pytest-xdist keep this order."""
    names = [str(Path(__file__).parent / name) for name in LONG]
    items.sort(key=lambda item: names.index(str(item.path)) if str(item.path) in names else len(names))


@pytest.fixture(scope="session", autouse=True)
def _warm() -> Iterator[None]:
    """Commands are started by one process of this worker, which was there before the tests."""
    if os.environ.get("COLD"):
        yield
        return
    Commands.warm = Warm()
    yield
    Commands.warm.close()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests leaks into them."""
    for name in list(os.environ):
        if name.startswith("N2K_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    """After every test: no thread, no open file, no child process more than before."""
    logs.shut_down()
    threads, files, children = set(threading.enumerate()), _open_files(), _children()
    yield
    logs.shut_down()
    left = [thread for thread in threading.enumerate() if thread not in threads]
    for thread in left:
        thread.join(30)  # one that is just ending: it has closed its connection, and the client was faster
    left = [thread for thread in left if thread.is_alive()]
    assert not left, f"threads left: {left}"
    assert _children() <= children, "a child process is left"
    opened = _opened_since(files)
    for _ in range(300):  # what a thread that just ended held is closed a moment later
        if not opened:
            break
        gc.collect()
        time.sleep(0.1)
        opened = _opened_since(files)
    assert not opened, f"files left open: {opened}"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """An empty data directory; afterwards both directions must agree and counts must match the manifests."""
    made = Sandbox(tmp_path / "data")
    try:
        yield made
        assert made.problems() == []
    finally:
        made.close()


def _open_files() -> dict[str, str]:
    """Open descriptors of regular files, sockets and pipes; hypothesis and pytest keep theirs from before."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if not target.startswith(("/dev/", "/proc/")):
            found[entry.name] = target
    return found


def _opened_since(before: dict[str, str]) -> dict[str, str]:
    """Open descriptors that are not among *before*."""
    return {fd: name for fd, name in _open_files().items() if before.get(fd) != name}


def _children() -> set[str]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update((task / "children").read_text().split())
        except FileNotFoundError:
            continue
    return found
