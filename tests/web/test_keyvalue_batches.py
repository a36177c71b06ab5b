"""Writes that are described in JSON: ``POST /db?op=batch`` and ``POST /db?op=cas``."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2k_fcgi.model.keyvalue.entry import ValueType
from n2k_fcgi.store.keyvalue import Terms
from tests.support.shop import IN_WORLD, Shop, shop_in
from tests.support.strategies import relaxed

HUGE = 10**400


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """An empty namespace."""
    with shop_in(tmp_path / "data") as made:
        yield made


def put(key: str, text: str = "1", **fields: Any) -> dict[str, Any]:
    """An item that stores a text."""
    return {"op": "put", "key": key, "text": text, **fields}


def values(shop: Shop) -> dict[str, str]:
    """All keys and values, as text."""
    return {key: shop.ask("GET", f"/{key}").body.decode() for key in shop.listed()}


def test_results(shop: Shop) -> None:
    """A version for each, numbers and ids as texts, and the space that is left."""
    done = shop.batch(
        put("text", "zwölf", ttl_ms="100000", flags="4294967295"),
        {"op": "put", "key": "json", "json": {"a": [1, None, 2.5, "\ud800"]}},
        {"op": "put", "key": "exact", "text": '{"a":  1}', "type": "application/json", "ttl_ms": None},
        {"op": "incr", "key": "n", "initial": "9007199254740993", "ttl_ms": 100_000},
        {"op": "incr", "key": "n", "by": "-9223372036854775808"},
        {"op": "id", "key": "json"},
        {"op": "id", "key": "new", "base64": "AP8="},
        {"op": "append", "key": "text", "text": "!"},
        {"op": "prepend", "key": "text", "base64": "Pg=="},
        {"op": "touch", "key": "json", "ttl_ms": 5_000_000_000},
        {"op": "touch", "key": "text"},
        {"op": "delete", "key": "exact"},
    )
    results = done["results"]
    versions = [int(result.pop("version")) for result in results]
    assert versions == sorted(set(versions)) and done["more"] == 0
    created, present = {"created": True}, {"created": False}
    assert results == [
        created, created, created, {**created, "number": "9007199254740993"}, {**present, "number": "-9214364837600034815"},
        {**present, "id": "1"}, {**created, "id": "2"}, present, present, present, present, present,
    ]  # fmt: skip
    space = shop.get("?op=space&format=json")
    assert (done["free_bytes"], done["free_keys"]) == (space["free"], space["free_keys"])
    text, parsed, new = (shop.get(f"/{key}?format=json") for key in ("text", "json", "new"))
    assert (text["text"], text["ttl_ms"], text["flags"]) == (">zwölf!", None, 4294967295)
    assert shop.ask("GET", "/json").body == b'{"a":[1,null,2.5,"\\ud800"]}' and 4e9 < parsed["ttl_ms"] <= 5e9
    assert (new["base64"], new["type"], new["id"]) == ("AP8=", "application/octet-stream", "2")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"if": "exists"}, True),
        ({"if": "absent"}, False),
        ({"if": None, "if_version": None}, True),
        ({"if_version": "VERSION"}, True),
        ({"if_version": ["1", "VERSION"]}, True),
        ({"if_version": []}, False),
        ({"if_version": 1}, False),
        ({"if_value": "old"}, True),
        ({"if_value": "other"}, False),
        ({"if_value_base64": "b2xk"}, True),
        ({"if": "exists", "if_value": "old", "if_version": "VERSION"}, True),
        ({"if": "exists", "if_value": "old", "if_version": "2"}, False),
    ],
)
@pytest.mark.parametrize("op", ["put", "get", "delete", "touch", "append", "id"])
def test_conditions(shop: Shop, op: str, condition: dict[str, Any], holds: bool) -> None:
    """On any operation; all that are given must hold, or nothing of the batch is written."""
    version = shop.put("k", "old")
    item = {"op": op, "key": "k", **json.loads(json.dumps(condition).replace("VERSION", version))}
    if op in ("put", "append"):
        item["text"] = "new"
    answer = shop.batch(put("other"), item, status=200 if holds else 412)
    if not holds:
        (failure,) = answer["failures"]
        assert (failure["index"], failure["status"], failure["version"]) == (1, 412, version)
        assert "operation 1" in answer["error"] and version in answer["error"]
    assert (shop.listed() == ["k"]) is not holds


def test_a_batch_reads_what_it_removes(shop: Shop) -> None:
    """As the operations before it left it, and in the form of a GET; nothing of it is a change. Missing: nothing is done."""
    shop.batch(
        put("text", "one"), {"op": "put", "key": "json", "json": [1.50, None]}, {"op": "put", "key": "raw", "base64": "AP8="}
    )
    items = [{"op": "append", "key": "text", "text": ",two"}]
    for key in ("text", "json", "raw"):
        items += [{"op": "get", "key": key, "if": "exists"}, {"op": "delete", "key": key}]
    before = shop.get("?op=space&format=json")["version"]
    done = shop.batch(*items, X_KV_Request_Id="one")["results"]
    read = [{name: result[name] for name in ("text", "json", "base64") if name in result} for result in done]
    assert read == [{}, {"text": "one,two"}, {}, {"json": [1.5, None]}, {}, {"base64": "AP8="}, {}]
    assert done[1]["version"] == done[0]["version"] and not done[1]["created"]
    assert [change["op"] for change in shop.get(f"?since={before}&format=json")["changes"]] == ["put", *["delete"] * 3]
    again = shop.batch(*items, X_KV_Request_Id="one")["results"]
    assert again == [{"version": result["version"], "created": False} for result in done], "values are not kept for a repeat"
    failed = shop.batch(put("new"), {"op": "get", "key": "text"}, status=404)
    assert failed["failures"] == [{"index": 1, "status": 404, "error": "no such key"}] and shop.listed() == []


@pytest.mark.parametrize("value", ["[1.50, 1e999]", '{"a": 1,\n "a": 2}'])
def test_a_batch_reads_json_as_it_was_written(shop: Shop, value: str) -> None:
    """Numbers that no program here could write, and names that come twice; a line feed is a blank."""
    shop.put("k", value, "application/json")
    answer = shop.ask("POST", "?op=batch", json.dumps({"operations": [{"op": "get", "key": "k"}]}))
    assert answer.status == 200 and b'"json":' + value.replace("\n", " ").encode() + b"}" in answer.body


def test_the_deepest_json_can_be_read(shop: Shop) -> None:
    """Whatever was accepted comes back in every way, also where the parser would be called with less stack left."""
    depth = 1000
    while shop.ask("PUT", "/k", "[" * depth + "]" * depth, Content_Type="application/json").status == 400:
        depth -= 1
    value = b"[" * depth + b"]" * depth
    items = json.dumps({"operations": [{"op": "get", "key": "k"}, {"op": "touch", "key": "k"}]})
    for answer in shop.ask("POST", "?op=batch", items), shop.ask("GET", "?values=1"), shop.ask("GET", "/k?format=json"):
        assert answer.status == 200 and b'"json":' + value + b"}" in answer.body


def test_a_batch_reads_a_megabyte(shop: Shop) -> None:
    """Values beyond have their size instead, so that a worker's memory is bounded; a script gets what fits."""
    shop.put("k", "x" * 60_000)
    items = [{"op": "get", "key": "k"}] * 20
    results = shop.batch(*items)["results"]
    assert ["text" in result for result in results] == [True] * 17 + [False] * 3 and results[-1]["size"] == 60_000
    assert shop.batch(*items, X_SecondLife_Shard="Production")["more"] == 20


