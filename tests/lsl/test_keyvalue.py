"""keyvalue.lsl: calls in the form of Experience functions come by link message, and are answered so."""

import json
import re
import uuid
from base64 import b64encode
from urllib.request import Request, urlopen

import pytest

from tests.lsl.conftest import keyvalue_token
from tests.support.calls import CALL, REPLY, Calls, call_text
from tests.support.directory_server import DirectoryServer, n2k
from tests.support.grid_rules import NEWER_OPENSIM, OPENSIM, Rules
from tests.support.lsl_source import lsl_source
from tests.support.processes import REPOSITORY
from tests.support.registering import CARLA, DORA, gaps, said
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import LINK_SET, Avatar, Prim, World

pytestmark = pytest.mark.unmeasured

LETTERS = 'zwölf, "Łódź" \\ 日本語 \U0001f600\n\ttab\rreturn\x01\x1f'
"""Everything that a value may have in it."""


@pytest.fixture
def prim(world: World, owner: Avatar, shop: DirectoryServer) -> Prim:
    """An object with the script, and a token for the namespace."""
    return world.rez(owner, lsl_source("keyvalue", url=shop.url, token=keyvalue_token(shop)))


def test_the_functions_of_experiences(prim: Prim) -> None:
    """Every answer and every error number, as Linden Lab documents them."""
    calls = Calls(prim)
    story = [
        (("read", "fruit"), "0,14"),
        (("create", "fruit", "apple"), "1,apple"),
        (("create", "fruit", "pear"), "0,13"),
        (("read", "fruit"), "1,apple"),
        (("update", "fruit", "plum"), "1,plum"),
        (("update", "fruit", "fig", "apple"), "0,15"),
        (("update", "fruit", "fig", "plum"), "1,fig"),
        (("update", "other", "x", ""), "0,15"),
        (("update", "other", "1"), "1,1"),
        (("count",), "1,2"),
        (("size",), "1,14,4000000"),
        (("keys", "0", "10"), "1,fruit,other"),
        (("delete", "fruit"), "1,fig"),
        (("delete", "fruit"), "0,13"),
        (("remove", "fruit"), "0,14"),
        (("remove", "other"), "1,"),
        (("count",), "1,0"),
        (("keys", "0", "10"), "0,14"),
        (("increment", "visits", "2"), "1,2"),
        (("increment", "visits", "-5"), "1,-3"),
        (("update", "visits", "many"), "1,many"),
        (("increment", "visits", "1"), "0,3"),
    ]
    for texts, answer in story:
        assert calls.ask(*texts) == answer, texts
    assert prim.to_owner == [] and prim.refused == []


def test_calls_share_requests_and_keep_their_order(prim: Prim) -> None:
    """The same story at once: fewer requests than calls, at least a second apart, and each call sees those before it."""
    calls = Calls(prim)
    ids = [calls.call(*texts) for texts in [
        ("create", "a", "1"), ("update", "b", "2"), ("increment", "n", "7"), ("update", "a", "3", "1"),
        ("read", "a"), ("read", "b"), ("read", "n"), ("read", "c"),
        ("size",), ("count",),
    ]]  # fmt: skip
    prim.world.run(20)
    assert [calls.answers[id] for id in ids] == ["1,1", "1,2", "1,7", "1,3", "1,3", "1,2", "1,7", "0,14", "1,6,4000000", "1,3"]
    assert [exchange.request.method for exchange in prim.exchanges] == ["POST", "POST", "POST", "GET"]
    assert min(gaps(prim)) >= 1 and prim.refused == []


