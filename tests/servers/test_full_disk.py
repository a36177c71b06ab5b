"""A disk without a free byte: the worker and lookups go on, and nothing that was acknowledged is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILL = """
with open(place / "fill", "wb") as file:
    try:
        while file.write(b"x" * 4096):
            file.flush()
    except OSError:
        pass
    try:
        file.close()
    except OSError:
        pass
"""
"""Leaves no free byte in *place*."""

CODE = (
    """
import json, os, sys
from pathlib import Path
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.servers.live import LiveApplication
from tests.support.asking import wsgi
from tests.support.sandbox import MASAKAZU, GOVERNOR, Sandbox, csv

place, without_lock_file = Path(sys.argv[1]), sys.argv[2] == "True"
box = Sandbox(place / "data", log_file="-")
box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
token = create_token(box.store.tokens, ("admin",)).text
box.close()
if without_lock_file:
    (box.data_dir / "captures.mdb-lock").unlink()
"""
    + FILL
    + """
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-"})
ask = wsgi(application)
headers = {"X-N2K-Token": token}
stored, refused = [], []
for n in range(1, 60):
    key = f"{n:08x}-2222-3333-4444-555555555555"
    body = json.dumps({"name": f"Full{n} Disk", "key": key}).encode()
    (stored if ask("POST", "/api/v1/avatars", headers, body).status == 200 else refused).append(key)
asked = {
    "keys": ask("GET", "/name2key?keys=99999999-2222-3333-4444-555555555555", {}, b"").status,
    "failed": ask("POST", "/api/v1/avatars", {"X-N2K-Token": "x"}, b"{}").status,
    "forget": ask("POST", "/api/v1/forgotten", headers, json.dumps({"key": GOVERNOR}).encode()).status,
    "lookup": ask("GET", "/?name=masakazu.kojima", {}, b"").body.decode(),
    "governor": ask("GET", "/?key=" + GOVERNOR, {}, b"").body.decode(),
}
(place / "fill").unlink()
asked["found"] = [key for key in stored if ask("GET", "/?key=" + key, {}, b"").body]
asked["again"] = ask("POST", "/api/v1/forgotten", headers, json.dumps({"key": GOVERNOR}).encode()).status
asked["forgotten"] = ask("GET", "/?key=" + GOVERNOR, {}, b"").body.decode()
application.close()
print(json.dumps({**asked, "stored": stored, "refused": len(refused), "problems": box.problems()}))
box.close()
"""
)


NAMESPACE = (
    """
import json, sys, tempfile, time
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
now = time.time_ns() // 1_000_000
shop = box.store.keyvalue.create("shop", Terms(1 << 30, 10_000))
shop.apply([Put(b"first", b"1")], now)
box.close()
if sys.argv[2] == "True":
    (place / "data/keyvalue/shop/data.mdb-lock").unlink()
"""
    + FILL
    + """
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-"})
ask = wsgi(application)
write = {"X-N2K-Token": token, "Content-Type": "text/plain"}
stored, refused = ["first"], []
for n in range(40):
    for method, query in (("PUT", ""), ("POST", "&op=incr&initial=1")):
        key = f"{method}{n}"
        reply = ask(method, f"/db/{key}?ns=shop{query}", write, b"x" * 30_000 if method == "PUT" else b"")
        (stored if reply.status == 201 else refused).append(key if reply.status == 201 else reply)
seen = [ask("GET", f"/db/{key}?ns=shop", write, b"").status for key in stored]
listed = ask("GET", "/db?ns=shop", write, b"").body.decode().split()
application.close()

def refusal(action):
    try:
        action()
    except N2KError as error:
        return type(error).__name__
shop = box.store.keyvalue.namespace("shop")
other = [
    refusal(shop.compact),
    refusal(lambda: shop.copy(place / "copy").__enter__()),
    refusal(lambda: box.store.keyvalue.create("other", Terms(1, 1))),
]
with shop.copy() as state:
    copied = state.count(Range(), now)[0]