def test_all_or_nothing(shop: Shop) -> None:
    """One failure undoes all; each is listed, as if the others had been done; the status is the first one's."""
    shop.put("text", "no number")
    shop.put("max", str(2**63 - 1))
    done = shop.batch(
        put("new"),
        {"op": "incr", "key": "text"},
        {"op": "delete", "key": "none"},
        put("new", "2", **{"if": "absent"}),
        {"op": "incr", "key": "max"},
        {"op": "delete", "key": "text"},
        status=409,
    )
    assert [(failure["index"], failure["status"]) for failure in done["failures"]] == [(1, 409), (2, 404), (3, 412), (4, 409)]
    assert done["more"] == 0 and shop.listed() == ["max", "text"]
    line = shop.ask("POST", "?op=batch", json.dumps({"operations": [put("new"), {"op": "delete", "key": "none"}]}))
    assert (line.status, line.body) == (404, b"nothing was written: operation 1: no such key\n")
    assert line.headers["content-type"] == "text/plain; charset=utf-8" and shop.listed() == ["max", "text"]


def test_a_batch_of_one_fails_like_others(shop: Shop) -> None:
    """With the index."""
    assert shop.batch({"op": "delete", "key": "none"}, status=404)["failures"] == [
        {"index": 0, "status": 404, "error": "no such key"}
    ]


