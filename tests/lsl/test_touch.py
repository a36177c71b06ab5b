"""touch.lsl: whoever touches is registered; the queue respects the grid and survives troubles."""

from itertools import pairwise
from urllib.parse import parse_qs

import pytest

from tests.lsl.conftest import GOVERNOR
from tests.support.directory_server import DirectoryServer
from tests.support.grid_rules import OPENSIM
from tests.support.lsl_source import lsl_source
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

CARLA = Avatar("Carla Comer", "cccccccc-0000-4000-8000-000000000001")
DORA = Avatar("Dora Döring", "dddddddd-0000-4000-8000-000000000002")
IMPOSTOR = Avatar(CARLA.name, "eeeeeeee-0000-4000-8000-000000000003")
ODD = Avatar("A&key=1 50%41+", "abababab-0000-4000-8000-000000000005")
VISITOR = Avatar("Vera.Visitor @grid.example.org:8002", "ffffffff-0000-4000-8000-000000000004")
CROWD = [Avatar(f"Guest{n} Resident", f"{n:08x}-0000-4000-8000-00000000ffff") for n in range(1, 61)]

YES = Scripted(200, " ".join(avatar.key for avatar in (CARLA, DORA)).encode())
"""A service that has registered whomever it was told."""


@pytest.fixture
def prim(world: World, owner: Avatar, directory: DirectoryServer) -> Prim:
    """The touch prim, with a token that may register."""
    return world.rez(owner, lsl_source("touch", URL=directory.url, TOKEN=directory.token))


def thanks(avatar: Avatar) -> list[str]:
    """What a registered avatar has heard."""
    return [f"Registered: {avatar.name}. Thank you."]


def sent(prim: Prim) -> list[str]:
    """The names of the requests, in their order."""
    return [parse_qs(exchange.request.body)["name"][0] for exchange in prim.exchanges]


def gaps(prim: Prim) -> list[float]:
    """Seconds between the requests."""
    return [later.time - earlier.time for earlier, later in pairwise(prim.exchanges)]


@pytest.mark.parametrize("avatar", [CARLA, DORA, ODD], ids=["ascii", "umlaut", "signs"])
def test_a_toucher_is_registered(prim: Prim, directory: DirectoryServer, avatar: Avatar) -> None:
    """Found in the directory, thanked, and the owner is left in peace."""
    prim.touch(avatar)
    prim.world.run(1)
    assert directory.name2key(avatar.name) == avatar.key
    assert prim.told[avatar.key] == thanks(avatar)
    assert prim.to_owner == []


def test_a_hypergrid_visitor_is_registered(owner: Avatar, directory: DirectoryServer) -> None:
    """OpenSimulator's visitors bring their home grid in the name, with an @, a colon and a space."""
    prim = World(OPENSIM).rez(owner, lsl_source("touch", URL=directory.url, TOKEN=directory.token))
    prim.touch(VISITOR)
    prim.world.run(1)
    assert (prim.to_owner, prim.told[VISITOR.key]) == ([], thanks(VISITOR))
    assert directory.name2key(VISITOR.name) == VISITOR.key


def test_the_token_travels_in_a_header(prim: Prim, directory: DirectoryServer) -> None:
    """A form POST to the bare address; the token is neither in the URL nor in the form."""
    prim.touch(CARLA)
    request = prim.exchanges[0].request
    assert (request.method, request.url) == ("POST", directory.url)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["X-N2K-Token"] == directory.token
    assert parse_qs(request.body) == {"name": [CARLA.name], "key": [CARLA.key]}