tempfile.tempdir = str(place)
other.append(refusal(lambda: shop.copy().__enter__()))
names = box.store.keyvalue.names()
left = sorted(path.name for path in (place / "data/keyvalue/shop").iterdir())
box.close()
(place / "fill").unlink()
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-"})
ask = wsgi(application)
again = ask("PUT", "/db/later?ns=shop", write, b"x" * 30_000).status
after = [ask("GET", f"/db/{key}?ns=shop", write, b"").status for key in stored]
application.close()
before, behind = box.store.keyvalue.namespace("shop").compact()
print(json.dumps({
    "stored": len(stored), "statuses": sorted({reply.status for reply in refused}), "seen": seen, "after": after,
    "lines": sorted({reply.body.decode() for reply in refused}), "listed": sorted(listed) == sorted(stored),
    "copied": copied, "other": other, "names": names, "left": left, "again": again, "problems": box.problems(),
}))
box.close()
"""
)


@pytest.mark.parametrize("without_lock_file", [False, True])
def test_a_full_disk(tmp_path: Path, without_lock_file: bool) -> None:
    """On a file system of its own, filled to the last byte, with and without LMDB's lock file (a map of it would be SIGBUS)."""
    said = on_a_small_disk(CODE, tmp_path / "disk", without_lock_file)
    assert said["refused"] > 0 and said["found"] == said["stored"]
    assert (said["keys"], said["failed"], said["forget"], said["again"]) == (503, 401, 503, 200)
    assert (said["governor"], said["forgotten"]) == ("Governor Linden", "")
    assert said["lookup"] == "a27b84f0-2757-4176-9579-43a181d4a5a0"
    assert said["problems"] == []


STATISTICS = (
    """
import json, os, sys
from pathlib import Path
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.statistics import StatisticsReader
from tests.support.asking import wsgi
from tests.support.sandbox import MASAKAZU, Sandbox, csv

place, is_merged_before = Path(sys.argv[1]), sys.argv[2] == "True"
box = Sandbox(place / "data", log_file="-")
box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
if is_merged_before:
    StatisticsReader(box.store).read()
box.close()
"""
    + FILL
    + """
application = LiveApplication({"data_dir": str(box.data_dir), "log_file": "-", "metrics": "open"})
ask = wsgi(application)
statuses = []
for number in range(300):
    statuses.append(ask("GET", "/?name=masakazu.kojima", {}, b"").status)
    if number % 3 == 0:
        application.note_counts()
    if number % 50 == 0:
        application.keep_house()
statuses.append(ask("GET", "/metrics", {}, b"").status)
(place / "fill").unlink()
application.close()
usage = StatisticsReader(box.store).read()
box.close()
print(json.dumps({"statuses": sorted(set(statuses)), "hits": usage.counted.total.hits, "problem": usage.problem}))
"""
)


@pytest.mark.parametrize("is_merged_before", [False, True])
def test_statistics_on_a_full_disk(tmp_path: Path, is_merged_before: bool) -> None:
    """They wait in memory, and no answer is another one; with space again all of it is counted."""
    assert on_a_small_disk(STATISTICS, tmp_path / "disk", is_merged_before) == {"statuses": [200], "hits": 300, "problem": ""}


@pytest.mark.parametrize("without_lock_file", [False, True])
def test_a_namespace_on_a_full_disk(tmp_path: Path, without_lock_file: bool) -> None:
    """Writes are 507 with one line, reads go on; nothing is lost, no half-made file left. Copies go to other disks."""
    said = on_a_small_disk(NAMESPACE, tmp_path / "disk", without_lock_file)
    assert said["statuses"] == [507]
    assert said["lines"] == ["no space left on the disk: nothing was written\n"]
    assert set(said["seen"]) == set(said["after"]) == {200} and said["listed"]
    assert said["other"] == ["NamespaceFull"] * 4 and said["copied"] == said["stored"]
    assert said["names"] == ["shop"] and said["left"] == ["data.mdb", "data.mdb-lock", "data.writer"]
    assert said["again"] == 201 and said["problems"] == []


def on_a_small_disk(code: str, place: Path, flag: bool) -> dict[str, Any]:
    """Run *code* with a file system of 40 MB at *place*, which is filled to the last byte; return what it reports."""
    place.mkdir()
    inside = f'mount -t tmpfs -o size=40m tmpfs {place} && exec {sys.executable} -c "$CODE" {place} {flag}'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]
    done = subprocess.run(command, env={**os.environ, "CODE": code}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said
