"""A disk without a free byte: the worker and lookups go on, and nothing that was acknowledged is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
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


@pytest.mark.parametrize("without_lock_file", [False, True])
def test_a_full_disk(tmp_path: Path, without_lock_file: bool) -> None:
    """On a file system of its own, filled to the last byte, with and without LMDB's lock file (a map of it would be SIGBUS)."""
    place = tmp_path / "disk"
    place.mkdir()
    inside = f'mount -t tmpfs -o size=40m tmpfs {place} && exec {sys.executable} -c "$CODE" {place} {without_lock_file}'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside]
    done = subprocess.run(command, env={**os.environ, "CODE": CODE}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["refused"] > 0 and said["found"] == said["stored"]
    assert (said["keys"], said["failed"], said["forget"], said["again"]) == (503, 401, 503, 200)
    assert (said["governor"], said["forgotten"]) == ("Governor Linden", "")
    assert said["lookup"] == "a27b84f0-2757-4176-9579-43a181d4a5a0"
    assert said["problems"] == []
