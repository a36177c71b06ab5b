"""Single keys below ``/db``: keys, conditions, types, access, limits, repeats, and whatever else a caller may send."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.errors import BadRequest, ConditionFailed
from n2k_fcgi.model.keyvalue.operations import Condition, Put
from n2k_fcgi.servers.live import LiveApplication
from n2k_fcgi.service.access.tokens import create_token, revoke_token
from n2k_fcgi.service.keyvalue import space
from n2k_fcgi.service.keyvalue.space import Reader
from n2k_fcgi.store.base import Store
from n2k_fcgi.web import express
from n2k_fcgi.web.db.conditions import check_read, condition_of
from n2k_fcgi.web.requests import Request
from tests.support.asking import wsgi
from tests.support.golden import Ask, Reply
from tests.support.sandbox import Sandbox
from tests.support.shop import IN_WORLD, TERMS, Shop, shop_in
from tests.support.with_clock import FileClock, limits_by

EXAMPLES = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """An empty namespace."""
    with shop_in(tmp_path / "data") as made:
        yield made


def asked(query: str = "", **headers: str) -> Request:
    """A PUT with headers by their WSGI names."""
    environ = {"REQUEST_METHOD": "PUT", "REQUEST_URI": f"/db/a?{query}"}
    return Request(environ | {f"HTTP_{name}": value for name, value in headers.items()}, 0)


V = "1764190000000001"
NUMBER = int(V)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked(), Condition()),
        (asked(IF_NONE_MATCH="*"), Condition(exists=False)),
        (asked("if=absent", IF_NONE_MATCH=" * "), Condition(exists=False)),
        (asked(IF_MATCH="*"), Condition(exists=True)),
        (asked("if=exists"), Condition(exists=True)),
        (asked(IF_MATCH=f'"{V}"'), Condition(versions=frozenset({NUMBER}))),
        (asked(IF_MATCH=f'W/"{V}"'), Condition(versions=frozenset({NUMBER}))),
        (asked(IF_MATCH=f'"{V}-gzip"'), Condition(versions=frozenset({NUMBER}))),
        (asked(IF_MATCH=f'"{V}--gzip"'), Condition(versions=frozenset({NUMBER}))),
        (asked(IF_MATCH=f'"{V};br"'), Condition(versions=frozenset({NUMBER}))),
        (asked(IF_MATCH=f'"1",W/"{V}" , "3"'), Condition(versions=frozenset({1, NUMBER, 3}))),
        (asked(IF_MATCH=f'"{V}0", "x{V}", ""'), Condition(versions=frozenset({NUMBER * 10}))),
        (asked(IF_MATCH='"of another server"'), Condition(versions=frozenset())),
        (asked(f"if_version={V}"), Condition(versions=frozenset({NUMBER}))),
        (asked(f"if_version={V}&if=exists", IF_MATCH="*"), Condition(True, frozenset({NUMBER}))),
        (asked("if_version=3", IF_MATCH='"2", "3"'), Condition(versions=frozenset({3}))),
    ],
)
def test_conditions(request_: Request, expected: Condition) -> None:
    """Of headers, also as web servers change them, and of the query; all of them together."""
    assert condition_of(request_) == expected


@pytest.mark.parametrize(
    "request_",
    [
        asked("if=absent", IF_MATCH="*"),
        asked("if=exists", IF_NONE_MATCH="*"),
        asked(IF_NONE_MATCH="*", IF_MATCH='"3"'),
        asked("if=absent&if_version=3"),
        asked("if_version=4", IF_MATCH='"2", "3"'),
        asked(IF_NONE_MATCH='"3"'),
        asked(IF_MATCH="3"),
        asked(IF_MATCH='"3'),
        asked(IF_MATCH='"3" "4"'),
        asked(IF_MATCH='*, "3"'),
        asked(IF_MATCH='w/"3"'),
        asked("if="),
        asked("if=Absent"),
        asked("if_version="),
        asked("if_version=-3"),
        asked("if_version=%D9%A3"),  # a digit, but not of ASCII
        asked("if_version=" + "9" * 21),
        asked('if_version="3"'),
    ],
)
def test_conditions_that_cannot_be(request_: Request) -> None:
    """They contradict each other, or cannot be read: refused, never ignored."""
    with pytest.raises(BadRequest):
        condition_of(request_)


@pytest.mark.parametrize(
    ("headers", "has_it"),
    [
        ({}, False),
        ({"IF_NONE_MATCH": "*"}, True),
        ({"IF_NONE_MATCH": f'"{V}"'}, True),
        ({"IF_NONE_MATCH": f'"1", W/"{V}-gzip"'}, True),
        ({"IF_NONE_MATCH": f'"{V}1"'}, False),
        ({"IF_NONE_MATCH": f'"{V[:-1]}"'}, False),
        ({"IF_NONE_MATCH": V}, False),
        ({"IF_MATCH": "*"}, False),
        ({"IF_MATCH": f'"{V}"', "IF_NONE_MATCH": f'"{V}"'}, True),
    ],
)
def test_what_a_cache_has(headers: dict[str, str], has_it: bool) -> None:
    """A tag that cannot be read is a version that the caller does not have."""
    assert check_read(asked(**headers), NUMBER) is has_it


def test_a_read_of_another_version_is_refused() -> None:
    """If-Match holds for reads, too."""
    with pytest.raises(ConditionFailed, match=V):
        check_read(asked(IF_MATCH='"3"'), NUMBER)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
odd_keys = st.one_of(texts, st.text("/.%+&=?#; \\'\"a", min_size=1, max_size=12))


@EXAMPLES
@given(odd_keys)
def test_path_and_query_name_the_same_key(shop: Shop, key: str) -> None:
    """By every method, with any characters; both paths through the web layer find the same key."""
    by_path, by_query = f"/{quote(key, safe='')}", f"?key={quote_plus(key)}"
    for write, read in ((by_path, by_query), (by_query, by_path)):
        assert shop.ask("PUT", write, key, Content_Type="text/plain").status == 201
        assert shop.ask("GET", read).body.decode() == key
        assert shop.ask("HEAD", write).headers["content-length"] == str(len(key.encode()))
        assert shop.get(f"{read}{'&' if '?' in read else '?'}format=json")["key"] == key
        assert shop.ask("POST", f"{read}{'&' if '?' in read else '?'}op=touch").status == 200
        assert shop.listed() == [key]
        assert shop.ask("DELETE", read).status == 200
    assert shop.listed() == []


@pytest.mark.parametrize("key", ["/", "//", "a/", "/a", "a//b", ".", "..", "a/../b", "100%", "a%2Fb", "+", "a b", "é"])
def test_keys_in_the_path_as_they_are(shop: Shop, key: str) -> None:
    """What a web server passes on without folding it is a key; only percent escapes are decoded."""
    raw = key.replace("%", "%25").replace(" ", "%20").encode().decode("latin-1")
    assert shop.ask("PUT", f"/{raw}", "x", Content_Type="text/plain").status == 201
    assert shop.listed() == [key]


def test_the_slow_path_finds_the_same_keys(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Werkzeug's map passes on all that follows, slashes at the end and line feeds included."""
    for way in ("lookup", "address"):
        monkeypatch.setattr(express, way, lambda request: None)
    for key in ("/", "a/", "//a//", "é ", "a/../b"):
        assert shop.ask("PUT", f"/{quote(key)}", "x", Content_Type="text/plain").status == 201
    assert sorted(shop.listed()) == sorted(["/", "a/", "//a//", "é ", "a/../b"])
    assert shop.ask("GET", "/a%0Ab").body == b"bad key: it has a control character\n"
    assert shop.ask("GET", "/").status == 200  # the list


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("key", ["%00", "a%0Ab", "%C2%80", "%7F", "x" * 501, quote("é" * 251), "%FF", "%ED%A0%80"])
def test_what_is_no_key(shop: Shop, method: str, key: str) -> None:
    """Control characters, more than 500 bytes, no UTF-8."""
    for target in (f"/{key}", f"?key={key}"):
        answer = shop.ask(method, target, "x" if method in ("PUT", "POST") else "", Content_Type="text/plain")
        assert answer.status == 400 and answer.body.count(b"\n") == 1, answer


