"""touch.lsl: avatars that touch are registered and thanked. Behaviour shared with other scripts is in test_registering.py."""

import pytest

from tests.lsl.conftest import GOVERNOR
from tests.support.directory_server import DirectoryServer
from tests.support.grid_rules import OPENSIM
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, IMPOSTOR, PUPPETS, VISITOR, gaps, said, sent, yes
from tests.support.scripted_server import scripted_server
from tests.support.simulator import Avatar, Prim, World


@pytest.fixture
def prim(world: World, owner: Avatar, directory: DirectoryServer) -> Prim:
    """The touch prim, with a token that may register."""
    return world.rez(owner, lsl_source("touch", url=directory.url, token=directory.token))


def thanks(avatar: Avatar) -> list[str]:
    """What a registered avatar has heard."""
    return [f"Registered: {avatar.name}. Thank you."]


def test_a_toucher_is_thanked(prim: Prim, directory: DirectoryServer) -> None:
    """Once it is stored, within a second."""
    prim.touch(CARLA)
    assert prim.told[CARLA.key] == []
    prim.world.run(1)
    assert prim.told[CARLA.key] == thanks(CARLA)
    assert directory.name2key(CARLA.name) == CARLA.key


def test_a_hypergrid_visitor_is_registered(owner: Avatar, directory: DirectoryServer) -> None:
    """Their home grid is in the name, behind an @, and a dot where the name at home has a space: which the key answers."""
    prim = World(OPENSIM).rez(owner, lsl_source("touch", url=directory.url, token=directory.token, grid="OpenSim"))
    prim.touch(VISITOR)
    prim.world.run(1)
    assert (prim.to_owner, prim.told[VISITOR.key]) == ([], thanks(VISITOR))
    assert directory.name2key(VISITOR.name) == VISITOR.key
    assert directory.key2name(VISITOR.key) == "Vera Visitor"


