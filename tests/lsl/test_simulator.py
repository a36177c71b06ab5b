"""The simulator itself: what it claims of the grids holds, or the stories prove nothing."""

import gzip
import socket

import pytest

from tests.support.foreground import closed_port
from tests.support.grid_rules import NEWER_OPENSIM, OPENSIM, SECOND_LIFE, Rules
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulated_http import ScriptError
from tests.support.simulator import NPC, OBJECT, Avatar, Prim, World

PROBE = """
// Says what it hears: "count url" on channel 1 sends so many requests.
list options;
default
{
    state_entry() { llListen(1, "", NULL_KEY, ""); OPTIONS }
    listen(integer channel, string name, key id, string message)
    {
        list words = llParseString2List(message, [" "], []);
        integer i;
        for (i = 0; i < llList2Integer(words, 0); ++i)
        {
            string id = (string)llHTTPRequest(llList2String(words, 1), options, "a body");
            if (id == NULL_KEY) llOwnerSay("refused");
            if (id == "") llOwnerSay("blocked");
        }
    }
    http_response(key id, integer status, list metadata, string body)
    {
        llOwnerSay((string)status + " " + (string)llStringLength(body) + " " + llList2CSV(metadata));
    }
}
"""


def probe(world: World, owner: Avatar, options: str = "") -> Prim:
    """A prim with the probe, *options* being a list in LSL."""
    return world.rez(owner, PROBE.replace("OPTIONS", f"options = {options};" if options else ""), name="Probe")


def send(prim: Prim, url: str, count: int = 1, seconds: float = 1.0) -> list[str]:
    """Have the probe send *count* requests at once; what it says within *seconds*."""
    heard = len(prim.to_owner)
    prim.world.say(prim.owner, 1, f"{count} {url}")
    prim.world.run(seconds)
    return prim.to_owner[heard:]


@pytest.mark.parametrize(("rules", "metadata"), [(SECOND_LIFE, "0, 2048"), (OPENSIM, "")])
def test_a_long_answer_is_cut(owner: Avatar, rules: Rules, metadata: str) -> None:
    """Both grids give 2,048 bytes; only Second Life says that there was more."""
    with scripted_server(Scripted(200, b"x" * 2048), Scripted(200, b"x" * 2049)) as server:
        prim = probe(World(rules), owner)
        assert send(prim, server.url) == ["200 2048 "]
        assert send(prim, server.url) == [f"200 2048 {metadata}"]


def test_a_script_may_ask_for_more(world: World, owner: Avatar) -> None:
    """HTTP_BODY_MAXLENGTH raises the cut, to 16,384 at most."""
    with scripted_server(Scripted(200, b"x" * 20000)) as server:
        for wanted, got in [(4096, 4096), (99999, 16384), (1, 64)]:
            prim = probe(world, owner, f"[HTTP_BODY_MAXLENGTH, {wanted}]")
            assert send(prim, server.url)[0].startswith(f"200 {got} ")
            world.prims.clear()


@pytest.mark.parametrize(
    ("kind", "second_life"),
    [("text/plain", 200), ("application/json", 200), ("application/problem+json", 415), ("image/png", 415)],
)
def test_unlisted_content_is_withheld_in_second_life(owner: Avatar, kind: str, second_life: int) -> None:
    """Second Life turns an unlisted type into 415 without its body; OpenSimulator does not look."""
    with scripted_server(Scripted(200, b"body", kind)) as server:
        said = send(probe(World(SECOND_LIFE), owner), server.url)
        assert said == [f"{second_life} {4 if second_life == 200 else 0} "]
        assert send(probe(World(OPENSIM), owner), server.url) == ["200 4 "]


def test_compressed_answers_are_unpacked(world: World, owner: Avatar) -> None:
    """A grid that asks for gzip understands it."""
    packed = Scripted(200, gzip.compress(b"x" * 100), headers={"Content-Encoding": "gzip"})
    with scripted_server(packed) as server:
        assert send(probe(world, owner), server.url) == ["200 100 "]


def test_second_life_throttles_an_object(owner: Avatar) -> None:
    """25 requests in 20 s; then nothing until the object was silent for 40 s."""
    with scripted_server(Scripted(200)) as server:
        prim = probe(World(SECOND_LIFE), owner)
        assert send(prim, server.url, 26, 21.0).count("refused") == 1
        assert send(prim, server.url, 1, 39.0) == ["refused"]
        assert send(prim, server.url, 1, 40.0) == ["refused"]
        assert send(prim, server.url, 1) == ["200 0 "]