def test_a_failing_call_does_not_hurt_the_others(prim: Prim) -> None:
    """Of calls that share a request, those that cannot be done are answered so; the others are done, each once."""
    calls = Calls(prim)
    assert calls.ask("create", "old", "1") == "1,1"
    sent = len(prim.exchanges)
    ids = [calls.call(*texts) for texts in [
        ("count",), ("increment", "n", "1"), ("create", "old", "2"), ("delete", "missing"), ("update", "old", "3", "1"),
        ("update", "old", "4", "1"), ("remove", "missing"), ("create", "new", "5"), ("create", "new", "6"), ("delete", "old"),
    ]]  # fmt: skip
    prim.world.run(20)
    expected = ["1,1", "1,1", "0,13", "0,13", "1,3", "0,15", "0,14", "1,5", "0,13", "1,3"]
    assert [calls.answers[id] for id in ids] == expected
    assert len(prim.exchanges) - sent <= 5 and prim.to_owner == []
    assert [calls.ask("read", key) for key in ("n", "old", "new")] == ["1,1", "0,14", "1,5"]


@pytest.mark.parametrize("value", [LETTERS, "", "true", "12.50", '{"a":[1]}', "[]", "1,2,3", "x" * 4095, "\U0001f600" * 1023])
def test_a_value_comes_back_as_it_was(prim: Prim, value: str) -> None:
    """Whatever is in it, also as the old value of a checked update, and when it is deleted."""
    calls = Calls(prim)
    key = f"key {value[:30]}".replace("\x01", "").translate({10: None, 9: None, 13: None, 0x1F: None})
    assert calls.ask("create", key, "first") == "1,first"
    assert calls.ask("update", key, value) == f"1,{value}"
    assert calls.ask("read", key) == f"1,{value}"
    if len(value) < 1000:
        assert calls.ask("update", key, f"{value}!", value) == f"1,{value}!"
        assert calls.ask("update", key, value, f"{value}!") == f"1,{value}"
    assert calls.ask("delete", key) == f"1,{value}"
    assert prim.to_owner == []


@pytest.mark.parametrize(
    "texts",
    [
        ("create", "", "1"), ("read", ""), ("create", "k" * 501, "1"), ("create", "ü" * 251, "1"), ("read", "k" * 501),
        ("create", "k", "x" * 4096), ("update", "k", "ü" * 2048), ("update", "k", "x", "y" * 4096), ("read", "two\nlines"),
        ("update", "k", "x" * 2500, "y" * 2500), ("nonsense", "k"), (), ("",), ("keys", "-1", "5"), ("keys", "0", "0"),
        ("increment", "n", "many"), ("increment", "n", "9223372036854775808"),
    ],
    ids=lambda texts: "-".join(text[:9] for text in texts),
)  # fmt: skip
def test_bad_parameters(prim: Prim, texts: tuple[str, ...]) -> None:
    """What Experiences call XP_ERROR_INVALID_PARAMETERS; a call that came with it is done all the same."""
    calls = Calls(prim)
    bad, good = calls.call(*texts), calls.call("update", "good", "1")
    prim.world.run(15)
    assert (calls.answers[bad], calls.answers[good]) == ("0,3", "1,1")


@pytest.mark.parametrize("message", ["read", "4:read3:k", "-1:", "x:read", "4read1:k", "999999999999:x", "4:read:k", "5:read"])
def test_a_message_that_is_no_call(prim: Prim, message: str) -> None:
    """Lengths that are wrong or missing: 3; the next call is not affected. Other numbers are others' messages."""
    calls = Calls(prim)
    assert calls.answer_to(message) == "0,3"
    prim.message_linked(-4, 5, call_text("read", "k"), str(uuid.uuid4()))
    assert calls.ask("read", "k") == "0,14"
    assert len(prim.exchanges) == 1


def test_keys_are_paged_as_by_index(prim: Prim, shop: DirectoryServer) -> None:
    """First and count; fewer than asked when they are long; 14 behind the end. Going on needs one request for each page."""
    keys = [f"k{n:03}" for n in range(150)] + [f"x{n}" + "y" * 490 for n in range(9)]
    fill(shop, {key: "v" for key in keys})
    calls = Calls(prim)
    assert calls.ask("keys", "0", "3") == "1,k000,k001,k002"
    assert calls.ask("keys", "3", "2") == "1,k003,k004"
    assert calls.ask("keys", "120", "2") == "1,k120,k121"
    assert calls.ask("keys", "1", "1") == "1,k001"
    assert calls.ask("keys", "2147483647", "2147483647", "k14") == "0,14"
    assert calls.ask("keys", "8", "5", "k14") == "1,k148,k149"
    assert calls.ask("keys", "0", "5", "ö, ") == "0,14"
    found: list[str] = []
    before = len(prim.exchanges)
    while (answer := calls.ask("keys", str(len(found)), "100")) != "0,14":
        assert len(answer) <= 4097
        found += answer[2:].split(",")
    assert found == keys
    assert len(prim.exchanges) - before == 4, "100, 50 with some long ones, the others, and no more"