def test_the_quota_holds_for_the_whole_batch(tmp_path: Path) -> None:
    """413 with what is free; a batch that removes first has its place."""
    with shop_in(tmp_path / "data", Terms(quota=20, most_keys=2)) as shop:
        shop.put("a", "x" * 15)
        for items in [put("b", "y" * 10)], [put("b", ""), put("c", "")]:
            answer = shop.batch(*items, status=413)
            assert list(answer) == ["error"] and "4 bytes and 1 keys are free" in answer["error"]
        assert shop.batch({"op": "delete", "key": "a"}, put("b", "y" * 10), put("c", ""))["free_bytes"] == 8


def test_a_repeat_gets_the_first_answer(shop: Shop) -> None:
    """By its request id, numbers and ids included; the operations are done once."""
    items = [
        {"op": "incr", "key": "n", "initial": 1},
        {"op": "incr", "key": "n", "by": 5},
        {"op": "id", "key": "k", "text": "v"},
    ]
    first = shop.batch(*items, X_KV_Request_Id="one")
    assert shop.batch(*items, X_KV_Request_Id="one")["results"] == first["results"]
    assert [result.get("number") for result in first["results"]] == ["1", "6", None] and values(shop) == {"k": "v", "n": "6"}
    body = json.dumps({"key": "k", "old": "v", "new": "w"})
    answers = [shop.ask("POST", "?op=cas&request_id=two", body) for _ in range(2)]
    assert answers[0].body == answers[1].body and {answer.status for answer in answers} == {200}


def test_a_thousand_for_a_script(shop: Shop) -> None:
    """A script gets the results that fit, and how many are missing; all was written."""
    answer = shop.ask("POST", "?op=batch", json.dumps({"operations": [put(f"k{n:03}") for n in range(1000)]}), **IN_WORLD)
    said = json.loads(answer.body)
    assert answer.status == 200 and 1500 < len(answer.body) <= 2048
    assert len(said["results"]) + said["more"] == 1000 == len(shop.listed())
    refused = shop.ask(
        "POST", "?op=batch&format=json", json.dumps({"operations": [{"op": "delete", "key": "none"}] * 1000}), **IN_WORLD
    )
    said = json.loads(refused.body)
    assert refused.status == 404 and len(refused.body) <= 2048 and len(said["failures"]) + said["more"] == 1000


def test_a_batch_counts_as_many_writes_as_it_has(tmp_path: Path) -> None:
    """429 with Retry-After, and nothing was stored."""
    with shop_in(tmp_path / "data", write_limit="10") as shop:
        shop.batch(*(put(f"k{n}") for n in range(8)))
        answer = shop.ask("POST", "?op=batch", json.dumps({"operations": [put("more")] * 5}))
        assert answer.status == 429 and int(answer.headers["retry-after"]) > 0
        assert len(shop.listed()) == 8


