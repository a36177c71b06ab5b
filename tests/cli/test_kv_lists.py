"""``n2k kv list``, ``stat``, ``watch``, and what the owner does with whole namespaces."""

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import Commands, on_terminal
from tests.support.kv import get, lines, put
from tests.support.processes import SECONDS, running


@pytest.mark.measured
def test_lists(shop: Commands) -> None:
    """Keys in the order of their bytes, by range and prefix, both ways, up to a limit; as JSON, and with values."""
    for key in ("b", "a/2", "a/1", "é", "Z"):
        put(shop, key, f"<{key}>", "--flags", "3")

    def listed(*options: object) -> list[str]:
        return shop("kv", "list", "shop", *options).out.split()

    assert listed() == ["Z", "a/1", "a/2", "b", "é"]
    assert listed("--reverse") == ["é", "b", "a/2", "a/1", "Z"]
    assert listed("--prefix", "a/") == ["a/1", "a/2"] and listed("--prefix", "é") == ["é"] and listed("--prefix", "x") == []
    assert listed("--start", "a/2", "--end", "é") == ["a/2", "b"] and listed("--prefix", "a", "--end", "a/2") == ["a/1"]
    assert listed("--limit", "2") == ["Z", "a/1"] and listed("--limit", "1", "--reverse") == ["é"]
    keys = lines(shop("kv", "list", "shop", "--json", "--prefix", "a/1"))
    assert [sorted(fields) for fields in keys] == [["flags", "key", "ttl_ms", "type", "version"]]
    assert lines(shop("kv", "list", "shop", "--values", "--limit", "1")) == [get(shop, "Z")]


def test_a_long_list_is_whole(shop: Commands) -> None:
    """Page by page, with many values, both ways."""
    keys = [f"k{number:05}" for number in range(2500)]
    given = "".join(json.dumps({"key": key, "text": key * 20}) + "\n" for key in keys)
    assert shop("kv", "import", "shop", "-", stdin=given.encode()).code == 0
    assert shop("kv", "list", "shop").out.split() == keys
    assert shop("kv", "list", "shop", "--reverse", "--limit", "1500").out.split() == keys[:-1501:-1]
    assert [fields["text"] for fields in lines(shop("kv", "list", "shop", "--values"))] == [key * 20 for key in keys]


@pytest.mark.parametrize("reader", ["true", "head -c 1"])
@pytest.mark.parametrize(
    "arguments", [["list", "shop"], ["list", "shop", "--values"], ["export", "shop", "-"], ["get", "shop", "k"]]
)
def test_a_reader_that_leaves(shop: Commands, arguments: Sequence[str], reader: str) -> None:
    """It is no error: exit code 0, and not a word."""
    given = "".join(json.dumps({"key": f"{number:05}", "text": "x" * 500}) + "\n" for number in range(3000))
    assert shop("kv", "import", "shop", "-", stdin=given.encode()).code == 0
    put(shop, "k", b"x" * 65536)
    line = f'"$@" | {reader} >/dev/null; echo ${{PIPESTATUS[0]}}'
    words = ["bash", "-c", line, "bash", *shop.command("kv", *arguments)]
    done = subprocess.run(words, env=shop.environment(), capture_output=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"0\n", b"")


PRINTING = [["list", "shop"], ["get", "shop", "k"], ["export", "shop", "-"], ["namespaces"], ["watch", "shop", "--since", "0"]]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_output(shop: Commands, arguments: Sequence[str]) -> None:
    """Exit code 45 and a line that says so."""
    put(shop, "k", b"x" * 65536)
    done = subprocess.run(
        ["sh", "-c", '"$@" >/dev/full', "sh", *shop.command("kv", *arguments)],
        env=shop.environment(),
        capture_output=True,
        timeout=60,
    )
    why = "no space left for standard output: it is not whole (No space left on device)"
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (45, f"n2k: {why}")


@pytest.mark.measured
def test_namespaces_are_listed(shop: Commands) -> None:
    """Name, bytes, quota, keys, most keys, open; headings on standard error, as a JSON object per line without."""
    shop("token", "create", "--scope", "keyvalue", "--namespace", "game_1", "--quota", "1M", "--keys", "7")
    put(shop, "k", "12345")
    shop("kv", "open", "shop")
    done = shop("kv", "namespaces")
    assert done.out == "game_1\t0\t1048576\t0\t7\tno\nshop\t6\t8388608\t1\t100000\tyes\n"
    assert done.err == "namespace\tbytes\tquota\tkeys\tmost keys\topen\n"
    assert [fields["is_open"] for fields in lines(shop("kv", "namespaces", "--json"))] == [False, True]
    stat = shop("kv", "stat", "shop").out
    version = get(shop, "k")["version"]
    assert stat == (
        "namespace: shop\nbytes: 6\nquota: 8388608\nkeys: 1\nmost keys: 100000\nis open: yes\ndataset: none\n"
        f"version: {version}\n"
    )  # fmt: skip
    (fields,) = lines(shop("kv", "stat", "shop", "--json"))
    assert (fields["bytes"], fields["is_open"], fields["version"]) == (6, True, version)


