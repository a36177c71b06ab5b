"""visitors.lsl: counts visits in the key-value service, through keyvalue.lsl in the same object; its owner lists them."""

from urllib.request import Request, urlopen

import pytest

from tests.lsl.conftest import keyvalue_token
from tests.support.directory_server import DirectoryServer
from tests.support.grid_rules import OPENSIM
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, PUPPETS
from tests.support.simulator import Avatar, Prim, World

pytestmark = pytest.mark.unmeasured


@pytest.fixture
def prim(world: World, owner: Avatar, shop: DirectoryServer) -> Prim:
    """The counter, which has seen its owner."""
    return counter(world, owner, shop)


def counter(world: World, owner: Avatar, shop: DirectoryServer) -> Prim:
    """An object with both scripts."""
    store = lsl_source("keyvalue", url=shop.url, token=keyvalue_token(shop))
    return world.rez(owner, store, lsl_source("visitors"))


def counts(shop: DirectoryServer) -> dict[str, int]:
    """Avatar's key -> visits, as the service has them."""
    headers = {"X-N2K-Token": keyvalue_token(shop)}
    with urlopen(Request(f"{shop.url}db?prefix=visits/", headers=headers), timeout=30) as reply:
        keys = reply.read().decode().split()
    found = {}
    for key in keys:
        with urlopen(Request(f"{shop.url}db?key={key}", headers=headers), timeout=30) as reply:
            found[key.removeprefix("visits/")] = int(reply.read())
    return found


def come(world: World, *avatars: Avatar) -> None:
    """Come, stay for a minute, and go for a quarter of an hour."""
    world.enter(*avatars)
    world.run(60)
    world.leave(*avatars)
    world.run(900)


def command(prim: Prim, *texts: str, seconds: float = 30.0) -> list[str]:
    """Let the owner touch and say each text; what the script tells it."""
    prim.touch(prim.owner)
    heard = len(prim.to_owner)
    for text in texts:
        prim.world.say(prim.owner, 6, text)
        prim.world.run(seconds)
    told = [line.partition("n2k visitors: ") for line in prim.to_owner[heard:]]
    return [text for _, name, text in told if name]


def test_visits_are_counted(prim: Prim, shop: DirectoryServer) -> None:
    """Each time an avatar comes; who is there when the script starts has not just come, and a short absence is no visit."""
    world = prim.world
    come(world, CARLA, DORA)
    come(world, CARLA)
    for _ in range(3):
        world.enter(CARLA)
        world.run(60)
        world.leave(CARLA)
        world.run(300)
    world.run(3600)
    assert counts(shop) == {CARLA.key: 3, DORA.key: 1}
    assert prim.to_owner == [] and prim.told == {} and prim.refused == []


def test_puppets_do_not_visit(owner: Avatar, shop: DirectoryServer) -> None:
    """OpenSimulator's people made by scripts."""
    world = World(OPENSIM)
    counter(world, owner, shop)
    come(world, PUPPETS[0], CARLA)
    assert counts(shop) == {CARLA.key: 1}


def test_counts_survive(prim: Prim, shop: DirectoryServer) -> None:
    """A restart of the server with a visit in the middle, of the region, and the scripts being reset."""
    world = prim.world
    come(world, CARLA)
    shop.stop()
    world.enter(CARLA, DORA)
    world.run(300)
    world.leave(CARLA, DORA)
    shop.start()
    world.run(900)
    assert counts(shop) == {CARLA.key: 2, DORA.key: 1}
    world.restart()
    prim.rez_again()
    world.run(60)
    come(world, CARLA)
    assert counts(shop) == {CARLA.key: 3, DORA.key: 1}


def test_a_crowd(prim: Prim, shop: DirectoryServer) -> None:
    """Forty come at once: all are counted, in few requests and bounded memory."""
    prim.world.enter(*CROWD[:40])
    prim.world.run(10)
    assert max(script.list_bytes() for script in prim.scripts) < 20_000
    prim.world.run(110)
    assert counts(shop) == {avatar.key: 1 for avatar in CROWD[:40]}
    assert len(prim.exchanges) <= 12 and prim.to_owner == []


def test_more_than_wait(prim: Prim, shop: DirectoryServer) -> None:
    """Fifty visits wait for a service that is down; the owner is told that others are not counted."""
    shop.stop()
    prim.world.enter(*CROWD[:60])
    prim.world.run(600)
    shop.start()
    prim.world.run(300)
    assert len(counts(shop)) == 50
    lines = [line for line in prim.to_owner if line.startswith("n2k visitors: ")]
    assert lines == ["n2k visitors: too many visits wait for the service: some are not counted"]


