"""A file system that becomes read-only, as the kernel makes it after an error of the disk, and later writable again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import N2KError, NoMemory, StoreFull, StoreReadOnly, StoreUnreadable
from n2k_fcgi.files import sync_folder
from n2k_fcgi.store.lmdb.environment import meaning
from tests.support.golden import Golden
from tests.support.processes import eventually
from tests.support.worker import everybodys_data, set_modes, worker

CODE = """
import json, subprocess, sys
from pathlib import Path
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
from tests.support.sandbox import MASAKAZU, Sandbox, csv

place = Path(sys.argv[1])
box = Sandbox(place / "data", log_file="-")
box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
token = create_token(box.store.tokens, ("admin",)).text
box.register("Governor Linden", "3d6181b0-6a4b-97ef-18d8-722652995cf1")
box.close()
KEY = "99999999-2222-3333-4444-555555555555"
# The kernel after an error: files and folders seem to be writable, and are not.
frozen = [path for path in box.data_dir.iterdir() if path.suffix in (".mdb-lock", ".writer")]
assert {"captures.mdb-lock", "captures.writer"} <= {path.name for path in frozen}
for path in frozen:
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-"})
ask = wsgi(application)

def register():
    body = json.dumps({"name": "New Comer", "key": KEY}).encode()
    answer = ask("POST", "/api/v1/avatars", {"X-N2K-Token": token}, body)
    return answer.status, answer.body.decode()

def state():
    return [ask("GET", "/?name=masakazu.kojima", {}, b"").body.decode(), ask("GET", "/ready", {}, b"").status, *register()]

said = {"frozen": state()}
n2k = [sys.executable, "-m", "n2k_fcgi", "--dir", box.data_dir]
for words in (["lookup", "Governor Linden"], ["check"], ["stats"], ["register", "A B", KEY], ["purge"]):
    done = subprocess.run([*n2k, *words], capture_output=True, text=True)
    said[words[0]] = [done.returncode, done.stderr]
for path in frozen:
    subprocess.run(["umount", path], check=True)
said["back"] = state()
said["found"] = ask("GET", "/?key=" + KEY, {}, b"").body.decode()
application.close()
said["problems"] = box.problems()
box.close()
print(json.dumps(said))
"""

NAMESPACE = """
import json, subprocess, sys
from pathlib import Path
from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.store.keyvalue import Range, Terms
from tests.support.asking import wsgi
from tests.support.sandbox import Sandbox

place = Path(sys.argv[1])
box = Sandbox(place / "data", log_file="-")
token = create_token(box.store.tokens, ("admin",)).text
shop = box.store.keyvalue.create("shop", Terms(10_000, 10))
shop.apply([Put(b"k", b"1")], 5)
folder = shop.file.path.parent
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-"})
ask = wsgi(application)
headers = {"X-N2K-Token": token, "Content-Type": "text/plain"}

def state():
    replies = [ask("GET", "/db/k?ns=shop", headers, b""), ask("PUT", "/db/k?ns=shop", headers, b"2")]
    return [(reply.status, reply.body.decode()) for reply in replies]

def outcome(action):
    try:
        return action()
    except N2KError as error:
        return type(error).__name__

def copied():
    with shop.copy() as state:
        return state.count(Range(), 5)[0]