@pytest.mark.measured
def test_open_and_close(shop: Commands) -> None:
    """Each says what it did, and whether it was so already."""
    said = [shop("kv", command, "shop").err for command in ("close", "open", "open", "close")]
    assert said == [
        "shop was closed already\n",
        "shop is open: anyone may read it without a token\n",
        "shop was open already\n",
        "shop is closed: reading it needs a token\n",
    ]


def test_a_namespace_that_is_not_there(n2k: Commands) -> None:
    """Every command says how it is made, exit code 102; without a data directory that is what is missing (40)."""
    commands = [["get", "k"], ["put", "k", "--value", "v"], ["delete", "k"], ["incr", "k"], ["list"], ["stat"], ["watch"]]
    commands += [["export", "-"], ["import", "-"], ["compact"], ["open"], ["close"], ["drop", "--yes"]]
    for command, *rest in commands:
        done = n2k("kv", command, "shop", *rest)
        assert (done.code, done.out) == (40, "") and done.err.startswith("n2k: no n2k data in "), done
    assert n2k("kv", "namespaces").code == 40
    n2k("init")
    why = "no namespace 'shop': 'n2k token create --scope keyvalue --namespace shop' makes it"
    for command, *rest in commands:
        done = n2k("kv", command, "shop", *rest)
        assert (done.code, done.out, done.err) == (102, "", f"n2k: {why}\n")
        assert n2k("kv", command, "No", *rest).code == 101
    done = n2k("kv", "namespaces")
    assert (done.code, done.out) == (0, "")


