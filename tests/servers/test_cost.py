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
from tests.support.fastcgi_client import Client, request, variables
from tests.support.hosting import Account
from tests.support.processes import SECONDS, Child, eventually, listening, running
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

pytestmark = pytest.mark.unmeasured

WORKER = """
import gc, json, sys
from n2k_fcgi.servers.fastcgi import main
main(data_dir=sys.argv[1], map_resident=sys.argv[2])
collects = gc.isenabled()
gc.collect()
print(json.dumps({"modules": sorted(sys.modules), "objects": len(gc.get_objects()), "collects": collects}))
"""


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


OF_PYTHON = {
    *("__future__", "collections", "contextlib", "enum", "errno", "fcntl", "functools", "gc", "genericpath", "itertools"),
    *("keyword", "lmdb", "operator", "os", "posixpath", "reprlib", "select", "stat", "struct", "types"),
}
"""What a lookup as CGI may import of others, but for parts in C: neither re, typing, pathlib nor json."""

OF_RE = {"re", "sre_compile", "sre_constants", "sre_parse"}
"""Regular expressions; those are four modules up to Python 3.10."""

STORE_MODULES = """
store store.bounds store.counts store.datadir store.options store.lmdb store.lmdb.bulk store.lmdb.capture_rows
store.lmdb.captures store.lmdb.codec store.lmdb.empty_file store.lmdb.engine store.lmdb.environment store.lmdb.forgotten
store.lmdb.generation store.lmdb.generation_file store.lmdb.generation_folders store.lmdb.generations store.lmdb.growing_map
store.lmdb.json_text store.lmdb.layers store.lmdb.layout store.lmdb.lockfile store.lmdb.open_files store.lmdb.resident
store.lmdb.writable store.lmdb.writer_queue
"""
LOOKUP_MODULES = f"""
config config.ini config.table config.values errors errors.base errors.installation errors.requests errors.store files late
logs model model.avatar model.choices model.grids model.keys model.manifests model.names model.origins model.placeholders
named servers servers.fastcgi servers.gateway servers.inheriting servers.live service service.directory
service.directory.choice service.directory.lookup start {STORE_MODULES} web web.application web.area web.classic
web.browser web.classic.root web.decoding web.express web.requests web.responses web.services wiring
"""
"""Of our own what every lookup imports."""
CGI_MODULES = "servers.cgi servers.pace"
WORKER_MODULES = """
servers.accepting servers.connection servers.deadlines servers.fastcgi.connection servers.fastcgi.express
servers.fastcgi.records servers.fastcgi.request servers.fastcgi.server servers.fastcgi.serving servers.fastcgi.web_server
servers.limits servers.listeners servers.loop servers.pace servers.stopping servers.worker
"""
REGISTER_MODULES = """
model.charges model.observations model.tokens service.access service.access.limits service.access.tokens service.best_effort
service.directory.pending service.directory.register store.fields store.lmdb.conflicts store.lmdb.meters store.lmdb.pending
store.lmdb.recording store.lmdb.tokens store.lmdb.volatile web.access web.addresses web.api web.areas
web.classic.registering web.db web.json_bodies web.pages
"""
PAGE_MODULES = "web.api web.areas web.classic.monitoring web.db web.json_bodies web.pages"
JSON_MODULES = """
model.observations model.tokens service.access service.access.tokens service.best_effort service.directory.history
service.directory.pending service.directory.register web.api web.api.avatars web.api.shapes web.areas web.db web.json_bodies
web.pages
"""
PEOPLE_MODULES = """
service.directory.cursors service.directory.search web.api web.api.bulk web.api.shapes web.areas web.db web.json_bodies
web.pages web.pages.asked web.pages.frame web.pages.headers web.pages.home web.pages.languages web.pages.links
web.pages.rendering web.pages.static model.dates
"""
BY_LOOKUP = "/?name=governor.linden"
IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