BAD_ITEMS: list[Any] = [
    None, 1, "put", [], {}, {"op": "put"}, {"op": None, "key": "k"}, {"op": ["put"], "key": "k"}, {"op": "flush", "key": "k"},
    {"op": "put", "key": "k"}, {"op": "put", "key": "k", "text": "a", "json": 1}, {"op": "put", "key": "k", "text": 1},
    {"op": "put", "key": "k", "text": None}, {"op": "put", "key": "k", "base64": "a"}, {"op": "put", "key": "k", "base64": "ä"},
    {"op": "put", "key": "k", "base64": "\ud800"}, {"op": "put", "key": "k", "base64": {}}, put("k", "\ud800"), put(""),
    put("\ud800"), put("a\0"), put("a\n"), put("k" * 501), put("k", typo=1), put("k", IF="absent"), put("k", by=1),
    {"op": "put", "key": 1, "text": ""}, {"op": "put", "key": None, "text": ""}, {"op": "put", "text": ""},
    put("k", type="text/html"), put("k", type=1), put("k", "{", type="application/json"),
    {"op": "put", "key": "k", "base64": "/w==", "type": "text/plain"},
    *(put("k", ttl_ms=bad) for bad in (0, -1, HUGE, "x", "", 1.5, True, "1.0", [], {}, str(HUGE))),
    *(put("k", flags=bad) for bad in (-1, 2**32, "4294967296", False, "０")),
    *({"op": "incr", "key": "k", "by": bad} for bad in (2**63, -(2**63) - 1, HUGE, 1.0, "1e3", "", True, " 1", "--1")),
    *({"op": "incr", "key": "k", "initial": bad} for bad in (2**63, HUGE, "x")),
    {"op": "incr", "key": "k", "text": "1"}, {"op": "delete", "key": "k", "text": "1"},
    {"op": "touch", "key": "k", "ttl_ms": 0},
    {"op": "append", "key": "k"}, {"op": "append", "key": "k", "text": "", "ttl_ms": 1}, {"op": "id", "key": "k", "flags": 1},
    *(put("k", **{"if": bad}) for bad in ("", "Absent", True, 0, [], {})),
    *(put("k", if_version=bad) for bad in ("", "x", -1, 2**63, HUGE, 1.5, True, [None], [[]], ["1"] * 101, {})),
    *(put("k", if_value=bad) for bad in (None, 1, "\ud800", [])), put("k", if_value_base64="?"),
    put("k", if_value="a", if_value_base64="YQ=="),
]  # fmt: skip


@pytest.mark.parametrize("item", BAD_ITEMS, ids=lambda item: json.dumps(item)[:60])
def test_bad_items(shop: Shop, item: Any) -> None:
    """400 with the index and one line each, whatever is wrong with it; nothing was written."""
    answer = shop.ask("POST", "?op=batch&format=json", json.dumps({"operations": [put("good"), item]}))
    said = json.loads(answer.body)
    assert answer.status == 400 and said["error"].startswith("nothing was written: operation 1: ")
    assert [failure["index"] for failure in said["failures"]] == [1]
    assert shop.listed() == []
    line = shop.ask("POST", "?op=batch", json.dumps({"operations": [item]}))
    assert line.status == 400 and line.body.count(b"\n") == 1


def test_a_value_above_the_limit(tmp_path: Path) -> None:
    """413 with its index, in a batch, by appending, and by a compare-and-set."""
    with shop_in(tmp_path / "data", kv_max_value="10") as shop:
        shop.put("k", "12345")
        for item in (
            put("k", "x" * 11),
            {"op": "append", "key": "k", "text": "x" * 6},
            {"op": "append", "key": "k", "text": "x" * 11},
        ):
            said = shop.batch(put("other"), item, status=413)
            assert said["failures"][0]["index"] == 1 and "10 at most" in said["error"]
        assert shop.ask("POST", "?op=cas", json.dumps({"key": "k", "old": "12345", "new": "x" * 11})).status == 413
        assert values(shop) == {"k": "12345"}


