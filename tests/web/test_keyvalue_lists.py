"""Lists of keys and values, counts, changes, and the namespace as a whole (space, sequences, flush), below ``/db``."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.shop import IN_WORLD, Shop, shop_in

KEYS = [f"k{n:03}" for n in range(400)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """An empty namespace."""
    with shop_in(tmp_path / "data") as made:
        yield made


@pytest.fixture
def full(shop: Shop) -> Shop:
    """One with KEYS, each with its own name as text."""
    shop.batch(*({"op": "put", "key": key, "text": f"value of {key}"} for key in KEYS))
    return shop


def pages(shop: Shop, target: str, name: str, **headers: str) -> list[list[str]]:
    """The keys of each page of a JSON list, which goes on while there is a cursor."""
    found, cursor = [], ""
    while True:
        page = shop.get(f"{target}&format=json&cursor={cursor}", **headers)
        found.append([item if isinstance(item, str) else item["key"] for item in page[name]])
        cursor = page.get("cursor", "")
        if not cursor:
            return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["a", "a/b", "a0", "b", "ä"]),
        ("prefix=a", ["a", "a/b", "a0"]),
        ("prefix=a%2F", ["a/b"]),
        ("prefix=", ["a", "a/b", "a0", "b", "ä"]),
        ("start=a0", ["a0", "b", "ä"]),
        ("end=a0", ["a", "a/b"]),
        ("start=a%2F&end=b", ["a/b", "a0"]),
        ("prefix=a&start=a0", ["a0"]),
        ("prefix=a&end=a0&reverse=1", ["a/b", "a"]),
        ("start=b&end=a", []),
        ("prefix=%C3%A4", ["ä"]),
        ("reverse=1&limit=2", ["ä", "b"]),
        ("limit=2&reverse=0&count=0&values=0", ["a", "a/b"]),
        ("prefix=%00", []),
        ("end=&start=&cursor=", ["a", "a/b", "a0", "b", "ä"]),
    ],
)
def test_ranges(shop: Shop, asked: str, expected: list[str]) -> None:
    """In the order of bytes, both ways, one key per line or in JSON; a slash is a byte like others."""
    for key in ("b", "a/b", "ä", "a", "a0"):
        shop.put(quote(key), "1")
    answer = shop.ask("GET", f"?{asked}")
    assert (answer.status, answer.body.decode()) == (200, "\n".join(expected))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8" and answer.headers["cache-control"] == "no-store"
    assert shop.get(f"?format=json&{asked}")["keys"] == expected
    assert [entry["key"] for entry in shop.get(f"?values=1&{asked.replace('&values=0', '')}")["entries"]] == expected


@pytest.mark.parametrize("reverse", ["0", "1"])
@pytest.mark.parametrize("target", ["?values=0", "?values=1", "?prefix=k&limit=7", "?values=1&max_bytes=333"])
def test_pages_of_a_script(full: Shop, target: str, reverse: str) -> None:
    """Each is whole JSON of at most what the script keeps; together they are all keys, each once, in order."""
    name = "entries" if "values=1" in target else "keys"
    room = 333 if "max_bytes" in target else 2048
    found = pages(full, f"{target}&reverse={reverse}", name, **IN_WORLD)
    assert [key for page in found for key in page] == (KEYS[::-1] if reverse == "1" else KEYS)
    answer = full.ask("GET", f"{target}&format=json", **IN_WORLD)
    assert room * 0.7 < len(answer.body) <= room or "limit" in target


def test_a_text_list_of_a_script_ends_with_a_whole_line(full: Shop) -> None:
    """The header X-KV-Cursor leads to the rest; a list that is complete has none."""
    answer = full.ask("GET", "?max_bytes=100", **IN_WORLD)
    lines = answer.body.decode().split("\n")
    assert lines == KEYS[:20] and len(answer.body) == 99
    rest = full.ask("GET", f"?cursor={answer.headers['x-kv-cursor']}")
    assert rest.body.decode().split("\n") == KEYS[20:] and "x-kv-cursor" not in rest.headers
    assert "X-KV-Cursor" in rest.headers["access-control-expose-headers"]


def test_the_cursor_goes_on_across_writes(full: Shop) -> None:
    """Keys that were there all the time come once, whatever is removed or added, the cursor's own key included."""
    first = full.get("?format=json&limit=50")
    full.ask("DELETE", f"/{first['keys'][-1]}")
    full.ask("DELETE", "/k060")
    full.put("k000a", "behind us")
    full.put("k060a", "before us")
    second = full.get(f"?format=json&cursor={first['cursor']}")["keys"]
    assert first["keys"] == KEYS[:50] and second == sorted({*KEYS[50:], "k060a"} - {"k060"})