def imported(told: str) -> set[str]:
    """The modules that ``-X importtime`` lists, without those that this interpreter needs to do nothing."""
    bare = subprocess.run(
        [sys.executable, "-IS", "-X", "importtime", "-c", "pass"], stderr=subprocess.PIPE, text=True, check=True
    )
    return set(IMPORTED.findall(told)) - set(IMPORTED.findall(bare.stderr))


def ours(modules: set[str]) -> set[str]:
    """Those of the package, below it."""
    return {name.removeprefix("n2k_fcgi.") for name in modules if name.startswith("n2k_fcgi.")}


def tops(modules: set[str]) -> set[str]:
    """The packages of all others, but for parts in C."""
    return {name.partition(".")[0] for name in modules if name[:2] == "__" or name[:1] != "_"} - {"n2k_fcgi"}


@pytest.fixture
def deployed(tmp_path: Path) -> Account:
    """A home with the script that ``n2k deploy`` writes."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", str(account.site))
    return account


def by_cgi(account: Account, target: str, **more: str) -> tuple[bytes, set[str]]:
    """Run the script as CGI_MODULES: the answer's body, and what was imported."""
    command = [sys.executable, "-IS", "-X", "importtime", str(account.script)]
    done = subprocess.run(command, env=variables(target, **more), capture_output=True, timeout=SECONDS, check=True)
    return done.stdout.partition(b"\r\n\r\n")[2], imported(done.stderr.decode())


def by_worker(account: Account, folder: Path, *targets: str, **more: str) -> set[str]:
    """What the script imports as a worker that is asked for *targets*, with *more* variables."""
    folder.mkdir()
    log = folder / "stderr"
    command = [sys.executable, "-IS", "-X", "importtime", str(account.script)]
    with listening(folder) as bound, log.open("wb") as errors, running(command, stdin=bound, stderr=errors) as process:
        for target in targets:
            with Client(str(folder / "socket")) as client:
                assert client.send(request(target, **more)).answer().status == "200 OK"
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)
    return imported(log.read_text())


def test_the_modules_of_a_lookup_as_cgi(deployed: Account) -> None:
    """These and no others: each costs 0.1 ms and more of some twenty, and what it imports in its turn."""
    body, modules = by_cgi(deployed, BY_LOOKUP)
    assert body == GOVERNOR.encode()
    assert ours(modules) == set((LOOKUP_MODULES + CGI_MODULES).split())
    assert tops(modules) <= OF_PYTHON


def test_the_modules_of_a_lookup_by_the_script_of_cgi(tmp_path: Path) -> None:
    """``n2k.cgi`` goes straight to the answer: nothing of FastCGI, and nothing that looks for a listening socket."""
    account = Account(tmp_path / "home")
    account.n2k("deploy", "--as", "cgi", str(account.site))
    command = [sys.executable, "-IS", "-X", "importtime", str(account.site / "n2k.cgi")]
    done = subprocess.run(command, env=variables(BY_LOOKUP), capture_output=True, timeout=SECONDS, check=True)
    modules = imported(done.stderr.decode())
    assert done.stdout.endswith(GOVERNOR.encode())
    assert ours(modules) == set((LOOKUP_MODULES + CGI_MODULES).split()) - {"servers.fastcgi", "servers.inheriting"}
    assert tops(modules) <= OF_PYTHON


def test_the_modules_of_a_registration_as_cgi(deployed: Account) -> None:
    """Those of a lookup, and what checks the token, counts the write and records it; Werkzeug is none of it."""
    target = "/?name=New+Comer&key=00000000-0000-4000-8000-00000000c01d"
    by_cgi(deployed, target, HTTP_X_N2K_TOKEN=deployed.token)  # makes the volatile file
    body, modules = by_cgi(deployed, target, HTTP_X_N2K_TOKEN=deployed.token)
    assert body.startswith(b"Known: New Comer")
    assert ours(modules) == set((LOOKUP_MODULES + CGI_MODULES + REGISTER_MODULES).split())
    assert tops(modules) <= OF_PYTHON | OF_RE | {"copyreg", "hashlib", "hmac", "ipaddress", "json", "math", "warnings"}


