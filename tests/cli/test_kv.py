"""``n2k kv get``, ``put``, ``delete``, ``incr``: values in and out, byte for byte; and the Tab key."""

import os
import re
import subprocess

import pytest
from click.shell_completion import BashComplete

from n2k_fcgi.cli import group
from tests.support.commands import Commands, on_terminal
from tests.support.kv import get, lines, put

EVERY_BYTE = bytes(range(256)) * 3
"""A value that is no text."""
NO_KEY = "n2k: no such key\n"


@pytest.mark.parametrize("value", [b"", b"red", b"red\n", EVERY_BYTE, b"\r\n\r\n", b"\xef\xbb\xbfx", b"\0" * 65536])
def test_a_value_comes_back_byte_for_byte(shop: Commands, value: bytes) -> None:
    """What standard input had is what standard output gets, with nothing added."""
    put(shop, "k", value)
    done = shop("kv", "get", "shop", "k")
    assert (done.code, done.raw, done.err) == (0, value, "")


def test_the_type_of_a_value(shop: Commands) -> None:
    """Text if it is UTF-8, otherwise bytes; --type says another, which must fit."""
    for key, value, options, kind in (
        ("text", "größer", (), "text/plain"),
        ("bytes", b"\xff", (), "application/octet-stream"),
        ("said", b"red", ("--type", "bytes"), "application/octet-stream"),
        ("json", b'{"a": [1,\n2.50]}', ("--type", "json"), "application/json"),
    ):
        put(shop, key, value, *options)
        assert get(shop, key)["type"] == kind
    assert [get(shop, key).get("text") for key in ("text", "json")] == ["größer", None]
    assert get(shop, "bytes")["base64"] == "/w==" and get(shop, "json")["json"] == {"a": [1, 2.5]}
    assert '"json":{"a": [1, 2.50]}}\n' in shop("kv", "get", "--json", "shop", "json").out
    done = shop("kv", "put", "shop", "x", "--type", "json", stdin=b"{")
    assert (done.code, done.out, done.err) == (13, "", "n2k: bad request: the value is not JSON\n")


@pytest.mark.measured
def test_a_value_on_the_command_line(shop: Commands) -> None:
    """--value takes it from there, whatever bytes it has, and leaves standard input alone."""
    assert shop("kv", "put", "shop", "k", "--value", "größer", stdin=b"not this").code == 0
    assert shop("kv", "get", "shop", "k").raw == "größer".encode()
    assert shop("kv", "put", "shop", "k", "--value", os.fsdecode(b"\xff-x")).code == 0
    assert shop("kv", "get", "shop", "k").raw == b"\xff-x" and "base64" in get(shop, "k")


def test_a_value_that_is_typed(shop: Commands) -> None:
    """On a terminal a line says how it ends."""
    with on_terminal(shop.command("kv", "put", "shop", "k"), shop.environment()) as terminal:
        terminal.wait_for("type the value; Ctrl-D ends it")
        terminal.type("red\n\x04")
        terminal.rest()
        assert terminal.process.returncode == 0
    assert shop("kv", "get", "shop", "k").out == "red\n"


@pytest.mark.measured
def test_metadata(shop: Commands) -> None:
    """Time to live and flags are stored; a put without them removes them."""
    version = put(shop, "k", "v", "--ttl", "1h", "--flags", "4294967295")
    entry = get(shop, "k")
    assert entry.pop("ttl_ms") in range(3_000_000, 3_600_001)  # type: ignore[operator]
    assert entry == {"key": "k", "version": str(version), "flags": 2**32 - 1, "type": "text/plain", "text": "v"}
    assert shop("kv", "stat", "shop", "k").out.startswith(f"key: k\nversion: {version}\nttl ms: 35")
    put(shop, "k", "v")
    assert (get(shop, "k")["ttl_ms"], get(shop, "k")["flags"]) == (None, 0)
    stat = shop("kv", "stat", "shop", "k").out
    assert re.fullmatch(r"key: k\nversion: \d+\nttl ms: -\nflags: 0\ntype: text/plain\nbytes: 1\n", stat)
    put(shop, "short", "v", "--ttl", "1ms")
    assert shop("kv", "get", "shop", "short").code == 103 and shop("kv", "list", "shop").out == "k\n"


