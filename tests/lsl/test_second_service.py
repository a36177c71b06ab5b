"""The other scripts with two addresses: query asks on, the kiosk tells both directories, resolver and keyvalue go over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.model.keys import NULL_KEY
from tests.lsl.conftest import GOVERNOR, MASAKAZU, keyvalue_token
from tests.support.calls import Calls
from tests.support.directory_server import DirectoryServer, directory_server
from tests.support.foreground import closed_port
from tests.support.grid_rules import SECOND_LIFE
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, DORA, said
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

TROUBLE = Scripted(503, b"not now")
KEY = Scripted(200, GOVERNOR.key.encode())


@pytest.fixture
def spare(template: Path, tmp_path: Path) -> Iterator[DirectoryServer]:
    """A second service, on another host, with data of its own."""
    with directory_server(template, tmp_path / "spare") as server:
        yield server


# --- query


def ask(prim: Prim, avatar: Avatar, name: str, seconds: float = 10.0) -> list[str]:
    """Let *avatar* touch and say *name*; what it hears in *seconds* after that."""
    prim.touch(avatar)
    heard = len(prim.told[avatar.key])
    prim.world.say(avatar, 5, name)
    prim.world.run(seconds)
    return prim.told[avatar.key][heard:]


def test_a_question_is_asked_on(world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer) -> None:
    """The host is down for an hour: every question is answered, by the second service. The first one is tried every ten
    minutes, and asked again when it is back. The owner hears of both, once.
    """
    prim = world.rez(owner, lsl_source("query", url=directory.url, spare=spare.url))
    directory.stop()
    for _ in range(36):
        assert ask(prim, CARLA, GOVERNOR.name, 100) == [f"Governor Linden: {GOVERNOR.key}"]
    assert 5 <= sum(exchange.request.url.startswith(directory.url) for exchange in prim.exchanges) <= 7
    directory.start()
    world.run(600)
    assert ask(prim, CARLA, MASAKAZU.key) == [f"{MASAKAZU.key}: {MASAKAZU.name}"]
    assert prim.exchanges[-1].request.url.startswith(directory.url)
    why = f"n2k query: no answer from {directory.url}: no connection, a time-out or a bad certificate"
    assert prim.to_owner == [
        f"{why}. Asking the other address for a while", f"n2k query: {directory.url} answers again.",
    ]  # fmt: skip


def test_a_question_that_neither_answers(world: World, owner: Avatar) -> None:
    """Both hosts are down: each is asked once, then the turn ends; the next question does the same."""
    with closed_port() as first, closed_port() as second:
        prim = world.rez(owner, lsl_source("query", url=f"http://127.0.0.1:{first}/", spare=f"http://127.0.0.1:{second}/"))
        for _ in range(2):
            assert ask(prim, CARLA, GOVERNOR.name) == ["No answer for Governor Linden this time, sorry."]
            prim.touch(DORA)
            assert prim.told[DORA.key][-1].startswith("Say a name or a key")
            world.run(100)
    assert len(prim.exchanges) == 4 and not world.busy


def test_a_lost_answer_is_asked_for_elsewhere(world: World, owner: Avatar) -> None:
    """An answer that never arrives, not even as a time-out: the other service is asked."""
    with scripted_server(KEY) as main, scripted_server(KEY) as other:
        prim = world.rez(owner, lsl_source("query", url=main.url, spare=other.url))
        prim.touch(CARLA)
        world.say(CARLA, 5, GOVERNOR.name)
        world.lose_answers()
        world.run(95)
        assert (len(main.requests), len(other.requests)) == (1, 1)
    assert prim.told[CARLA.key][-1] == f"Governor Linden: {GOVERNOR.key}"


def test_errors_of_the_server(world: World, owner: Avatar) -> None:
    """The first one is repeated, the second leads to the other service, all for one question."""
    with scripted_server(TROUBLE) as main, scripted_server(KEY) as other:
        prim = world.rez(owner, lsl_source("query", url=main.url, spare=other.url))
        assert ask(prim, CARLA, GOVERNOR.name) == [f"Governor Linden: {GOVERNOR.key}"]
        assert (len(main.requests), len(other.requests)) == (2, 1)


@pytest.mark.parametrize("has_spare", [True, False])
def test_many_questions_in_trouble(owner: Avatar, has_spare: bool) -> None:
    """A question every five seconds, while all servers have errors: no fifth request within a minute, so that Second Life
    does not mute the script; the asking avatars are told at once.
    """
    world = World(SECOND_LIFE)
    with scripted_server(TROUBLE) as main, scripted_server(TROUBLE) as other:
        prim = world.rez(owner, lsl_source("query", url=main.url, spare=other.url if has_spare else ""))
        for _ in range(60):
            assert ask(prim, CARLA, GOVERNOR.name, 12) == ["No answer for Governor Linden this time, sorry."]
        assert 40 <= len(prim.exchanges) <= 52
        times = [exchange.time for exchange in prim.exchanges]
        assert max(sum(time - 60 <= other <= time for other in times) for time in times) == 4
    assert prim.refused == []
    assert any("four errors within a minute" in line for line in prim.to_owner)


# --- forget


def confirm(prim: Prim, *avatars: Avatar) -> None:
    """Touch, and twice more with time to read in between."""
    for _ in range(3):
        prim.touch(*avatars)
        prim.world.run(5)


def kiosk(world: World, owner: Avatar, main: DirectoryServer, spare: DirectoryServer) -> Prim:
    """The kiosk of two directories, with a token for each."""
    tokens = {"token": main.forget_token, "spare_token": spare.forget_token}
    return world.rez(owner, lsl_source("forget", url=main.url, spare=spare.url, **tokens))


def done(prim: Prim, avatar: Avatar) -> bool:
    """Whether it was told that it is out."""
    return any(text.startswith("Done.") for text in prim.told[avatar.key])


def test_both_directories_forget(world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer) -> None:
    """An avatar is told that it is out when it is out of both."""
    prim = kiosk(world, owner, directory, spare)
    idle = prim.scripts[0].list_bytes()
    confirm(prim, GOVERNOR, MASAKAZU)
    world.run(30)
    for server in (directory, spare):
        assert [server.name2key(avatar.name) for avatar in (GOVERNOR, MASAKAZU)] == [NULL_KEY] * 2
    assert done(prim, GOVERNOR) and done(prim, MASAKAZU)
    assert len(prim.exchanges) == 4 and prim.to_owner == []
    assert prim.scripts[0].list_bytes() == idle, "nothing of them is kept"


@pytest.mark.parametrize("down", ["main", "spare"])
def test_one_directory_is_down_for_an_hour(
    world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer, down: str
) -> None:
    """The other one forgets at once; who is out of one only is not told that it is done, and not given up: it waits."""
    prim = kiosk(world, owner, directory, spare)
    stopped, up = (directory, spare) if down == "main" else (spare, directory)
    stopped.stop()
    confirm(prim, GOVERNOR)
    world.run(60)
    assert up.name2key(GOVERNOR.name) == NULL_KEY and not done(prim, GOVERNOR)
    world.run(1800)
    confirm(prim, MASAKAZU)
    world.run(1800)
    assert up.name2key(MASAKAZU.name) == NULL_KEY and not done(prim, MASAKAZU)
    stopped.start()
    world.run(330)
    assert stopped.name2key(GOVERNOR.name) == stopped.name2key(MASAKAZU.name) == NULL_KEY
    assert done(prim, GOVERNOR) and done(prim, MASAKAZU)
    assert not any("gave up" in line for line in prim.to_owner)
    assert len([line for line in prim.to_owner if "no answer from" in line]) == 1
    world.run(300)
    assert prim.refused == [] and not world.busy


def test_two_addresses_of_one_directory(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """It is told twice, which does no harm."""
    other = directory.url.replace("127.0.0.1", "localhost")
    tokens = dict.fromkeys(("token", "spare_token"), directory.forget_token)
    prim = world.rez(owner, lsl_source("forget", url=directory.url, spare=other, **tokens))
    confirm(prim, GOVERNOR)
    world.run(30)
    assert done(prim, GOVERNOR) and prim.to_owner == []


def test_a_kiosk_whose_second_token_is_wrong(
    world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer
) -> None:
    """Nobody is told that it is out before the owner has mended that; then it is done."""
    prim = world.rez(owner, lsl_source("forget", url=directory.url, token=directory.forget_token, spare=spare.url))
    confirm(prim, GOVERNOR)
    world.run(3600)
    assert directory.name2key(GOVERNOR.name) == NULL_KEY and not done(prim, GOVERNOR)
    (line,) = prim.to_owner
    assert line.startswith(f"n2k forget: {spare.url} is not asked any more: the token is wrong (401)")
    prim.scripts[0].lsl.SPARE_TOKEN = spare.forget_token
    prim.touch(owner)
    world.run(30)
    assert spare.name2key(GOVERNOR.name) == NULL_KEY and done(prim, GOVERNOR)


def test_both_directories_are_down(world: World, owner: Avatar) -> None:
    """After ten tries the avatar is told that nothing was done, as with one directory."""
    with closed_port() as first, closed_port() as second:
        urls = {"url": f"http://127.0.0.1:{first}/", "spare": f"http://127.0.0.1:{second}/"}
        prim = world.rez(owner, lsl_source("forget", token="t", **urls))
        confirm(prim, GOVERNOR)
        world.run(3600)
    assert prim.told[GOVERNOR.key][-1].startswith("You are still in the directory")
    assert not world.busy


# --- resolver


def test_names_for_both_services(world: World, owner: Avatar, directory: DirectoryServer, spare: DirectoryServer) -> None:
    """While the first one is down the second one gets names for its keys. A key that both want is no unknown one."""
    world.accounts.update({avatar.key: avatar.name for avatar in (CARLA, DORA)})
    source = lsl_source("resolver", url=directory.url, token=directory.token, spare=spare.url, spare_token=spare.token)
    directory.ask_about(world.rules.shard, CARLA.key)
    spare.ask_about(world.rules.shard, CARLA.key, DORA.key)
    directory.stop()
    prim = world.rez(owner, source)
    world.run(120)
    assert [spare.name2key(avatar.name) for avatar in (CARLA, DORA)] == [CARLA.key, DORA.key]
    directory.start()
    world.run(1000)
    assert directory.name2key(CARLA.name) == CARLA.key
    assert (directory.waiting(), spare.waiting()) == ([], [])
    assert len(prim.to_owner) == 2 and prim.refused == []


# --- keyvalue


def test_data_by_another_way(world: World, owner: Avatar, shop: DirectoryServer) -> None:
    """Two addresses of one service: while one of them is out of order, the other one answers, in a few seconds."""
    with closed_port() as port:
        tokens = dict.fromkeys(("token", "spare_token"), keyvalue_token(shop))
        prim = world.rez(owner, lsl_source("keyvalue", url=f"http://127.0.0.1:{port}/", spare=shop.url, **tokens))
        calls = Calls(prim)
        assert calls.ask("increment", "n", "1") == "1,1"
        for number in range(2, 30):
            assert calls.ask("increment", "n", "1", seconds=120) == f"1,{number}"
        assert sum(exchange.status == 499 for exchange in prim.exchanges) <= 6
    assert len(prim.to_owner) == 1 and prim.refused == []


def test_data_by_no_way(owner: Avatar) -> None:
    """Errors of both servers for an hour: calls get 13, as with one; four within a minute at most, so nothing is muted."""
    world = World(SECOND_LIFE)
    trouble = said({"error": "no"}, 500)
    with scripted_server(trouble) as main, scripted_server(trouble) as other:
        prim = world.rez(owner, lsl_source("keyvalue", url=main.url, token="t", spare=other.url, spare_token="s"))
        calls = Calls(prim)
        for _ in range(20):
            assert calls.ask("read", "k", seconds=180) == "0,13"
        assert main.requests and other.requests
        times = [exchange.time for exchange in prim.exchanges]
        assert max(sum(time - 60 <= other <= time for other in times) for time in times) <= 4
    assert prim.refused == []
