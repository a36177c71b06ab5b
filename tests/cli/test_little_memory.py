"""On a host that limits address space (``ulimit -v``) every command works, or reports "no memory" in one line."""

import io
import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

import pytest

from n2k_fcgi.errors import DumpBroken, HelperLost, NoMemory, is_no_memory
from n2k_fcgi.servers.loop import NO_MEMORY as NO_MEMORY_LINE
from n2k_fcgi.service.dumps.unpacking import Unpacker
from n2k_fcgi.service.ingest.ahead import _next
from tests.support.commands import N2K, PEOPLE, Commands
from tests.support.processes import eventually
from tests.support.sandbox import GOVERNOR, MASAKAZU
from tests.support.worker import FIND, FOUND, Worker, granted, worker

MB = 1024 * 1024
NO_MEMORY = 50
LARGE = 30_000
"""Rows of a dump that needs more than the initial map of a generation."""

TARGETS = (FIND, f"/?key={GOVERNOR}", "/health", "/ready", f"/api/v1/avatars/{MASAKAZU}", "/?name=governor.linden&page=1", "/x")


@lru_cache
def least() -> int:
    """The MB below which the interpreter itself cannot start; a little above it our first line of code runs."""
    for size in range(8, 200):
        probe = [*granted(f"--as={size * MB}"), sys.executable, "-c", "import n2k_fcgi.start"]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return size + 2
    raise AssertionError("it never starts")