def test_opensim_throttles_a_prim(owner: Avatar) -> None:
    """A burst of three, then one a second."""
    with scripted_server(Scripted(200)) as server:
        prim = probe(World(OPENSIM), owner)
        assert send(prim, server.url, 4, 1.0).count("refused") == 1
        assert sorted(send(prim, server.url, 2, 1.0)) == ["200 0 ", "refused"]


def test_an_owner_is_throttled_over_all_prims(owner: Avatar) -> None:
    """OpenSimulator: five at once for one owner, however many prims; another owner has a share of her own."""
    other = Avatar("Other Owner", "99999999-0000-4000-8000-000000000000")
    with scripted_server(Scripted(200)) as server:
        world = World(OPENSIM)
        prims = [probe(world, who) for who in (owner, owner, other)]
        world.say(owner, 1, f"3 {server.url}")
        assert [len(prim.refused) for prim in prims] == [0, 1, 0]


def test_five_server_errors_mute_a_script_in_second_life(owner: Avatar) -> None:
    """The fifth 5xx within a minute is the last that leaves; 4xx are not counted, and OpenSimulator counts none."""
    for rules, status, refused in [(SECOND_LIFE, 500, 1), (SECOND_LIFE, 429, 0), (OPENSIM, 500, 0)]:
        with scripted_server(Scripted(status)) as server:
            prim = probe(World(rules), owner)
            for _ in range(6):
                send(prim, server.url, 1, 5.0)
            assert len(prim.refused) == refused
            assert send(prim, server.url, 1, 61.0)
            assert send(prim, server.url) == [f"{status} 0 "]


def test_no_connection_is_499(world: World, owner: Avatar) -> None:
    """A refused connection; what is no address ends the same way in Second Life, and does not leave OpenSimulator."""
    prim = probe(world, owner)
    with closed_port() as port:
        assert send(prim, f"http://127.0.0.1:{port}/") == ["499 0 "]
    for url in ("http://127.0.0.1:port/", "http://", "nonsense"):
        assert send(prim, url) == ["blocked" if world.rules is OPENSIM else "499 0 "]


@pytest.mark.parametrize(
    ("rules", "status", "names"),
    [
        (SECOND_LIFE, 200, ["Привет", "Ворота", "\U0001f600", "Café Zoë", "日本語", "Łódź"]),
        (OPENSIM, 200, ["Café Zoë", "日本語", "Łódź", "a\tb"]),
        (OPENSIM, 0, ["Привет", "Ворота", "\U0001f600", "Иван Петров", "\x7f"]),
        (NEWER_OPENSIM, 200, ["Plain"]),
        (NEWER_OPENSIM, 499, ["Привет", "Café Zoë", "日本語", "\U0001f600"]),
    ],
)
def test_names_go_into_headers(rules: Rules, status: int, names: list[str]) -> None:
    """Of object, owner and region; where one of them cannot be written, nothing leaves and the body is empty."""
    for name in names:
        with scripted_server(Scripted(200, b"body")) as server:
            for owner, prim_name, region in [(name, "P", "R"), ("O", name, "R"), ("O", "P", name)]:
                world = World(rules)
                world.region = region
                who = Avatar(owner, "0b3e4f5a-1111-4222-8333-444455556666")
                prim = world.rez(who, PROBE.replace("OPTIONS", ""), name=prim_name)
                assert send(prim, server.url) == [f"{status} {4 if status == 200 else 0} "]
            assert len(server.requests) == (3 if status == 200 else 0)


@pytest.mark.parametrize(
    ("host", "excepted", "allowed"),
    [
        ("127.0.0.1", "", False),
        ("localhost", "", False),
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "127.0.0.1:PORT", True),
        ("localhost", "127.0.0.1:PORT", True),
        ("127.0.0.1", "10.0.0.0/8| localhost:PORT", True),
        ("127.0.0.1", "127.0.0.1", False),
    ],
)
def test_opensim_blocks_private_networks(owner: Avatar, host: str, excepted: str, allowed: bool) -> None:
    """An empty key instead of the null key, unless the operator excepted the network, or the host with this very port."""
    with scripted_server(Scripted(200)) as server:
        port = server.url.rstrip("/").rpartition(":")[2]
        for rules, said in [(OPENSIM, "200 0 " if allowed else "blocked"), (SECOND_LIFE, "200 0 ")]:
            world = World(rules)
            world.excepted = excepted.replace("PORT", port)
            assert send(probe(world, owner), f"http://{host}:{port}/") == [said]