def test_without_a_token_no_header_is_sent(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """An open service needs none; one that is not open answers 401, and the owner is told."""
    prim = world.rez(owner, lsl_source("touch", URL=directory.url))
    prim.touch(CARLA)
    world.run(1)
    assert "X-N2K-Token" not in prim.exchanges[0].request.headers
    assert prim.to_owner[0].startswith("n2k touch: stopped: the token is wrong (401)")


def test_a_crowd_is_registered_one_by_one(prim: Prim) -> None:
    """Twenty touch at once: all are registered in their order, two seconds apart, the throttle never met."""
    prim.touch(*CROWD[:12])
    prim.touch(*CROWD[12:20])
    prim.world.run(150)
    assert sent(prim) == [avatar.name for avatar in CROWD[:20]]
    assert min(gaps(prim)) >= 2
    assert prim.refused == []
    assert [prim.told[avatar.key] for avatar in CROWD[:20]] == [thanks(avatar) for avatar in CROWD[:20]]
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
    """Who is waiting already is not put into the queue again."""
    prim.touch(GOVERNOR, CARLA)
    prim.touch(CARLA, CARLA)
    prim.world.run(20)
    assert sent(prim) == [GOVERNOR.name, CARLA.name]


def test_the_queue_is_bounded(prim: Prim) -> None:
    """The fifty-first in the queue is asked to come again, and may."""
    prim.touch(*CROWD[:51])
    assert prim.told[CROWD[50].key] == ["Too many are waiting. Please touch again later."]
    prim.world.run(200)
    prim.touch(CROWD[50])
    prim.world.run(5)
    assert sent(prim) == [avatar.name for avatar in CROWD[:51]]


def test_a_conflict_is_told_to_the_owner_and_dropped(prim: Prim, directory: DirectoryServer) -> None:
    """Another key under a known name: not thanked, not repeated; the directory and the queue go on as before."""
    prim.touch(CARLA, IMPOSTOR, DORA)
    prim.world.run(60)
    assert directory.name2key(CARLA.name) == CARLA.key
    assert prim.told[IMPOSTOR.key] == []
    assert prim.told[DORA.key] == thanks(DORA)
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith("n2k touch: Carla Comer was not registered (409): the name 'Carla Comer'")
    assert len(prim.exchanges) == 3


@pytest.mark.parametrize(("token", "status"), [("nonsense", 401), ("weak", 403)])
def test_a_wrong_token_stops_everything(
    world: World, owner: Avatar, directory: DirectoryServer, token: str, status: int
) -> None:
    """One request, one line to the owner, then silence however many touch; a reset tries again."""
    text = directory.new_token("forget") if token == "weak" else token
    prim = world.rez(owner, lsl_source("touch", URL=directory.url, TOKEN=text))
    for avatar in CROWD[:9]:
        prim.touch(avatar)
        world.run(60)
    assert len(prim.exchanges) == len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith(f"n2k touch: stopped: the token is wrong ({status}): ")
    assert text not in prim.to_owner[0]
    prim.rez_again()
    prim.touch(CARLA)
    assert len(prim.exchanges) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_the_owners_touch_goes_on(world: World, owner: Avatar, status: int) -> None:
    """What is mended on the server's side: the owner touches, and nobody who waited is lost."""
    with scripted_server(Scripted(status, b"no"), YES) as server:
        prim = world.rez(owner, lsl_source("touch", URL=server.url, TOKEN="t"))
        prim.touch(CARLA)
        world.run(600)
        prim.touch(DORA)
        prim.touch(owner)
        world.run(60)
    assert sent(prim)[:3] == [CARLA.name, CARLA.name, DORA.name]
    assert prim.to_owner[1] == "n2k touch: going on."
    assert (prim.told[CARLA.key], prim.told[DORA.key]) == (thanks(CARLA), thanks(DORA))


def test_the_service_is_down_for_a_minute(prim: Prim, directory: DirectoryServer) -> None:
    """Nobody is lost, the order stays, and the owner hears of the outage once."""
    directory.stop()
    for avatar in CROWD[:5]:
        prim.touch(avatar)
        prim.world.run(12)
    directory.start()
    prim.world.run(120)
    assert [directory.name2key(avatar.name) for avatar in CROWD[:5]] == [avatar.key for avatar in CROWD[:5]]
    assert [prim.told[avatar.key] for avatar in CROWD[:5]] == [thanks(avatar) for avatar in CROWD[:5]]
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith(f"n2k touch: no answer from {directory.url}")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_trouble_backs_off_and_recovers(world: World, owner: Avatar, status: int) -> None:
    """Each failure doubles the pause, so that the grid never mutes the script; success restores the pace."""
    troubles = [Scripted(status, b"not now")] * 6
    with scripted_server(*troubles, YES) as server:
        prim = world.rez(owner, lsl_source("touch", URL=server.url, TOKEN="t"))
        prim.touch(CARLA, DORA)
        world.run(600)
    assert [int(gap) for gap in gaps(prim)] == [4, 8, 16, 32, 64, 128, 2]
    assert sent(prim) == [CARLA.name] * 7 + [DORA.name]
    assert prim.refused == []
    assert len(prim.to_owner) == 1
    assert "waiting: 2" in prim.to_owner[0]


def test_a_page_that_is_there_for_everybody_is_no_success(world: World, owner: Avatar) -> None:
    """200 from a parked address: nobody is thanked, the owner is told once, the queue stays."""
    with scripted_server(Scripted(200, b"<html>\nparked")) as server:
        prim = world.rez(owner, lsl_source("touch", URL=server.url, TOKEN="t"))
        prim.touch(CARLA, DORA)
        world.run(600)
    assert len(prim.exchanges) == 1
    assert prim.told[CARLA.key] == []
    assert len(prim.to_owner) == 1
    assert f"{server.url} is no n2k service (it says: <html>)" in prim.to_owner[0]
    assert prim.to_owner[0].endswith("waiting: 2")


def test_a_bad_request_is_dropped(world: World, owner: Avatar) -> None:
    """400 is about one avatar: the owner is told, the next one is sent."""
    with scripted_server(Scripted(400, b"bad name"), YES) as server:
        prim = world.rez(owner, lsl_source("touch", URL=server.url, TOKEN="t"))
        prim.touch(CARLA, DORA)
        world.run(30)
    assert prim.to_owner == ["n2k touch: Carla Comer was not registered (400): bad name"]
    assert (prim.told[CARLA.key], prim.told[DORA.key]) == ([], thanks(DORA))


def test_a_service_that_is_gone_is_given_up(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """After ten tries an avatar is dropped with a line to the owner; the queue drains, the object falls silent."""
    directory.stop()
    prim = world.rez(owner, lsl_source("touch", URL=directory.url, TOKEN=directory.token))
    prim.touch(CARLA, DORA)
    world.run(7200)
    directory.start()
    assert sent(prim) == [CARLA.name] * 10 + [DORA.name] * 10
    assert [line.split(":")[1] for line in prim.to_owner[1:]] == [f" gave up on {a.name}" for a in (CARLA, DORA)]
    assert not world.busy


def test_the_throttle_of_the_grid_is_waited_for(prim: Prim) -> None:
    """NULL_KEY from the grid: kept, backed off from, sent in the end."""
    while prim.throttle.admit(prim.world.now):
        pass
    prim.touch(CARLA)
    prim.world.run(300)
    assert prim.told[CARLA.key] == thanks(CARLA)
    assert 1 <= len(prim.refused) <= 6
    assert len(prim.exchanges) == 1


def test_a_lost_answer_is_asked_for_again(prim: Prim) -> None:
    """The same pair goes out once more: registering it twice is harmless, forgetting it is not."""
    prim.touch(CARLA)
    prim.world.lose_answers()
    prim.world.run(120)
    assert sent(prim) == [CARLA.name] * 2
    assert prim.told[CARLA.key] == thanks(CARLA)


def test_a_restarted_region_goes_on_soon(prim: Prim) -> None:
    """Answers end with the restart, so what was under way is sent again at once and nobody calls it trouble."""
    prim.touch(CARLA, DORA)
    prim.world.restart()
    prim.world.run(10)
    assert sent(prim) == [CARLA.name, CARLA.name, DORA.name]
    assert prim.to_owner == []


def test_a_late_answer_is_not_taken_for_another(prim: Prim) -> None:
    """An answer to some other request of the prim settles nobody."""
    prim.touch(CARLA)
    prim.post("http_response", "ffffffff-0000-4000-8000-000000000000", 409, [], "not ours")
    prim.world.run(10)
    assert prim.told[CARLA.key] == thanks(CARLA)
    assert prim.to_owner == []


def test_two_scripts_in_one_prim(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Query and touch share a prim and hear each other's answers: both do their work, nobody complains."""
    sources = lsl_source("query", URL=directory.url), lsl_source("touch", URL=directory.url, TOKEN=directory.token)
    prim = world.rez(owner, *sources)
    prim.touch(CARLA)
    world.say(CARLA, 5, GOVERNOR.name)
    world.run(5)
    assert sorted(prim.told[CARLA.key][1:]) == [f"Governor Linden: {GOVERNOR.key}", *thanks(CARLA)]
    assert prim.to_owner == []


def test_a_new_owner_gets_an_empty_queue(prim: Prim) -> None:
    """What touched the former owner's prim is not sent in the name of the new one."""
    prim.touch(*CROWD[:5])
    prim.give_to(DORA)
    prim.world.run(60)
    assert len(prim.exchanges) == 1