@pytest.mark.parametrize(
    ("content_type", "body", "answered"),
    [
        ("application/octet-stream", b"\0\xff", "application/octet-stream"),
        ("Application/Octet-Stream; charset=nonsense", b"\xff", "application/octet-stream"),
        ("application/json", b' {"a": 1}\n', "application/json"),
        ("application/json;charset=UTF-8", b"null", "application/json"),
        ("text/plain", "é".encode(), "text/plain; charset=utf-8"),
        ('TEXT/HTML ; CharSet="utf-8"', b"<p>", "text/plain; charset=utf-8"),
        ("text/xml; charset=us-ascii", b"<a/>", "text/plain; charset=utf-8"),
        ("text/javascript", b"alert(1)", "text/plain; charset=utf-8"),
        ("text/x-anything", b"", "text/plain; charset=utf-8"),
    ],
)
def test_types(shop: Shop, content_type: str, body: bytes, answered: str) -> None:
    """Three types are answered, with the bytes as they came, and no browser takes them for something else."""
    shop.ask("PUT", "/a", body, Content_Type=content_type)
    answer = shop.ask("GET", "/a")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, body, answered)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("", b"x", 415),
        ("text/", b"x", 415),
        ("text", b"x", 415),
        ("nonsense", b"x", 415),
        ("image/svg+xml", b"<svg/>", 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
        ("application/ld+json", b"{}", 415),
        ("text/plain; charset=iso-8859-1", b"x", 415),
        ("application/json; charset=utf-16", b"{}", 415),
        ("text/plain", b"\xff", 400),
        ("application/json", b"", 400),
        ("application/json", b"{}{}", 400),
        ("application/json", b"Infinity", 400),
        ("application/json", b"\xef\xbb\xbf{}", 400),
        ("application/json", b'"\xff"', 400),
        ("application/json", b"[" * 50_000, 400),
        ("application/json", b"1" * 5000, 400),
    ],
)
def test_what_is_no_value(shop: Shop, content_type: str, body: bytes, status: int) -> None:
    """Refused with one line, by every operation that takes a value; nothing is stored."""
    for method, op in (("PUT", ""), ("POST", ""), ("POST", "?op=id")):
        answer = shop.ask(method, f"/a{op}", body, Content_Type=content_type)
        if not (op and not body):  # without a body an id is asked for an entry
            assert (answer.status, answer.body.count(b"\n")) == (status, 1), answer
    assert shop.listed() == []


