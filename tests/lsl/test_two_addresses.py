"""Two addresses in a script: a host that is down, or in trouble, for an hour; both; and none of it muted by the grid."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.directory_server import DirectoryServer, directory_server
from tests.support.grid_rules import OPENSIM, SECOND_LIFE
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, WAYS, first, said, sent, yes
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulated_http import LATENCY
from tests.support.simulator import Avatar, Prim, World

pytestmark = pytest.mark.unmeasured

TROUBLE = said({"error": "not now"}, 503)
BROKEN = Scripted(200, b"{", "application/json", {"Transfer-Encoding": "chunked"})
"""An answer that ends in the middle: the grid makes 499 of it."""


@pytest.fixture
def spare(template: Path, tmp_path: Path) -> Iterator[DirectoryServer]:
    """A second service, on another host, with data of its own."""
    with directory_server(template, tmp_path / "spare") as server:
        yield server


@pytest.fixture(params=WAYS)
def name(request: pytest.FixtureRequest) -> str:
    """Each registering script."""
    return str(request.param)


def two(name: str, main: DirectoryServer, spare: DirectoryServer) -> str:
    """Script *name* for both services, with the token of each."""
    return lsl_source(name, url=main.url, token=main.token, spare=spare.url, spare_token=spare.token)


@contextmanager
def silent_host() -> Iterator[str]:
    """The address of a host that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def asked(prim: Prim, url: str) -> list[float]:
    """When this address was asked."""
    return [exchange.time for exchange in prim.exchanges if exchange.request.url.startswith(url)]


def most_errors_a_minute(prim: Prim) -> int:
    """The highest number of errors of servers that reached the script within 60 seconds."""
    times = [exchange.time + LATENCY for exchange in prim.exchanges if exchange.status >= 500]
    return max((sum(time - 60 < other <= time for other in times) for time in times), default=0)


def registered(avatar: Avatar, *servers: DirectoryServer) -> bool:
    """Whether one of the services has stored it."""
    return any(server.name2key(avatar.name) == avatar.key for server in servers)


def test_the_host_is_down_for_an_hour(
    world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer, name: str
) -> None:
    """Each avatar that comes meanwhile is in the second directory within a minute and a half. The first host is asked every
    ten minutes only, and again as soon as it answers. The owner hears of both, once.
    """
    prim = world.rez(owner, two(name, directory, spare))
    world.run(70)
    directory.stop()
    down = world.now
    for avatar in CROWD[:12]:
        WAYS[name](prim, avatar)
        world.run(90)
        assert spare.name2key(avatar.name) == avatar.key
        world.run(210)
        world.leave(avatar)
        prim.seated.clear()
    assert 1 <= len([time for time in asked(prim, directory.url) if time >= down]) <= 7
    directory.start()
    world.run(600)
    for avatar in (CARLA, DORA):
        WAYS[name](prim, avatar)
        world.run(90)
    assert directory.name2key(DORA.name) == DORA.key
    assert [registered(avatar, directory, spare) for avatar in (*CROWD[:12], CARLA)] == [True] * 13
    failing, again = prim.to_owner
    assert failing.startswith(f"n2k {name}: no answer from {directory.url}: no connection, a time-out or a bad cert")
    assert "Asking the other address for a while; waiting: " in failing
    assert again == f"n2k {name}: {directory.url} answers again."
    assert prim.refused == []


def test_a_host_that_never_answers(world: World, owner: Avatar, spare: DirectoryServer, name: str) -> None:
    """Requests that end with the grid's time-out go to the second address, too."""
    world.real_seconds = 0.5
    with silent_host() as url:
        source = lsl_source(name, url=url, token="t", spare=spare.url, spare_token=spare.token)
        prim = first(world, owner, source, name, CARLA)
        world.run(world.rules.timeout + 5)
        assert spare.name2key(CARLA.name) == CARLA.key
    assert [exchange.status for exchange in prim.exchanges][:2] == [499, 200]