DEEP = b'{"operations":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
DEEP_VALUE = b'{"operations":[{"op":"put","key":"k","json":' + b"[" * 60_000 + b"]" * 60_000 + b"}]}"
BAD_BODIES = [
    b"", b" ", b"{", b"[]", b"null", b"1", b'"a"', b"\xff", b"\xef\xbb\xbf", b"a=b", b"{}", DEEP, DEEP_VALUE,
    b'{"operations":null}', b'{"operations":{}}', b'{"operations":[]}', b'{"operations":"put"}', b'{"operations":[[]]}',
    b'{"operations":[{"op":"put","op":"delete","key":"k"}]}', b'{"operations":[],"operations":[1]}',
    b'{"operations":[{"op":"put","key":"k","json":NaN}]}', b'{"operations":[{"op":"put","key":"k","json":-Infinity}]}',
    b'{"operations":[{"op":"put","key":"k","json":1e999}]}', b'{"operations":[{"op":"put","key":"k","json":[-1e999]}]}',
    b'{"operations":[{"op":"put","key":"k","json":' + b"9" * 5000 + b"}]}",
    b'{"operations":[{"op":"put","key":"k","text":""}],"ns":"other"}', b'{"operations":[{"op":"put","key":"k","text":""}]} x',
    b'{"operations":[{"op":"put","key":"k","text":"\n"}]}',
    json.dumps({"operations": [put("k")] * 1001}).encode(), b'{"operations":[' + b"0," * 60_000 + b"0]}",
]  # fmt: skip


@pytest.mark.parametrize("op", ["batch", "cas"])
@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:50]))
def test_bad_bodies(shop: Shop, op: str, body: bytes) -> None:
    """400 and one line; nothing was written."""
    answer = shop.ask("POST", f"?op={op}", body, Content_Type="application/json")
    assert answer.status == 400 and answer.body.count(b"\n") == 1, answer
    said = json.loads(shop.ask("POST", f"?op={op}&format=json", body, Content_Type="application/json").body)
    assert "error" in said and shop.listed() == []


def test_a_body_above_the_limit(shop: Shop) -> None:
    """413."""
    assert shop.ask("POST", "?op=batch", b" " * 131_073).status == 413


@pytest.mark.parametrize(
    "query", ["&if=absent", "&ttl_ms=5", "&key=k", "&typo=1", "&max_bytes=0", "&max_bytes=x", "&request_id="]
)
def test_fields_that_mean_nothing(shop: Shop, query: str) -> None:
    """400: conditions belong into the items."""
    assert shop.ask("POST", f"?op=batch{query}", json.dumps({"operations": [put("k")]})).status == 400
    assert shop.listed() == []


def cas(shop: Shop, status: int, **fields: Any) -> Any:
    """Compare and set; return what was answered."""
    return shop.post("cas", fields, status)


def test_compare_and_set(shop: Shop) -> None:
    """200 with the new version if the present value is the old one, else 412 with the present version; 201 for none."""
    version = cas(shop, 201, key="k", old=None, new="1")["version"]
    assert version in cas(shop, 412, key="k", old=None, new="2")["error"]
    assert version in cas(shop, 412, key="k", old="2", new="3")["error"]
    done = cas(shop, 200, key="k", old="1", new="2", ttl_ms="60000", flags=3)
    assert (done["created"], list(done)) == (False, ["version", "created", "free_bytes", "free_keys"])
    stored = shop.get("/k?format=json")
    assert (stored["version"], stored["text"], stored["flags"]) == (done["version"], "2", 3) and stored["ttl_ms"] <= 60000
    assert "is none" in cas(shop, 412, key="other", old="1", new="2")["error"]
    cas(shop, 200, key="k", old="2", new_base64="AP8=")
    cas(shop, 200, key="k", old_base64="AP8=", new="{}", type="application/json")
    assert shop.ask("GET", "/k").headers["content-type"] == "application/json"
    assert shop.ask("POST", "?op=cas", json.dumps({"key": "k", "old": "{}", "new": ""})).body.isdigit()