class Limited:
    """A data directory, and commands under a limit."""

    def __init__(self, n2k: Commands, folder: Path) -> None:
        self.n2k = n2k
        self.dump = folder / "large.csv"
        assert n2k("-q", "sample", "--rows", LARGE, "-o", self.dump).code == 0
        n2k.has_people()
        self.before = n2k.live()

    def run(self, size: int, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run one command with *size* bytes of address space."""
        command = [*granted(f"--as={size}"), str(N2K), "--dir", str(self.n2k.data_dir), *map(str, arguments)]
        return subprocess.run(command, env=self.n2k.environment(), capture_output=True, text=True, timeout=120)


@pytest.fixture
def limited(n2k: Commands, tmp_path: Path) -> Limited:
    """Three people, and a larger dump to import."""
    return Limited(n2k, tmp_path)


def assert_no_memory(done: "subprocess.CompletedProcess[str]") -> None:
    """One line reports it, without a traceback or a word about disks or broken dumps."""
    assert done.returncode == NO_MEMORY, done
    assert done.stderr.startswith("n2k: no memory left for ") and done.stderr.count("\n") == 1, done
    assert done.stdout == ""


def is_refusal(status: int, text: str) -> bool:
    """Whether it is a 503 with one line that reports it."""
    return status == 503 and text.count("\n") == 1 and "no memory left for " in text


def asked(child: Worker, target: str) -> tuple[int, str] | None:
    """Status and body; None: the connection was closed, because memory ran out before the request was read."""
    try:
        return child.ask(target)
    except (ConnectionError, EOFError):
        return None


def is_logged(limited: Limited, line: str) -> bool:
    """Whether the log gets *line* within a moment: a worker buffers its lines."""
    return eventually(lambda: line in (limited.n2k.data_dir / "log" / "n2k.log").read_text())


COMMANDS: tuple[tuple[object, ...], ...] = (
    ("lookup", "masakazu kojima"),
    ("search", "mas"),
    ("register", "New One", "00000001-1111-4111-8111-111111111111"),
    ("token", "create", "--scope", "register"),
    ("export", "-"),
    ("check",),
    ("purge",),
    ("stats",),
    ("kv", "put", "shop", "k", "--value", "v"),
    ("kv", "get", "shop", "there"),
    ("kv", "import", "shop", "-"),
    ("kv", "export", "shop", "-"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(map(str, command[:2])) for command in COMMANDS])
def test_a_command_at_every_limit(limited: Limited, command: tuple[object, ...]) -> None:
    """From where Python just starts to where all is well: one line, then, from some limit on, the work."""
    assert limited.n2k("token", "create", "--scope", "keyvalue", "--namespace", "shop").code == 0
    assert limited.n2k("kv", "put", "shop", "there", "--value", "v").code == 0
    codes = []
    for size in range(least(), 90, 7):
        done = limited.run(size * MB, *command)
        codes.append(done.returncode)
        assert "Traceback" not in done.stderr, done
        if done.returncode:
            assert_no_memory(done)
    assert codes[0] == NO_MEMORY and codes[-1] == 0


@pytest.mark.parametrize(
    "command",
    [("import", "--force"), ("import", "--force", "--jobs", "1"), ("update", "--force")],
    ids=["import", "alone", "update"],
)
def test_an_import_at_every_limit(limited: Limited, command: tuple[str, ...]) -> None:
    """Published whole, or refused in one line and the previous answers kept; also for the second process and the thread."""
    codes = []
    for size in range(least(), 150, 13):
        before = limited.n2k.live()
        done = limited.run(size * MB, *command, limited.dump)
        codes.append(done.returncode)
        assert "Traceback" not in done.stderr, done
        if done.returncode:
            assert_no_memory(done)
            assert limited.n2k.live() == before
        else:
            assert limited.n2k.live() > before
    assert codes[0] == NO_MEMORY and codes[-1] == 0
    assert limited.n2k("lookup", "masakazu kojima").code == 0


@pytest.mark.parametrize("kilobytes", [20_000, 50_000, 60_000])
def test_the_first_steps(tmp_path: Path, kilobytes: int) -> None:
    """``ulimit -v`` as in a shell, with no data: init and import work, or report it and can be run again."""
    n2k = Commands(tmp_path / "data")
    dump = tmp_path / "people.csv"
    dump.write_bytes(PEOPLE)
    for command in (("init",), ("import", dump)):
        line = f"ulimit -v {kilobytes}; " + 'exec "$@"'
        done = subprocess.run(
            ["sh", "-c", line, "sh", *n2k.command(*command)], env=n2k.environment(), capture_output=True, text=True
        )
        if done.returncode:
            assert_no_memory(done)
            assert n2k(*command).code == 0
    assert n2k("lookup", "masakazu kojima").code == 0 and n2k("check").code == 0


def test_a_worker_at_every_limit(limited: Limited) -> None:
    """Each answer is right or a 503 of one line; a worker that cannot start prints one line and ends."""
    answered = []
    for size in range(least(), 110, 5):
        with worker(limited.n2k.data_dir, f"--as={size * MB}") as child:
            answers = [asked(child, target) for target in TARGETS]
            if not any(answers):
                assert child.exit_code() == NO_MEMORY
                assert child.stderr.startswith("n2k: no memory left for ") and child.stderr.count("\n") == 1
                continue
            assert "Traceback" not in child.stderr
            assert all(answer is None or answer[0] in (200, 404) or is_refusal(*answer) for answer in answers)
            assert None not in answers or NO_MEMORY_LINE in child.stderr or is_logged(limited, NO_MEMORY_LINE)
            answered.append(answers[0])
    assert answered[0] != FOUND and answered[-1] == FOUND


def test_a_worker_that_loses_its_room(limited: Limited) -> None:
    """The limit falls to the memory in use and rises again: refusals meanwhile, then answers.

    A refusal is a 503 of one line. Without memory even for the request, its connection is closed, and the log says so, or
    standard error if there is none for the log either.
    """
    with worker(limited.n2k.data_dir) as child:
        assert child.ask(FIND) == FOUND
        limit = child.status("VmSize") * 1024
        resource.prlimit(child.process.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        answers = [asked(child, target) for target in (*TARGETS, "/health") * 3]
        assert all(answer is None or answer[0] in (200, 404) or is_refusal(*answer) for answer in answers)
        assert any(answer is None or is_refusal(*answer) for answer in answers), "the precondition: something is refused"
        resource.prlimit(child.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert child.ask(FIND) == FOUND and child.ask("/health") == (200, "alive\n")
        assert "Traceback" not in child.stderr
        child.signal(signal.SIGTERM)
        assert child.exit_code() == 0
        assert None not in answers or NO_MEMORY_LINE in child.stderr or is_logged(limited, NO_MEMORY_LINE)


def test_as_cgi_it_answers(limited: Limited, tmp_path: Path) -> None:
    """If not even the program can be loaded, the caller of a CGI script gets a 503 with the line.

    It needs little more than Python itself: of the limits from which our first line of code runs, one at least is too low.
    """
    code = "from n2k_fcgi.start import run; run('n2k_fcgi.servers.fastcgi')"
    environment = {**limited.n2k.environment(), "REQUEST_METHOD": "GET", "REQUEST_URI": "/health", "SCRIPT_NAME": "/n2k"}
    refused = 0
    for size in range((least() - 2) * MB, (least() + 2) * MB, MB // 4):
        command = [*granted(f"--as={size}"), sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        head, _, body = done.stdout.partition("\n\n")
        if done.returncode == 0:
            assert head.startswith("Status: 200 ") or is_refusal(503, body)
        elif done.returncode == NO_MEMORY and done.stderr == f"n2k: {body}":
            assert head.startswith("Status: 503 ") and body.startswith("no memory left for ") and body.count("\n") == 1
            refused += 1
    assert refused


# --- the pieces of an import -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script, error, said",
    [
        ("echo 'lbzip2: malloc: Cannot allocate memory' >&2; exit 1", NoMemory, "no memory left for unpacking"),
        ("echo 'pigz: abort: not enough memory' >&2; exit 1", NoMemory, "no memory left for unpacking"),
        ("echo 'lbzip2: unable to create a thread: Resource temporarily unavailable' >&2; exit 1", HelperLost, "--jobs 1"),
        ("kill -9 $$", HelperLost, "killed by signal 9, perhaps because of a memory limit"),
        ("echo 'lbzip2: not a valid bzip2 file' >&2; exit 1", DumpBroken, "not a valid bzip2 file"),
    ],
)
def test_a_program_that_gets_none(script: str, error: type[Exception], said: str) -> None:
    """A decompressor without memory, or killed, is not reported as a broken dump: downloading again would not help."""
    with Path(os.devnull).open("rb", buffering=0) as nothing:
        reader = io.BufferedReader(Unpacker(["sh", "-c", script], nothing))
        with reader, pytest.raises(error, match=said):
            reader.read()


def test_a_thread_that_ends_without_a_word() -> None:
    """Without memory it may be unable to report its error: the import does not wait for ever."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    with pytest.raises(MemoryError):
        _next(queue.Queue(), thread)


def _while_handling(first: Exception, second: Exception) -> Exception:
    second.__context__ = first
    return second


@pytest.mark.parametrize(
    "problem, expected",
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (ImportError("x.so: failed to map segment from shared object"), True),
        (_while_handling(ImportError("x.so: failed to map segment"), ModuleNotFoundError("No module named 'cffi'")), True),
        (OSError(28, "No space left on device"), False),
        (FileNotFoundError(2, "No such file or directory", "/home/Cannot allocate memory"), False),
        (ModuleNotFoundError("No module named 'cffi'"), False),
    ],
)
def test_what_is_no_memory(problem: Exception, expected: bool) -> None:
    """Every form of the error; a full disk, a missing file or a missing package is another error."""
    assert is_no_memory(problem) is expected