def test_values_are_those_of_a_get(shop: Shop) -> None:
    """Each item is the object of GET with format=json: text, JSON as it was written, bytes, flags, the time that is left."""
    shop.put("bytes", b"\0\xff", "application/octet-stream")
    shop.put("json?flags=7", '{"a": 1.50,\n "a": [1e999]}', "application/json")
    shop.ask("PUT", "/text?ttl_ms=1000000", "zwölf", Content_Type="text/plain")
    items = {item["key"]: item for item in shop.get("?values=1")["entries"]}
    assert b'"json":{"a": 1.50,  "a": [1e999]}' in shop.ask("GET", "?values=1").body
    assert items["bytes"]["base64"] == "AP8=" and items["text"]["text"] == "zwölf" and items["json"]["flags"] == 7
    for key, item in items.items():
        alone = shop.get(f"/{key}?format=json")
        assert item.pop("ttl_ms") is alone.pop("ttl_ms") is None or key == "text"
        assert repr(item) == repr(alone)


def test_values_are_exact_if_asked_for(shop: Shop) -> None:
    """All as base64, with their types: JSON keeps its line feeds; by name, too; other forms are refused."""
    values = {
        "bytes": ("application/octet-stream", b"\0\xff"),
        "json": ("application/json", b'{"a":\n 1.50}\n'),
        "text": ("text/plain", "zwölf".encode()),
    }
    for key, (kind, value) in values.items():
        shop.put(key, value, kind)
    found = shop.get("?values=base64")["entries"]
    assert {item["key"]: (item["type"], b64decode(item["base64"])) for item in found} == values
    assert shop.post("get&values=base64", {"keys": ["json", "none"]})["entries"] == [found[1], None]
    assert shop.ask("GET", "?values=2").status == 400


def test_a_value_that_does_not_fit_stops_no_list(shop: Shop) -> None:
    """A script gets its size instead of it, and the list goes on; other callers get all of it."""
    for key in "abc":
        shop.put(key, "x" * (5000 if key == "b" else 5))
    assert pages(shop, "?values=1", "entries", **IN_WORLD) == [["a"], ["b"], ["c"]]
    cursor = shop.get("?values=1", **IN_WORLD)["cursor"]
    (large,) = shop.get(f"?values=1&cursor={cursor}", **IN_WORLD)["entries"]
    assert (large["key"], large["size"], large["text"]) == ("b", 5000, "")
    assert [len(item["text"]) for item in shop.get("?values=1")["entries"]] == [5, 5000, 5]


def named(shop: Shop, *keys: str, query: str = "", **headers: str) -> tuple[list[str | None], int]:
    """The keys of the entries that were answered, None for a missing one, and how many were cut off."""
    answer = json.loads(shop.ask("POST", f"?op=get{query}", json.dumps({"keys": keys}), **headers).body)
    return [entry and entry["key"] for entry in answer["entries"]], answer["more"]


def test_entries_that_are_named(full: Shop) -> None:
    """In the order of the question, as a GET of each has them; a script gets as many as it keeps, and asks for the others."""
    full.put("bytes", b"\0\xff", "application/octet-stream")
    asked = ["k007", "nobody", "bytes", "k007", "k001"]
    answer = full.post("get", {"keys": asked})
    assert answer == {
        "entries": [None if key == "nobody" else full.get(f"/{key}?format=json") for key in asked],
        "more": 0,
    }
    got: list[str | None] = []
    while len(got) < len(KEYS):
        some, more = named(full, *KEYS[len(got) :], **IN_WORLD)
        assert some and more == len(KEYS) - len(got) - len(some)
        got += some
    assert got == KEYS
    assert named(full, *KEYS[:9], query="&max_bytes=400") == (KEYS[:3], 6)


def test_a_named_value_that_does_not_fit(shop: Shop) -> None:
    """Has its size, if it is the first; otherwise it is left out, and the next question begins with it."""
    shop.put("big", "x" * 3000)
    shop.put("small", "1")
    assert named(shop, "small", "big", **IN_WORLD) == (["small"], 1)
    (entry,) = shop.post("get&max_bytes=2048", {"keys": ["big", "small"]})["entries"][:1]
    assert (entry["key"], entry["size"], entry["text"]) == ("big", 3000, "")


def test_named_entries_end_at_a_megabyte(shop: Shop) -> None:
    """What a worker holds in memory is bounded, also if one key is named a thousand times."""
    shop.put("big", "x" * 60_000)
    keys, more = named(shop, *["big"] * 1000)
    assert (len(keys), more) == (18, 982)


@pytest.mark.parametrize(
    "body", [{}, {"keys": []}, {"keys": ["k"] * 1001}, {"keys": [1]}, {"keys": ["k"], "x": 1}, {"keys": [""]}]
)
def test_bad_names(shop: Shop, body: object) -> None:
    """No keys, too many, other fields, a key that cannot be: 400 with one line."""
    assert shop.ask("POST", "?op=get", json.dumps(body)).status == 400