@pytest.mark.parametrize(
    "value",
    ['{"a": [1e999, -0, 1.10, 12345678901234567890123], "a": "\\ud800"}', '"\u2028 \\n"', "\r\n[1,\r\n2]\n", '"</script>"'],
)
def test_json_is_answered_as_it_was_written(shop: Shop, value: str) -> None:
    """Also inside the object for scripts: numbers keep their digits, and the object is one line."""
    shop.put("a", value, "application/json")
    assert shop.ask("GET", "/a").body.decode() == value
    line = shop.ask("GET", "/a?format=json").body.decode()
    assert line.count("\n") == 1 and value.replace("\r", " ").replace("\n", " ").strip() in line
    assert json.loads(line)["json"] == json.loads(value)


@pytest.mark.parametrize(
    ("query", "part"),
    [("from=0", "häßlich"), ("from=1&bytes=3", "äß"[:2]), ("bytes=0", ""), ("from=9", ""), ("from=4&bytes=999999999", "lich")],
)
def test_parts(shop: Shop, query: str, part: str) -> None:
    """Of bytes: a part that ends within a character comes as base64 in JSON; the size is that of the whole."""
    whole = "häßlich".encode()
    shop.put("a", whole)
    first = dict(pair.split("=") for pair in query.split("&"))
    start = int(first.get("from", 0))
    expected = whole[start : start + int(first.get("bytes", 10**9))]
    answer = shop.ask("GET", f"/a?{query}")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, expected, str(len(expected)))
    fields = shop.get(f"/a?{query}&format=json")
    assert fields["size"] == len(whole) and ("text" in fields) != ("base64" in fields)