# --- killed ------------------------------------------------------------------------------------------------------------------


def test_the_import_after_a_killed_one_says_so(n2k: Commands, tmp_path: Path) -> None:
    """Also with -q, since cron mails it, and in the log: what happened, and that nothing was lost; once."""
    n2k.has_people()
    before, fifo = n2k.live(), tmp_path / "endless"
    os.mkfifo(fifo)
    folder = n2k.data_dir / "generations"
    command = n2k.command("-q", "import", fifo)
    with subprocess.Popen(command, env=n2k.environment()) as child, fifo.open("wb", buffering=0) as dump:
        dump.write(PEOPLE)
        assert eventually(lambda: any(folder.glob("*.building")))
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert n2k.live() == before
    (left,) = [path.stem for path in folder.iterdir() if path.suffix == ".building"]
    done = n2k("-q", "import", "--force", "-", stdin=PEOPLE)
    assert (done.code, done.out, done.err.count("\n")) == (0, "", 1)
    assert "was killed, perhaps because of a memory or time limit" in done.err and left in done.err
    assert left in (n2k.data_dir / "log" / "n2k.log").read_text()
    again = n2k("-q", "import", "--force", "-", stdin=PEOPLE)
    assert (again.code, again.err) == (0, "")


def test_a_purge_says_so_too_and_pruning_is_no_reason(n2k: Commands) -> None:
    """The folder of a generation whose removal was interrupted does not count as unfinished."""
    n2k.has_people()
    folder = n2k.data_dir / "generations"
    (folder / "20260101T000000.000Zp.building").mkdir()
    (folder / "20250101T000000.000Z.gone.building").mkdir()
    done = n2k("purge")
    assert done.code == 0 and "20260101T000000.000Zp" in done.err and "20250101" not in done.err
    assert json.loads((folder / n2k.live() / "manifest.json").read_text())["rows"] == 3
    assert [path.name for path in folder.iterdir()] == [n2k.live()]