def test_a_page_ends_at_a_megabyte(shop: Shop) -> None:
    """A list with values holds no more in memory, and has a cursor."""
    for n in range(20):
        shop.put(f"k{n:02}", "x" * 65000)
    assert [len(page) for page in pages(shop, "?values=1", "entries")] == [16, 4]


def test_nothing_fits(full: Shop) -> None:
    """400 and one line, also for lines."""
    for target in ("?max_bytes=3", "?format=json&max_bytes=30", "?values=1&max_bytes=60", "?since=0&max_bytes=5"):
        answer = full.ask("GET", target)
        assert answer.status == 400 and b"not even the first one fits" in answer.body


def test_counts(full: Shop) -> None:
    """Keys and bytes of keys and values, of a range; what has expired is left out."""
    full.ask("PUT", "/k999?ttl_ms=1", "gone", Content_Type="text/plain")
    while full.ask("GET", "/k999").status == 200:
        pass
    assert full.ask("GET", "?count=1").body == b"keys 400\nbytes 6800"
    assert full.get("?count=1&format=json&prefix=k00") == {"keys": 10, "bytes": 170}
    assert full.get("?count=1&format=json&start=k390&limit=1") == {"keys": 10, "bytes": 170}
    assert full.ask("GET", "?prefix=k99").body == b""


def test_changes(shop: Shop) -> None:
    """Each once, in order, with its version as text; the last version leads to those that follow."""
    first, second = shop.put("a", "1"), shop.put("a%20b", "2")
    gone = shop.ask("DELETE", "/a").body.decode()
    assert shop.ask("GET", "?since=0").body.decode() == f"{first} put a\n{second} put a b\n{gone} delete a"
    assert shop.ask("GET", "?since=0").headers["x-kv-cursor"] == gone
    found = shop.get("?since=0&format=json&limit=2")
    assert found == {
        "changes": [{"version": first, "op": "put", "key": "a"}, {"version": second, "op": "put", "key": "a b"}],
        "last": second,
        "more": True,
    }
    assert shop.get(f"?since={second}&format=json")["changes"] == [{"version": gone, "op": "delete", "key": "a"}]
    assert shop.get(f"?since={gone}&format=json") == {"changes": [], "last": gone, "more": False}
    idle = shop.ask("GET", f"?since={gone}")
    assert (idle.status, idle.body, idle.headers["x-kv-cursor"]) == (200, b"", gone)


def test_changes_for_a_script(full: Shop) -> None:
    """Whole JSON and whole lines of at most 2,048 bytes; ``last`` is that of what was kept, and nothing is left out."""
    for form in ("&format=json", ""):
        keys: list[str] = []
        since, more = "0", True
        while more:
            answer = full.ask("GET", f"?since={since}{form}", **IN_WORLD)
            assert answer.status == 200 and len(answer.body) <= 2048
            if form:
                page = json.loads(answer.body)
                keys += [change["key"] for change in page["changes"]]
                since, more = page["last"], page["more"]
            else:
                keys += [line.split()[2] for line in answer.body.decode().split("\n") if line]
                since, more = answer.headers["x-kv-cursor"], bool(answer.body)
        assert keys == KEYS


def test_expiry_is_a_change_when_it_is_swept(shop: Shop) -> None:
    """By the next write."""
    shop.ask("PUT", "/short?ttl_ms=1", "x", Content_Type="text/plain")
    while shop.ask("GET", "/short").status == 200:
        pass
    shop.put("a", "1")
    assert [change["op"] for change in shop.get("?since=0&format=json")["changes"]] == ["put", "expire", "put"]


@pytest.mark.parametrize("since", ["5", str(2**63 - 1)])
def test_changes_that_are_gone(shop: Shop, since: str) -> None:
    """410, one line or JSON; that has the version to go on from after the keys were listed anew."""
    last = shop.put("a", "1")
    answer = shop.ask("GET", f"?since={since}")
    assert (answer.status, answer.body.count(b"\n")) == (410, 1) and b"list the keys anew" in answer.body
    assert json.loads(shop.ask("GET", f"?since={since}&format=json").body)["last"] == last
    assert shop.get(f"?since={last}&format=json")["changes"] == []


def test_the_log_is_bounded(tmp_path: Path) -> None:
    """A reader that is further behind than ``kv_log`` lists the keys anew, and follows from ``last`` on."""
    with shop_in(tmp_path / "data", kv_log="10") as shop:
        for n in range(12):
            shop.put(f"k{n}", "1")
        answer = shop.ask("GET", "?since=0&format=json")
        assert answer.status == 410
        last = json.loads(answer.body)["last"]
        assert len(shop.listed()) == 12 and last == shop.get("?op=space&format=json")["version"]
        version = shop.put("k5", "2")
        assert shop.get(f"?since={last}&format=json")["changes"] == [{"version": version, "op": "put", "key": "k5"}]


