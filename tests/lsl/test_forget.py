"""forget.lsl: an avatar touches, confirms twice, and is removed; no avatar can do it for another."""

import json

import pytest

from n2k_fcgi.model.keys import NULL_KEY
from tests.lsl.conftest import GOVERNOR, MASAKAZU
from tests.support.directory_server import DirectoryServer
from tests.support.foreground import closed_port
from tests.support.lsl_source import lsl_source
from tests.support.registering import CARLA, CROWD, DORA, gaps, said
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

DONE = said({"forgotten": True})


@pytest.fixture
def prim(world: World, owner: Avatar, directory: DirectoryServer) -> Prim:
    """The kiosk, with a token that may forget and nothing else."""
    return world.rez(owner, lsl_source("forget", url=directory.url, token=directory.forget_token))


def confirm(prim: Prim, *avatars: Avatar) -> None:
    """Touch, and twice more with time to read in between."""
    for _ in range(3):
        prim.touch(*avatars)
        prim.world.run(5)


def forgotten(prim: Prim) -> list[str]:
    """The keys that were sent, in their order."""
    return [json.loads(exchange.request.body)["key"] for exchange in prim.exchanges]


def test_who_confirms_twice_is_taken_out(prim: Prim, directory: DirectoryServer) -> None:
    """Two questions, a message that it takes a while, one that it is done; then unknown, and registrations are refused."""
    confirm(prim, GOVERNOR)
    told = prim.told[GOVERNOR.key]
    assert [text.split(".")[0].split(":")[0] for text in told] == [
        "This takes your name and key out of the directory at http",
        "Are you sure? Only the owner of the directory can undo it",
        "Noted",
        "Done",
    ]
    assert directory.name2key(GOVERNOR.name) == NULL_KEY
    assert directory.name2key(MASAKAZU.name) == MASAKAZU.key
    assert prim.to_owner == [] and list(prim.told) == [GOVERNOR.key]


@pytest.mark.parametrize("touches", [1, 2])
def test_who_does_not_confirm_stays(prim: Prim, directory: DirectoryServer, touches: int) -> None:
    """After one touch or two no request is sent, then or later."""
    for _ in range(touches):
        prim.touch(GOVERNOR)
        prim.world.run(5)
    prim.world.run(3600)
    assert prim.exchanges == []
    assert directory.name2key(GOVERNOR.name) == GOVERNOR.key


def test_a_question_is_void_after_a_minute(prim: Prim) -> None:
    """Touching once per hour never confirms."""
    for _ in range(6):
        prim.touch(GOVERNOR)
        prim.world.run(3600)
    assert prim.exchanges == []
    assert all(text.startswith("This takes your name") for text in prim.told[GOVERNOR.key])


def test_a_hasty_finger_confirms_nothing(prim: Prim) -> None:
    """Ten touches in a second: one question, since it cannot have been read."""
    for _ in range(10):
        prim.touch(GOVERNOR, GOVERNOR)
        prim.world.run(0.1)
    assert len(prim.told[GOVERNOR.key]) == 1
    prim.world.run(60)
    assert prim.exchanges == []


def test_nobody_answers_for_another(prim: Prim, directory: DirectoryServer) -> None:
    """Touches of others, in the same frame and between, and chat on every channel count only for themselves."""
    for others in ([CARLA], [CARLA, DORA, MASAKAZU], [DORA]):
        prim.touch(*others[:1], GOVERNOR, *others[1:])
        for channel in (0, 1, 5, -1):
            prim.world.say(CARLA, channel, GOVERNOR.key)
        prim.world.run(5)
    prim.world.run(60)
    assert forgotten(prim) == [GOVERNOR.key]
    assert directory.name2key(MASAKAZU.name) == MASAKAZU.key
    assert prim.scripts[0].most_listeners == 0


def test_several_think_at_once(prim: Prim) -> None:
    """Ten decide together: each is sent once, two seconds apart."""
    confirm(prim, *CROWD[:10])
    prim.world.run(120)
    assert sorted(forgotten(prim)) == sorted(avatar.key for avatar in CROWD[:10])
    assert min(gaps(prim)) >= 2
    assert prim.refused == []
    assert all(prim.told[avatar.key][-1].startswith("Done.") for avatar in CROWD[:10])


def test_more_than_can_think_at_once(prim: Prim) -> None:
    """Of a hundred avatars that touch once, the last twenty can continue; memory is bounded, and none is sent by mistake."""
    for avatar in CROWD[:100]:
        prim.touch(avatar)
    prim.world.run(5)
    assert prim.scripts[0].list_bytes() < 10_000
    for _ in range(2):
        prim.touch(CROWD[99])
        prim.world.run(5)
    assert forgotten(prim) == [CROWD[99].key]


def test_a_touch_while_it_is_on_its_way(prim: Prim, directory: DirectoryServer) -> None:
    """A waiting avatar is asked to wait; nothing is sent twice."""
    directory.stop()
    confirm(prim, GOVERNOR)
    prim.touch(GOVERNOR)
    assert prim.told[GOVERNOR.key][-1] == "Your wish is on its way. You will get a message when it is done."
    directory.start()
    prim.world.run(120)
    assert prim.told[GOVERNOR.key][-1].startswith("Done.")
    assert directory.name2key(GOVERNOR.name) == NULL_KEY
    assert len(prim.to_owner) == 1