def test_both_are_down_for_an_hour(
    world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer, name: str
) -> None:
    """Whoever comes waits, fifty at most, and is stored when one of both is back. The owner hears of each host once."""
    prim = world.rez(owner, two(name, directory, spare))
    world.run(70)
    directory.stop()
    spare.stop()
    before = len(prim.exchanges)
    for avatar in CROWD[:12]:
        WAYS[name](prim, avatar)
        world.run(300)
        world.leave(avatar)
        prim.seated.clear()
    tries = len(prim.exchanges) - before
    assert 10 <= tries <= 30
    spare.start()
    world.run(301 + 90)
    assert [spare.name2key(avatar.name) for avatar in CROWD[:12]] == [avatar.key for avatar in CROWD[:12]]
    assert [line.split(":", 2)[1] for line in prim.to_owner[:2]] == [" no answer from http", " no answer from http"]
    assert not any("gave up" in line for line in prim.to_owner)
    directory.start()
    world.run(700)
    WAYS[name](prim, CARLA)
    world.run(90)
    assert directory.name2key(CARLA.name) == CARLA.key
    assert len(prim.to_owner) == 3 and prim.to_owner[2].endswith("answers again.")
    assert prim.refused == []


def test_whoever_touched_is_thanked_at_once(owner: Avatar, directory: DirectoryServer, spare: DirectoryServer) -> None:
    """The pace of two seconds is all that a refused connection costs, also when the host is down a second time, and for the
    one who touches when the script tries the first address again.
    """
    world = World(SECOND_LIFE)
    prim = world.rez(owner, two("touch", directory, spare))
    for hour in range(2):
        directory.stop()
        for number in range(3):
            prim.touch(CARLA)
            world.run(3)
            assert prim.told[CARLA.key] == ["Registered: Carla Comer. Thank you."] * (hour * 4 + number + 1)
            world.run(650)
        directory.start()
        prim.touch(CARLA)
        world.run(3)
    assert [exchange.status for exchange in prim.exchanges] == [499, 200, 499, 200, 499, 200, 200] * 2


@pytest.mark.parametrize("status", [500, 502, 503, 599])
def test_two_errors_in_a_row(world: World, owner: Avatar, name: str, status: int) -> None:
    """The first is repeated at the same address, the second leads to the other one, which is asked for ten minutes."""
    with scripted_server(said({"error": "no"}, status)) as main, scripted_server(yes) as other:
        source = lsl_source(name, url=main.url, token="t", spare=other.url, spare_token="s")
        prim = first(world, owner, source, name, CARLA)
        world.run(500)
    assert [exchange.status for exchange in prim.exchanges[:3]] == [status, status, 200]
    assert len(main.requests) == 2 and CARLA.name in sent(prim)
    assert most_errors_a_minute(prim) == 2


@pytest.mark.parametrize(
    "answer", [said({"error": "slowly"}, 429), Scripted(200, b'{"registered": 1, "ref')], ids=["429", "cut"]
)
def test_what_is_no_failure_of_the_host(world: World, owner: Avatar, answer: Scripted) -> None:
    """A limit, and an answer that was cut on its way, are waited out: a second address is not for evading limits."""
    with scripted_server(*[answer] * 4, yes) as main, scripted_server(yes) as other:
        prim = world.rez(owner, lsl_source("touch", url=main.url, token="t", spare=other.url))
        prim.touch(CARLA)
        world.run(100)
    assert (len(main.requests), other.requests) == (5, [])


def test_an_error_between_good_answers(world: World, owner: Avatar) -> None:
    """Every second answer is an error: never two in a row, so the address is kept; and yet there are four a minute at most."""
    with scripted_server(*[TROUBLE, yes] * 200) as main, scripted_server(yes) as other:
        prim = world.rez(owner, lsl_source("touch", url=main.url, token="t", spare=other.url))
        for avatar in CROWD:
            prim.touch(avatar)
            world.run(4)
        world.run(300)
    assert other.requests == []
    assert {avatar.name for avatar in CROWD} == set(sent(prim))
    assert most_errors_a_minute(prim) == 4
    assert prim.refused == []


