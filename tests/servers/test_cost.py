"""What a worker costs, in counts: system calls of a lookup, modules, objects and descriptors that are kept."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.service.dumps.sample import Sample, csv_lines
from n2k_fcgi.store.keyvalue import Terms
from tests.support.fastcgi_client import Client, request
from tests.support.processes import SECONDS, Child, eventually, listening, running
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

pytestmark = pytest.mark.unmeasured

WORKER = """
import gc, json, sys
from n2k_fcgi.servers.fastcgi import main
main(data_dir=sys.argv[1], map_resident=sys.argv[2])
gc.collect()
print(json.dumps({"modules": sorted(sys.modules), "objects": len(gc.get_objects())}))
"""
NOTHING = "import json, sys; print(json.dumps(sorted(sys.modules)))"


class Worker(Child):
    """The real worker, which at its end reports what it holds."""

    def ask(self, target: str) -> bytes:
        """One request on a connection of its own; the body."""
        with Client(self.address) as client:
            return client.send(request(target)).answer().body

    def end(self) -> dict[str, object]:
        """Stop it and return its report."""
        self.signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=SECONDS)
        told: dict[str, object] = json.loads(out)
        return told


@contextmanager
def _worker(sandbox: Sandbox, folder: Path, map_resident: str = "64M") -> Iterator[Worker]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WORKER, str(sandbox.data_dir), map_resident]
    stderr = folder / "stderr"
    with listening(folder) as bound, stderr.open("wb") as errors, running(command, stdin=bound, stderr=errors) as process:
        yield Worker(process, str(folder / "socket"), stderr)


@pytest.fixture
def people(sandbox: Sandbox) -> Sandbox:
    """Two avatars."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    sandbox.store.close()
    return sandbox


MAY_IMPORT = {
    *(
        "array",
        "bisect",
        "collections",
        "configparser",
        "contextlib",
        "copyreg",
        "encodings",
        "enum",
        "errno",
        "fcntl",
        "flup",
        "fnmatch",
    ),
    *("functools", "gc", "genericpath", "io", "ipaddress", "itertools", "json", "keyword", "linecache", "lmdb", "math"),
    *(
        "ntpath",
        "operator",
        "pathlib",
        "posixpath",
        "pwd",
        "re",
        "reprlib",
        "resource",
        "select",
        "selectors",
        "signal",
        "socket",
    ),
    *("sre_compile", "sre_constants", "sre_parse", "stat", "struct", "textwrap", "time", "token", "tokenize", "traceback"),
    *("types", "typing", "unicodedata", "urllib", "warnings", "threading", "codeop", "ast", "copy", "dis", "opcode", "inspect"),
}
"""Outside the package. Those that cost most are not among them: werkzeug, loguru, click, http, email, ssl, logging."""


def test_a_worker_that_only_answers_lookups_imports_little(people: Sandbox, tmp_path: Path) -> None:
    """Both directions, found and not, in all forms: neither Werkzeug nor loguru, nothing that writes or imports."""
    with _worker(people, tmp_path / "run") as worker:
        for target in ("/?name=governor.linden", f"/?key={MASAKAZU}", "/name2key/Nobody", f"/key2name/{GOVERNOR}"):
            worker.ask(target)
        modules = worker.end()["modules"]
    assert isinstance(modules, list) and "n2k_fcgi.web.express" in modules
    bare = set(json.loads(subprocess.check_output([sys.executable, "-c", NOTHING])))
    tops = {name.split(".")[0] for name in set(modules) - bare} - {"n2k_fcgi"}
    assert {top for top in tops if not top.startswith("_")} <= MAY_IMPORT
    ours = {name for name in modules if name.startswith("n2k_fcgi.")}
    assert not {name for name in ours if re.search(r"\.(cli|ingest|export|update|dumps|routes|page|http|cgi)\b", name)}
    assert not {name for name in ours if re.search(r"keyvalue|web\.db\.", name)}  # nor anything of values


def test_a_worker_that_reads_and_writes_values_needs_no_werkzeug(sandbox: Sandbox, tmp_path: Path) -> None:
    """Every method of /db takes the fast path."""
    sandbox.store.keyvalue.create("shop", Terms(10**6, 100))
    headers = {"HTTP_X_N2K_TOKEN": create_token(sandbox.store.tokens, ("keyvalue",), namespace="shop").text}
    sandbox.store.close()
    with _worker(sandbox, tmp_path / "run") as worker:
        for method, body in (("PUT", b"hello"), ("HEAD", b""), ("GET", b""), ("DELETE", b"")):
            more = headers | {"CONTENT_TYPE": "text/plain"}
            with Client(worker.address) as client:
                answer = client.send(request("/db/greeting", method=method, body=body, **more)).answer()
            assert answer.status[:1] == "2", answer
        modules = worker.end()["modules"]
    assert isinstance(modules, list) and "n2k_fcgi.web.db.entries" in modules
    assert not {name.split(".")[0] for name in modules} & {"werkzeug", "loguru", "logging", "email"}


CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")
ASKED = 50


WAITS = {"epoll_wait", "epoll_pwait"}
LOOKUP = ("accept4", "getsockname", "recvfrom", "stat CURRENT", "sendto", "close")
"""Python asks for the name of a new socket."""


def test_a_lookup_takes_these_system_calls(people: Sandbox, tmp_path: Path) -> None:
    """One wait, accept, receive, stat of the pointer, send and close; the rest comes now and then."""

    def ask() -> None:
        with contextlib.ExitStack() as stack:
            with worker.paused():  # a request that comes later than its connection takes a second turn
                client = stack.enter_context(Client(worker.address)).send(request("/?name=governor.linden"))
            assert client.answer().body == GOVERNOR.encode()

    def ask_all() -> None:
        nonlocal seconds
        begun = time.monotonic()
        for _ in range(ASKED):
            ask()
        seconds = time.monotonic() - begun

    seconds = 0.0
    with _worker(people, tmp_path / "run") as worker:
        for _ in range(3):
            worker.ask("/?name=governor.linden")
        calls = _traced(worker, tmp_path / "trace", ask_all)
    turns: list[list[str]] = [[]]
    looks = 0
    for name, arguments in calls:
        if name in WAITS:
            turns.append([])
        elif "stat" in name and "/CURRENT" not in arguments:
            looks += 1
        else:
            turns[-1].append("stat CURRENT" if "stat" in name else name)
    counts = Counter(map(tuple, turns))
    # Once in 64 lookups our own size is read; at a length of its own malloc or Python gets more memory, or gives some back.
    assert counts[LOOKUP] >= ASKED - 3, counts
    assert looks <= 3 * (seconds + 1), "each half second the settings file is looked at, each second captures.mdb"
    assert sum("stat CURRENT" in turn for turn in turns) == ASKED
    assert not {name for name, _ in calls} & {"clone", "clone3", "futex", "fork", "vfork", "sendmsg", "shutdown"}
    assert not [arguments for name, arguments in calls if name == "mmap" and "MAP_ANONYMOUS" not in arguments]


def _traced(worker: Worker, log: Path, work: object) -> list[tuple[str, str]]:
    """The system calls of the worker while *work* is called: (name, arguments)."""
    assert callable(work)
    command = ["strace", "-qq", "-p", str(worker.process.pid), "-o", str(log), "-s", "200"]
    with subprocess.Popen(command) as tracer:
        try:
            assert eventually(lambda: worker.status("TracerPid") != 0)
            work()
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait()
    return [found.groups() for line in log.read_text().splitlines() if (found := CALL.match(line))]  # type: ignore[misc]


def test_nothing_is_left_of_ten_thousand_requests(people: Sandbox, tmp_path: Path) -> None:
    """A tenth of the clients vanish half way: neither an object nor a descriptor is kept."""
    held = []
    for turn, requests in enumerate((300, 10_000)):
        with _worker(people, tmp_path / f"run{turn}") as worker:
            worker.ask("/?name=governor.linden")
            assert eventually(worker.sleeping)
            before = worker.descriptors()
            whole = request("/?name=masakazu.kojima")
            for number in range(requests):
                if number % 10 == 9:
                    with Client(worker.address) as client:
                        client.send(whole[: len(whole) * (number % 7 + 1) // 8])
                else:
                    assert worker.ask("/?name=masakazu.kojima") == MASAKAZU.encode()
            assert eventually(lambda: worker.descriptors() == before)  # noqa: B023 - called at once
            assert worker.threads() == 1
            held.append(worker.end()["objects"])
    few, many = held
    assert isinstance(few, int) and isinstance(many, int) and abs(many - few) < 60


ROWS = 300_000


def test_resident_memory_is_bounded(sandbox: Sandbox, tmp_path: Path) -> None:
    """Pages of the map count as memory of the worker: it releases them; without the limit it would hold the whole map."""
    rows = list(Sample(ROWS, 1).shuffled())
    size = sandbox.import_text(b"".join(csv_lines(rows))).manifest.bytes / 1024
    sandbox.store.close()
    peaks = []
    for limit in ("1G", "20M"):
        with _worker(sandbox, tmp_path / limit, limit) as worker:
            for row in rows[:: ROWS // 4000]:
                assert worker.ask(f"/?name={quote_plus(row.name)}") == row.key.encode()
                assert worker.ask(f"/?key={row.key}") == row.name.encode()
            peaks.append(worker.status("VmHWM"))
    unbounded, bounded = peaks
    assert unbounded > size and unbounded > 35 * 1024, "the precondition: most of the map was touched"
    assert bounded < (20 + 9) * 1024