@pytest.mark.measured
def test_drop_asks(shop: Commands) -> None:
    """On a terminal; elsewhere it needs --yes. What is in it is gone then."""
    put(shop, "k", "v")
    done = shop("kv", "drop", "shop")
    assert done.code == 2 and "this would remove shop with 1 key: add --yes" in done.err
    with on_terminal(shop.command("kv", "drop", "shop"), shop.environment()) as terminal:
        terminal.wait_for("Remove the namespace shop with 1 key? [y/N]: ")
        terminal.type("n\n")
        assert "n2k: stopped" in terminal.rest() and terminal.process.returncode == 130
    assert shop("kv", "get", "shop", "k").out == "v"
    with on_terminal(shop.command("kv", "drop", "shop"), shop.environment()) as terminal:
        terminal.wait_for("[y/N]: ")
        terminal.type("y\n")
        assert "dropped: shop, 1 key" in terminal.rest() and terminal.process.returncode == 0
    assert shop("kv", "get", "shop", "k").code == 102 and shop("kv", "namespaces").out == ""
    shop("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    assert shop("kv", "list", "shop").out == ""


@pytest.mark.measured
def test_compact(shop: Commands) -> None:
    """The file gets smaller, and what is in it stays."""
    for number in range(20):
        put(shop, f"k{number}", os.urandom(60_000))
    for number in range(1, 20):
        assert shop("kv", "delete", "shop", f"k{number}").code == 0
    value = shop("kv", "get", "shop", "k0").raw
    match = re.fullmatch(r"shop: (\d+) bytes before, (\d+) now\n", shop("kv", "compact", "shop").err)
    assert match and int(match[2]) < int(match[1]) / 2
    assert shop("kv", "get", "shop", "k0").raw == value and shop("kv", "list", "shop").out == "k0\n"


class Watching:
    """A running ``n2k kv watch``."""

    def __init__(self, process: "subprocess.Popen[bytes]", stderr: Path) -> None:
        self.process = process
        self.stderr = stderr

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().decode()

    def has_printed(self) -> bool:
        """Whether there is a line to read, or soon."""
        assert self.process.stdout
        return bool(select.select([self.process.stdout], [], [], 0.1)[0])


@contextmanager
def watching(n2k: Commands, *options: object) -> Iterator[Watching]:
    """Run it."""
    words = n2k.command("kv", "watch", "shop", "--every", "10ms", *options)
    path = n2k.data_dir.parent / "watch.err"
    with path.open("wb") as stderr, running(words, stdin=None, stderr=stderr, **n2k.environment()) as process:
        yield Watching(process, path)


@pytest.mark.measured
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch(shop: Commands, number: signal.Signals) -> None:
    """Each change is one line, by other processes too, in order; only keys with the prefix; a signal ends it well."""
    since = put(shop, "a/0")
    with watching(shop, "--prefix", "a/", "--since", since) as watch:
        first = put(shop, "a/1", "v")
        assert watch.line() == f"{first}\tput\ta/1\n"
        put(shop, "b", "v")
        gone = int(shop("kv", "delete", "shop", "a/1").out)
        short = put(shop, "a/2", "v", "--ttl", "1ms")
        last = put(shop, "a/3", "v")
        assert [watch.line() for _ in range(2)] == [f"{gone}\tdelete\ta/1\n", f"{short}\tput\ta/2\n"]
        version, kind, key = watch.line().split("\t")
        assert (short < int(version) < last, kind, key) == (True, "expire", "a/2\n")
        assert watch.line() == f"{last}\tput\ta/3\n"
        watch.process.send_signal(number)
        assert (watch.process.wait(SECONDS), watch.line(), watch.stderr.read_text()) == (0, "", "")


def test_watch_begins_now(shop: Commands) -> None:
    """Without --since what was before is not printed; as JSON."""
    put(shop, "old")
    with watching(shop, "--json") as watch:
        versions = []
        while not watch.has_printed():
            versions.append(put(shop, "new"))
        fields = json.loads(watch.line())
        assert (fields["kind"], fields["key"]) == ("put", "new") and int(fields["version"]) in versions


def test_watch_ends_with_its_reader(shop: Commands) -> None:
    """A closed pipe ends it although nothing changes: exit code 0."""
    with watching(shop, "--since", "0") as watch:
        put(shop, "k")
        assert watch.line().endswith("\tput\tk\n")
        assert watch.process.stdout
        watch.process.stdout.close()
        assert watch.process.wait(SECONDS) == 0


@pytest.mark.measured
def test_watch_beyond_the_log(shop: Commands) -> None:
    """A line says that anything may have changed, and each key that there is follows; the same for a version from elsewhere.

    The last version printed is one to continue after, wherever the reading of it stops.
    """
    shop.put("n2k.ini", "[n2k]\nkv_log = 3\n")
    first = put(shop, "gone")
    shop("kv", "delete", "shop", "gone")
    kept = [(key, put(shop, key)) for key in ("b", "a", "c", "d")]
    once = ("kv", "watch", "shop", "--once", "--since")
    last = kept[-1][1]
    everything = f"0\tflush\t\n0\tput\ta\n0\tput\tb\n0\tput\tc\n{last}\tput\td\n"
    for since in (first, last + 1):
        done = shop(*once, since)
        assert (done.code, done.out) == (0, everything)
        assert done.err == "anything may have changed: the keys that there are now follow\n"
    assert shop(*once, kept[-2][1]).out == f"{kept[-1][1]}\tput\td\n"
    assert shop(*once, first, "--prefix", "c").out == f"0\tflush\t\n{last}\tput\tc\n"
    assert shop(*once, 0, "--prefix", "none").out == f"{last}\tflush\t\n"
    assert shop(*once, last).out == ""


def test_a_dropped_namespace_keeps_its_quota(shop: Commands) -> None:
    """Made again without --quota, it has the last one that was set, and is closed."""
    again = ("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    assert shop(*again, "--quota", "1M", "--keys", "7").code == 0
    assert shop("kv", "open", "shop").code == 0
    assert shop("kv", "drop", "--yes", "shop").code == 0
    assert shop(*again).err == "namespace shop: 1048576 bytes and 7 keys at most\n"
    assert shop("kv", "namespaces").out == "shop\t0\t1048576\t0\t7\tno\n"


def test_a_watch_of_a_dropped_namespace_ends(shop: Commands) -> None:
    """With the code of a namespace that is not there, in one line."""
    with watching(shop, "--since", "0") as watch:
        put(shop, "k")
        assert watch.line().endswith("\tput\tk\n")
        assert shop("kv", "drop", "--yes", "shop").code == 0
        assert watch.process.wait(SECONDS) == 102
        assert watch.stderr.read_text().startswith("n2k: no namespace 'shop'")


def test_a_watch_survives_a_compaction(shop: Commands) -> None:
    """The file is another one then, and the next change is printed as if it were not."""
    with watching(shop, "--since", "0") as watch:
        put(shop, "k")
        assert watch.line().endswith("\tput\tk\n")
        assert shop("kv", "compact", "shop").code == 0
        version = put(shop, "l")
        assert watch.line() == f"{version}\tput\tl\n"
