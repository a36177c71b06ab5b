"""``n2k doctor`` and ``n2k stats`` on namespaces: how full they are, what a power cut can do, and what is wrong."""

import json
import os
import signal
from pathlib import Path

import pytest

from n2k_fcgi.examinations import keyvalue
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.store.lmdb.growing_map import FAR_BEHIND
from tests.support.hosting import Account
from tests.support.processes import talking
from tests.support.sandbox import Sandbox


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """A home with data and two namespaces."""
    found = Account(tmp_path / "home")
    for name, quota in (("larder", "2K"), ("arcade", "8M")):
        done = found.run("token", "create", "--scope", "keyvalue", "--namespace", name, "--quota", quota)
        assert done.returncode == 0, done
    return found


def diagnosis(account: Account) -> tuple[int, dict[str, str]]:
    """(exit code, subject -> line) of ``n2k doctor``."""
    done = account.run("doctor")
    return done.returncode, {line[9:].partition(":")[0]: line for line in done.stdout.splitlines()}


def put(account: Account, size: int) -> None:
    """Store a value of *size* bytes."""
    box = Sandbox(account.data)
    box.store.keyvalue.namespace("larder").apply([Put(b"k", bytes(size))], 5)
    box.close()


def test_a_dataset_that_is_missing(account: Account) -> None:
    """It is a problem of the namespace that shows it; the other one has none."""
    box = Sandbox(account.data)
    box.store.keyvalue.build("red", [])
    box.store.keyvalue.namespace("larder").use("red", 5)
    box.close()
    code, lines = diagnosis(account)
    assert code == 0 and lines["namespace larder"].startswith("ok"), lines
    (account.data / "datasets" / "red.mdb").unlink()
    code, lines = diagnosis(account)
    assert (
        code != 0
        and "its dataset 'red' is gone" in lines["namespace larder"]
        and lines["namespace larder"].startswith("problem")
    )
    assert lines["namespace larder"].endswith("'n2k kv use larder DATASET'")
    assert lines["namespace arcade"].startswith("ok")


def test_namespaces_without_problems(account: Account) -> None:
    """A line for the promise, one for the largest value, and one for each namespace."""
    put(account, 1000)
    code, lines = diagnosis(account)
    assert code == 0, lines
    assert lines["key-value"] == "ok       key-value: kv_sync = always: a write is on the disk before it is acknowledged"
    assert lines["values"] == "ok       values: at most 65536 bytes"
    assert lines["namespace larder"] == "ok       namespace larder: 1001 of 2048 bytes, 1 of 100000 keys"
    assert lines["namespace arcade"] == "ok       namespace arcade: 0 of 8388608 bytes, 0 of 100000 keys"


def test_a_namespace_that_is_nearly_full(account: Account) -> None:
    """A warning, with the command that raises the quota."""
    put(account, 1900)
    line = diagnosis(account)[1]["namespace larder"]
    assert line.startswith("warning") and "--namespace larder --quota" in line


def test_settings_that_promise_less(account: Account) -> None:
    """No sync is a warning; values above what a request, or mod_fcgid, can carry are, too."""
    account.settings("kv_sync = off\nkv_max_value = 1M")
    lines = diagnosis(account)[1]
    assert lines["key-value"].startswith("warning") and "a power cut may cost the whole file" in lines["key-value"]
    assert lines["values"].startswith("warning") and "131072 bytes, because of max_body" in lines["values"]
    account.settings("kv_sync = meta\nkv_max_value = 1M\nmax_body = 2M")
    lines = diagnosis(account)[1]
    assert lines["key-value"].startswith("ok") and "never the file" in lines["key-value"]
    assert lines["values"].startswith("warning") and "FcgidMaxRequestLen" in lines["values"]


def test_a_namespace_that_cannot_be_read_or_written(account: Account) -> None:
    """Problems of one do not hide the other: a damaged file, and a lock that is held."""
    os.truncate(account.data / "keyvalue" / "larder" / "data.mdb", 4096)
    with hold(account.data / "keyvalue" / "arcade" / "data.writer", PRIVATE, 0) as held:
        assert held
        code, lines = diagnosis(account)
        stats = account.run("stats").stdout
    assert code == 83
    assert lines["namespace larder"].startswith("problem") and "damaged" in lines["namespace larder"]
    assert lines["namespace arcade"].startswith("problem") and "fuser data.writer" in lines["namespace arcade"]
    assert "namespace larder: " in stats and "damaged" in stats and "namespace arcade: 0 of 8388608 bytes" in stats


def test_a_process_that_was_stopped_while_it_read_a_namespace(sandbox: Sandbox) -> None:
    """It is named, with its namespace; one that only reads is not."""
    shop = sandbox.store.keyvalue.create("shop", Terms(1_000_000, 10))
    sandbox.store.keyvalue.create("game", Terms(1_000_000, 10))
    reader = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox\n"
        "shop = Sandbox(Path(sys.argv[1])).store.keyvalue.namespace('shop')\n"
        "input()\n"
        "with shop.snapshot(): print('inside', flush=True); input()\n"
        "print('outside', flush=True)"
    )
    with talking(reader, sandbox.data_dir) as go_on:
        assert go_on() == "inside\n"
        for n in range(FAR_BEHIND):
            assert list(keyvalue.stopped_readers(sandbox.store)) == []
            shop.apply([Put(b"k", b"")], n)
        (finding,) = keyvalue.stopped_readers(sandbox.store)
        ((name, pid, behind),) = sandbox.store.keyvalue.stopped_readers()
        assert (name, behind) == ("shop", FAR_BEHIND) and pid != os.getpid()
        assert f"process {pid} reads the namespace shop as it was {FAR_BEHIND} changes ago" in finding.text
        os.kill(pid, signal.SIGSTOP)
        assert len(list(keyvalue.stopped_readers(sandbox.store))) == 1
        os.kill(pid, signal.SIGCONT)
        assert go_on() == "outside\n"
        assert list(keyvalue.stopped_readers(sandbox.store)) == []


def test_stats_of_namespaces(account: Account) -> None:
    """Bytes, keys and quota, whether it is open, and the promise; as JSON, too."""
    put(account, 1000)
    assert account.run("kv", "open", "arcade").returncode == 0
    lines = account.run("stats").stdout.partition("lookups in 24 hours")[0].splitlines()
    assert [line for line in lines if "board" not in line and "namespace shop" not in line][-3:] == [
        "kv sync: always, a write is on the disk before it is acknowledged",
        "namespace arcade: 0 of 8388608 bytes, 0 of 100000 keys, open",
        "namespace larder: 1001 of 2048 bytes, 1 of 100000 keys",
    ]
    found = json.loads(account.run("stats", "--json").stdout)
    assert (found["kv_sync"], found["kv_promise"]) == ("always", Sync.ALWAYS.promise)
    assert found["namespaces"][2] == {
        "namespace": "larder", "bytes": 1001, "quota": 2048, "keys": 1, "most_keys": 100_000, "is_open": False,
    }  # fmt: skip