box.close()
subprocess.run(["mount", "--bind", folder, folder], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
said = {"frozen": state()}
application.close()
shop = box.store.keyvalue.namespace("shop")
said["store"] = [outcome(action) for action in (shop.compact, lambda: box.store.keyvalue.drop("shop"), copied)]
said["check"] = box.problems()
box.close()
subprocess.run(["umount", "-l", folder], check=True)
said["back"] = state()
application.close()
print(json.dumps(said))
"""


def test_a_namespace_on_a_file_system_made_read_only(tmp_path: Path) -> None:
    """Values are read, and copied elsewhere; writes are refused by one line, until they are possible again."""
    said = json.loads(run_in_a_file_system(NAMESPACE, tmp_path))
    assert said["frozen"] == [[200, "1"], [503, "nothing was written: the disk is read-only\n"]]
    assert said["store"] == ["StoreReadOnly", "StoreReadOnly", 1] and said["check"] == []
    assert said["back"][0] == [200, "1"] and said["back"][1][0] == 200


def run_in_a_file_system(code: str, place: Path) -> str:
    """Run *code* where *place* is a file system of its own; return what it prints."""
    inside = f'mount -t tmpfs -o size=40m tmpfs {place} && exec {sys.executable} -c "$CODE" {place}'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]
    done = subprocess.run(command, env={**os.environ, "CODE": code}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_system_made_read_only(tmp_path: Path) -> None:
    """Lookups go on in a worker that starts then, and in commands; what writes is refused by one line; the same worker writes
    when it may again."""
    said = json.loads(run_in_a_file_system(CODE, tmp_path))
    answer, ready, status, text = said["frozen"]
    assert (answer, ready, status) == ("a27b84f0-2757-4176-9579-43a181d4a5a0", 200, 503)
    assert "read-only" in text
    assert [said[word] for word in ("lookup", "check", "stats")] == [[0, ""], [0, "no problems found\n"], [0, ""]]
    for word in ("register", "purge"):
        code, line = said[word]
        assert code == StoreReadOnly.exit_code and line.count("\n") == 1 and "its file system is read-only" in line
    assert said["back"][:3] == ["a27b84f0-2757-4176-9579-43a181d4a5a0", 200, 200]
    assert (said["found"], said["problems"]) == ("New Comer", [])


def test_modes_that_change_under_a_running_worker() -> None:
    """Read-only while it runs: lookups go on, registrations are stored or refused by one line; then all as before."""
    with everybodys_data() as golden, worker(golden.data_dir, nobody=True) as child:
        assert register(child, golden, 1)[0] == 200 and child.finds()
        set_modes(golden.data_dir, 0o555, 0o444)
        assert eventually(child.finds)
        status, text = register(child, golden, 2)
        assert status == 503 and "cannot be read or written" in text and text.count("\n") == 1
        assert child.ask(f"/?key={key(2)}") == (200, "")
        set_modes(golden.data_dir, 0o777, 0o666)
        assert register(child, golden, 2)[0] == 200 and child.ask(f"/?key={key(2)}") == (200, "While2 Readonly")
        assert child.finds() and child.process.poll() is None


def key(n: int) -> str:
    """A key for the test."""
    return f"{n:08x}-7777-3333-4444-555555555555"


def register(child: "object", golden: Golden, n: int) -> tuple[int, str]:
    """Register the avatar with ``key(n)``."""
    return child.register(golden, f"While{n} Readonly", key(n))  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("mdb_txn_commit: Read-only file system", StoreReadOnly),
        ("/n2k-data/captures.mdb: Too many open files", StoreUnreadable),
        ("/n2k-data/captures.mdb: Permission denied", StoreUnreadable),
        ("mdb_env_sync: Operation not permitted", StoreUnreadable),
        ("mdb_txn_commit: Input/output error", StoreFull),
        ("mdb_txn_commit: No space left on device", StoreFull),
        ("/n2k-data/captures.mdb: Cannot allocate memory", NoMemory),
    ],
)
def test_what_the_system_said_is_not_called_a_full_disk(said: str, meant: type[N2KError]) -> None:
    """LMDB passes on the message of the system; only those that can mean a full disk do."""
    assert type(meaning(Path("captures.mdb"), lmdb.Error(said), StoreFull)) is meant


def test_a_folder_that_cannot_be_synced_is_named(tmp_path: Path) -> None:
    """The system's error for a sync names no file."""
    with pytest.raises(StoreUnreadable, match=r"cannot open .*/gone: No such file"):
        sync_folder(tmp_path / "gone")


STATISTICS = """
import json, subprocess, sys
from pathlib import Path
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.statistics import StatisticsReader
from tests.support.asking import wsgi
from tests.support.sandbox import MASAKAZU, Sandbox, csv

place = Path(sys.argv[1])
box = Sandbox(place / "data", log_file="-")
box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
StatisticsReader(box.store).read()
box.close()
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-", "metrics": "open"})
ask = wsgi(application)

def asked():
    statuses = {ask("GET", "/?name=masakazu.kojima", {}, b"").status for _ in range(50)}
    application.note_counts()
    application.keep_house()
    return sorted(statuses | {ask("GET", "/metrics", {}, b"").status})

said = {"before": asked()}
subprocess.run(["mount", "--bind", box.data_dir, box.data_dir], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", box.data_dir], check=True)
said["frozen"] = asked()
reader = StatisticsReader(box.store).read()
said["read"] = [reader.counted.total.hits, reader.problem]
box.close()
subprocess.run(["umount", "-l", box.data_dir], check=True)
said["back"] = asked()
application.close()
said["hits"] = StatisticsReader(box.store).read().counted.total.hits
box.close()
print(json.dumps(said))
"""


def test_statistics_on_a_disk_that_became_read_only(tmp_path: Path) -> None:
    """What was merged is read, what is counted meanwhile waits in memory, and no answer is another one."""
    said = json.loads(run_in_a_file_system(STATISTICS, tmp_path))
    assert said["before"] == said["frozen"] == said["back"] == [200]
    assert said["read"] == [50, ""] and said["hits"] == 150
