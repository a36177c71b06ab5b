"""Requests that are never sent: names that OpenSimulator cannot send, and addresses that its filter refuses."""

import re
from pathlib import Path

import pytest

from tests.support.directory_server import DirectoryServer
from tests.support.foreground import closed_port
from tests.support.grid_rules import NEWER_OPENSIM, OPENSIM, SECOND_LIFE, Rules
from tests.support.lsl_source import OF_AVATARS, lsl_source
from tests.support.outbound_filter import is_allowed
from tests.support.registering import CARLA, DORA, WAYS, said, yes
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

PAGE = (Path(__file__).parents[2] / "docs" / "lsl.md").read_text("utf-8")
SUSPICION = "does the name of this object, its owner or the region have unusual letters? Rename the object."
IVAN = Avatar("Иван Петров", "12345678-0000-4000-8000-000000000001")
ZOE = Avatar("Zoë Łódź", "12345678-0000-4000-8000-000000000002")
EMOJI = "Gate \U0001f600"

UNSENDABLE = [
    (OPENSIM, "Привет"),
    (OPENSIM, "Ворота"),
    (OPENSIM, EMOJI),
    (NEWER_OPENSIM, "Café Zoë"),
    (NEWER_OPENSIM, "Ворота"),
]
"""By status 0, and by 499 in newer versions, which refuse more."""
SENDABLE = [
    (rules, name)
    for rules, names in [
        (SECOND_LIFE, ["Привет", "Ворота", EMOJI, "Café Zoë", "日本語", "Łódź"]),
        (OPENSIM, ["Café Zoë", "日本語", "Łódź", "Gate 1"]),
        (NEWER_OPENSIM, ["Gate 1", "~!@#$%^&*()"]),
    ]
    for name in names
]


def answering(body: bytes) -> Scripted:
    """The answer of a service that accepts everything, for any of the scripts."""
    if b"avatars" in body:
        return yes(body)
    if body:
        return said({"forgotten": True})
    return said({"keys": [], "waiting": 0})


def needed(name: str, prim: Prim, *avatars: Avatar) -> None:
    """Give script *name* a reason to send something."""
    if name in WAYS:
        WAYS[name](prim, *avatars)
    elif name != "resolver":
        for _ in range(3):
            prim.touch(*avatars)
            prim.world.run(5)
        for avatar in avatars:
            prim.world.say(avatar, 5, avatar.name)


@pytest.mark.parametrize(("rules", "name"), SENDABLE)
def test_most_names_do_no_harm(rules: Rules, name: str, owner: Avatar, directory: DirectoryServer) -> None:
    """A request from a prim of that name, in a region of that name, arrives at a real service."""
    world = World(rules)
    world.region = name
    prim = world.rez(owner, lsl_source("touch", url=directory.url, token=directory.token), name=name)
    prim.touch(CARLA)
    world.run(5)
    assert [exchange.status for exchange in prim.exchanges] == [200]
    assert (prim.to_owner, directory.name2key(CARLA.name)) == ([], CARLA.key)


@pytest.mark.parametrize("script", OF_AVATARS)
@pytest.mark.parametrize(("rules", "name"), UNSENDABLE)
def test_the_name_of_the_object_keeps_requests_from_leaving(owner: Avatar, script: str, rules: Rules, name: str) -> None:
    """The owner is told that there is no answer, after the third time why, once, and nothing about a wrong address."""
    world = World(rules)
    with scripted_server(answering) as server:
        prim = world.rez(owner, lsl_source(script, url=server.url, token="t"), name=name)
        for number in range(5 if script == "query" else 1):
            needed(script, prim, CARLA if number % 2 else DORA)
            world.run(120)
        world.run(1200)
        assert server.requests == []
    assert {exchange.status for exchange in prim.exchanges} == {rules.unsendable}
    assert len(prim.exchanges) >= 5
    kinds = [
        line for line in prim.to_owner if not line.startswith(f"n2k {script}: no answer from {server.url}: no connection,")
    ]
    assert kinds == [f"n2k {script}: {SUSPICION} Requests fail until then; the script keeps trying."]
    assert len(prim.to_owner) == (6 if script == "query" else 2)


@pytest.mark.parametrize("script", sorted(set(OF_AVATARS) - {"query", "resolver"}))
@pytest.mark.parametrize("rules", [OPENSIM, NEWER_OPENSIM], ids=["0", "499"])
def test_nobody_is_lost_until_it_is_renamed(owner: Avatar, script: str, rules: Rules) -> None:
    """It retries for a day, drops no avatar, and sends them when the object has another name."""
    world = World(rules)
    with scripted_server(answering) as server:
        prim = world.rez(owner, lsl_source(script, url=server.url, token="t"), name="Ворота")
        needed(script, prim, CARLA)
        world.leave(CARLA)
        world.run(86400)
        assert 250 < len(prim.exchanges) < 320
        assert not any("gave up" in line for line in prim.to_owner)
        prim.name = "Gate"
        world.run(301)
        assert any(CARLA.key.encode() in body for _, _, _, body in server.requests)
    assert len(prim.to_owner) == 2