@pytest.mark.parametrize("time", ["5", "0s", "1.5h", "-1s", "36601d", "s", "1w"])
def test_a_time_needs_a_unit(shop: Commands, time: str) -> None:
    """Anything else is usage, exit code 2, and nothing is written."""
    done = shop("kv", "put", "shop", "k", "--value", "v", "--ttl", time)
    assert done.code == 2 and "such as 500ms, 90s, 15m, 2h or 7d" in done.err
    assert shop("kv", "list", "shop").out == ""


@pytest.mark.measured
def test_conditions(shop: Commands) -> None:
    """A write happens only if they hold; else exit code 104, the present version in the line, and nothing written."""
    refused = "n2k: the condition does not hold: the present version is {}, nothing was written\n"
    done = shop("kv", "put", "shop", "k", "--value", "1", "--if-exists")
    assert (done.code, done.out, done.err) == (104, "", refused.format("none"))
    version = int(shop("kv", "put", "shop", "k", "--value", "1", "--if-absent").out)
    for options in (["--if-absent"], ["--if-version", version - 1], ["--if-value", "2"], ["--if-exists", "--if-value", ""]):
        done = shop("kv", "put", "shop", "k", "--value", "x", *options)
        assert (done.code, done.out, done.err) == (104, "", refused.format(version))
    done = shop("kv", "delete", "shop", "k", "--if-version", version + 1)
    assert (done.code, done.err) == (104, refused.format(version))
    second = int(shop("kv", "put", "shop", "k", "--value", "2", "--if-version", version, "--if-value", "1").out)
    assert second > version
    assert int(shop("kv", "delete", "shop", "k", "--if-version", second).out) > second
    assert shop("kv", "put", "shop", "k", "--if-absent", "--if-version", "5").code == 2


def test_missing_keys(shop: Commands) -> None:
    """get, stat, delete and incr say so in one line, exit code 103."""
    for command in ("get", "stat", "delete", "incr"):
        done = shop("kv", command, "shop", "none")
        assert (done.code, done.out, done.err) == (103, "", NO_KEY)


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 501, "ä" * 251, os.fsdecode(b"\xff")])
def test_a_bad_key(shop: Commands, key: str) -> None:
    """One line, exit code 100, for reading and writing."""
    for command in (["get"], ["stat"], ["delete"], ["incr"], ["put", "--value", "x"]):
        done = shop("kv", *command, "shop", "--", key)
        assert (done.code, done.out, done.err.count("\n")) == (100, "", 1) and done.err.startswith("n2k: bad key: ")
    assert shop("kv", "list", "shop").out == ""


def test_a_key_that_looks_like_an_option(shop: Commands) -> None:
    """It comes behind '--', and the refusal without it says so."""
    put(shop, "-x", "1")
    assert shop("kv", "get", "shop", "--", "-x").out == "1"
    assert "comes after '--': n2k kv get -- ...\n" in shop("kv", "get", "shop", "-x").err


@pytest.mark.measured
def test_increments(shop: Commands) -> None:
    """A number of 64 bits with sign; the refusals have codes of their own and change nothing."""
    incr = ("kv", "incr", "shop", "n")
    assert shop(*incr, "--initial", "5", "--ttl", "1h").out == "5\n"
    assert shop(*incr).out == "6\n" and shop(*incr, "--by", "-10").out == "-4\n"
    assert get(shop, "n")["ttl_ms"] is not None
    (fields,) = lines(shop(*incr, "--json"))
    assert (fields["number"], fields["created"], fields["free_keys"]) == ("-3", False, 99_999)
    assert shop(*incr, "--by", 2**63 - 1).out == f"{2**63 - 4}\n" and shop(*incr, "--by", "100").code == 106
    assert shop(*incr, "--by", 2**63).code == 2
    assert shop("kv", "get", "shop", "n").out == str(2**63 - 4)
    put(shop, "n", "many")
    done = shop(*incr)
    assert (done.code, done.err) == (105, "n2k: the value is not a whole number: nothing was written\n")
    assert shop(*incr, "--ttl", "1h").code == 2


