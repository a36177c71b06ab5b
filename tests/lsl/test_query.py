"""query.lsl: touch, say a name on channel 5, get the key."""

import socket
from collections.abc import Iterator

import pytest

from tests.lsl.conftest import GOVERNOR, MASAKAZU
from tests.support.directory_server import DirectoryServer
from tests.support.grid_rules import Window
from tests.support.lsl_source import lsl_source
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, Prim, World

ANN = Avatar("Ann Asker", "aaaaaaaa-0000-4000-8000-000000000001")
BOB = Avatar("Bob Bystander", "bbbbbbbb-0000-4000-8000-000000000002")


@pytest.fixture
def prim(world: World, owner: Avatar, directory: DirectoryServer) -> Prim:
    """The query prim, asking a healthy service."""
    return world.rez(owner, lsl_source("query", url=directory.url))


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def ask(prim: Prim, avatar: Avatar, name: str, seconds: float = 1.0) -> list[str]:
    """Let *avatar* touch and say *name*; what it hears in *seconds* after that."""
    prim.touch(avatar)
    heard = len(prim.told[avatar.key])
    prim.world.say(avatar, 5, name)
    prim.world.run(seconds)
    return prim.told[avatar.key][heard:]


@pytest.mark.parametrize("spelling", ["Masakazu Kojima", "masakazu.kojima", "  MASAKAZU KOJIMA "])
def test_a_name_gets_its_key(prim: Prim, spelling: str) -> None:
    """The asker alone hears the key, whatever the spelling; the owner hears nothing."""
    assert ask(prim, ANN, spelling) == [f"{spelling.strip()}: {MASAKAZU.key}"]
    assert list(prim.told) == [ANN.key]
    assert prim.to_owner == []


@pytest.mark.parametrize("key", [MASAKAZU.key, MASAKAZU.key.upper(), f" {MASAKAZU.key} "])
def test_a_key_gets_its_name(prim: Prim, key: str) -> None:
    """Vice versa, in upper or lower case; the owner hears nothing."""
    assert ask(prim, ANN, key) == [f"{key.strip()}: {MASAKAZU.name}"]
    assert prim.to_owner == []