def test_a_silent_server_is_499_after_the_grids_time(world: World, owner: Avatar) -> None:
    """The script hears of a time-out when the grid's own has passed, not before."""
    world.real_seconds = 0.05
    with socket.create_server(("127.0.0.1", 0)) as listener:
        prim = probe(world, owner)
        assert send(prim, f"http://127.0.0.1:{listener.getsockname()[1]}/", 1, world.rules.timeout - 1) == []
    world.run(1)
    assert prim.to_owner == ["499 0 "]


def test_the_grids_headers_go_with_a_request(world: World, owner: Avatar) -> None:
    """Prim, owner and shard are told; a custom header and type arrive; a GET has no body."""
    options = '[HTTP_CUSTOM_HEADER, "X-Custom", "value", HTTP_MIMETYPE, "application/json"]'
    with scripted_server(Scripted(200)) as server:
        send(probe(world, owner, options), server.url + "path?q=1")
        send(probe(world, owner, '[HTTP_METHOD, "PUT"]'), server.url)
    method, target, headers, body = server.requests[0]
    assert (method, target, body) == ("GET", "/path?q=1", b"")
    assert headers["X-SecondLife-Shard"] == world.rules.shard
    assert headers["X-SecondLife-Owner-Name"] == owner.name
    assert (headers["X-Custom"], headers["Content-Type"]) == ("value", "application/json")
    assert ("User-Agent" in headers) == (world.rules is SECOND_LIFE)
    assert server.requests[-1][0::3] == ("PUT", b"a body")


def test_options_and_methods_differ(owner: Avatar) -> None:
    """OpenSimulator stumbles over Second Life's newer options; Second Life knows four methods."""
    with scripted_server(Scripted(200)) as server:
        accept = '[HTTP_ACCEPT, "text/plain"]'
        assert send(probe(World(SECOND_LIFE), owner, accept), server.url) == ["200 0 "]
        with pytest.raises(ScriptError):
            send(probe(World(OPENSIM), owner, accept), server.url)
        patch = '[HTTP_METHOD, "PATCH"]'
        assert send(probe(World(SECOND_LIFE), owner, patch), server.url) == ["405 0 "]


CLOCK = """
integer ticks;
default
{
    state_entry() { llSetTimerEvent(10.0); llListen(1, "", NULL_KEY, ""); }
    timer() { ticks = ticks + 1; llOwnerSay("tick " + (string)llGetTime()); if (ticks == 2) llSetTimerEvent(0.0); }
    touch_start(integer count) { llOwnerSay("before"); llSleep(25.0); llOwnerSay("after " + llDetectedName(count - 1)); }
    listen(integer channel, string name, key id, string message)
    {
        if (message == "reset") llResetScript();
        llInstantMessage(id, "moving");
        state other;
    }
}
state other { state_entry() { llOwnerSay("other"); } timer() { llOwnerSay("tock"); } }
"""


def test_the_timer_follows_the_clock(world: World, owner: Avatar) -> None:
    """It ticks when its time has come, until it is stopped."""
    prim = world.rez(owner, CLOCK)
    world.run(100)
    assert prim.to_owner == ["tick 10.000000", "tick 20.000000"]


def test_a_sleeping_script_handles_nothing(world: World, owner: Avatar) -> None:
    """Events wait until the sleep is over, two timer events melt into one, the detected are remembered."""
    prim = world.rez(owner, CLOCK)
    prim.touch(owner, Avatar("Second Toucher", "22222222-0000-4000-8000-000000000000"))
    world.run(26)
    assert prim.to_owner == ["before", "after Second Toucher", "tick 25.000000"]


def test_a_new_state_listens_anew_but_keeps_the_timer(world: World, owner: Avatar) -> None:
    """Listeners end with a state, the timer does not; an instant message delays the script by two seconds."""
    prim = world.rez(owner, CLOCK)
    world.say(owner, 1, "go")
    assert (prim.told[owner.key], prim.to_owner) == (["moving"], [])
    world.run(11)
    assert prim.to_owner == ["other", "tock"]
    assert prim.scripts[0].listeners == {}


