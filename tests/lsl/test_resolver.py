"""resolver.lsl: keys that the service does not know, names from the grid."""

import json

import pytest

from tests.support.directory_server import DirectoryServer
from tests.support.grid_rules import OPENSIM, Bucket
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, refusing, said
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

NOBODY = "99999999-2222-4333-8444-555555555555"


def resolver(world: World, owner: Avatar, directory: DirectoryServer, grid: str = "") -> Prim:
    """A prim with the resolver."""
    return world.rez(owner, lsl_source("resolver", url=directory.url, token=directory.token, grid=grid))


def asked(prim: Prim) -> list[str]:
    """The requests to the service: the last word of the address, once for several in a row."""
    words = [exchange.request.url.partition("?")[0].rpartition("/")[2] for exchange in prim.exchanges]
    return [word for word, before in zip(words, ["", *words], strict=False) if word != before]


def test_keys_get_their_names(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Of an offline avatar and of one in the region: found from then on, and no longer pending."""
    world.accounts[CARLA.key] = CARLA.name
    world.enter(DORA)
    directory.ask_about(world.rules.shard, CARLA.key, DORA.key)
    prim = resolver(world, owner, directory)
    world.run(120)
    assert [directory.name2key(avatar.name) for avatar in (CARLA, DORA)] == [CARLA.key, DORA.key]
    assert directory.waiting() == []
    assert asked(prim) == ["pending", "avatars", "pending"]
    assert prim.to_owner == [] and not any(prim.told.values())


def test_a_key_that_nobody_has(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """No answer in Second Life, "0" in OpenSimulator: after a minute at most the key is reported as unknown."""
    world.accounts[CARLA.key] = CARLA.name
    directory.ask_about(world.rules.shard, NOBODY, CARLA.key)
    prim = resolver(world, owner, directory)
    world.run(120)
    assert directory.name2key(CARLA.name) == CARLA.key
    assert directory.waiting() == []
    assert asked(prim) == ["pending", "avatars", "unknown", "pending"]
    assert prim.to_owner == []


def test_the_grid_goes_with_everything(world: World, owner: Avatar) -> None:
    """The keys of this grid are asked for, and answers are about this grid."""
    with scripted_server(
        said({"keys": [NOBODY], "waiting": 1}), said({"dropped": 1}), said({"keys": [], "waiting": 0})
    ) as server:
        prim = world.rez(owner, lsl_source("resolver", url=server.url, token="t", grid="My Grid"))
        world.run(120)
    assert prim.exchanges[0].request.method == "GET"
    assert prim.exchanges[0].request.url == f"{server.url}api/v1/pending?limit=20&grid=My%20Grid"
    assert prim.exchanges[1].request.url == f"{server.url}api/v1/pending/unknown"
    assert json.loads(prim.exchanges[1].request.body) == {"keys": [NOBODY], "grid": "My Grid"}
    assert {exchange.request.headers["X-N2K-Token"] for exchange in prim.exchanges} == {"t"}


def test_many_are_done_by_and_by(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Seventy, twenty at a time, at a rate that the grid answers: no key is reported as unknown, few requests are sent."""
    world.accounts.update({avatar.key: avatar.name for avatar in CROWD[:70]})
    directory.ask_about(world.rules.shard, *(avatar.key for avatar in CROWD[:70]))
    prim = resolver(world, owner, directory)
    world.run(600)
    assert [directory.name2key(avatar.name) for avatar in CROWD[:70]] == [avatar.key for avatar in CROWD[:70]]
    assert "unknown" not in asked(prim)
    assert len(prim.exchanges) <= 10
    assert prim.refused == []
    assert max(len(exchange.request.body.encode()) for exchange in prim.exchanges) < 2000
    assert prim.scripts[0].list_bytes() < 20_000


def test_nothing_to_do_is_asked_every_five_minutes(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """An hour with nothing pending: a dozen requests."""
    prim = resolver(world, owner, directory)
    world.run(3600)
    assert 11 <= len(prim.exchanges) <= 13
    assert prim.to_owner == []


def test_a_grid_that_tells_no_names(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Not even the owner's own: then no answer has no meaning, the keys are still pending, and the owner is told."""
    world.name_throttles[owner.key] = Bucket(0.0, 0.0)
    world.accounts[CARLA.key] = CARLA.name
    directory.ask_about(world.rules.shard, CARLA.key)
    prim = resolver(world, owner, directory)
    world.run(120)
    assert directory.waiting() == [CARLA.key]
    assert prim.to_owner == ["n2k resolver: the grid returns no names, not even the owner's. Trying again by and by."]
    del world.name_throttles[owner.key]
    world.run(600)
    assert directory.name2key(CARLA.name) == CARLA.key


@pytest.mark.parametrize("name", ["(Loading...)", "(???) (???)"])
def test_a_name_that_is_none_is_not_registered(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """The grid has no name at the moment: the key is still pending, and is asked about again."""
    world.accounts[CARLA.key] = name
    directory.ask_about(world.rules.shard, CARLA.key)
    prim = resolver(world, owner, directory)
    world.run(30)
    assert directory.waiting() == [CARLA.key]
    world.accounts[CARLA.key] = CARLA.name
    world.run(600)
    assert directory.name2key(CARLA.name) == CARLA.key
    assert prim.to_owner == []


def test_a_name_that_the_service_refuses_is_not_sent_for_ever(world: World, owner: Avatar) -> None:
    """The service keeps returning the key: it is told that there is no better answer."""
    pending = said({"keys": [CARLA.key], "waiting": 1})
    world.accounts[CARLA.key] = CARLA.name
    with scripted_server(pending, refusing(CARLA), pending, said({"dropped": 1}), said({"keys": [], "waiting": 0})) as server:
        prim = world.rez(owner, lsl_source("resolver", url=server.url, token="t"))
        world.run(200)
    assert asked(prim) == ["pending", "avatars", "pending", "unknown", "pending"]
    assert prim.to_owner == ["n2k resolver: Carla Comer was not registered (409): the name belongs to another key"]


def test_the_service_is_down_for_a_minute(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """The pause grows, the owner is told once, and all keys are resolved afterwards."""
    world.accounts[CARLA.key] = CARLA.name
    directory.ask_about(world.rules.shard, CARLA.key)
    directory.stop()
    prim = resolver(world, owner, directory)
    world.run(60)
    directory.start()
    world.run(120)
    assert directory.name2key(CARLA.name) == CARLA.key
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith("n2k resolver: no answer from ")


@pytest.mark.parametrize("status", [400, 429, 503])
def test_trouble_backs_off(world: World, owner: Avatar, status: int) -> None:
    """A service that is in trouble for hours is asked every five minutes in the end, and the owner is told once."""
    with scripted_server(said({"error": "not now"}, status)) as server:
        prim = world.rez(owner, lsl_source("resolver", url=server.url, token="t"))
        world.run(7200)
    assert len(prim.exchanges) < 35
    assert len(prim.to_owner) == 1
    assert f"({status}): not now" in prim.to_owner[0]


def test_the_answer_is_cut(world: World, owner: Avatar) -> None:
    """A truncated list of keys is not used: it is requested again."""
    half = Scripted(200, b'{"keys": ["' + NOBODY.encode(), "application/json")
    with scripted_server(half, said({"keys": [], "waiting": 0})) as server:
        prim = world.rez(owner, lsl_source("resolver", url=server.url, token="t"))
        world.run(60)
    assert len(prim.exchanges) == 2
    assert len(prim.to_owner) == 1 and "was truncated" in prim.to_owner[0]


def test_the_token_is_revoked(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """One line to the owner and silence; the owner's touch tries again."""
    prim = resolver(world, owner, directory)
    directory.revoke(directory.token)
    world.run(7200)
    assert [exchange.status for exchange in prim.exchanges] == [200, 401]
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith("n2k resolver: stopped: the token is wrong (401): ")
    prim.touch(CARLA)
    world.run(60)
    assert len(prim.exchanges) == 2
    prim.touch(owner)
    world.run(60)
    assert len(prim.exchanges) == 3


def test_the_region_restarts(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Questions under way are lost with it: the keys are done later, and none is taken for unknown."""
    world.accounts.update({avatar.key: avatar.name for avatar in CROWD[:5]})
    directory.ask_about(world.rules.shard, *(avatar.key for avatar in CROWD[:5]))
    prim = resolver(world, owner, directory)
    world.run(4.6)
    world.restart()
    world.run(900)
    assert [directory.name2key(avatar.name) for avatar in CROWD[:5]] == [avatar.key for avatar in CROWD[:5]]
    assert "unknown" not in asked(prim)
    assert prim.to_owner == []


def test_what_is_no_key_is_not_asked_about(owner: Avatar) -> None:
    """A service that sends garbage causes no request to the grid, and no endless requests."""
    world = World(OPENSIM)
    with scripted_server(said({"keys": ["nonsense", ""], "waiting": 2})) as server:
        prim = world.rez(owner, lsl_source("resolver", url=server.url, token="t"))
        world.run(3600)
    assert len(prim.exchanges) <= 13