@pytest.mark.parametrize("script", sorted({*WAYS, "resolver", "forget"}))
def test_both_are_in_trouble_for_an_hour(owner: Avatar, script: str) -> None:
    """Errors of both servers count together: four within a minute at most, however many avatars come. Second Life never
    mutes the script; when the servers are well, all are stored.
    """
    world = World(SECOND_LIFE)
    well = [False]

    def answer(body: bytes) -> Scripted:
        if not well[0]:
            return TROUBLE
        if b"avatars" in body:
            return yes(body)
        return said({"forgotten": True} if body else {"keys": [], "waiting": 0})

    with scripted_server(answer) as main, scripted_server(answer) as other:
        prim = world.rez(owner, lsl_source(script, url=main.url, token="t", spare=other.url, spare_token="s"))
        world.run(70)
        for avatar in CROWD[:20]:
            for _ in range(3):
                WAYS[script](prim, avatar) if script in WAYS else prim.touch(avatar)
                world.run(60)
        assert main.requests and other.requests
        assert 2 <= most_errors_a_minute(prim) <= 4
        well[0] = True
        world.leave(*CROWD)
        prim.seated.clear()
        world.run(700)
        bodies = b"".join(body for *_, body in main.requests[-20:] + other.requests[-60:])
    assert prim.refused == []
    if script in ("touch", "gate"):
        assert [avatar.name for avatar in CROWD[:20] if avatar.key.encode() not in bodies] == []


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("script", ["touch", "gate", "query"])
def test_nothing_is_lost_or_muted_whatever_happens(owner: Avatar, script: str, seed: int) -> None:
    """Two hosts that answer by chance, well, badly, or not at all, while avatars come at any moment: Second Life never mutes
    the script, nothing is refused; at the end every avatar was stored by one of both.
    """
    chance, world = random.Random(seed), World(SECOND_LIFE)
    well, stored = [False], b""
    moods = [0.0, chance.random(), chance.random()]

    def answer(body: bytes) -> Scripted:
        nonlocal stored
        if well[0] or chance.random() < moods[1]:
            stored += body
            return yes(body) if body else Scripted(200, CARLA.key.encode())
        if chance.random() < moods[2]:
            return TROUBLE
        return chance.choice([said({"error": "slowly"}, 429), said({"error": "slow"}, 408), BROKEN])

    with scripted_server(answer) as main, scripted_server(answer) as other:
        prim = world.rez(owner, lsl_source(script, url=main.url, token="t", spare=other.url, spare_token="s"))
        for avatar in CROWD[:40]:
            WAYS.get(script, Prim.touch)(prim, avatar)
            world.say(avatar, 5, CARLA.name)
            world.run(chance.choice([0.5, 2.0, 9.0, 60.0, 300.0]))
        assert most_errors_a_minute(prim) <= 4
        well[0] = True
        world.run(1500)
        assert (main.requests and other.requests) or moods[1] > 0.7
    assert prim.refused == []
    if script != "query":
        assert [avatar.name for avatar in CROWD[:40] if avatar.key.encode() not in stored] == []


def test_each_service_gets_its_own_token(world: World, owner: Avatar, name: str) -> None:
    """The first one never sees the second one's token, nor vice versa; without one no header is sent."""
    with scripted_server(TROUBLE) as main, scripted_server(yes) as other:
        for spare_token in ("second", ""):
            source = lsl_source(name, url=main.url, token="first", spare=other.url, spare_token=spare_token)
            first(world, owner, source, name, CARLA)
            world.run(70)
    assert {headers.get("X-N2K-Token") for _, _, headers, _ in main.requests} == {"first"}
    assert {headers.get("X-N2K-Token") for _, _, headers, _ in other.requests} == {"second", None}