def test_without_a_token_no_header_is_sent(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """An open service needs none; one that is not open answers 401, and the owner is told."""
    prim = world.rez(owner, lsl_source("touch", url=directory.url))
    prim.touch(CARLA)
    world.run(1)
    assert "X-N2K-Token" not in prim.exchanges[0].request.headers
    assert prim.to_owner[0].startswith("n2k touch: stopped: the token is wrong (401)")


def test_a_crowd_is_thanked(prim: Prim) -> None:
    """Twenty touch in two frames: two lists, and each hears of itself once."""
    prim.touch(*CROWD[:12])
    prim.touch(*CROWD[12:20])
    prim.world.run(100)
    assert [prim.told[avatar.key] for avatar in CROWD[:20]] == [thanks(avatar) for avatar in CROWD[:20]]
    assert sent(prim) == [avatar.name for avatar in CROWD[:20]]
    assert not prim.world.busy


def test_a_trickle_is_paced_too(prim: Prim) -> None:
    """Touches that come faster than the pace, each finding an empty queue, do not go out faster."""
    for avatar in CROWD[:30]:
        prim.touch(avatar)
        prim.world.run(0.5)
    prim.world.run(60)
    assert len(set(sent(prim))) == 30
    assert min(gaps(prim)) >= 2
    assert prim.refused == []


def test_touching_twice_counts_once(prim: Prim) -> None:
    """A waiting avatar is not queued again; a thanked one may touch again, and is thanked again."""
    prim.touch(GOVERNOR, CARLA)
    prim.touch(CARLA, CARLA)
    prim.world.run(20)
    assert sent(prim) == [GOVERNOR.name, CARLA.name]
    prim.touch(CARLA)
    prim.world.run(20)
    assert prim.told[CARLA.key] == thanks(CARLA) * 2


def test_the_queue_is_bounded(prim: Prim) -> None:
    """The fifty-first in the queue is asked to come again, and may."""
    prim.touch(*CROWD[:51])
    assert prim.told[CROWD[50].key] == ["Too many are waiting. Please touch again later."]
    prim.world.run(200)
    prim.touch(CROWD[50])
    prim.world.run(5)
    assert sent(prim) == [avatar.name for avatar in CROWD[:51]]


def test_only_who_was_stored_is_thanked(prim: Prim) -> None:
    """In one list a newcomer, somebody known, and somebody with another's name: two are thanked, one is told that it failed."""
    prim.touch(CARLA)
    prim.world.run(5)
    prim.touch(GOVERNOR, IMPOSTOR, DORA)
    prim.world.run(5)
    assert [prim.told[avatar.key] for avatar in (GOVERNOR, DORA)] == [thanks(GOVERNOR), thanks(DORA)]
    assert prim.told[IMPOSTOR.key] == ["You could not be registered, sorry. The owner of this object was told why."]
    assert len(prim.exchanges) == 2


@pytest.mark.parametrize(("token", "status"), [("nonsense", 401), ("weak", 403)])
def test_a_wrong_token_stops_everything(
    world: World, owner: Avatar, directory: DirectoryServer, token: str, status: int
) -> None:
    """One request, one line to the owner, then silence however many touch; a reset tries again."""
    text = directory.forget_token if token == "weak" else token
    prim = world.rez(owner, lsl_source("touch", url=directory.url, token=text))
    for avatar in CROWD[:9]:
        prim.touch(avatar)
        world.run(60)
    assert len(prim.exchanges) == len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith(f"n2k touch: stopped: the token is wrong ({status}): ")
    assert text not in prim.to_owner[0]
    prim.rez_again()
    prim.touch(CARLA)
    assert len(prim.exchanges) == 2


def test_whoever_waits_is_thanked_after_the_mending(world: World, owner: Avatar) -> None:
    """Two wait while the script is stopped, of whom the second hears so; the owner's touch, and only that, sends them."""
    with scripted_server(said({"error": "no"}, 401), yes) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"))
        prim.touch(CARLA)
        world.run(600)
        prim.touch(DORA)
        world.run(600)
        assert len(prim.exchanges) == 1
        prim.touch(owner)
        world.run(60)
    assert [prim.told[avatar.key] for avatar in (CARLA, owner)] == [thanks(a) for a in (CARLA, owner)]
    assert prim.told[DORA.key] == ["This is out of order, sorry. Its owner was told.", *thanks(DORA)]


def test_a_puppet_that_touches_is_nobody(prim: Prim) -> None:
    """OpenSimulator's puppets, of any kind, are not registered and get no message; an avatar beside them is registered."""
    prim.touch(*PUPPETS)
    prim.touch(PUPPETS[0], CARLA, PUPPETS[1])
    prim.world.run(60)
    assert sent(prim) == [CARLA.name]
    assert list(prim.told) == [CARLA.key]
    assert prim.to_owner == []


@pytest.mark.parametrize("text", ["", "Danke, {name}!", "{name}, {name}"])
def test_texts_may_be_changed(world: World, owner: Avatar, directory: DirectoryServer, text: str) -> None:
    """Another text at the top is said with the avatar's name in it, an empty one is not said."""
    source = lsl_source("touch", url=directory.url, token=directory.token)
    prim = world.rez(owner, source.replace('"Registered: {name}. Thank you."', f'"{text}"'))
    prim.touch(CARLA)
    world.run(5)
    assert prim.told[CARLA.key] == ([text.replace("{name}", CARLA.name)] if text else [])
    assert directory.name2key(CARLA.name) == CARLA.key


def test_a_late_answer_is_not_taken_for_another(prim: Prim) -> None:
    """An answer to another request of the prim decides nothing."""
    prim.touch(CARLA)
    prim.post("http_response", "ffffffff-0000-4000-8000-000000000000", 409, [], "not ours")
    prim.world.run(10)
    assert prim.told[CARLA.key] == thanks(CARLA)
    assert prim.to_owner == []


def test_two_scripts_in_one_prim(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Query and touch share a prim and hear each other's answers: both work, without error messages."""
    sources = lsl_source("query", url=directory.url), lsl_source("touch", url=directory.url, token=directory.token)
    prim = world.rez(owner, *sources)
    prim.touch(CARLA)
    world.say(CARLA, 5, GOVERNOR.name)
    world.run(5)
    assert sorted(prim.told[CARLA.key][1:]) == [f"Governor Linden: {GOVERNOR.key}", *thanks(CARLA)]
    assert prim.to_owner == []