@pytest.mark.parametrize("key", ["99999999-2222-4333-8444-555555555555", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_key_is_no_error(prim: Prim, key: str) -> None:
    """No avatar has the name, or can have it: the asking avatar is told so, the owner gets no message."""
    assert ask(prim, ANN, key) == [f"No avatar with the key {key} is known here."]
    assert prim.to_owner == []


@pytest.mark.parametrize("body", [b"<html>parked</html>", b"x" * 128, b"one\ntwo"])
def test_a_page_is_never_shown_as_a_name(world: World, owner: Avatar, body: bytes) -> None:
    """A wrong address that answers 200 to everything, asked for a key."""
    with scripted_server(Scripted(200, body)) as server:
        prim = world.rez(owner, lsl_source("query", url=server.url))
        assert ask(prim, ANN, GOVERNOR.key) == [f"No answer for {GOVERNOR.key} this time, sorry."]
    assert prim.to_owner[0].startswith(f"n2k query: this is not an n2k service: {server.url} (it says: ")


@pytest.mark.parametrize("mount", ["", "n2k", "n2k/", "n2k/dispatch.fcgi"])
def test_the_address_may_lack_its_slash(world: World, owner: Avatar, mount: str) -> None:
    """A query goes to the mount with its slash: a folder without one is redirected, or is another page."""
    with scripted_server(Scripted(200, GOVERNOR.key.encode())) as server:
        prim = world.rez(owner, lsl_source("query", url=server.url + mount, grid="Production"))
        assert ask(prim, ANN, GOVERNOR.name) == [f"Governor Linden: {GOVERNOR.key}"]
    slash = "/" if mount.strip("/") else ""
    assert server.requests[0][1] == f"/{mount.strip('/')}{slash}?name=Governor%20Linden&grid=Production"


def test_an_unknown_name_is_no_error(prim: Prim) -> None:
    """The asking avatar is told, the owner gets no message."""
    assert ask(prim, ANN, "Nobody Atall") == ["No avatar called Nobody Atall is known here."]
    assert prim.to_owner == []


@pytest.mark.parametrize("name", ["100% Of&key=x", "Zoë #+?", "Ünï Cödé"])
def test_every_character_of_a_name_arrives(prim: Prim, name: str) -> None:
    """Signs that mean something in a URL are part of the name."""
    assert ask(prim, ANN, name) == [f"No avatar called {name} is known here."]


def test_touching_explains_what_to_do(prim: Prim) -> None:
    """The toucher is told the channel."""
    prim.touch(ANN)
    assert prim.told[ANN.key] == ["Say a name or a key on channel 5, for example: /5 Governor Linden"]


def test_only_the_asker_on_the_channel_is_heard(prim: Prim) -> None:
    """Others on the channel, and the asking avatar on another channel or with an empty message, cause no request."""
    prim.touch(ANN)
    for who, channel, text in [(BOB, 5, GOVERNOR.name), (ANN, 0, GOVERNOR.name), (ANN, 5, "  ")]:
        prim.world.say(who, channel, text)
    prim.world.run(5)
    assert prim.exchanges == []
    prim.world.say(ANN, 5, GOVERNOR.name)
    prim.world.run(5)
    assert prim.told[ANN.key][-1] == f"Governor Linden: {GOVERNOR.key}"


def test_one_asks_and_the_others_wait(prim: Prim) -> None:
    """Of two who touch at once the first has the turn, with one listener; the other may ask afterwards."""
    prim.touch(ANN, BOB)
    assert prim.told[BOB.key] == ["Somebody else is asking. Please touch again in a moment."]
    prim.world.say(ANN, 5, GOVERNOR.name)
    prim.touch(BOB)
    assert len(prim.told[BOB.key]) == 2
    prim.world.run(1)
    assert ask(prim, BOB, GOVERNOR.name) == [f"Governor Linden: {GOVERNOR.key}"]
    assert prim.scripts[0].most_listeners == 1
    assert prim.scripts[0].listeners == {}


def test_silence_gives_others_a_turn(prim: Prim) -> None:
    """An avatar that says nothing for half a minute loses the turn, and the listener ends."""
    prim.touch(ANN)
    prim.world.run(29)
    prim.touch(BOB)
    assert prim.told[BOB.key] == ["Somebody else is asking. Please touch again in a moment."]
    prim.world.run(2)
    assert prim.told[ANN.key][-1] == "Time is up. Touch again when you want to ask."
    assert prim.scripts[0].listeners == {}
    assert ask(prim, BOB, GOVERNOR.name) == [f"Governor Linden: {GOVERNOR.key}"]


def test_touching_again_gives_more_time(prim: Prim) -> None:
    """The asker who touches again starts the half minute anew, still with one listener."""
    prim.touch(ANN)
    prim.world.run(20)
    prim.touch(ANN)
    prim.world.run(20)
    assert "Time is up. Touch again when you want to ask." not in prim.told[ANN.key]
    assert len(prim.scripts[0].listeners) == prim.scripts[0].most_listeners == 1


def test_an_impatient_asker_is_told_to_wait(prim: Prim) -> None:
    """Touching and talking while the answer is on its way change nothing and send no second request."""
    prim.touch(ANN)
    prim.world.say(ANN, 5, GOVERNOR.name)
    prim.touch(ANN)
    prim.world.say(ANN, 5, MASAKAZU.name)
    prim.world.run(1)
    assert prim.told[ANN.key][-2:] == ["Still looking for Governor Linden.", f"Governor Linden: {GOVERNOR.key}"]
    assert len(prim.exchanges) == 1


def test_a_refusal_is_shown_to_the_owner_only(prim: Prim) -> None:
    """The service's line is for the owner; the asking avatar is told that there is no answer."""
    assert ask(prim, ANN, "@nowhere") == ["No answer for @nowhere this time, sorry."]
    assert len(prim.to_owner) == 1
    assert prim.to_owner[0].startswith("n2k query: the service refuses (400): bad name")


def test_a_service_that_is_down(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """No connection: told to the owner; the next asker is served when the service is back."""
    prim = world.rez(owner, lsl_source("query", url=directory.url))
    directory.stop()
    assert ask(prim, ANN, GOVERNOR.name) == ["No answer for Governor Linden this time, sorry."]
    assert prim.to_owner == [f"n2k query: no answer from {directory.url}: no connection, a time-out or a bad certificate"]
    directory.start()
    assert ask(prim, BOB, GOVERNOR.name) == [f"Governor Linden: {GOVERNOR.key}"]


def test_a_service_that_never_answers(world: World, owner: Avatar, silent_url: str) -> None:
    """The grid's time-out ends the turn: waiting until then, free afterwards."""
    world.real_seconds = 0.1
    prim = world.rez(owner, lsl_source("query", url=silent_url))
    assert ask(prim, ANN, GOVERNOR.name, world.rules.timeout - 1) == []
    world.run(2)
    assert prim.told[ANN.key][-1] == "No answer for Governor Linden this time, sorry."
    prim.touch(BOB)
    assert prim.told[BOB.key] == ["Say a name or a key on channel 5, for example: /5 Governor Linden"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Scripted(503, b"no generation yet\nsecond line"), "the service is in trouble (503): no generation yet"),
        (Scripted(429, b"slowly"), "asked too often, try later (429): slowly"),
        (Scripted(408, b"slow"), "no answer from {url}: no connection, a time-out or a bad certificate"),
        (Scripted(404, b"x" * 3000), f"the service refuses (404): {'x' * 200}"),
        (Scripted(404), "the service refuses (404): "),
    ],
)
def test_troubles_are_told_apart(world: World, owner: Avatar, answer: Scripted, said: str) -> None:
    """Each kind of failure has its own line for the owner: the first line of the answer, cut to fit chat."""
    with scripted_server(answer) as server:
        prim = world.rez(owner, lsl_source("query", url=server.url))
        assert ask(prim, ANN, GOVERNOR.name) == ["No answer for Governor Linden this time, sorry."]
    assert prim.to_owner == [f"n2k query: {said.format(url=server.url)}"]


@pytest.mark.parametrize("body", [b"<html>parked</html>", b"", b"x" * 36, GOVERNOR.key[:-1].encode()])
def test_a_page_that_is_no_key_is_never_shown_as_one(world: World, owner: Avatar, body: bytes) -> None:
    """A wrong address that answers 200 to everything: the owner learns what it says."""
    with scripted_server(Scripted(200, body)) as server:
        prim = world.rez(owner, lsl_source("query", url=server.url))
        assert ask(prim, ANN, GOVERNOR.name) == ["No answer for Governor Linden this time, sorry."]
    assert prim.to_owner == [f"n2k query: this is not an n2k service: {server.url} (it says: {body.decode()})"]


def test_a_throttled_request_is_sent_later(prim: Prim) -> None:
    """While the grid throttles, the request waits, backs off, and is answered in the end."""
    while prim.throttle.admit(prim.world.now):
        pass
    assert ask(prim, ANN, GOVERNOR.name, 130) == [f"Governor Linden: {GOVERNOR.key}"]
    assert 1 <= len(prim.refused) <= 7
    assert prim.to_owner == []


def test_a_throttle_that_never_opens_ends_the_turn(prim: Prim) -> None:
    """After a bounded number of tries the owner is told and others get a turn."""
    prim.throttle = Window(0, 1.0)
    assert ask(prim, ANN, GOVERNOR.name, 600) == ["No answer for Governor Linden this time, sorry."]
    assert len(prim.refused) == 7
    assert len(prim.to_owner) == 1
    assert prim.told[BOB.key] == []
    assert not prim.world.busy


def test_a_lost_answer_ends_the_turn(prim: Prim) -> None:
    """An answer that never arrives, not even as a time-out, does not block the object for ever."""
    prim.touch(ANN)
    prim.world.say(ANN, 5, GOVERNOR.name)
    prim.world.lose_answers()
    prim.world.run(91)
    assert prim.told[ANN.key][-1] == "No answer for Governor Linden this time, sorry."
    assert len(prim.to_owner) == 1


def test_a_restarted_region_frees_the_object(prim: Prim) -> None:
    """A restart in the middle of a question: the next toucher has the turn at once."""
    prim.touch(ANN)
    prim.world.say(ANN, 5, GOVERNOR.name)
    prim.world.restart()
    assert ask(prim, BOB, GOVERNOR.name) == [f"Governor Linden: {GOVERNOR.key}"]


def test_a_new_owner_ends_the_old_turn(prim: Prim) -> None:
    """After a sale the script does not listen until the next touch."""
    prim.touch(ANN)
    prim.give_to(BOB)
    prim.world.say(ANN, 5, GOVERNOR.name)
    prim.world.run(60)
    assert prim.exchanges == []
