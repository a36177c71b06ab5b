"""gate, sensor, seat and greeter: which avatars each of them registers, and which not."""

from collections.abc import Iterator

import pytest

from tests.support.grid_rules import OPENSIM, SECOND_LIFE, Rules
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, PUPPETS, WAYS, lists, sent, yes
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.simulator import OBJECT, Avatar, Prim, World

BALL = Avatar("Ball", "77777777-0000-4000-8000-000000000002", OBJECT)
DAY = 86400.0


@pytest.fixture
def service() -> Iterator[ScriptedServer]:
    """A service that registers every avatar."""
    with scripted_server(yes) as server:
        yield server


def placed(world: World, owner: Avatar, name: str, service: ScriptedServer) -> Prim:
    """The prim with script *name*, and no avatar in the region."""
    prim = world.rez(owner, lsl_source(name, url=service.url, token="t"))
    world.leave(owner)
    return prim


def test_a_gate_lets_everybody_pass(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """It makes itself phantom, again after a restart, and registers avatars only: no balls, no puppets."""
    prim = placed(world, owner, "gate", service)
    prim.walk_through(BALL, CARLA, *PUPPETS)
    world.run(10)
    prim.volume_detect = False
    world.restart()
    prim.walk_through(DORA)
    world.run(10)
    assert sent(prim) == [CARLA.name, DORA.name]


def test_to_and_fro_counts_once_a_day(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """An avatar that passes again is not sent again before the next day, when its name may have changed."""
    prim = placed(world, owner, "gate", service)
    for _ in range(5):
        prim.walk_through(CARLA)
        world.run(60)
    assert sent(prim) == [CARLA.name]
    world.run(DAY)
    prim.walk_through(Avatar("Carla Newname", CARLA.key))
    world.run(10)
    assert sent(prim) == [CARLA.name, "Carla Newname"]


def test_the_oldest_are_not_remembered(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """A gate remembers a hundred: the first of a hundred and ten is sent again, the last is not."""
    prim = placed(world, owner, "gate", service)
    for start in range(0, 110, 10):
        prim.walk_through(*CROWD[start : start + 10])
        world.run(10)
    prim.walk_through(CROWD[0], CROWD[109])
    world.run(10)
    assert sent(prim) == [avatar.name for avatar in (*CROWD[:110], CROWD[0])]


def test_a_gate_that_nobody_passes_is_quiet(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """After the last list no timer runs."""
    prim = placed(world, owner, "gate", service)
    prim.walk_through(CARLA)
    world.run(100)
    assert not world.busy


def test_a_sensor_sees_who_is_near(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """Within twenty metres, at the next sweep; avatars that come nearer are found later; puppets never."""
    prim = placed(world, owner, "sensor", service)
    world.enter(CARLA, *PUPPETS, metres=5)
    world.enter(DORA, metres=21)
    world.run(45)
    assert sent(prim) == [CARLA.name]
    world.enter(DORA, metres=19)
    world.run(45)
    assert sent(prim) == [CARLA.name, DORA.name]


@pytest.mark.parametrize("rules", [SECOND_LIFE, OPENSIM], ids=["second_life", "opensim"])
def test_a_sensor_finds_the_nearest_only(rules: Rules, owner: Avatar, service: ScriptedServer) -> None:
    """Of a crowd it finds 32, or 16, and the others when those have gone."""
    world = World(rules)
    prim = placed(world, owner, "sensor", service)
    for number, avatar in enumerate(CROWD[:40]):
        world.enter(avatar, metres=number / 10)
    world.run(45)
    assert sent(prim) == [avatar.name for avatar in CROWD[: rules.sensor_results]]
    world.leave(*CROWD[: rules.sensor_results])
    world.run(45)
    assert len(sent(prim)) == min(40, 2 * rules.sensor_results)


def test_a_sensor_goes_on_after_a_restart(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """Sweeps are asked for anew, whether the grid kept them or not."""
    prim = placed(world, owner, "sensor", service)
    prim.scripts[0].sweep = object()  # a grid that forgets it
    world.restart()
    world.enter(CARLA)
    world.run(45)
    assert sent(prim) == [CARLA.name]


def test_a_seat_sees_all_who_sit(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """Two on one linked set; standing up is ignored, and so is sitting down again within the day."""
    prim = placed(world, owner, "seat", service)
    prim.sit(CARLA, DORA)
    world.run(10)
    prim.stand(CARLA)
    prim.sit(CARLA)
    world.run(100)
    assert sent(prim) == [CARLA.name, DORA.name]
    assert not world.busy


def test_a_seat_sees_who_sat_before_it(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """The script is dropped into a prim on which an avatar sits."""
    prim = world.rez(owner)
    prim.sit(CARLA)
    prim.add(lsl_source("seat", url=service.url, token="t"))
    world.run(10)
    assert sent(prim) == [CARLA.name]


def test_a_seat_knows_puppets(owner: Avatar, service: ScriptedServer) -> None:
    """OpenSimulator's are left out, alone, before, between and behind avatars on the same set."""
    world = World(OPENSIM)
    prim = placed(world, owner, "seat", service)
    prim.sit(PUPPETS[0])
    world.run(10)
    assert prim.exchanges == []
    prim.sit(CARLA, PUPPETS[1], DORA, PUPPETS[2])
    world.run(10)
    assert sent(prim) == [CARLA.name, DORA.name]


def test_who_is_not_listed_is_no_puppet(owner: Avatar, service: ScriptedServer) -> None:
    """OpenSimulator does not list avatars in god mode: on a seat such an avatar is registered all the same."""
    world = World(OPENSIM)
    prim = placed(world, owner, "seat", service)
    world.unlisted.add(CARLA.key)
    prim.sit(CARLA)
    world.run(10)
    assert sent(prim) == [CARLA.name]


@pytest.mark.parametrize("name", ["gate", "sensor", "seat", "greeter"])
def test_a_text_makes_it_speak(world: World, owner: Avatar, service: ScriptedServer, name: str) -> None:
    """Silent as delivered; with a text filled in at the top, it is said."""
    source = lsl_source(name, url=service.url, token="t")
    prim = world.rez(owner, source.replace('REGISTERED = ""', 'REGISTERED = "Noted, {name}."'))
    world.run(70)
    WAYS[name](prim, CARLA)
    world.run(10)
    assert prim.told[CARLA.key] == ["Noted, Carla Comer."]


def test_a_greeter_sees_the_region(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """Near and far, once a minute, each once; puppets not, where the grid can tell them."""
    prim = placed(world, owner, "greeter", service)
    world.run(5)
    world.enter(CARLA, metres=200)
    world.run(61)
    world.enter(DORA, metres=300)
    if world.rules is OPENSIM:
        world.enter(*PUPPETS)
    world.run(300)
    assert lists(prim) == [[CARLA.name], [DORA.name]]


def test_a_greeter_works_through_a_full_region(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """A hundred are more than the queue holds: the rest is found by the next scans, and no avatar is sent twice."""
    prim = placed(world, owner, "greeter", service)
    world.enter(*CROWD[:100])
    world.run(600)
    assert sorted(sent(prim)) == sorted(avatar.name for avatar in CROWD[:100])
    assert prim.refused == []


def test_who_has_no_name_yet_is_looked_at_later(world: World, owner: Avatar, service: ScriptedServer) -> None:
    """An arriving avatar: the grid lists the key before it has the name."""
    prim = placed(world, owner, "greeter", service)
    world.enter(Avatar("", CARLA.key))
    world.run(61)
    world.enter(CARLA)
    world.run(61)
    assert sent(prim) == [CARLA.name]