@pytest.mark.parametrize(
    "fields",
    [
        {"old": "a", "new": "b"}, {"key": "k", "new": "b"}, {"key": "k", "old": "a"}, {"key": "k", "old": 1, "new": "b"},
        {"key": "k", "old": "a", "new": None}, {"key": "k", "old": "a", "old_base64": "YQ==", "new": "b"},
        {"key": "k", "old": None, "old_base64": "YQ==", "new": "b"}, {"key": "k", "old": "a", "new": "b", "new_base64": ""},
        {"key": "k", "old": "\ud800", "new": "b"}, {"key": "k", "old": "a", "new": "\udfff"},
        {"key": "\ud800", "old": "a", "new": "b"},
        {"key": "k", "old_base64": "=", "new": "b"}, {"key": "k", "old": "a", "new": "b", "if_version": "1"},
        {"key": "", "old": "a", "new": "b"}, {"key": "k", "old": "a", "new": "b", "ttl_ms": HUGE},
        {"key": [], "old": "a", "new": "b"},
    ],
)  # fmt: skip
def test_bad_comparisons(shop: Shop, fields: dict[str, Any]) -> None:
    """400 and one line."""
    answer = shop.ask("POST", "?op=cas", json.dumps(fields))
    assert answer.status == 400 and answer.body.count(b"\n") == 1 and shop.listed() == []


GOOD_KEYS = st.sampled_from(["a", "b", "ä"])
KEYS = GOOD_KEYS | st.sampled_from(["", "\0", "\ud800", "k" * 501, None, 1])
NUMBERS = st.sampled_from([None, 0, 1, -1, 2**31, 2**63 - 1, -(2**63), 2**63, HUGE, "1", "-5", "x", "", 1.5, True, [], {}])
TEXTS = st.sampled_from(["", "1", "ä", '{"a":1}', "x" * 500, "\ud800", "\0", None, 1, []]) | st.text(max_size=5)
BASE64 = st.sampled_from(["", "AP8=", "MQ==", "?", "=", None, 1])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=2)
)
FIELDS = {
    "text": TEXTS, "base64": BASE64, "json": JSONS, "type": st.sampled_from([*ValueType, "text/html", None]), "flags": NUMBERS,
    "ttl_ms": NUMBERS, "by": NUMBERS, "initial": NUMBERS, "if": st.sampled_from(["absent", "exists", "", None]),
    "if_version": NUMBERS | st.lists(NUMBERS, max_size=2), "if_value": TEXTS, "if_value_base64": BASE64, "other": NUMBERS,
}  # fmt: skip
OPS = st.sampled_from(["put", "get", "delete", "incr", "append", "prepend", "touch", "id", "flush", None])
ITEMS = st.one_of(
    st.builds(put, GOOD_KEYS, st.sampled_from(["", "1", "ä"])),
    st.builds(lambda key, number: {"op": "incr", "key": key, "initial": number}, GOOD_KEYS, NUMBERS),
    st.sampled_from(sorted(FIELDS.keys() - {"text"})).flatmap(
        lambda field: st.fixed_dictionaries({"op": OPS, "key": GOOD_KEYS, "text": TEXTS}, optional={field: FIELDS[field]})
    ),
    st.fixed_dictionaries({"op": OPS, "key": KEYS}, optional=FIELDS),
)


def test_whatever_is_sent(shop: Shop) -> None:
    """A result for each operation, or a 4xx that names those that failed, and then nothing was changed. Never a 5xx."""

    statuses: Counter[int] = Counter()

    @settings(relaxed, max_examples=300)
    @given(items=st.lists(ITEMS, min_size=1, max_size=3))
    def send(items: list[dict[str, Any]]) -> None:
        before = shop.get("?values=1")
        answer = shop.ask("POST", "?op=batch&format=json", json.dumps({"operations": items}))
        said = json.loads(answer.body)
        statuses[answer.status] += 1
        if answer.status == 200:
            assert len(said["results"]) == len(items)
        else:
            assert 400 <= answer.status < 500 and all(each["index"] < len(items) for each in said.get("failures", []))
            assert shop.get("?values=1") == before

    send()
    assert statuses[200] and statuses[400], statuses