def test_what_expires(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone for reads and writes, and may be created again; it may be kept for ever before that."""
    clock, now = tmp_path / "clock", 1_764_000_000_000
    clock.write_text(str(now))
    monkeypatch.setattr(space, "time", FileClock(clock))
    for key in ("short", "kept"):
        assert shop.ask("PUT", f"/{key}?ttl_ms=300", "x", Content_Type="text/plain").status == 201
    clock.write_text(str(now + 299))
    assert shop.ask("GET", "/short").headers["x-kv-ttl-ms"] == shop.ask("GET", "/kept").headers["x-kv-ttl-ms"] == "1"
    assert shop.ask("POST", "/kept?op=touch").status == 200
    clock.write_text(str(now + 300))
    assert shop.ask("GET", "/short").status == shop.ask("DELETE", "/short").status == 404
    assert shop.ask("PUT", "/short?if=exists", "y", Content_Type="text/plain").status == 412
    assert shop.ask("PUT", "/short?if=absent", "y", Content_Type="text/plain").status == 201
    kept = shop.ask("GET", "/kept")
    assert kept.status == 200 and "x-kv-ttl-ms" not in kept.headers


def test_a_script_in_world_gets_whole_values(shop: Shop) -> None:
    """A value is not cut, as a list is: a script asks for parts."""
    shop.put("long", "v" * 5000)
    assert len(shop.ask("GET", "/long", **{name: text for name, text in IN_WORLD.items()}).body) == 5000
    parts = [shop.get(f"/long?format=json&from={start}&bytes=1500", **IN_WORLD)["text"] for start in range(0, 5000, 1500)]
    assert "".join(parts) == "v" * 5000


@pytest.mark.parametrize(
    "target",
    [
        "/a?op=incr&byy=3",
        "/a?op=touch&ttl=5",
        "/a?op=incr&flags=3",
        "/a?op=touch&from=3",
        "/a?op=id&ttl_ms=3",
        "/a?op=incr&values=1",
    ],
)
def test_fields_that_mean_nothing(shop: Shop, target: str) -> None:
    """A write does not ignore what it does not know."""
    shop.put("a", "1")
    answer = shop.ask("POST", target)
    assert answer.status == 400 and b"means nothing here" in answer.body
    assert shop.ask("GET", "/a").body == b"1"


@pytest.mark.parametrize("op", ["incr", "touch"])
def test_a_body_where_none_belongs(shop: Shop, op: str) -> None:
    """It may be meant as fields, which are in the query only. DELETE and GET have no body: it is not read."""
    shop.put("a", "1")
    assert b"no body belongs here" in shop.ask("POST", f"/a?op={op}", "by=5", Content_Type="text/plain").body
    assert shop.ask("GET", "/a", "a body").body == b"1"
    assert shop.ask("DELETE", "/a", "a body").status == 200


def test_a_body_of_unknown_length(shop: Shop, tmp_path: Path) -> None:
    """A server that does not mark the end of a chunked body: refused, not stored as empty."""
    answer = shop.ask("PUT", "/a", b"", Content_Type="text/plain", Transfer_Encoding="chunked")
    assert answer.status == 400 and b"length" in answer.body
    assert shop.listed() == []


def test_a_repeat_gets_the_first_answer(shop: Shop, tmp_path: Path) -> None:
    """The same write with the same id, by header or by query; another write, or another token, has ids of its own."""
    first = shop.ask("PUT", "/a?if=absent", "x", Content_Type="text/plain", X_KV_Request_Id="1")
    again = shop.ask("PUT", "/a?if=absent&request_id=1", "x", Content_Type="text/plain")
    assert (first.status, first.body) == (again.status, again.body) == (201, first.body)
    assert shop.ask("PUT", "/a?if=absent", "y", Content_Type="text/plain", X_KV_Request_Id="1").status == 412
    assert shop.ask("PUT", "/a?if=absent", "x", Content_Type="text/plain", X_KV_Request_Id="2").status == 412
    assert [shop.ask("POST", "/n?op=incr&initial=1&request_id=1").body for _ in range(3)] == [b"1"] * 3
    assert [shop.ask("POST", "/n?op=incr&initial=1&request_id=2").body for _ in range(3)] == [b"2"] * 3
    deleted = [shop.ask("DELETE", "/a?request_id=1") for _ in range(2)]
    assert deleted[0] == deleted[1] and deleted[0].status == 200
    assert shop.ask("POST", "/n?op=id&request_id=1").body == shop.ask("POST", "/n?op=id&request_id=1").body == b"1"


class Grid:
    """Two namespaces, tokens of all kinds, and the application with low limits, which do not refill."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.box = Sandbox(self.data)
        self.box.store.keyvalue.create("shop", TERMS)
        self.box.store.keyvalue.create("club", TERMS)
        self.tokens = {
            "shop": self._token("shop", rate=1000),
            "other": self._token("shop"),
            "club": self._token("club"),
            "reader": self._token("shop", read_only=True),
            "slow": self._token("shop", rate=3),
            "admin": create_token(self.box.store.tokens, ("admin",)).text,
            "nowhere": create_token(self.box.store.tokens, ("keyvalue",)).text,
            "register": create_token(self.box.store.tokens, ("register",)).text,
        }
        self.box.close()
        self.application = LiveApplication({"data_dir": str(self.data), "failure_limit": "3"})
        self._ask: Ask = wsgi(self.application)

    @property
    def store(self) -> Store:
        """The application's own: LMDB opens a file once per process."""
        store = self.application._store
        assert store is not None
        return store

    def _token(self, namespace: str, *, rate: int | None = None, read_only: bool = False) -> str:
        return create_token(self.box.store.tokens, ("keyvalue",), namespace=namespace, rate=rate, read_only=read_only).text

    def ask(self, who: str, method: str, target: str, body: str = "") -> Reply:
        """Ask with one of the tokens; '' for none."""
        headers = {"Content-Type": "text/plain"} | ({"X-N2K-Token": self.tokens[who]} if who else {})
        return self._ask(method, target, headers, body.encode())

    def status(self, who: str, method: str, target: str, body: str = "") -> int:
        """The status alone."""
        return self.ask(who, method, target, body).status


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    """See Grid."""
    with limits_by():
        made = Grid(tmp_path)
    yield made
    made.application.close()


def test_a_token_sees_its_namespace_and_nothing_else(grid: Grid) -> None:
    """The same key in two namespaces; ns= must be the token's own, except with the scope admin, which needs it."""
    for name in ("shop", "club"):
        assert grid.status(name, "PUT", "/db/a", name) == 201
    assert grid.ask("shop", "GET", "/db/a").body == grid.ask("shop", "GET", "/db/a?ns=shop").body == b"shop"
    assert grid.ask("club", "GET", "/db/a").body == grid.ask("admin", "GET", "/db/a?ns=club").body == b"club"
    for method, body in (("GET", ""), ("PUT", "x"), ("DELETE", "")):
        assert grid.status("shop", method, "/db/a?ns=club", body) == 403
        assert grid.status("reader", method, "/db/a?ns=shop", body) == (200 if method == "GET" else 403)
        assert grid.status("admin", method, "/db/a", body) == 400
        assert grid.status("nowhere", method, "/db/a", body) == grid.status("register", method, "/db/a", body) == 403
    for bad, status in (("SHOP", 400), ("..", 400), ("", 400), ("x" * 41, 400), ("unknown", 404)):
        assert grid.status("admin", "GET", f"/db/a?ns={bad}") == status
    assert grid.status("admin", "DELETE", "/db/a?ns=club") == 200


def test_an_id_of_a_request_is_its_tokens_own(grid: Grid) -> None:
    """Two callers may choose the same."""
    target = "/db/n?op=incr&initial=1&request_id=1"
    assert [grid.ask(who, "POST", target).body for who in ("shop", "other", "shop", "other")] == [b"1", b"2", b"1", b"2"]


def test_what_is_open_can_be_read_without_a_token(grid: Grid) -> None:
    """By all who name it, in one moment, and no longer when it is closed; it is never written without one."""
    grid.status("shop", "PUT", "/db/a", "hello")
    assert grid.status("", "GET", "/db/a?ns=shop") == 401
    shop = grid.store.keyvalue.namespace("shop")
    shop.set_terms(TERMS._replace(is_open=True))
    answer = grid.ask("", "GET", "/db/a?ns=shop")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (200, b"hello", "no-cache")
    assert grid.ask("shop", "GET", "/db/a?ns=shop").headers["cache-control"] == "no-store"
    assert grid.status("", "GET", "/db/b?ns=shop") == 404
    assert grid.status("club", "GET", "/db/a?ns=shop") == 403
    assert grid.status("", "DELETE", "/db/a?ns=shop") == 401
    shop.set_terms(TERMS)
    refused = grid.ask("", "GET", "/db/a?ns=shop&format=json")
    assert refused.status == 401 and "'shop'" in json.loads(refused.body)["error"]


@pytest.mark.parametrize(
    ("method", "target"),
    [("get", "/db/a?ns=shop"), ("page", "/db?ns=shop"), ("count", "/db?ns=shop&count=1"), ("changes", "/db?ns=shop&since=0")],
)
def test_nothing_from_after_a_close_is_read_without_a_token(
    grid: Grid, monkeypatch: pytest.MonkeyPatch, method: str, target: str
) -> None:
    """A worker may pause between its look whether a namespace is open and the read."""
    grid.status("shop", "PUT", "/db/a", "public")
    shop = grid.store.keyvalue.namespace("shop")
    shop.set_terms(TERMS._replace(is_open=True))
    assert grid.status("", "GET", target) == 200
    read = getattr(Reader, method)

    def late(*arguments: Any, **options: Any) -> Any:
        shop.set_terms(TERMS)
        shop.apply([Put(b"a", b"private")], 5)
        return read(*arguments, **options)

    monkeypatch.setattr(Reader, method, late)
    assert grid.status("", "GET", target) == 401


def test_guesses_are_counted_and_reads_are_not(grid: Grid) -> None:
    """Failed authentications get 429 after a while, names of namespaces that are not open too; a valid token goes on."""
    grid.status("shop", "PUT", "/db/a", "hello")
    assert all(grid.status("reader", "GET", "/db/a") == 200 for _ in range(50))
    guesses = [grid.ask("", "GET", f"/db/a?ns={name}") for name in ("shop", "club", "unknown", "shop", "unknown")]
    assert [answer.status for answer in guesses] == [401, 401, 401, 429, 429]
    assert guesses[0].body.replace(b"shop", b"unknown") == guesses[2].body
    assert int(guesses[3].headers["retry-after"]) > 0
    assert grid.status("", "PUT", "/db/a", "x") == 429
    assert grid.status("shop", "GET", "/db/a") == 200


def test_writes_are_counted_before_they_are_done(grid: Grid) -> None:
    """By the token's rate; what is refused as it cannot be read is not counted, what fails a condition is."""
    for _ in range(5):
        assert grid.status("slow", "PUT", "/db/a?ttl_ms=x", "x") == 400
    assert [grid.status("slow", "PUT", "/db/a?if=absent", "x") for _ in range(4)] == [201, 412, 412, 429]
    answer = grid.ask("slow", "DELETE", "/db/a?format=json")
    assert answer.status == 429 and "retry-after" in answer.headers and "writes" in json.loads(answer.body)["error"]
    assert grid.status("slow", "GET", "/db/a") == 200


def test_a_revoked_token_ends_with_the_next_request(grid: Grid) -> None:
    """Also one that was just used."""
    assert grid.status("shop", "PUT", "/db/a", "x") == 201
    revoke_token(grid.store.tokens, grid.tokens["shop"].split("_")[1])
    assert grid.status("shop", "GET", "/db/a") == 401


def test_a_dropped_namespace_is_empty_or_gone(grid: Grid) -> None:
    """While a worker has it open; no answer of what was there."""
    grid.status("shop", "PUT", "/db/a", "x")
    grid.store.keyvalue.drop("shop")
    assert grid.status("shop", "GET", "/db/a") == 404


words = st.sampled_from(
    ["key", "ns", "op", "format", "request_id", "if", "if_version", "ttl_ms", "flags", "by", "initial", "from", "bytes",
     "since", "prefix", "start", "end", "limit", "cursor", "values", "count", "reverse", "name", "token", "max_bytes",
     "amp;key", ""]
)  # fmt: skip
values = st.one_of(
    st.sampled_from(["incr", "append", "prepend", "touch", "id", "batch", "cas", "sequence", "space", "flush", "get", "json",
                     "absent", "exists", "shop", "a", "%", "%zz", "%ff", "%00", "..%2f..", "0", "-1", "1e9", "9" * 30, "١"]),
    st.text(max_size=8).map(lambda text: quote_plus(text, errors="replace")),
)  # fmt: skip
queries = st.lists(st.tuples(words, values), max_size=4).map(lambda pairs: "&".join(f"{a}={b}" for a, b in pairs))
header_texts = st.one_of(
    st.sampled_from(["*", '"1"', 'W/"1"', '"', ",", "gzip", "bytes=0-", "x" * 200, '"1", *', "text/plain", "application/json",
                     "application/octet-stream", "text/plain; charset", "text/;;=", "multipart/form-data"]),
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=12),
)  # fmt: skip
headers_sent = st.dictionaries(
    st.sampled_from(["If-Match", "If-None-Match", "Content-Type", "Content-Encoding", "X-KV-Request-Id", "Range",
                     "Content-Length", "X-SecondLife-Shard", "Authorization", "Transfer-Encoding", "Origin"]),
    header_texts,
    max_size=4,
)  # fmt: skip
methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "get", "PROPFIND", ""])
paths = st.sampled_from(
    ["", "/", "/a", "/a/", "//", "/%", "/%2F", "/%ff", "/a%0a", "/..", "/../a", "/" + "x" * 600, "%2Fa", "/é"]
)


@settings(EXAMPLES, max_examples=600)
@given(methods, paths, queries, headers_sent, st.binary(max_size=20), st.booleans())
def test_no_request_is_a_fault_of_ours(
    shop: Shop, method: str, path: str, query: str, headers: dict[str, str], body: bytes, has_token: bool
) -> None:
    """Whatever is sent: no 5xx, and an error is one line of text or one object."""
    sent: dict[str, Any] = {name.replace("-", "_"): text for name, text in headers.items()}
    if not has_token:
        sent["X_N2K_Token"] = "n2k_nonsense"
    answer = shop.ask(method, f"{path}?{query}".encode().decode("latin-1"), body, **sent)
    assert answer.status < 500, answer
    assert method == "OPTIONS" or "content-security-policy" in answer.headers
    if answer.status >= 400 and method != "HEAD":
        if answer.headers["content-type"] == "application/json":
            assert list(json.loads(answer.body)) == ["error"] or "failures" in json.loads(answer.body)
        else:
            assert answer.body.endswith(b"\n") and answer.body.count(b"\n") == 1 and answer.body.decode().strip().isprintable()
