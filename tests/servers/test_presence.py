"""A worker checks once per minute whether its script and its code exist, and ends when they are gone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from n2k_fcgi.servers.limits import DEFAULT
from n2k_fcgi.servers.stopping import Presence
from tests.support.hosting import REPOSITORY
from tests.support.processes import eventually, listening, running
from tests.support.sandbox import MASAKAZU, Sandbox, csv
from tests.support.worker import FIND, FOUND, Worker, idle_calls

SCRIPT = """\
import sys
sys.path.insert(0, sys.argv[2])
from n2k_fcgi.servers.fastcgi import main
from n2k_fcgi.servers.limits import DEFAULT
main(DEFAULT._replace(housekeeping=0.1), data_dir=sys.argv[1])
"""


class Home:
    """A copy of the code, a script that starts it, and data."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.data = data
        self.script = folder / "web" / "dispatch.fcgi"
        self.script.parent.mkdir()
        self.script.write_text(SCRIPT)
        self.code = folder / "code" / "n2k_fcgi"
        shutil.copytree(REPOSITORY / "n2k_fcgi", self.code)

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """The real worker, which checks ten times per second."""
        command = [sys.executable, str(self.script), str(self.data), str(self.code.parent)]
        log = self.folder / "stderr"
        with (
            listening(self.folder) as bound,
            log.open("wb") as errors,
            running(command, stdin=bound, stderr=errors, PYTHONSAFEPATH="1") as process,
        ):
            yield Worker(process, str(self.folder / "socket"), log)


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path) -> Home:
    """One avatar in the data."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.store.close()
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home", sandbox.data_dir)


def test_a_look_takes_these_system_calls(home: Home, tmp_path: Path) -> None:
    """A wake-up of an idle worker is one wait and two stats, and nothing else; there is one per minute."""
    assert DEFAULT.housekeeping == 60
    with home.worker() as worker:
        assert worker.ask(FIND) == FOUND
        calls = idle_calls(worker, tmp_path / "trace", 20)
    waits = sum(calls[name] for name in ("epoll_wait", "epoll_pwait"))
    looks = sum(count for name, count in calls.items() if "stat" in name)
    assert abs(waits - looks / 2) <= 1  # the tracer may come or go in the middle
    assert sum(calls.values()) - waits - looks <= 1, calls


@pytest.mark.parametrize("gone", ["script", "folder", "code", "all"])
def test_a_worker_ends_when_what_it_runs_is_gone(home: Home, gone: str) -> None:
    """Removed by hand, the script, its whole folder or the code: the worker ends with 0 and logs why; without data, too."""
    away = home.data.with_name("away")
    with home.worker() as worker:
        assert worker.ask(FIND) == FOUND
        if gone == "script":
            home.script.unlink()
        if gone in ("folder", "all"):
            shutil.rmtree(home.script.parent)
        if gone in ("code", "all"):
            shutil.rmtree(home.code.rename(home.code.with_name("removed")))  # in one step: it may compile a module meanwhile
        if gone == "all":
            home.data.rename(away)
        assert worker.exit_code() == 0
        log = home.data / "log" / "n2k.log"
        said = worker.stderr + (log.read_text() if log.exists() else "")
        assert "its script or its code is gone" in said and "Traceback" not in said
    if gone == "all":
        assert not home.data.exists(), "the end brings nothing back"
        away.rename(home.data)


def test_a_worker_without_data_goes_on(home: Home, tmp_path: Path) -> None:
    """Its data may be away for a while: it answers 503 through many checks, and serves again."""
    with home.worker() as worker:
        assert worker.ask(FIND) == FOUND
        home.data.rename(away := home.data.with_name("away"))
        assert worker.ask(FIND)[0] == 503
        idle_calls(worker, tmp_path / "trace", 10)
        assert worker.ask(FIND)[0] == 503
        away.rename(home.data)
        assert eventually(lambda: worker.ask(FIND) == FOUND)


def test_replaced_script_and_code_end_no_worker(home: Home, tmp_path: Path) -> None:
    """After an update in place, with new inodes, the old worker goes on."""
    with home.worker() as worker:
        assert worker.ask(FIND) == FOUND
        shutil.copytree(home.code, copy := home.code.with_name("new"))
        with worker.paused():  # it may look twice between the two: then the code is gone
            home.code.rename(home.code.with_name("old"))
            copy.rename(home.code)
        shutil.copy(home.script, new := home.script.with_name("new"))
        new.replace(home.script)
        idle_calls(worker, tmp_path / "trace", 10)
        assert worker.ask(FIND) == FOUND


def test_gone_is_what_is_missing_at_two_looks_in_a_row(tmp_path: Path) -> None:
    """A file that is missing at one check, while an update replaces it, does not count; nor does one that cannot be checked."""
    script, code = tmp_path / "script", tmp_path / "code"
    presence = Presence((str(script), str(code)))
    script.touch(), code.touch()
    assert not presence.is_over()
    for file in (script, code):
        for _ in range(2):
            file.unlink()
            assert not presence.is_over()
            file.touch()
            assert not presence.is_over()
    assert not Presence(("/proc/self/mem/x" * 400,)).is_over(), "a name that is too long is no answer"
    script.unlink()
    assert [presence.is_over() for _ in range(2)] == [False, True]


def test_a_folder_that_became_a_file_is_gone_too(tmp_path: Path) -> None:
    """A file below it cannot exist."""
    (tmp_path / "web").touch()
    presence = Presence((str(tmp_path / "web" / "dispatch.fcgi"),))
    assert [presence.is_over() for _ in range(2)] == [False, True]


def test_what_a_process_runs(tmp_path: Path) -> None:
    """The absolute path of the script, however it was started, and the package; with ``python -c`` the package alone."""
    (tmp_path / "run").write_text("from n2k_fcgi.servers.stopping import Presence as P; print(*P.of_this_process()._files)")
    package = str(REPOSITORY / "n2k_fcgi" / "__init__.py")
    environment = {"PYTHONPATH": str(REPOSITORY)}
    for command, expected in (
        (["run"], f"{tmp_path}/run {package}"),
        (["-c", (tmp_path / "run").read_text()], package),
    ):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
