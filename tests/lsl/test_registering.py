"""touch, gate, sensor, seat and greeter: one queue in five scripts. What holds for one holds for all, on both kinds of grid."""

import json

import pytest

from tests.lsl.conftest import GOVERNOR
from tests.support.directory_server import DirectoryServer
from tests.support.foreground import closed_port
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, IMPOSTOR, WAYS, crowd, first, gaps, refusing, said, sent, yes
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

pytestmark = pytest.mark.unmeasured

ODD = [
    Avatar(name, f"{n:08x}-0000-4000-8000-00000000abcd")
    for n, name in enumerate(['Quo"ted Back\\slash', "A&key=1 50%41+", "{x} [y]", "true", "12.5", "Ünï Cödé", "\\"], 1)
]


@pytest.fixture(params=WAYS)
def name(request: pytest.FixtureRequest) -> str:
    """Each registering script."""
    return str(request.param)


def placed(world: World, owner: Avatar, name: str, url: str, token: str = "t", grid: str = "") -> Prim:
    """The prim with script *name*; its owner is beside it, and registered first if the script scans the region."""
    prim = world.rez(owner, lsl_source(name, url=url, token=token, grid=grid))
    world.run(70)
    return prim


def test_whoever_comes_is_registered(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """Found in the directory, without messages."""
    prim = placed(world, owner, name, directory.url, directory.token)
    WAYS[name](prim, CARLA, DORA)
    world.run(10)
    assert [directory.name2key(avatar.name) for avatar in (CARLA, DORA)] == [CARLA.key, DORA.key]
    assert prim.to_owner == []
    assert prim.scripts[0].most_listeners == 0


def test_every_name_arrives_as_it_is(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """Quotes, backslashes, umlauts, and names that look like numbers, lists or objects; Second Life has none such."""
    prim = placed(world, owner, name, directory.url, directory.token, grid="Elsewhere")
    WAYS[name](prim, *ODD)
    world.run(10)
    assert sorted(sent(prim)) == sorted(avatar.name for avatar in ODD)
    assert [directory.name2key(avatar.name) for avatar in ODD] == [avatar.key for avatar in ODD]
    assert prim.to_owner == []


def test_the_token_travels_in_a_header(world: World, owner: Avatar, name: str) -> None:
    """JSON to the one address, with the grid; the token is neither in the URL nor in the body."""
    with scripted_server(yes) as server:
        prim = placed(world, owner, name, f"{server.url}n2k/", "secret", 'My "Grid"')
        WAYS[name](prim, CARLA)
        world.run(10)
    request = prim.exchanges[-1].request
    assert (request.method, request.url) == ("POST", f"{server.url}n2k/api/v1/avatars")
    assert request.headers["Content-Type"] == "application/json;charset=utf-8"
    assert request.headers["X-N2K-Token"] == "secret"
    assert json.loads(request.body) == {"avatars": [{"key": CARLA.key, "name": CARLA.name}], "grid": 'My "Grid"'}


def test_twenty_in_one_second(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """Three lists at most, each below 2,000 bytes, two seconds apart; all are found, the throttle was never met."""
    prim = placed(world, owner, name, directory.url, directory.token)
    before = len(prim.exchanges)
    guests = crowd(world, name, 20)
    WAYS[name](prim, *guests[:7])
    world.run(0.5)
    WAYS[name](prim, *guests[7:])
    world.run(70)
    assert sorted(sent(prim)) == sorted(avatar.name for avatar in guests)
    assert len(prim.exchanges) - before <= 3
    assert max(len(exchange.request.body.encode()) for exchange in prim.exchanges) < 2000
    assert min(gaps(prim), default=2) >= 2
    assert prim.refused == []
    assert [directory.name2key(avatar.name) for avatar in guests] == [avatar.key for avatar in guests]


def test_long_names_make_shorter_lists(world: World, owner: Avatar, name: str) -> None:
    """Names of the greatest length in letters of three bytes: no body exceeds 2,000 bytes, no avatar is left out."""
    giants = [Avatar(f"{'漢' * 20}{n} {'語' * 21}", f"{n:08x}-0000-4000-8000-00000000dddd") for n in range(15)]
    with scripted_server(yes) as server:
        prim = placed(world, owner, name, server.url, grid="g" * 63)
        WAYS[name](prim, *giants)
        world.run(200)
    assert set(sent(prim)) == {avatar.name for avatar in giants}
    assert len(sent(prim)) == 15
    assert max(len(exchange.request.body.encode()) for exchange in prim.exchanges) < 2000


def test_the_service_is_down_for_a_minute(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """No avatar is lost, and the owner is told once."""
    prim = placed(world, owner, name, directory.url, directory.token)
    directory.stop()
    for avatar in CROWD[:5]:
        WAYS[name](prim, avatar)
        world.run(12)
    directory.start()
    world.run(600)
    assert [directory.name2key(avatar.name) for avatar in CROWD[:5]] == [avatar.key for avatar in CROWD[:5]]
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith(f"n2k {name}: no answer from {directory.url}: no connection, a time-out or a bad")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_trouble_backs_off_and_recovers(world: World, owner: Avatar, name: str, status: int) -> None:
    """Each failure doubles the pause, so that the grid never mutes the script; success restores the pace."""
    trouble = said({"error": "not now"}, status)
    with scripted_server(*[trouble] * 6, yes) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA, DORA)
        world.run(1000)
    assert [int(gap) for gap in gaps(prim)[:6]] == [4, 8, 16, 32, 64, 128]
    assert {CARLA.name, DORA.name} <= set(sent(prim))
    assert prim.refused == []
    assert len(prim.to_owner) == 1
    assert "Trying again by and by; waiting: " in prim.to_owner[0]
    if status != 408:
        assert f"({status}): not now." in prim.to_owner[0]


CUT = '{"registered": 1, "refused": [{"key": "cccccc'


@pytest.mark.parametrize("body", [CUT, "{", CUT[:18]], ids=["in a refusal", "at once", "after the number"])
def test_the_answer_is_cut(world: World, owner: Avatar, name: str, body: str) -> None:
    """Half a JSON text decides nothing: the same list is sent again, and no avatar is thanked before."""
    with scripted_server(Scripted(200, body.encode(), "application/json"), yes) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.run(60)
    assert sent(prim)[:2] == [CARLA.name] * 2
    assert prim.to_owner[0].startswith(
        f"n2k {name}: the answer of {server.url} was truncated, or did not come from an n2k service."
    )
    assert len(prim.to_owner) == 1


def test_the_connection_breaks_in_an_answer(world: World, owner: Avatar, name: str) -> None:
    """Fewer bytes than were announced: the grid makes 499 of it, the script sends the list again."""
    broken = Scripted(200, b'{"registered": 1,', "application/json", {"Transfer-Encoding": "chunked"})
    with scripted_server(broken, yes) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.run(60)
    assert prim.exchanges[0].status == 499
    assert sent(prim)[:2] == [CARLA.name] * 2


def test_the_token_is_revoked(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """One request, one line to the owner, who is elsewhere; then no requests, whatever happens."""
    prim = placed(world, owner, name, directory.url, directory.token)
    world.leave(owner)
    directory.revoke(directory.token)
    for avatar in CROWD[:5]:
        WAYS[name](prim, avatar)
        world.run(60)
    assert [exchange.status for exchange in prim.exchanges].count(401) == 1
    assert prim.exchanges[-1].status == 401
    assert prim.to_owner == []
    assert len(prim.told[owner.key]) == 1
    assert prim.told[owner.key][0].startswith(f"n2k {name} in Test Region: stopped: the token is wrong (401): ")
    assert directory.token not in prim.told[owner.key][0]


@pytest.mark.parametrize(
    ("status", "why"), [(401, "the token is wrong"), (403, "the token is wrong"), (404, "not an n2k service")]
)
def test_the_owners_touch_goes_on(world: World, owner: Avatar, name: str, status: int, why: str) -> None:
    """After a fix on the server the owner touches, and no waiting avatar is lost."""
    with scripted_server(said({"error": "no"}, status), yes) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.run(600)
        assert len(prim.exchanges) == 1
        prim.touch(DORA)
        prim.touch(owner)
        world.run(60)
    assert why in prim.to_owner[0]
    assert prim.to_owner[1:] == [f"n2k {name}: going on."]
    assert sent(prim).count(CARLA.name) == 2


@pytest.mark.parametrize(
    "page",
    [
        Scripted(200, b"<html>\nparked"),
        Scripted(200),
        Scripted(302, headers={"Location": "/"}),
        Scripted(200, b"x", "image/png"),
    ],
    ids=["parked", "empty", "elsewhere", "picture"],
)
def test_a_page_that_is_there_for_everybody_is_no_success(world: World, owner: Avatar, name: str, page: Scripted) -> None:
    """An address of another server: no avatar is thanked, the owner gets one message, the queue is kept."""
    with scripted_server(page) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.run(600)
    assert len(prim.exchanges) == len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith(f"n2k {name}: stopped: {server.url} is not an n2k service (")
    assert prim.told[CARLA.key] == []


def test_the_region_restarts(world: World, owner: Avatar, name: str) -> None:
    """Answers are lost in the restart: pending requests are sent again at once, and no error is reported."""
    with scripted_server(yes) as server:
        prim = placed(world, owner, name, server.url)
        WAYS[name](prim, CARLA)
        world.restart()
        world.run(10)
        WAYS[name](prim, DORA)
        world.run(70)
    assert CARLA.name in sent(prim) and DORA.name in sent(prim)
    assert prim.to_owner == []
    if name in ("touch", "gate", "seat"):
        assert sent(prim) == [CARLA.name, CARLA.name, DORA.name]


def test_an_answer_is_lost(world: World, owner: Avatar, name: str) -> None:
    """Not even a time-out arrives: the list goes out again."""
    with scripted_server(yes) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.lose_answers()
        world.run(200)
    waiting = 2 if name in ("sensor", "greeter") else 1
    assert len(prim.exchanges) == 2
    assert prim.exchanges[0].request.body == prim.exchanges[1].request.body
    assert prim.to_owner == [f"n2k {name}: no answer came from {server.url}. Trying again by and by; waiting: {waiting}"]


def test_two_owners(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """Two prims of two owners, one with a wrong token: each owner gets messages about that prim only."""
    other = Avatar("Other Owner", "99999999-0000-4000-8000-000000000000")
    prims = [placed(world, who, name, directory.url, token) for who, token in ((owner, directory.token), (other, "wrong"))]
    for prim, avatar in zip(prims, (CARLA, DORA), strict=True):
        WAYS[name](prim, avatar)
    world.run(70)
    assert prims[0].to_owner == []
    assert [line.split(":")[1] for line in prims[1].to_owner] == [" stopped"]
    assert directory.name2key(CARLA.name) == CARLA.key


def test_a_new_owner_begins_with_an_empty_queue(world: World, owner: Avatar, name: str) -> None:
    """Avatars that came to the former owner's prim are not sent for the new one."""
    other = Avatar("Other Owner", "99999999-0000-4000-8000-000000000000")
    with scripted_server(said({"error": "no"}, 503), yes) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.run(1)
        world.leave(CARLA)
        prim.seated.clear()
        prim.give_to(other)
        WAYS[name](prim, DORA)
        world.run(70)
    assert prim.scripts[0].starts == 2
    assert [name for name in sent(prim) if name in (CARLA.name, DORA.name)] == [CARLA.name, DORA.name]


def test_the_throttle_of_the_grid_is_waited_for(world: World, owner: Avatar, name: str) -> None:
    """NULL_KEY from the grid: kept, retried with growing pauses, sent in the end."""
    with scripted_server(yes) as server:
        prim = placed(world, owner, name, server.url)
        while prim.throttle.admit(world.now):
            pass
        WAYS[name](prim, CARLA)
        world.run(300)
    assert 0 <= len(prim.refused) <= 6
    assert sent(prim) == [CARLA.name]


def test_a_conflict_is_told_to_the_owner_and_dropped(
    world: World, owner: Avatar, directory: DirectoryServer, name: str
) -> None:
    """Another key under a known name: not repeated; the others of its list are stored."""
    prim = placed(world, owner, name, directory.url, directory.token)
    WAYS[name](prim, CARLA)
    world.run(30)
    WAYS[name](prim, IMPOSTOR, DORA)
    world.run(300)
    assert [directory.name2key(avatar.name) for avatar in (CARLA, DORA)] == [CARLA.key, DORA.key]
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith(f"n2k {name}: Carla Comer was not registered (409): the name 'Carla Comer'")
    assert sent(prim).count(CARLA.name) == 2


def test_many_refusals_are_cut_and_still_understood(world: World, owner: Avatar, name: str) -> None:
    """Their list does not fit into what a script may receive: those not named are sent again, all are decided."""
    guests = crowd(world, name, 15)
    with scripted_server(refusing(*guests[:14], why="w" * 300)) as server:
        prim = placed(world, owner, name, server.url)
        WAYS[name](prim, *guests)
        world.run(100)
    assert sent(prim).count(guests[0].name) == 1
    assert sent(prim).count(guests[14].name) == 3
    told = [line for line in prim.to_owner if "was not registered (409)" in line]
    more = sum(int(line.split()[2]) for line in prim.to_owner if line.endswith(" more were not registered."))
    assert (len(told) + more, len(prim.to_owner)) < (15, 14)
    thanked = [key for key, texts in prim.told.items() if texts[0].startswith("Registered")]
    assert thanked == ([guests[14].key] if name == "touch" else [])


def test_one_who_spoils_a_list_is_found(world: World, owner: Avatar, name: str) -> None:
    """A list is rejected as a whole: smaller lists find the avatar that causes it, and the others are stored."""

    def choosy(body: bytes) -> Scripted:
        return said({"error": "bad name"}, 400) if CROWD[6].key.encode() in body else yes(body)

    with scripted_server(choosy) as server:
        prim = placed(world, owner, name, server.url)
        WAYS[name](prim, *CROWD[:12])
        world.run(200)
    assert prim.to_owner == [f"n2k {name}: {CROWD[6].name} was not registered (400): bad name"]
    good = [e.request.body for e in prim.exchanges if e.status == 200]
    assert all(any(avatar.key in body for body in good) for avatar in CROWD[:12] if avatar is not CROWD[6])
    assert not any(CROWD[6].key in body for body in good)


def test_an_answer_that_makes_no_sense(world: World, owner: Avatar, name: str) -> None:
    """Fewer stored than sent and none refused: no avatar is thanked, and it is not sent again at once."""
    with scripted_server(said({"registered": 0, "refused": []})) as server:
        prim = first(world, owner, lsl_source(name, url=server.url, token="t"), name, CARLA)
        world.run(30)
    assert prim.told[CARLA.key] == []
    assert prim.to_owner[0].startswith(f"n2k {name}: the answer of {server.url} makes no sense")
    assert [int(gap) for gap in gaps(prim)[:2]] == [4, 8]


def test_a_service_that_is_gone_is_given_up(world: World, owner: Avatar, name: str) -> None:
    """After ten tries a list is dropped with a line to the owner; an object without visitors sends nothing."""
    with closed_port() as port:
        prim = first(world, owner, lsl_source(name, url=f"http://127.0.0.1:{port}/", token="t"), name, CARLA, DORA)
        world.leave(owner, CARLA, DORA)
        world.run(7200)
        assert set(sent(prim)) == {CARLA.name, DORA.name}
        assert len(prim.exchanges) % 10 == 0
        assert f"n2k {name}: gave up on " in prim.to_owner[1]
        before = len(prim.exchanges)
        world.run(7200)
        assert len(prim.exchanges) == before


def test_memory_has_bounds(world: World, owner: Avatar, name: str) -> None:
    """A hundred come while the service is down, and a thousand later: the lists of the script stay small."""
    down = Scripted(503, b"down")
    with scripted_server(down, down, yes) as server:
        prim = placed(world, owner, name, server.url)
        most = 0
        crowd = [Avatar(f"{'N' * 31}{n:x} {'L' * 31}", f"{n:08x}-0000-4000-8000-00000000cccc") for n in range(1000)]
        for start in range(0, 1000, 100):
            WAYS[name](prim, *crowd[start : start + 100])
            most = max(most, prim.scripts[0].list_bytes())
            world.run(120)
            most = max(most, prim.scripts[0].list_bytes())
            world.leave(*crowd)
            prim.seated.clear()
    assert most < 35_000
    assert len(set(sent(prim))) >= 8 * 15


def test_a_refused_avatar_is_told_to_nobody_but_the_owner(world: World, owner: Avatar, name: str) -> None:
    """Only touch.lsl talks to avatars: it thanks the stored ones, and apologises to the others."""
    with scripted_server(refusing(CARLA)) as server:
        prim = placed(world, owner, name, server.url)
        WAYS[name](prim, CARLA, DORA, GOVERNOR)
        world.run(30)
    told = {key: texts for key, texts in prim.told.items() if texts}
    sorry = "You could not be registered, sorry. The owner of this object was told why."
    thanked = {avatar.key: [f"Registered: {avatar.name}. Thank you."] for avatar in (DORA, GOVERNOR)}
    assert told == ({CARLA.key: [sorry], **thanked} if name == "touch" else {})