@pytest.mark.parametrize("wrong", ["URL", "SPARE"])
def test_an_address_that_only_the_owner_can_mend(world: World, owner: Avatar, wrong: str) -> None:
    """A revoked token, or another page, at one of two addresses: the owner, who is elsewhere, is told by message, once, and
    the other address is asked from then on. The owner's touch tries it again.
    """
    parked = Scripted(200, b"<html>parked</html>")
    answers = {"URL": [parked, yes], "SPARE": [TROUBLE, TROUBLE, yes]}[wrong]
    with scripted_server(*answers) as main, scripted_server(*([yes] if wrong == "URL" else [parked, yes])) as other:
        prim = world.rez(owner, lsl_source("touch", url=main.url, token="t", spare=other.url))
        world.leave(owner)
        for avatar in CROWD[:5]:
            prim.touch(avatar)
            world.run(100)
        assert [prim.told[avatar.key][0][:10] for avatar in CROWD[:5]] == ["Registered"] * 5
        assert len(main.requests if wrong == "URL" else other.requests) == 1
        (line,) = prim.told[owner.key]
        url = (main if wrong == "URL" else other).url
        why = f"{url} is not asked any more: {url} is not an n2k service (200): <html>"
        assert line.startswith(f"n2k touch in Test Region: {why}")
        assert line.endswith("Fix it, then touch me or reset me")
        world.enter(owner)
        prim.touch(owner)
        world.run(10)
        assert prim.to_owner[-1] == "n2k touch: going on."
        assert wrong == "SPARE" or len(main.requests) == 2, "tried again at once"
        world.run(700)
        prim.touch(CARLA)
        world.run(10)
        assert CARLA.key.encode() in main.requests[-1][3]


def test_both_need_mending(world: World, owner: Avatar) -> None:
    """Then the script stops, and goes on with the owner's touch; nobody is lost."""
    no = said({"error": "no"}, 401)
    with scripted_server(no, yes) as main, scripted_server(no) as other:
        prim = world.rez(owner, lsl_source("touch", url=main.url, token="t", spare=other.url))
        prim.touch(CARLA)
        world.run(1000)
        assert (len(main.requests), len(other.requests), prim.told[CARLA.key]) == (1, 1, [])
        assert "is not asked any more" in prim.to_owner[0] and "stopped: the token is wrong (401)" in prim.to_owner[1]
        prim.touch(owner)
        world.run(10)
    assert prim.told[CARLA.key] == ["Registered: Carla Comer. Thank you."]


def test_a_blocked_first_address(owner: Avatar) -> None:
    """OpenSimulator's filter lets one of them be asked: that one is."""
    world = World(OPENSIM)
    with scripted_server(yes) as main, scripted_server(yes) as other:
        world.excepted = "127.0.0.1:" + other.url.rstrip("/").rpartition(":")[2]
        prim = world.rez(owner, lsl_source("touch", url=main.url, token="t", spare=other.url))
        prim.touch(CARLA)
        world.run(10)
        assert (main.requests, len(other.requests), len(prim.blocked)) == ([], 1, 1)
    assert prim.told[CARLA.key] == ["Registered: Carla Comer. Thank you."]
    assert prim.to_owner[0].startswith(f"n2k touch: {main.url} is not asked any more: this grid lets no script ask {main.url}.")


def test_what_the_other_service_does_not_know(
    world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer
) -> None:
    """An avatar that the second service stored is sent to the first one, too, when it passes again after the hour."""
    prim = world.rez(owner, two("gate", directory, spare))
    directory.stop()
    prim.walk_through(CARLA)
    world.run(10)
    prim.walk_through(CARLA)
    world.run(10)
    assert len(asked(prim, spare.url)) == 1
    directory.start()
    world.run(600)
    for avatar in (DORA, CARLA):
        prim.walk_through(avatar)
        world.run(10)
    assert [directory.name2key(avatar.name) for avatar in (DORA, CARLA)] == [DORA.key, CARLA.key]