def test_space(shop: Shop) -> None:
    """Bytes and keys that are used, allowed and free, and the last version, from which changes are those since then."""
    version = shop.put("ab", "cde")
    free = {"used": 5, "quota": 4_000_000, "free": 3_999_995, "keys": 1, "most_keys": 5000, "free_keys": 4999}
    assert shop.get("?op=space&format=json") == {**free, "version": version}
    lines = shop.ask("GET", "?op=space").body.decode().split("\n")
    assert dict(line.split() for line in lines) == {name: str(value) for name, value in {**free, "version": version}.items()}


def test_sequences(shop: Shop) -> None:
    """Leases never overlap; each name has its own numbers; a flush starts none of them again."""
    assert shop.ask("POST", "?op=sequence&name=n").body == b"1"
    assert shop.post("sequence&name=n&count=100") == {"first": "2", "count": 100}
    assert shop.post("sequence&name=other&count=1000000") == {"first": "1", "count": 1_000_000}
    assert shop.post("flush") == {"removed": 0}
    assert shop.ask("POST", "?op=sequence&name=n").body == b"102"


def test_a_flush_removes_all_as_one_change(full: Shop) -> None:
    """The answer is how many; readers of older versions list anew, which finds nothing; versions go on growing."""
    before = full.get("?op=space&format=json")["version"]
    assert full.ask("POST", "?op=flush").body == b"400"
    assert full.listed() == [] and full.get("?op=space&format=json")["used"] == 0
    assert full.ask("GET", f"?since={before}").status == 410
    version, op = full.ask("GET", "?since=0").body.decode().split(" ")
    assert op == "flush" and int(version) > int(before)
    assert full.get("?since=0&format=json")["changes"] == [{"version": version, "op": "flush"}]
    assert int(full.put("a", "1")) > int(version)


@pytest.mark.parametrize(
    "target",
    [
        *(f"?limit={bad}" for bad in ("0", "1001", "-1", "x", "", "9" * 30, "1.0")),
        *(f"?{name}={bad}" for name in ("reverse", "values", "count") for bad in ("2", "yes", "")),
        *(f"?{name}={'k' * 501}" for name in ("prefix", "start", "end")),
        *(f"?cursor={bad}" for bad in ("!", "a", "YQ==", "YQ=", "%C3%A4", "Y" * 2000, "Y%0AQ", "YR")),
        *(f"?since=0&{name}=1" for name in ("prefix", "start", "end", "reverse", "cursor", "values", "count")),
        *(f"?since={bad}" for bad in ("", "-1", "x", "9" * 19, "9" * 400, "0x1", "%D9%A1")),
        *("?op=changes", "?op=batch", "?op=flush", "?op=nothing", "?op=", "?prefix=%FF", "?format=xml", "?max_bytes=0"),
    ],
)
def test_bad_questions(full: Shop, target: str) -> None:
    """400 and one line, with format=json as JSON; ``op=`` without a word is none at all."""
    expected = 200 if target == "?op=" else 400
    answer = full.ask("GET", target)
    assert answer.status == expected, answer
    if expected == 400 and "format" not in target and "%FF" not in target:
        assert answer.body.endswith(b"\n") and answer.body.count(b"\n") == 1
        assert list(json.loads(full.ask("GET", f"{target}&format=json").body)) == ["error"]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("?op=sequence", b""),
        ("?op=sequence&name=", b""),
        ("?op=sequence&name=a%00", b""),
        ("?op=sequence&name=a&count=0", b""),
        ("?op=sequence&name=a&count=1000001", b""),
        ("?op=sequence&name=a", b"{}"),
        ("?op=sequence&name=a&if=absent", b""),
        ("?op=flush&prefix=a", b""),
        ("?op=flush", b"body"),
        ("?op=space", b""),
        ("?op=changes", b""),
        ("", b"value"),
    ],
)
def test_bad_writes(full: Shop, target: str, body: bytes) -> None:
    """400 and one line, and nothing was changed: a misspelt field is not ignored."""
    before = full.get("?op=space&format=json")
    answer = full.ask("POST", target, body, Content_Type="text/plain")
    assert answer.status == 400 and answer.body.count(b"\n") == 1
    assert full.get("?op=space&format=json") == before


def test_writes_need_a_token_that_writes(full: Shop) -> None:
    """Without one 401; lists too, since the namespace is not open."""
    full.token = ""
    for method, target in (
        ("POST", "?op=flush"),
        ("POST", "?op=sequence&name=n"),
        ("POST", "?op=batch"),
        ("GET", ""),
        ("GET", "?since=0"),
    ):
        assert full.ask(method, target).status == 401