def test_a_reset_forgets_everything(world: World, owner: Avatar) -> None:
    """Variables, the timer and the script's clock begin again, and the handler ends at once."""
    prim = world.rez(owner, CLOCK)
    world.run(11)
    world.say(owner, 1, "reset")
    world.run(9)
    assert prim.to_owner == ["tick 10.000000"]
    world.run(100)
    assert prim.to_owner[1:] == ["tick 10.000000", "tick 20.000000"]
    assert prim.told[owner.key] == []


def test_a_function_that_no_grid_has_ends_the_story(world: World, owner: Avatar) -> None:
    """A call the simulator does not know is an error, never a silent nothing."""
    with pytest.raises(KeyError):
        world.rez(owner, "default { state_entry() { llSetText(llGetObjectName(), <1,1,1>, 1.0); } }")


LINKED = """
// Says what it is told by link message, and tells others on touch.
default
{
    touch_start(integer count) { llMessageLinked(TO, 7, "two", "id"); llOwnerSay("touched"); }
    link_message(integer link, integer number, string text, key id)
    {
        llOwnerSay((string)link + " " + (string)number + " " + text + " " + (string)id);
    }
}
"""


@pytest.mark.parametrize(
    ("link", "hear"),
    [("LINK_SET", [1, 1, 1]), ("LINK_THIS", [0, 1, 0]), ("LINK_ROOT", [1, 0, 0]), ("3", [0, 0, 1]), ("4", [0, 0, 0])],
)
def test_link_messages(owner: Avatar, link: str, hear: list[int]) -> None:
    """They go to the scripts of the named prims, the sender's included, after its handler has ended."""
    world = World(OPENSIM)
    root, child, other = prims = [world.rez(owner, LINKED.replace("TO", link)) for _ in range(3)]
    root.link(child, other)
    child.touch(owner)
    world.run(1)
    assert child.to_owner[0] == "touched"
    assert [sum(line == "2 7 two id" for line in prim.to_owner) for prim in prims] == hear


def test_link_messages_of_a_single_prim(owner: Avatar) -> None:
    """Its number is 0."""
    prim = World(OPENSIM).rez(owner, LINKED.replace("TO", "0"))
    prim.touch(owner)
    prim.world.run(1)
    assert prim.to_owner == ["touched", "0 7 two id"]


FLOOD = """
default
{
    touch_start(integer count) { integer i; for (i = 0; i < 100; ++i) llMessageLinked(LINK_THIS, i, "", ""); }
    link_message(integer link, integer number, string text, key id) { llOwnerSay((string)number); }
}
"""


def test_a_full_queue_loses_events(owner: Avatar) -> None:
    """Of a hundred messages in one handler the first 64 arrive."""
    prim = World(OPENSIM).rez(owner, FLOOD)
    prim.touch(owner)
    prim.world.run(1)
    assert (prim.to_owner, prim.scripts[0].lost_events) == ([str(n) for n in range(64)], 36)


JSON = """
default { touch_start(integer count) { string text = llDetectedName(0); list path = PATH;
    llOwnerSay(llJsonGetValue(text, path)); if (llJsonValueType(text, path) != TYPE) llOwnerSay("another type"); } }
"""
NESTED = '{"a":[{"b":"x\\n\\"y\\u00fc"},null,{"b":9007199254740993.10},{"b":["1",{"c":true}]}]}'


@pytest.mark.parametrize(
    ("path", "kind", "value"),
    [
        ('["a", 0, "b"]', "STRING", 'x\n"yü'),
        ('["a", 1]', "NULL", "\ufdd5"),
        ('["a", 2, "b"]', "NUMBER", "9007199254740993.10"),
        ('["a", 3, "b"]', "ARRAY", '["1",{"c":true}]'),
        ('["a", 3, "b", 1, "c"]', "TRUE", "\ufdd6"),
        ('["a", 3]', "OBJECT", '{"b":["1",{"c":true}]}'),
        ('["a", 4]', "INVALID", "\ufdd0"),
        ('["a", "b"]', "INVALID", "\ufdd0"),
        ('["x"]', "INVALID", "\ufdd0"),
    ],
)
def test_json(owner: Avatar, path: str, kind: str, value: str) -> None:
    """Objects in arrays; numbers as they are written; what is not there, or half of a text, is invalid."""
    prim = World(OPENSIM).rez(owner, JSON.replace("PATH", path).replace("TYPE", f"JSON_{kind}"))
    prim.touch(Avatar(NESTED, owner.key))
    assert prim.to_owner == [value]
    prim.touch(Avatar(NESTED[:-1], owner.key))
    assert prim.to_owner[1] == "\ufdd0"