def fill(shop: DirectoryServer, entries: dict[str, str], content_type: str = "text/plain") -> None:
    """Store entries as another program does."""
    form = "base64" if content_type == "application/octet-stream" else "text"
    values = {key: b64encode(value.encode()).decode() if form == "base64" else value for key, value in entries.items()}
    items = [{"op": "put", "key": key, form: value, "type": content_type} for key, value in values.items()]
    headers = {"X-N2K-Token": keyvalue_token(shop), "Content-Type": "application/json"}
    body = json.dumps({"operations": items}).encode()
    urlopen(Request(f"{shop.url}db?op=batch", body, headers, method="POST"), timeout=30).close()


@pytest.mark.parametrize(
    ("stored", "content_type", "answer"),
    [
        ('{"a": [1, 2.50]}', "application/json", '1,{"a":[1,2.50]}'),
        ("Zoë, \n", "application/octet-stream", "1,Zoë, \n"),
        ("x" * 5000, "text/plain", "1," + "x" * 5000),
        ("x" * 7000, "text/plain", "0,3"),
        ("\\" * 4000, "text/plain", "0,3"),
    ],
    ids=["json", "bytes", "long", "too long", "too long in JSON"],
)
def test_values_of_other_programs(prim: Prim, shop: DirectoryServer, stored: str, content_type: str, answer: str) -> None:
    """JSON and bytes are read as text. What does not fit in an answer is refused, and what is read with it is not."""
    fill(shop, {"k": stored}, content_type)
    calls = Calls(prim)
    ids = [calls.call("create", "other", "1"), *(calls.call("read", key) for key in ("other", "k", "other"))]
    prim.world.run(15)
    assert [calls.answers[id] for id in ids] == ["1,1", "1,1", answer, "1,1"]


def test_a_deleted_value_that_does_not_fit(prim: Prim, shop: DirectoryServer) -> None:
    """It is deleted all the same, and the answer is without it; calls that came with it have theirs."""
    fill(shop, {"k": "x" * 6400, "j": "\\" * 4000, "n": "1"})
    calls = Calls(prim)
    ids = [calls.call(*texts) for texts in [("count",), ("increment", "n", "1"), ("delete", "k"), ("delete", "j"), ("count",)]]
    prim.world.run(60)
    assert [calls.answers[id] for id in ids] == ["1,3", "1,2", "1,", "1,", "1,1"]


def test_values_that_do_not_fit_together(prim: Prim) -> None:
    """An answer holds 6,500 bytes: the rest is asked for again."""
    calls = Calls(prim)
    for key in "abc":
        assert calls.ask("update", key, key * 4000) == "1," + key * 4000
    ids = [calls.call("read", key) for key in "abc"]
    prim.world.run(15)
    assert [calls.answers[id] for id in ids] == ["1," + key * 4000 for key in "abc"]


FLOOD = """
default { touch_start(integer count) { integer i; for (i = 0; i < COUNT; ++i)
    llMessageLinked(LINK_THIS, 7221867, "9:increment1:n1:1", llGenerateKey()); } }
"""


@pytest.mark.parametrize("count", [30, 64, 100])
def test_a_flood(prim: Prim, owner: Avatar, count: int) -> None:
    """The queue holds 30 calls; others are answered with 1, throttled, and the grid loses what exceeds a queue of 64 events."""
    prim.add(FLOOD.replace("COUNT", str(count)))
    prim.touch(owner)
    script = prim.scripts[0]
    prim.world.run(0.01)
    assert script.list_bytes() < 20_000
    prim.world.run(60)
    answers = Calls(prim).answers.values()
    done = [answer for answer in answers if answer != "0,1"]
    assert sorted(done, key=lambda answer: int(answer[2:])) == [f"1,{n}" for n in range(1, 31)]
    assert len(answers) == min(count, 64)
    assert prim.refused == [] and len(prim.exchanges) <= 4