@pytest.mark.parametrize("rules", [OPENSIM, NEWER_OPENSIM], ids=["0", "499"])
@pytest.mark.parametrize("of", ["owner", "region"])
def test_names_of_owner_and_region_do_the_same(owner: Avatar, rules: Rules, of: str) -> None:
    """They are part of the request, too; an absent owner is told by message if the status shows it."""
    world = World(rules)
    whose = IVAN if of == "owner" else owner
    world.region = "Пляж" if of == "region" else "Beach"
    with scripted_server(answering) as server:
        prim = world.rez(whose, lsl_source("touch", url=server.url, token="t"))
        prim.touch(CARLA)
        world.run(3)
        if rules is OPENSIM:
            world.leave(whose)
        world.run(600)
    told = [line for line in (*prim.to_owner, *prim.told[whose.key]) if SUSPICION in line]
    where = f"n2k touch in {world.region}: " if rules is OPENSIM else "n2k touch: "
    assert [line.partition("does")[0] for line in told] == [where]


@pytest.mark.parametrize("rules", [SECOND_LIFE, OPENSIM, NEWER_OPENSIM], ids=["second_life", "opensim", "newer_opensim"])
def test_a_dead_service_is_no_matter_of_names(owner: Avatar, rules: Rules) -> None:
    """With ordinary names the owner is not asked to rename anything, and the list is dropped after ten retries as usual."""
    world = World(rules)
    with closed_port() as port:
        prim = world.rez(owner, lsl_source("touch", url=f"http://127.0.0.1:{port}/", token="t"))
        prim.touch(CARLA)
        world.run(3600)
    assert len(prim.exchanges) == 10
    assert not any(SUSPICION in line for line in prim.to_owner)
    assert prim.to_owner[1].startswith("n2k touch: gave up on Carla Comer: no answer from ")


def test_three_in_a_row(owner: Avatar) -> None:
    """Two without an answer, one with, two without: no reason is suspected."""
    world = World(NEWER_OPENSIM)
    with scripted_server(answering) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"), name="Gate")
        for avatar in (CARLA, DORA):
            prim.name = "Ворота"
            prim.touch(avatar)
            world.run(5)
            prim.name = "Gate"
            world.run(30)
    assert [exchange.status for exchange in prim.exchanges] == [499, 499, 200] * 2
    assert not any(SUSPICION in line for line in prim.to_owner)


@pytest.mark.parametrize("script", OF_AVATARS)
@pytest.mark.parametrize("excepted", ["", "127.0.0.1", "127.0.0.1:1", "192.168.0.0/16"])
def test_a_blocked_address_is_called_so(owner: Avatar, script: str, excepted: str) -> None:
    """By every script, at once, with the setting that helps; it is not reported as a throttle, and no avatar waits for it."""
    world = World(OPENSIM)
    world.excepted = excepted
    with scripted_server(answering) as server:
        prim = world.rez(owner, lsl_source(script, url=server.url, token="t"))
        needed(script, prim, CARLA)
        world.run(600)
        assert server.requests == []
    line = (
        f"this grid lets no script ask {server.url}. Its operator can allow it: OpenSim.ini, section [Network], setting"
        " OutboundDisallowForUserScriptsExcept"
    )
    assert len(prim.blocked) == 1
    if script == "query":
        assert prim.to_owner == [f"n2k query: {line}"]
        assert prim.told[CARLA.key][-1] == f"No answer for {CARLA.name} this time, sorry."
    else:
        assert len(prim.to_owner) == 1
        assert prim.to_owner[0].startswith(f"n2k {script}: stopped: {line}. Fix it, then touch me or reset me; waiting: ")


@pytest.mark.parametrize("script", sorted(set(OF_AVATARS) - {"query"}))
def test_it_goes_on_after_the_restart_that_mends_it(owner: Avatar, script: str) -> None:
    """The operator changes the setting and restarts: waiting avatars are sent, without a touch."""
    world = World(OPENSIM)
    world.excepted = ""
    with scripted_server(answering) as server:
        prim = world.rez(owner, lsl_source(script, url=server.url, token="t"))
        needed(script, prim, CARLA)
        world.run(100)
        assert server.requests == []
        world.excepted = "127.0.0.1:" + server.url.rstrip("/").rpartition(":")[2]
        world.restart()
        world.run(100)
        assert server.requests
        assert script == "resolver" or any(CARLA.key.encode() in body for _, _, _, body in server.requests)


def test_a_throttle_is_not_called_a_filter(owner: Avatar) -> None:
    """The null key means a throttle: the script waits."""
    world = World(OPENSIM)
    with scripted_server(answering) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"))
        while prim.throttle.admit(world.now):
            pass
        prim.touch(CARLA)
        world.run(60)
    assert prim.to_owner == ["n2k touch: the grid's throttle lets no request out. Trying again by and by; waiting: 1"]
    assert prim.told[CARLA.key] == ["Registered: Carla Comer. Thank you."]


def test_the_page_has_the_setting_with_examples() -> None:
    """What docs/lsl.md writes into OpenSim.ini lets a service of the same host and of the same network be asked, no other."""
    (excepted,) = re.findall(r"(?m)^OutboundDisallowForUserScriptsExcept = (\S+)$", PAGE)
    asked = {
        "http://127.0.0.1:3000/": True,
        "http://192.168.1.20/n2k/": True,
        "https://192.168.1.20/n2k/": True,
        "http://127.0.0.1:9000/": False,
        "http://192.168.1.21/n2k/": False,
        "http://192.168.1.20:8080/": False,
        "http://8.8.8.8/": True,
    }
    assert {url: is_allowed(url, OPENSIM.blocked, excepted) for url in asked} == asked
    assert not is_allowed("http://192.168.1.20/n2k/", OPENSIM.blocked, "")
    assert SUSPICION.rstrip(".") in PAGE
