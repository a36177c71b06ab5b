"""``n2k kv export`` and ``import``: JSON lines that bring back everything, and bad ones."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from n2k_fcgi.model.keyvalue.entry import ValueType
from tests.support.commands import Commands
from tests.support.kv import get, lines, put
from tests.support.processes import SECONDS, running

EXPORTED = [
    {"key": "bytes", "type": "application/octet-stream", "base64": "AP8="},
    {"key": "empty", "type": "text/plain", "text": ""},
    {"key": "flags", "type": "text/plain", "text": "ünï\n\t\"\x00", "flags": 7, "expires_ms": 4_000_000_000_000, "id": "12"},
    {"key": "json", "type": "application/json", "text": '{ "a": [1.0,\n 1e400] }'},
]  # fmt: skip
SEQUENCE = {"sequence": "orders", "next": "101"}


def as_lines(objects: Sequence[object]) -> bytes:
    """JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def without_version(objects: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """The same without what an import does not restore."""
    return [{name: value for name, value in each.items() if name != "version"} for each in objects]


@pytest.mark.measured
def test_an_export_is_imported(shop: Commands, tmp_path: Path) -> None:
    """Values of every type byte for byte, times, flags, ids and sequences; again it is the same, and ids go on behind."""
    assert (
        shop("kv", "import", "shop", "-", stdin=as_lines([*EXPORTED, SEQUENCE])).err
        == "imported -: 4 keys stored, 1 sequence\n"
    )
    assert shop("kv", "export", "shop", tmp_path / "shop.jsonl").err == f"exported 5 lines to {tmp_path}/shop.jsonl\n"
    assert (tmp_path / "shop.jsonl").stat().st_mode & 0o777 == 0o600
    quiet = shop("-q", "kv", "export", "shop", tmp_path / "shop.jsonl")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    there = Commands(tmp_path / "there")
    assert there("token", "create", "--scope", "keyvalue", "--namespace", "shop").code == 0
    for _ in range(2):
        assert there("kv", "import", "shop", tmp_path / "shop.jsonl").code == 0
        assert without_version(lines(there("kv", "export", "shop", "-"))) == [*EXPORTED, SEQUENCE]
    assert there("kv", "get", "shop", "bytes").raw == b"\0\xff"
    assert there("kv", "get", "shop", "json").out == EXPORTED[3]["text"]
    assert there("check").code == 0


@pytest.mark.measured
def test_an_import_keeps_what_is_there(shop: Commands) -> None:
    """By default a line replaces the entry of its key; with --keep it does not."""
    put(shop, "flags", "mine")
    done = shop("kv", "import", "--keep", "shop", "-", stdin=as_lines(EXPORTED))
    assert (done.code, done.err) == (0, "imported -: 3 keys stored, 1 kept\n")
    assert shop("kv", "get", "shop", "flags").out == "mine"
    assert lines(shop("kv", "import", "--json", "shop", "-", stdin=as_lines(EXPORTED))) == [
        {"stored": 4, "kept": 0, "expired": 0, "sequences": 0, "refused": 0}
    ]
    assert get(shop, "flags")["id"] == "12"


@pytest.mark.measured
def test_lists_are_imported_too(shop: Commands) -> None:
    """What 'list --values' prints, with the time that is left; what has expired is left out."""
    put(shop, "a", '{"n": 1.50}', "--type", "json", "--ttl", "1h")
    put(shop, "b", b"\xff", "--flags", "9")
    listed = shop("kv", "list", "shop", "--values").raw
    gone = as_lines([{"key": "gone", "text": "", "expires_ms": 1_000_000_000_000}])
    assert shop("kv", "drop", "--yes", "shop").code == 0
    shop("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    done = shop("kv", "import", "shop", "-", stdin=b"\xef\xbb\xbf" + listed + b"\r\n\n" + gone)
    assert done.err == "imported -: 2 keys stored, 1 expired\n"
    assert (get(shop, "a")["json"], get(shop, "b")["base64"], get(shop, "b")["flags"]) == ({"n": 1.5}, "/w==", 9)
    assert get(shop, "a")["ttl_ms"] in range(3_000_000, 3_600_001)


TOO_LARGE = "bytes, 65536 at most (setting 'kv_max_value'): nothing was written"
BAD_LINES = [
    (b"nonsense", "bad item: it is not JSON"),
    (b"[1]", "bad item: it is not a JSON object"),
    (b'{"key": "\xff", "text": ""}', "bad item: it is not UTF-8"),
    (b"{}", "bad item: one of 'text', 'json', 'base64' is needed"),
    (b'{"key": "k", "text": "", "json": 1}', "bad item: one of 'text', 'json', 'base64' is needed"),
    (b'{"text": ""}', "bad item: 'key' must be a text"),
    (b'{"key": "", "text": ""}', "bad key: it has 0 bytes, 1 to 500 are allowed"),
    (b'{"key": "k", "text": 5}', "bad item: 'text' must be a text"),
    (b'{"key": "k", "text": "\\ud800"}', "bad item: 'text' cannot be written as UTF-8"),
    (b'{"key": "k", "base64": "a"}', "bad item: 'base64' is not base64"),
    (b'{"key": "k", "json": 1e999}', "bad item: 'json' has a number that JSON cannot hold"),
    (b'{"key": "k", "text": "{", "type": "application/json"}', "bad item: the value is not JSON"),
    (b'{"key": "k", "text": "", "type": "text/html"}', f"bad item: 'type' is one of {', '.join(ValueType)}"),
    (b'{"key": "k", "text": "", "flags": -1}', "bad item: 'flags' is a whole number from 0 to 4294967295"),
    (b'{"key": "k", "text": "", "flags": true}', "bad item: 'flags' is a whole number from 0 to 4294967295"),
    (b'{"key": "k", "text": "", "ttl_ms": 5, "expires_ms": 5}', "bad item: 'ttl_ms' and 'expires_ms' exclude each other"),
    (b'{"key": "k", "text": "", "tll_ms": 5}', "bad item: unknown field 'tll_ms'"),
    (b'{"sequence": "s", "next": 5, "key": "k"}', "bad item: unknown field 'key'"),
    (b'{"key": "k", "text": "' + b"x" * 65537 + b'"}', f"the value has 65537 {TOO_LARGE}"),
    (b'{"key": "k", "text": "' + b"x" * 500_000 + b'"}', "bad item: it has more than 403216 bytes: the value is too large"),
]  # fmt: skip


@pytest.mark.measured
def test_bad_lines_are_refused_with_their_number(shop: Commands) -> None:
    """Each with the reason; the lines between them are stored, and the exit code is 115."""
    given = b"".join(line + b"\n" + as_lines([{"key": f"k{n}", "text": "v"}]) for n, (line, _) in enumerate(BAD_LINES))
    done = shop("kv", "import", "shop", "-", stdin=given)
    assert done.code == 115
    expected = [f"line {2 * n + 1}: {why}" for n, (_, why) in enumerate(BAD_LINES)]
    assert done.err.splitlines() == [*expected, f"n2k: {len(BAD_LINES)} lines refused, {len(BAD_LINES)} keys stored"]
    assert len(shop("kv", "list", "shop").out.split()) == len(BAD_LINES)


@pytest.mark.measured
def test_many_bad_lines_are_counted(shop: Commands) -> None:
    """The first twenty are named; a packed file is not read as lines at all."""
    done = shop("kv", "import", "shop", "-", stdin=b"x\n" * 100)
    assert done.err.count("\n") == 22 and done.err.endswith("counted only\nn2k: 100 lines refused, 0 keys stored\n")
    packed = subprocess.run(["gzip", "-c"], input=as_lines(EXPORTED), capture_output=True, check=True).stdout
    done = shop("kv", "import", "shop", "-", stdin=packed)
    assert done.code == 2 and "- is packed: unpack it first" in done.err


@pytest.mark.measured
def test_files_that_cannot_be_used(shop: Commands, tmp_path: Path) -> None:
    """One line and a code: a missing file, a folder, a full disk; a file that is there is kept as it was."""
    assert (
        shop("kv", "import", "shop", tmp_path / "none").err == f"n2k: cannot open {tmp_path}/none: No such file or directory\n"
    )
    assert shop("kv", "import", "shop", tmp_path).code == shop("kv", "export", "shop", tmp_path).code == 2
    assert shop("kv", "export", "shop", tmp_path / "none" / "x").code == 41
    put(shop, "k")
    (tmp_path / "full").symlink_to("/dev/full")
    assert shop("kv", "export", "shop", tmp_path / "full").code == 45


def test_a_quota_ends_an_import(shop: Commands) -> None:
    """It names the lines that were not stored; those before them are."""
    shop("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--keys", "1500")
    given = as_lines([{"key": f"k{number:04}", "text": "v"} for number in range(2200)])
    done = shop("kv", "import", "shop", "-", stdin=given)
    before = "lines 1001 to 2000 were not stored, 1000 keys before"
    full = "the quota of this namespace is reached: 8382608 bytes and 500 keys are free, nothing was written"
    assert (done.code, done.err) == (107, f"n2k: {before}: {full}\n")
    assert len(shop("kv", "list", "shop").out.split()) == 1000


def test_a_killed_import(shop: Commands) -> None:
    """Only whole batches are there, and the same import again completes it."""
    given = as_lines([{"key": f"k{number:05}", "text": str(number)} for number in range(3500)])
    words = shop.command("kv", "import", "shop", "-")
    with running(words, stdin=subprocess.PIPE, stderr=None, **shop.environment()) as process:
        assert process.stdin
        process.stdin.write(given[:-10])
        process.stdin.flush()
        while len(shop("kv", "list", "shop").out.split()) < 3000:
            assert process.poll() is None
        process.kill()
        process.wait(SECONDS)
        process.stdin.close()
    assert len(shop("kv", "list", "shop").out.split()) == 3000
    assert shop("kv", "import", "shop", "-", stdin=given).err == "imported -: 3500 keys stored\n"
    values = [fields["text"] for fields in lines(shop("kv", "list", "shop", "--values"))]
    assert values == [str(number) for number in range(3500)]


def test_a_stalled_export_holds_nothing(shop: Commands) -> None:
    """Its reader takes no byte while 8 MB are replaced five times: the file does not keep them, the output is of one state."""
    shop("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--quota", "1G")

    def store(version: int) -> None:
        values = as_lines([{"key": f"k{number:03}", "text": str(version) * 60_000} for number in range(130)])
        assert shop("kv", "import", "shop", "-", stdin=values).code == 0

    store(0)
    words = shop.command("kv", "export", "shop", "-")
    with running(words, stdin=None, stderr=None, **shop.environment()) as process:
        assert process.stdout and process.stdout.read(1) == b"{"
        for version in range(1, 6):
            store(version)
        assert (shop.data_dir / "keyvalue" / "shop" / "data.mdb").stat().st_size < 30_000_000
        whole = [json.loads(line)["text"][0] for line in (b"{" + process.stdout.read()).splitlines()]
        assert whole == ["0"] * 130 and process.wait(SECONDS) == 0
    assert [path.name for path in (shop.data_dir / "keyvalue" / "shop").glob("*copy*")] == []


def test_a_killed_export_leaves_nothing(shop: Commands, tmp_path: Path) -> None:
    """No half of a file under its name; the next export removes the copy that it was reading."""
    assert shop("kv", "import", "shop", "-", stdin=as_lines([{"key": "k", "text": "x" * 60_000}] * 10)).code == 0
    put(shop, "l", "x" * 65_000)
    put(shop, "m", "x" * 65_000)
    with running(shop.command("kv", "export", "shop", "-"), stdin=None, stderr=None, **shop.environment()) as process:
        assert process.stdout and process.stdout.read(1) == b"{"
        process.kill()
        process.wait(SECONDS)
    before = {path.name for path in (shop.data_dir / "keyvalue" / "shop").iterdir()}
    assert shop("kv", "export", "shop", tmp_path / "shop.jsonl").code == 0
    after = {path.name for path in (shop.data_dir / "keyvalue" / "shop").iterdir()}
    assert len(before - after) == 1 and after < before
    assert shop("check").code == 0


def test_exports_and_imports_need_little_memory(shop: Commands) -> None:
    """60 MB of lines with 64 MB of data memory, in and out: neither holds more than a part of it."""
    shop("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--quota", "1G")
    line = json.dumps({"key": "KEY", "text": "x" * 60_000})
    maker = f"yes '{line}' | head -n 1000 | awk '{{ sub(/KEY/, NR); print }}'"
    for script, out, err in (
        (f'{maker} | (ulimit -d 64000; "$@" import shop -)', b"", b"imported -: 1000 keys stored\n"),
        ('(ulimit -d 64000; "$@" export shop -) | wc -l', b"1000\n", b"exported 1000 lines to -\n"),
    ):
        command = ["bash", "-c", script, "bash", *shop.command("kv")]
        done = subprocess.run(command, env=shop.environment(), capture_output=True, timeout=300)
        assert (done.stdout, done.stderr) == (out, err)