def test_long_calls_fill_the_queue(prim: Prim) -> None:
    """5,000 letters, whoever they are from: the next one is throttled, a short one is not. Memory is bounded."""
    calls = Calls(prim)
    first = calls.call("update", "a", "x" * 4095)
    second, third = calls.call("update", "b", "x" * 1000), calls.call("update", "c", "x" * 800)
    prim.world.run(0.01)
    assert prim.scripts[0].list_bytes() < 15_000
    prim.world.run(15)
    assert [calls.answers[id][:4] for id in (first, second, third)] == ["1,xx", "0,1", "1,xx"]


def test_the_server_restarts_in_the_middle(prim: Prim, shop: DirectoryServer) -> None:
    """Calls wait, and are done once; the owner hears of it once."""
    calls = Calls(prim)
    assert calls.ask("increment", "n", "1") == "1,1"
    shop.stop()
    ids = [calls.call("increment", "n", "1"), calls.call("create", "k", "v"), calls.call("read", "k")]
    prim.world.run(20)
    assert len(calls.answers) == 1
    shop.start()
    prim.world.run(40)
    assert [calls.answers[id] for id in ids] == ["1,2", "1,v", "1,v"]
    (line,) = prim.to_owner
    assert line.startswith(f"n2k keyvalue: no answer from {shop.url}: ") and line.endswith("Trying again by and by; waiting: 3")


@pytest.mark.parametrize("loss", ["answer", "region", "server"])
def test_a_lost_answer_is_asked_for_again(prim: Prim, shop: DirectoryServer, loss: str) -> None:
    """The service was there and wrote: it is not written again, and the answer is the first one. A deleted value is lost."""
    calls = Calls(prim)
    assert calls.ask("create", "old", "1") == "1,1"
    calls.call("count")
    ids = [calls.call(*texts) for texts in [
        ("increment", "n", "1"), ("create", "k", "v"), ("update", "old", "2", "1"), ("delete", "k"),
    ]]  # fmt: skip
    prim.world.run(1.3)
    sent = len(prim.exchanges)
    if loss == "region":
        prim.world.restart()
    else:
        prim.world.lose_answers()
    if loss == "server":
        shop.stop()
        shop.start()
    prim.world.run(200)
    assert len(prim.exchanges) > sent
    assert [calls.answers[id] for id in ids] == ["1,1", "1,v", "1,2", "1,"]
    assert calls.ask("read", "n") == "1,1"


def test_a_service_that_is_down(prim: Prim, shop: DirectoryServer) -> None:
    """After two minutes all that waits is answered with 13, later calls at their first failure; then it works again."""
    calls = Calls(prim)
    shop.stop()
    ids = [calls.call("read", "k"), calls.call("update", "k", "v"), calls.call("count")]
    prim.world.run(110)
    assert calls.answers == {}
    prim.world.run(30)
    assert [calls.answers[id] for id in ids] == ["0,13"] * 3
    assert [line.partition(":")[2].partition(":")[0] for line in prim.to_owner] == [
        " no answer from http",
        " gave up on 3 calls",
    ]
    for _ in range(3):
        assert calls.ask("read", "k", seconds=61) == "0,13"
    assert len(prim.to_owner) == 2
    shop.start()
    assert calls.ask("update", "k", "v", seconds=61) == "1,v"
    assert calls.ask("read", "k") == "1,v"
    assert len(prim.to_owner) == 2


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (429, "asked too often (429): wait 20 s"),
        (500, "the service is in trouble (500): wait 20 s"),
        (503, "the service is in trouble (503): wait 20 s"),
        (507, "the service is in trouble (507): wait 20 s"),
    ],
)
def test_trouble_backs_off(world: World, owner: Avatar, status: int, line: str) -> None:
    """The pause doubles, and no fifth error of the server comes within a minute; the owner is shown the line, which says how
    long to wait; the call is done in the end.
    """
    good = said({"entries": [{"key": "k", "version": "1", "text": "v"}], "more": 0})
    with scripted_server(*[said({"error": "wait 20 s"}, status)] * 4, good) as server:
        prim = world.rez(owner, lsl_source("keyvalue", url=server.url, token="t"))
        assert Calls(prim).ask("read", "k", seconds=70) == "1,v"
    assert [int(gap) for gap in gaps(prim)] == [2, 4, 8, 46 if status >= 500 else 16]
    assert prim.to_owner == [f"n2k keyvalue: {line}. Trying again by and by; waiting: 1"]
    assert prim.refused == []