def test_what_a_write_reports(shop: Commands) -> None:
    """With --json also whether it was new, and what is still free."""
    (first,) = lines(shop("kv", "put", "shop", "k", "--value", "1234", "--json"))
    (second,) = lines(shop("kv", "put", "shop", "k", "--value", "12", "--json"))
    assert int(str(second["version"])) > int(str(first["version"]))
    assert [(done["created"], done["free_bytes"]) for done in (first, second)] == [(True, 2**23 - 5), (False, 2**23 - 3)]
    (gone,) = lines(shop("kv", "delete", "shop", "k", "--json"))
    assert (gone["created"], gone["free_bytes"], gone["free_keys"]) == (False, 2**23, 100_000)


def test_limits(shop: Commands) -> None:
    """A value above kv_max_value, also one without an end, and a full namespace, are refused in one line."""
    limit = ("kv", "put", "shop", "k")
    done = shop(*limit, stdin=b"x" * 70_000)
    why = "the value has more than 65536 bytes, 65536 at most (setting 'kv_max_value'): nothing was written"
    assert (done.code, done.out, done.err) == (108, "", f"n2k: {why}\n")
    endless = subprocess.run(
        ["sh", "-c", 'cat /dev/zero | "$@"', "sh", *shop.command(*limit)],
        env=shop.environment(),
        capture_output=True,
        timeout=60,
    )
    assert endless.returncode == 108
    assert shop(*limit, stdin=b"12", N2K_KV_MAX_VALUE="1").code == 108
    assert shop("token", "create", "--scope", "keyvalue", "--namespace", "shop", "--quota", "1024", "--keys", "1").code == 0
    done = shop(*limit, stdin=b"x" * 2000)
    full = "the quota of this namespace is reached: 1024 bytes and 1 keys are free, nothing was written"
    assert (done.code, done.err) == (107, f"n2k: {full}\n")
    put(shop, "k")
    assert shop("kv", "put", "shop", "l", "--value", "").code == 107


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("kv na", ["namespaces"]),
        ("kv get ", ["game", "shop"]),
        ("kv drop s", ["shop"]),
        ("kv get shop door/", ["door/colour", "door/size"]),
        ("kv get none d", []),
        ("kv put shop k --ty", ["--type"]),
        ("kv put shop k --type j", ["json"]),
        ("token create --sc", ["--scope"]),
        ("token create --scope k", ["keyvalue"]),
    ],
)
def test_the_tab_key(shop: Commands, typed: str, offered: list[str]) -> None:
    """It offers commands, namespaces, keys and words; nothing where there is none."""
    shop("token", "create", "--scope", "keyvalue", "--namespace", "game")
    for key in ("door/colour", "door/size", "wall"):
        put(shop, key)
    *before, word = typed.split(" ")
    completion = BashComplete(group, {}, "n2k", "_N2K_COMPLETE")
    found = completion.get_completions(["--dir", str(shop.data_dir), *before], word)
    assert [item.value for item in found] == offered


def test_the_tab_key_without_data(n2k: Commands) -> None:
    """Nothing is offered, nothing is said, nothing is made."""
    completion = BashComplete(group, {}, "n2k", "_N2K_COMPLETE")
    assert completion.get_completions(["--dir", str(n2k.data_dir), "kv", "get"], "") == []
    assert not n2k.data_dir.exists()
