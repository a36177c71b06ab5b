"""The real worker where the host grants too little: threads, address space, disk, permissions, a log."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.late import ROOM
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import NULL_KEY
from n2k_fcgi.store.datadir import CAPTURES, CURRENT, DATA_FILE, GENERATIONS
from n2k_fcgi.store.lmdb.generations import LOOKS_BETWEEN_SIZES
from tests.support.golden import Golden
from tests.support.sandbox import Sandbox
from tests.support.worker import FIND, Worker, everybodys_data, granted, set_modes, worker

NAME, KEY = "Unlucky Resident", "77777777-2222-3333-4444-555555555555"
REGISTERED = (200, f"Registered {NAME} {KEY} on Production\n")
NO_MEMORY = "no memory left for "
ROUTED = f"/api/v1/avatars/{KEY}/"
"""A page that Werkzeug routes."""
UNTOUCHED = "/name2key/%3F"
"""A lookup that is refused before a file is opened."""


@pytest.fixture
def golden() -> Iterator[Golden]:
    """A data directory that every user may write to."""
    with everybodys_data() as made:
        yield made


@pytest.fixture(scope="module")
def large() -> Iterator[Path]:
    """A data directory with a generation of about 25 MB."""
    with tempfile.TemporaryDirectory() as place:
        n2k = [sys.executable, "-m", "n2k_fcgi", "-q", "--dir", f"{place}/data"]
        for command in (["init"], ["sample", "--rows", "300000", "-o", f"{place}/dump.csv"], ["import", f"{place}/dump.csv"]):
            subprocess.run([*n2k, *command], check=True, stdout=subprocess.DEVNULL)
        yield Path(place) / "data"


def refused(answer: tuple[int, str], why: str) -> bool:
    """Whether *answer* is a 503 of one line that contains *why*."""
    status, text = answer
    return status == 503 and why in text and text.count("\n") == 1 and text.endswith("\n") and "<" not in text


def addresses(data_dir: Path, *targets: str) -> int:
    """Bytes of address space of a worker that has answered *targets*."""
    with worker(data_dir) as child:
        for target in targets:
            child.ask(target)
        return child.status("VmSize") * 1024


# --- processes and addresses --------------------------------------------------------------------------------------------

START_SOMETHING = """
import os, threading
for start in threading.Thread(target=int).start, os.fork:
    try:
        start()
        os._exit(0)
    except (RuntimeError, OSError):
        pass