@pytest.mark.parametrize(
    ("texts", "body"),
    [
        (("read", "k"), b'{"entries":[{"key":"k","text":"v'),
        (("read", "k"), b'{"entries":[]}'),
        (("read", "k"), b"{}"),
        (("update", "k", "v"), b'{"results":[]}'),
        (("keys", "0", "1"), b'{"cursor":"x"}'),
        (("count",), b'{"error":"x"}'),
    ],
)
def test_only_a_clear_answer_is_believed(world: World, owner: Avatar, texts: tuple[str, ...], body: bytes) -> None:
    """Truncated, or another server's: it is asked again, and in the end the call fails."""
    with scripted_server(Scripted(200, body, "application/json")) as server:
        prim = world.rez(owner, lsl_source("keyvalue", url=server.url, token="t"))
        assert Calls(prim).ask(*texts, seconds=140) == "0,13"
    assert "was truncated, or did not come from an n2k service" in prim.to_owner[0]
    assert len(prim.exchanges) == 7


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said({"error": "a token is needed"}, 401), "the token is wrong (401): a token is needed"),
        (said({"error": "no namespace"}, 404), "the service refuses (404): no namespace"),
        (Scripted(404, b"<html>gone"), "{url} is not an n2k service (404): <html>gone"),
        (Scripted(200, b"<html>parked"), "{url} is not an n2k service (200): <html>parked"),
        (said({"error": "lacks the scope"}, 403), "the service refuses (403): lacks the scope"),
    ],
)
def test_what_only_the_owner_can_fix(world: World, owner: Avatar, answer: Scripted, reason: str) -> None:
    """One message, and 12 to every call, until the owner has touched."""
    good = said({"entries": [None], "more": 0})
    with scripted_server(answer, good) as server:
        prim = world.rez(owner, lsl_source("keyvalue", url=server.url, token="t"))
        calls = Calls(prim)
        first, second = calls.call("read", "k"), calls.call("read", "k")
        prim.world.run(5)
        third = calls.ask("read", "k")
        assert [calls.answers[first], calls.answers[second], third] == ["0,12"] * 3
        assert len(prim.exchanges) == 1
        prim.touch(owner)
        assert calls.ask("read", "k") == "0,14"
    told = f"stopped: {reason.format(url=server.url)}. Fix it, then touch me or reset me; waiting: 2"
    assert prim.to_owner == [f"n2k keyvalue: {told}", "n2k keyvalue: going on."]


def test_a_token_that_may_only_read(world: World, owner: Avatar, shop: DirectoryServer) -> None:
    """Writes are not permitted, 4; reads work, also those that come with them."""
    line = n2k(shop.data_dir, "token", "create", "--scope", "keyvalue", "--namespace", "shop", "--read-only")
    fill(shop, {"k": "v"})
    prim = world.rez(owner, lsl_source("keyvalue", url=shop.url, token=line.split()[-1]))
    calls = Calls(prim)
    ids = [calls.call(*texts) for texts in [("read", "k"), ("update", "k", "1"), ("delete", "k"), ("read", "k"), ("count",)]]
    prim.world.run(30)
    assert [calls.answers[id] for id in ids] == ["1,v", "0,4", "0,4", "1,v", "1,1"]
    assert set(prim.to_owner) == {"n2k keyvalue: refused (403): this token permits reading only"}