OF_FLUP = {"flup", "linecache", "socket", "textwrap", "threading", "token", "tokenize", "traceback"}
"""And what it imports."""
OF_A_WORKER = OF_PYTHON | OF_FLUP | OF_RE | {"array", "copyreg", "math", "resource", "selectors", "signal", "warnings"}


def test_the_modules_of_a_worker(deployed: Account, tmp_path: Path) -> None:
    """A lookup, in both directions; then a page, and JSON from an address with a value in it: these need no Werkzeug either."""
    modules = by_worker(deployed, tmp_path / "lookup", BY_LOOKUP, f"/?key={GOVERNOR}")
    assert ours(modules) == set((LOOKUP_MODULES + WORKER_MODULES).split())
    assert tops(modules) <= OF_A_WORKER
    modules = by_worker(deployed, tmp_path / "page", "/health")
    assert ours(modules) == set((LOOKUP_MODULES + WORKER_MODULES + PAGE_MODULES).split())
    assert tops(modules) <= OF_A_WORKER
    modules = by_worker(deployed, tmp_path / "json", f"/api/v1/avatars/{GOVERNOR}")
    assert ours(modules) == set((LOOKUP_MODULES + WORKER_MODULES + JSON_MODULES).split())
    assert "werkzeug" not in tops(modules)


def test_the_modules_of_a_page_for_people(deployed: Account, tmp_path: Path) -> None:
    """The search needs what Jinja2 has for templates, and the languages; no Werkzeug, and nothing that only developers need."""
    modules = by_worker(
        deployed, tmp_path / "people", "/?q=governor.linden", HTTP_ACCEPT="text/html", HTTP_ACCEPT_LANGUAGE="de"
    )
    assert ours(modules) == set((LOOKUP_MODULES + WORKER_MODULES + PEOPLE_MODULES).split())
    assert {"jinja2", "markupsafe", "gettext"} <= tops(modules)
    assert not tops(modules) & {
        "werkzeug",
        "babel",
        "pickle",
        "tempfile",
        "asyncio",
        "email",
        "http",
        "ssl",
        "loguru",
        "logging",
    }


def test_the_modules_of_a_page_that_werkzeug_routes(deployed: Account, tmp_path: Path) -> None:
    """Its routing alone is imported: neither its development server and test client nor what they bring."""
    modules = by_worker(deployed, tmp_path / "routed", f"/api/v1/avatars/{GOVERNOR}/")
    assert ours(modules) == set((LOOKUP_MODULES + WORKER_MODULES + JSON_MODULES + " web.routes").split())
    assert "werkzeug.routing" in modules
    assert not modules & {
        "werkzeug.serving",
        "werkzeug.test",
        "werkzeug.wrappers",
        "http",
        "http.server",
        "ssl",
        "socketserver",
    }


def test_other_lookups_of_a_worker_import_neither_werkzeug_nor_loguru(people: Sandbox, tmp_path: Path) -> None:
    """In all forms, found and not: nothing of values, nothing that writes or imports. And its garbage is collected."""
    with _worker(people, tmp_path / "run") as worker:
        for target in (BY_LOOKUP, f"/?key={MASAKAZU}", "/name2key/Nobody", f"/key2name/{GOVERNOR}"):
            worker.ask(target)
        told = worker.end()
    modules = told["modules"]
    assert isinstance(modules, list) and "n2k_fcgi.web.classic.w_hat" in modules and told["collects"]
    assert not {name.split(".")[0] for name in modules} & {"werkzeug", "loguru", "logging", "email"}
    assert not {
        name for name in ours(set(modules)) if re.search(r"^(cli|deploy)|keyvalue|ingest|update|dumps|web.(db|api)", name)
    }


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