def test_the_owner_lists(prim: Prim) -> None:
    """Each avatar with its count, as a link that viewers show as its name, and the sum; page by page."""
    come(prim.world, *CROWD[:19])
    come(prim.world, CROWD[3])
    *pages, total = command(prim, "list")
    assert total == "19 avatars, 20 visits"
    lines = [line for page in pages for line in page.strip().splitlines()]
    expected = {a.key: f"{2 if a is CROWD[3] else 1} secondlife:///app/agent/{a.key}/about {a.key}" for a in CROWD[:19]}
    assert lines == [expected[key] for key in sorted(expected)]
    assert max(len(page.encode()) for page in prim.to_owner) < 1024


def test_only_the_owner_commands(prim: Prim) -> None:
    """Others touch and talk in vain; the script listens for a minute after a touch, and to its owner alone."""
    prim.world.enter(CARLA)
    prim.touch(CARLA)
    prim.world.say(CARLA, 6, "list")
    prim.touch(prim.owner)
    prim.world.say(CARLA, 6, "list")
    assert prim.scripts[1].most_listeners == 1
    (line,) = prim.to_owner
    assert line == ("n2k visitors: say /6 list, /6 remove KEY, or /6 reset, within a minute. Visits to be counted: 0")
    prim.world.run(75)
    assert prim.scripts[1].listeners == {}


def test_one_avatar_is_removed(prim: Prim, shop: DirectoryServer) -> None:
    """As when it asks to be forgotten; another is not touched."""
    come(prim.world, CARLA, DORA)
    assert command(prim, f" remove  {CARLA.key.upper()} ") == [f"removed: {CARLA.key}"]
    assert counts(shop) == {DORA.key: 1}
    assert command(prim, f"remove {CARLA.key}") == [f"{CARLA.key} is not counted here"]
    for nonsense in ("remove Carla Comer", "remove", "lists", ""):
        assert command(prim, nonsense) == [f"that is no command, or no avatar's key: {nonsense}"]
    assert counts(shop) == {DORA.key: 1}


def test_a_reset_is_confirmed(prim: Prim, shop: DirectoryServer) -> None:
    """Said once: a question. Said twice within a minute: everything of this counter is removed, nothing else."""
    come(prim.world, *CROWD[:20])
    headers = {"X-N2K-Token": keyvalue_token(shop), "Content-Type": "text/plain"}
    urlopen(Request(f"{shop.url}db/other", b"1", headers, method="PUT"), timeout=30).close()
    question = "say reset once more: all counts of visits will be removed"
    assert command(prim, "reset", seconds=100) == [question]
    assert command(prim, "reset") == [question]
    assert len(counts(shop)) == 20
    assert command(prim, "reset", "reset") == [question, "removed: 20"]
    assert counts(shop) == {}
    assert command(prim, "list") == ["0 avatars, 0 visits"]
    with urlopen(Request(f"{shop.url}db/other", headers=headers), timeout=30) as reply:
        assert reply.read() == b"1"


def test_one_command_at_a_time(prim: Prim, shop: DirectoryServer) -> None:
    """The second one is asked to wait; one that the service does not answer ends with its error."""
    come(prim.world, CARLA)
    shop.stop()
    assert command(prim, "list", "reset", seconds=1) == ["one moment, please: list is not done yet"]
    prim.world.run(170)
    assert prim.to_owner[-1] == "n2k visitors: the service does not answer, try again later: error 0,13"
    shop.start()
    prim.world.run(70)
    assert command(prim, "list")[-1] == "1 avatars, 1 visits"


def test_without_keyvalue(world: World, owner: Avatar) -> None:
    """The owner learns what is missing, after a command soon, otherwise once; visits wait."""
    prim = world.rez(owner, lsl_source("visitors"))
    come(world, CARLA)
    come(world, DORA)
    world.run(7200)
    missing = "n2k visitors: keyvalue.lsl does not answer: is it in this object?"
    assert prim.to_owner == [missing]
    assert command(prim, "list", seconds=240) == [missing.removeprefix("n2k visitors: ")]
    assert not prim.exchanges


def test_an_error_that_lasts(prim: Prim, shop: DirectoryServer) -> None:
    """A value that is no number: that visit is not counted, and the owner is told once."""
    headers = {"X-N2K-Token": keyvalue_token(shop), "Content-Type": "text/plain"}
    urlopen(Request(f"{shop.url}db/visits/{CARLA.key}", b"many", headers, method="PUT"), timeout=30).close()
    come(prim.world, CARLA, DORA)
    come(prim.world, CARLA)
    lines = [line for line in prim.to_owner if line.startswith("n2k visitors")]
    assert lines == ["n2k visitors: a visit was not counted: error 3"] * len(lines) and 1 <= len(lines) <= 2