os._exit(7)
"""


def test_where_neither_thread_nor_process_can_be_started(golden: Golden) -> None:
    """Lookups and a registration work without them."""
    probe = subprocess.run([*granted("--nproc=1", nobody=True), sys.executable, "-c", START_SOMETHING])
    assert probe.returncode == 7, "the limit does not hold here"
    with worker(golden.data_dir, "--nproc=1", nobody=True) as child:
        assert child.finds()
        assert child.register(golden, NAME, KEY) == REGISTERED
        assert child.ask(f"/?key={KEY}") == (200, NAME)
        assert child.stderr == ""


def test_doctor_where_no_process_can_be_started(golden: Golden) -> None:
    """It reports the one thing that it tries in a process, and examines the rest; deploy is refused with the same words."""
    grant = granted("--nproc=1", nobody=True)
    command = [*grant, sys.executable, "-m", "n2k_fcgi", "--dir", str(golden.data_dir)]
    done = subprocess.run([*command, "doctor"], capture_output=True, text=True)
    assert "no process can be started to test it (Resource temporarily unavailable)" in done.stdout
    assert "captures" in done.stdout and "processes" in done.stdout and done.returncode == 83
    site = golden.data_dir.parent / "site"
    site.mkdir()
    if os.getuid() == 0:
        os.chown(site, 65534, 65534)
    done = subprocess.run([*command, "deploy", str(site)], capture_output=True, text=True)
    assert done.returncode not in (0, 1) and "no process can be started" in done.stderr and not list(site.iterdir())


@pytest.mark.parametrize("spare", [4, 24])
def test_a_map_that_does_not_fit(large: Path, spare: int) -> None:
    """One line, and the file in the log, with about *spare* MB of address space; the worker goes on and leaks no descriptor."""
    limit = addresses(large, UNTOUCHED) + spare * 1024 * 1024
    with worker(large, f"--as={limit}") as child:
        assert child.ask(UNTOUCHED) == (400, "Invalid name\n"), "the interpreter itself lacks room"
        for _ in range(3):
            assert refused(child.ask(FIND), NO_MEMORY)
        held = child.descriptors()
        assert all(refused(child.ask(target), NO_MEMORY) for target in (FIND, "/ready", "/?key=" + KEY) * 10)
        assert child.descriptors() == held
        assert child.process.poll() is None
        log = large / "log" / "n2k.log"
        assert f"/{DATA_FILE}: ask the host to raise its limit" in child.stderr + (log.read_text() if log.exists() else "")
    with worker(large) as unlimited:
        assert unlimited.finds()


def test_captures_that_have_no_room_to_grow(golden: Golden) -> None:
    """The host grants addresses for what is there and not for twice as much: lookups go on, and registrations while they fit;
    then one line, in each of two processes; what was acknowledged is there, and more is taken where more is granted."""
    big = Source(region="r" * 1_000_000)
    box = Sandbox(golden.data_dir)
    for n in range(12):
        box.record(bytes([n + 1]) * 16, f"Big{n}", 1, source=big)
    limit = addresses(golden.data_dir, "/health", FIND) - (golden.data_dir / CAPTURES).stat().st_size + 4 * 1024 * 1024
    with worker(golden.data_dir, f"--as={limit}") as one, worker(golden.data_dir, f"--as={limit}") as other:
        for child in (one, other):
            assert child.ask("/health")[0] == 200 and child.finds()
            assert child.register(golden, NAME, KEY)[0] == 200
            assert child.finds() and child.ask(f"/?key={KEY}") == (200, NAME)
        box.record(bytes([99]) * 16, "Larger", 1, source=Source(region="r" * 9_000_000))
        box.close()
        for child in (one, other, one):
            for target in (FIND, f"/?key={KEY}"):
                assert child.ask(target)[0] == 200 or refused(child.ask(target), NO_MEMORY)
            answer = child.register(golden, "Second Resident", KEY.replace("7", "8"))
            assert answer[0] == 200 or refused(answer, "memory")
            assert child.process.poll() is None
    with worker(golden.data_dir) as unlimited:
        assert unlimited.finds() and unlimited.ask(f"/?key={KEY}") == (200, NAME)
        assert unlimited.register(golden, "Third Resident", KEY.replace("7", "9"))[0] == 200


def test_doctor_tells_that_a_map_does_not_fit(large: Path) -> None:
    """The same limit, found by the owner before callers meet it."""
    limit = addresses(large, UNTOUCHED) + 40 * 1024 * 1024
    command = [*granted(f"--as={limit}"), sys.executable, "-m", "n2k_fcgi", "--dir", str(large), "doctor"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "address space" in done.stdout and "ulimit -v" in done.stdout
    assert done.returncode == 83


def test_no_room_to_import_werkzeug(golden: Golden) -> None:
    """Lookups need only a part of the program and go on, as do registrations and pages of fixed addresses; what needs more is
    refused with one line, and affects no other."""
    limit = addresses(golden.data_dir, FIND) + ROOM - 4 * 1024 * 1024
    with worker(golden.data_dir, f"--as={limit}") as child:
        for _ in range(10):
            assert child.finds()
            assert refused(child.ask(ROUTED), NO_MEMORY)
            assert child.ask("/health")[0] == 200 and child.register(golden, NAME, KEY)[0] == 200
        assert NO_MEMORY in child.stderr, "there was room for the logger"
    with worker(golden.data_dir) as unlimited:
        assert unlimited.ask(f"/?key={KEY}") == (200, NAME) and unlimited.ask(ROUTED)[0] == 200


MANY = (
    "/health",
    "/api/v1/openapi.json",
    f"/api/v1/avatars/{KEY}",
    "/api/v1/search?prefix=a",
    "/name2key.csv",
    "/?page=&name=x",
)


@pytest.mark.parametrize("spare", [2, 4, 6, 8, 10, 14])
def test_no_request_takes_the_room_that_lookups_need(golden: Golden, spare: int) -> None:
    """With *spare* MB of addresses more than lookups take: whatever else is asked is answered or refused, and lookups go on."""
    limit = addresses(golden.data_dir, FIND, f"/?key={KEY}") + spare * 1024 * 1024
    with worker(golden.data_dir, f"--as={limit}") as child:
        for target in (*MANY, "/db/x?ns=board", "/x%41", ROUTED) * 2:
            answer = child.ask(target)
            assert answer[0] < 500 or refused(answer, NO_MEMORY), (target, answer)
            assert child.finds()
        assert child.process.poll() is None


def test_captures_that_outgrow_the_addresses(golden: Golden) -> None:
    """Another process made the file larger than this one can map: one line meanwhile, for lookups and registrations."""
    limit = addresses(golden.data_dir, FIND, "/health") + ROOM
    with worker(golden.data_dir, f"--as={limit}") as child:
        assert child.finds()
        box = Sandbox(golden.data_dir)
        for n in range(40):
            region = Source(region="r" * 1_000_000)
            box.record(bytes([n + 1]) * 16, f"Big{n}", 1, source=region)
        box.close()
        for _ in range(3):
            assert refused(child.ask(FIND), NO_MEMORY)
            assert refused(child.register(golden, NAME, KEY), "memory")
    with worker(golden.data_dir) as unlimited:
        assert unlimited.finds()


# --- files --------------------------------------------------------------------------------------------------------------


def register_many(child: Worker, golden: Golden) -> dict[int, tuple[int, str]]:
    """Register forty new avatars."""
    return {n: child.register(golden, f"Full{n} Disk", f"{n:08x}-2222-3333-4444-555555555555") for n in range(1, 41)}


def stored(child: Worker) -> set[int]:
    """Which of the forty can be looked up by name."""
    return {n for n in range(1, 41) if child.ask(f"/?name=Full{n}+Disk") != (200, NULL_KEY)}


def test_a_full_disk(golden: Golden) -> None:
    """Here a limit on the size of files: what was acknowledged is stored, what was refused is not, lookups go on."""
    size = (golden.data_dir / CAPTURES).stat().st_size
    with worker(golden.data_dir, f"--fsize={size}") as child:
        answers = register_many(child, golden)
        acknowledged = {n for n, answer in answers.items() if answer[0] == 200}
        assert len(acknowledged) < 40, "the disk was not full"
        assert all(refused(answer, "no space left") for n, answer in answers.items() if n not in acknowledged)
        assert stored(child) == acknowledged
        assert child.finds()
    with worker(golden.data_dir) as roomy:
        assert stored(roomy) == acknowledged
        assert {answer[0] for answer in register_many(roomy, golden).values()} == {200}
        assert len(stored(roomy)) == 40


def test_what_must_not_be_written(golden: Golden) -> None:
    """Read-only folders and files: lookups go on, a registration is refused; the same worker writes when it may again."""
    set_modes(golden.data_dir, 0o555, 0o444)
    for path in (golden.data_dir, golden.data_dir / CAPTURES):
        assert subprocess.run([*granted(nobody=True), "test", "-w", str(path)]).returncode == 1, "it can be written"
    with worker(golden.data_dir, nobody=True) as child:
        assert child.finds()
        assert refused(child.register(golden, NAME, KEY), "cannot be read or written")
        assert child.ask(f"/?key={KEY}") == (200, "")
        set_modes(golden.data_dir, 0o777, 0o666)
        assert child.register(golden, NAME, KEY) == REGISTERED
        assert child.ask(f"/?key={KEY}") == (200, NAME)


def test_data_that_goes_away_and_comes_back(golden: Golden) -> None:
    """Moved aside under a worker that gives its map back all the time (the limit is below its size): the file needs no name
    for that. When it looks for it by its name, because CURRENT is another, it refuses until it is back."""
    pointer = golden.data_dir / CURRENT
    folder = golden.data_dir / GENERATIONS / pointer.read_text().strip()
    with worker(golden.data_dir, N2K_MAP_RESIDENT="4M") as child:
        assert child.finds()
        folder.rename(folder.with_name("aside"))
        assert all(child.finds() for _ in range(3 * LOOKS_BETWEEN_SIZES))
        pointer.with_name("copy").write_text(pointer.read_text())
        pointer.with_name("copy").rename(pointer)
        assert refused(child.ask(FIND), "damaged")
        folder.with_name("aside").rename(folder)
        assert child.finds()


@pytest.mark.parametrize("console", [True, False])
def test_a_log_that_cannot_be_written(golden: Golden, console: bool) -> None:
    """Every lookup logs a line: to the console of the web server instead, or nowhere when that is full, too."""
    (golden.data_dir / "log").touch()
    with contextlib.ExitStack() as stack:
        full = None if console else stack.enter_context(Path("/dev/full").open("wb"))
        child = stack.enter_context(worker(golden.data_dir, stderr=full, N2K_LOG_LEVEL="DEBUG"))
        assert all(child.finds() for _ in range(20))
        assert child.register(golden, NAME, KEY) == REGISTERED
        child.process.terminate()
        child.exit_code()
        assert (child.stderr.count("name2key masakazu.kojima") == 20) == console
        assert ("cannot log to" in child.stderr) == console


def test_no_standard_output_or_error(golden: Golden) -> None:
    """The FastCGI specification promises descriptor 0 and no other."""
    closing = ["sh", "-c", 'exec "$@" 1>&- 2>&-', "sh"]
    with worker(golden.data_dir, through=closing, N2K_LOG_LEVEL="DEBUG") as child:
        assert child.finds()
        assert "stderr-" not in os.readlink(f"/proc/{child.process.pid}/fd/2"), "it was not closed"
        assert child.register(golden, NAME, KEY) == REGISTERED
        assert child.ask("/nothing")[0] == 404
        child.process.terminate()
        assert child.exit_code() == 0