def test_the_message_finds_who_has_gone(prim: Prim, directory: DirectoryServer) -> None:
    """An instant message: the avatar has left the region before the service answers."""
    directory.stop()
    confirm(prim, GOVERNOR)
    prim.world.leave(GOVERNOR)
    directory.start()
    prim.world.run(120)
    assert prim.told[GOVERNOR.key][-1].startswith(f"Done. The directory at {directory.url} answers neither to your name nor")


def test_the_token_does_one_thing(prim: Prim, directory: DirectoryServer) -> None:
    """It is sent in the header, and cannot register an avatar."""
    confirm(prim, GOVERNOR)
    request = prim.exchanges[0].request
    assert (request.method, request.url) == ("POST", f"{directory.url}api/v1/forgotten")
    assert json.loads(request.body) == {"key": GOVERNOR.key}
    token = request.headers["X-N2K-Token"]
    touch = prim.world.rez(prim.owner, lsl_source("touch", url=directory.url, token=token))
    touch.touch(CARLA)
    prim.world.run(5)
    assert "the token is wrong (403)" in touch.to_owner[0]


def test_the_token_is_revoked(prim: Prim, directory: DirectoryServer) -> None:
    """The owner gets one message, avatars are told that it is out of order; after the fix the request is carried out."""
    prim.world.leave(prim.owner)
    directory.revoke(prim.scripts[0].lsl.TOKEN)
    confirm(prim, GOVERNOR)
    prim.touch(CARLA)
    assert prim.told[CARLA.key] == ["This is out of order, sorry. Its owner was told."]
    assert len(prim.told[prim.owner.key]) == 1
    assert prim.told[prim.owner.key][0].startswith("n2k forget in Test Region: stopped: the token is wrong (401): ")
    prim.scripts[0].lsl.TOKEN = directory.new_token("forget")
    prim.touch(prim.owner)
    prim.world.run(10)
    assert prim.told[GOVERNOR.key][-1].startswith("Done.")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_backs_off(world: World, owner: Avatar, status: int) -> None:
    """The request is kept, and carried out in the end."""
    with scripted_server(*[said({"error": "not now"}, status)] * 3, DONE) as server:
        prim = world.rez(owner, lsl_source("forget", url=server.url, token="t"))
        confirm(prim, GOVERNOR)
        world.run(60)
    assert [int(gap) for gap in gaps(prim)] == [4, 8, 16]
    assert prim.told[GOVERNOR.key][-1].startswith("Done.")
    assert len(prim.to_owner) == 1


@pytest.mark.parametrize("body", [b'{"forgotten": tr', b'{"forgotten": false}', b"{}"])
def test_only_a_clear_answer_is_believed(world: World, owner: Avatar, body: bytes) -> None:
    """After a truncated or foreign answer no success is reported, and the request is retried."""
    with scripted_server(Scripted(200, body, "application/json"), DONE) as server:
        prim = world.rez(owner, lsl_source("forget", url=server.url, token="t"))
        confirm(prim, GOVERNOR)
        world.run(60)
    assert forgotten(prim) == [GOVERNOR.key] * 2
    assert [text.startswith("Done.") for text in prim.told[GOVERNOR.key]] == [False, False, False, True]
    assert "was truncated" in prim.to_owner[0]


def test_a_service_that_is_gone(world: World, owner: Avatar) -> None:
    """After some twenty minutes the avatar is told that nothing was done, and may try again."""
    with closed_port() as port:
        prim = world.rez(owner, lsl_source("forget", url=f"http://127.0.0.1:{port}/", token="t"))
        confirm(prim, GOVERNOR)
        world.run(3600)
    assert len(prim.exchanges) == 10
    assert prim.told[GOVERNOR.key][-1].startswith("You are still in the directory: it did not answer for a long time.")
    assert prim.to_owner[1].startswith("n2k forget: gave up on Governor Linden: no answer from ")
    assert not world.busy


def test_a_refusal_is_told_to_both(world: World, owner: Avatar) -> None:
    """The service refuses: the avatar is told that, the owner the reason."""
    with scripted_server(said({"error": "bad key"}, 400)) as server:
        prim = world.rez(owner, lsl_source("forget", url=server.url, token="t"))
        confirm(prim, GOVERNOR)
        world.run(60)
    assert len(prim.exchanges) == 1
    assert prim.to_owner == ["n2k forget: Governor Linden was not taken out (400): bad key"]
    assert (
        prim.told[GOVERNOR.key][-1]
        == "You could not be removed from the directory, sorry. The owner of the object was told why."
    )


def test_the_region_restarts(prim: Prim, directory: DirectoryServer) -> None:
    """The pending request is sent again."""
    for _ in range(3):
        prim.world.run(5)
        prim.touch(GOVERNOR)
    prim.world.restart()
    prim.world.run(10)
    assert forgotten(prim) == [GOVERNOR.key] * 2
    assert prim.told[GOVERNOR.key][-1].startswith("Done.")
    assert directory.name2key(GOVERNOR.name) == NULL_KEY


def test_a_new_owner_begins_anew(prim: Prim) -> None:
    """Unfinished confirmations do not count for the new owner's kiosk."""
    for _ in range(2):
        prim.touch(GOVERNOR)
        prim.world.run(5)
    prim.give_to(CARLA)
    prim.touch(GOVERNOR)
    prim.world.run(60)
    assert prim.exchanges == []