SENSES = """
// Says what it perceives; a touch asks for so many names.
default
{
    state_entry() { llSensorRepeat("", NULL_KEY, AGENT, 20.0, PI, 5.0); llVolumeDetect(TRUE); }
    sensor(integer count) { llOwnerSay("sees " + (string)count + ", the nearest " + llDetectedName(0)); }
    no_sensor() { llOwnerSay("sees nobody"); }
    collision_start(integer count) { llOwnerSay("hit by " + llDetectedName(0) + " " + (string)llDetectedType(0)); }
    changed(integer change)
    {
        vector size = llGetAgentSize(llGetLinkKey(llGetNumberOfPrims()));
        if (change & CHANGED_LINK) llOwnerSay((string)llGetNumberOfPrims() + " " + (string)(size != ZERO_VECTOR));
    }
    listen(integer channel, string name, key id, string message) { }
    touch_start(integer count)
    {
        llOwnerSay(llList2CSV(llGetAgentList(AGENT_LIST_REGION | 0x4000000, [])));
        integer i;
        for (i = 0; i < 30; ++i) llRequestAgentData(llDetectedKey(0), DATA_NAME);
    }
    dataserver(key question, string name) { llOwnerSay("is " + name); }
}
"""


def test_a_sensor_perceives_who_is_near(world: World, owner: Avatar) -> None:
    """Every five seconds the nearest within reach, or none; a reset ends it."""
    prim = world.rez(owner, SENSES)
    world.run(5)
    world.enter(Avatar("Near By", "22222222-0000-4000-8000-000000000001"), metres=2)
    world.enter(Avatar("Far Off", "22222222-0000-4000-8000-000000000002"), metres=20.5)
    world.run(5)
    world.people.clear()
    world.run(5)
    assert prim.to_owner == ["sees 1, the nearest Prim Owner", "sees 2, the nearest Near By", "sees nobody"]


def test_a_prim_perceives_walkers_and_sitters(world: World, owner: Avatar) -> None:
    """An avatar that walks through, with its type; a sitting one is the last link."""
    prim = world.rez(owner, SENSES)
    prim.walk_through(Avatar("Ball", "22222222-0000-4000-8000-000000000003", OBJECT))
    prim.sit(owner)
    prim.stand(owner)
    assert prim.to_owner == ["hit by Ball 2", "2 1", "1 0"]


@pytest.mark.parametrize(("rules", "scope"), [(SECOND_LIFE, "INVALID_SCOPE"), (OPENSIM, "")])
def test_puppets_can_be_left_out_of_the_list_in_opensim(owner: Avatar, rules: Rules, scope: str) -> None:
    """Second Life does not know that bit."""
    world = World(rules)
    world.enter(Avatar("Puppet", "22222222-0000-4000-8000-000000000004", NPC))
    prim = world.rez(owner, SENSES)
    prim.touch(owner)
    world.run(4)
    assert prim.to_owner[0] == (scope or owner.key)


def test_second_life_throttles_questions_for_names(world: World, owner: Avatar) -> None:
    """Of thirty in three seconds it answers some twenty-five, OpenSimulator all."""
    prim = world.rez(owner, SENSES)
    prim.touch(owner)
    world.run(4)
    count = prim.to_owner.count("is Prim Owner")
    assert count == 30 if world.rules is OPENSIM else 20 <= count <= 26


def test_an_unknown_key_has_no_name(world: World, owner: Avatar) -> None:
    """Second Life says nothing, OpenSimulator the word 0."""
    prim = world.rez(owner, SENSES)
    prim.touch(Avatar("Nobody", "22222222-0000-4000-8000-000000000005"))
    world.run(4)
    assert prim.to_owner[1:] == (["is 0"] * 30 if world.rules is OPENSIM else [])