def test_a_full_namespace(prim: Prim, shop: DirectoryServer) -> None:
    """11; what was sent with it is done, reading and deleting go on."""
    n2k(shop.data_dir, "token", "create", "--scope", "keyvalue", "--namespace", "shop", "--keys", "2")
    calls = Calls(prim)
    ids = [calls.call("create", key, "1") for key in ("a", "b", "c")]
    prim.world.run(20)
    assert [calls.answers[id] for id in ids] == ["1,1", "1,1", "0,11"]
    assert (calls.ask("remove", "a"), calls.ask("create", "c", "1"), calls.ask("read", "c")) == ("1,", "1,1", "1,1")


@pytest.mark.parametrize("rules", [OPENSIM, NEWER_OPENSIM], ids=["0", "499"])
def test_names_that_cannot_be_sent(owner: Avatar, shop: DirectoryServer, rules: Rules) -> None:
    """The owner learns the reason; callers get 13, and when the object has another name, answers."""
    prim = World(rules).rez(owner, lsl_source("keyvalue", url=shop.url, token=keyvalue_token(shop)), name="Ворота")
    calls = Calls(prim)
    assert calls.ask("read", "k", seconds=140) == "0,13"
    assert "does the name of this object, its owner or the region have unusual letters?" in prim.to_owner[1]
    prim.name = "Gate"
    assert calls.ask("read", "k", seconds=70) == "0,14"


def test_a_blocked_address(owner: Avatar, shop: DirectoryServer) -> None:
    """12 at once; after the operator has allowed it, and restarted the region, calls are answered."""
    world = World(OPENSIM)
    world.excepted = ""
    prim = world.rez(owner, lsl_source("keyvalue", url=shop.url, token=keyvalue_token(shop)))
    calls = Calls(prim)
    assert [calls.ask("read", "k", seconds=1), calls.ask("read", "k", seconds=1)] == ["0,12", "0,12"]
    assert len(prim.blocked) == len(prim.to_owner) == 1
    world.excepted = "127.0.0.0/8"
    world.restart()
    assert calls.ask("read", "k") == "0,14"


def test_the_throttle_of_the_grid(prim: Prim) -> None:
    """Other scripts use it up: the call waits."""
    while prim.throttle.admit(prim.world.now):
        pass
    assert Calls(prim).ask("update", "k", "v", seconds=130) == "1,v"
    assert prim.to_owner == ["n2k keyvalue: the grid's throttle lets no request out. Trying again by and by; waiting: 1"]


def test_the_answer_goes_to_the_prim_that_called(prim: Prim, owner: Avatar) -> None:
    """In a linked set: the others do not hear it."""
    child, other = (prim.world.rez(owner, "default { state_entry() { } }") for _ in range(2))
    prim.link(child, other)
    child.message_linked(LINK_SET, CALL, call_text("update", "k", "v"), str(uuid.uuid4()))
    prim.world.run(5)
    assert [[text for number, text, _ in each.link_messages if number == REPLY] for each in (prim, child, other)] == [
        [],
        ["1,v"],
        [],
    ]


CALLS, _, PORTED = re.findall(r"(?s)```lsl\n(.*?)```", (REPOSITORY / "docs" / "lsl.md").read_text("utf-8"))
"""The functions of the page, and the script that it moves from an Experience."""


def test_a_script_that_used_an_experience(prim: Prim, owner: Avatar, shop: DirectoryServer) -> None:
    """Moved as the page says, in two objects with one namespace: every touch counts, also of one avatar in both at once."""
    other = prim.world.rez(owner, lsl_source("keyvalue", url=shop.url, token=keyvalue_token(shop)))
    for each in (prim, other):
        each.add(CALLS + PORTED)
    for _ in range(3):
        for each in (prim, other):
            each.touch(CARLA)
        prim.world.run(20)
    prim.touch(DORA)
    prim.world.run(20)
    told = [text for each in (prim, other) for text in each.told[CARLA.key]]
    assert sorted(told) == [f"Your touches: {n}" for n in range(1, 7)]
    assert prim.told[DORA.key] == ["Your touches: 1"]
    assert prim.to_owner == other.to_owner == []
