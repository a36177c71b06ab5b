"""The notecard n2k: grid, channel and texts for scripts that nobody can edit, and no address for those with a token."""

import json
import re

import pytest

from tests.lsl.conftest import GOVERNOR, keyvalue_token
from tests.support.directory_server import DirectoryServer
from tests.support.inventory import EMBEDDED, UNSAVED
from tests.support.lsl_blocks import shared_block
from tests.support.lsl_source import SCRIPTS, lsl_source
from tests.support.pages import blocks
from tests.support.registering import CARLA, CROWD, DORA, WAYS, sent, yes
from tests.support.scripted_server import Scripted, scripted_server
from tests.support.simulator import Avatar, World

pytestmark = pytest.mark.unmeasured

WITH_CARD = sorted(set(SCRIPTS) - {"keyvalue"})
WITH_TOKEN = sorted(set(WITH_CARD) - {"query", "visitors"})
EXAMPLES = dict(zip(["touch", "query", "forget"], [block.text for block in blocks("docs/lsl.md", "text")], strict=False))
"""The cards of the page, in German."""


def names(script: str) -> list[str]:
    """What a card may set in a script, by the script itself."""
    (found,) = re.findall(r"(?s)\nlist CARD_NAMES = \[(.*?)\];", lsl_source(script))
    return re.findall(r"\w+", found)


def texts(script: str) -> list[str]:
    """Its texts for avatars: the lines at its top that are neither address, token nor grid."""
    top = lsl_source(script).partition("Nothing below needs changing")[0]
    settings = ("URL", "TOKEN", "SPARE", "SPARE_TOKEN", "GRID", "NAME")
    return [name for name in re.findall(r"(?m)^(?:string|list) (\w+) = ", top) if name not in settings]


@pytest.mark.parametrize("script", WITH_CARD)
def test_a_card_may_set_every_text(script: str) -> None:
    """Grid, channel and all texts at the top of a script; of addresses those of query, which has no token."""
    top = lsl_source(script).partition("Nothing below needs changing")[0]
    others = [name for name in ("GRID", "CHANNEL") if re.search(rf"(?m)^\w+ {name} = ", top)]
    addresses = ["URL", "SPARE"] if script == "query" else []
    assert sorted(names(script)) == sorted(addresses + others + texts(script))
    used = re.findall(r'(?:chosen|sentences)\("(\w+)", (?:\(string\))?(\w+)\)', lsl_source(script))
    assert all(name == variable for name, variable in used)
    assert {name for name, _ in used} >= set(names(script)), "each is looked up on the card"


def test_names_of_other_scripts_are_known() -> None:
    """A card is for all scripts of a prim: what is meant for another one is no fault."""
    block = shared_block(lsl_source("touch"), "card")
    listed = set(re.findall(r'"([A-Z_]{3,})"', block))
    assert {name for script in WITH_CARD for name in names(script)} <= listed
    assert set(re.findall(r'"(query|touch|gate|sensor|seat|greeter|resolver|forget|visitors)"', block)) == set(WITH_CARD)


# --- what it sets


def test_german_thanks(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """The page's card: avatars hear its texts; nothing is said to the owner."""
    prim = world.rez(owner, lsl_source("touch", url=directory.url, token=directory.token), card=EXAMPLES["touch"])
    world.run(10)
    prim.touch(CARLA)
    world.run(10)
    assert prim.told[CARLA.key] == ["Eingetragen: Carla Comer. Danke."]
    prim.touch(Avatar(CARLA.name, DORA.key), *CROWD[:51])
    assert prim.told[CROWD[50].key] == ["Zu viele warten. Bitte später noch einmal berühren."]
    world.run(60)
    assert prim.told[DORA.key] == ["Eintragen ging leider nicht. Der Besitzer dieses Objekts weiß, warum."]
    assert directory.name2key(CARLA.name) == CARLA.key
    assert not any("notecard" in line for line in prim.to_owner)


def test_german_questions(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Another channel, and all texts."""
    prim = world.rez(owner, lsl_source("query", url=directory.url), card=EXAMPLES["query"])
    prim.touch(CARLA)
    world.run(0.2)
    assert prim.told[CARLA.key] == ["Somebody else is asking. Please touch again in a moment."], "the card is being read"
    world.run(10)
    prim.touch(CARLA)
    world.say(CARLA, 5, GOVERNOR.name)
    world.say(CARLA, 7, "Nobody Atall")
    prim.touch(CARLA, DORA)
    world.run(5)
    prim.touch(DORA)
    world.run(31)
    assert prim.told[CARLA.key][1:] == [
        "Sag einen Namen oder einen Schlüssel auf Kanal 7, zum Beispiel: /7 Governor Linden",
        "Ich suche noch nach Nobody Atall.",
        "Einen Avatar namens Nobody Atall kennt hier niemand.",
    ]
    assert prim.told[DORA.key][0] == "Gerade fragt jemand anderes. Bitte gleich noch einmal berühren."
    assert prim.told[DORA.key][-1] == "Die Zeit ist um. Zum Fragen bitte noch einmal berühren."
    assert prim.to_owner == []


def test_a_german_kiosk(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Texts of several lines are joined; the address is filled in."""
    prim = world.rez(owner, lsl_source("forget", url=directory.url, token=directory.forget_token), card=EXAMPLES["forget"])
    world.run(20)
    for _ in range(3):
        prim.touch(GOVERNOR)
        world.run(5)
    told = prim.told[GOVERNOR.key]
    assert len(told) == 4 and told[0].startswith("Das entfernt") and told[0].endswith("Wenn nicht, tu nichts.")
    assert f"aus dem Verzeichnis auf {directory.url}: " in told[0] and told[3].startswith("Erledigt.")
    assert prim.to_owner == []


@pytest.mark.parametrize("script", EXAMPLES)
def test_the_examples_are_whole(script: str) -> None:
    """They translate every text, keep the parts in braces, and no line is too long."""
    lines = [line.partition(" = ")[0] for line in EXAMPLES[script].splitlines() if not line.startswith("#")]
    assert set(lines) - {"CHANNEL"} == set(texts(script))
    assert max(len(line.encode()) for line in EXAMPLES[script].splitlines()) <= 249
    source = lsl_source(script)
    for name in texts(script):
        own = re.search(rf"(?s)\n(?:string|list) {name} = (.*?);\n", source)
        assert own is not None
        said = "".join(line for line in EXAMPLES[script].splitlines() if line.startswith(f"{name} "))
        assert set(re.findall(r"\{\w+\}", own[1])) == set(re.findall(r"\{\w+\}", said)), name


@pytest.mark.parametrize("name", WAYS)
def test_nothing_is_sent_before_the_grid_is_known(world: World, owner: Avatar, name: str) -> None:
    """Avatars that come while the card is read are registered on its grid, not on that of the script."""
    card = "# a comment\n\n" * 9 + '  grid  =  My "Grid" = 1  \n# the end'
    with scripted_server(yes) as server:
        source = lsl_source(name, url=server.url, token="t", grid="Production")
        world.enter(CARLA)
        prim = world.rez(owner, source, card=card)
        if name not in ("sensor", "greeter"):
            WAYS[name](prim, CARLA)
        world.run(5)
        assert server.requests == [] and prim.lines_read > 5
        world.run(100)
    assert CARLA.name in sent(prim)
    assert {json.loads(exchange.request.body)["grid"] for exchange in prim.exchanges} == {'My "Grid" = 1'}
    assert prim.to_owner == []


def test_resolver_asks_for_the_keys_of_that_grid(world: World, owner: Avatar) -> None:
    """From its first request on."""
    with scripted_server(Scripted(200, b'{"keys": [], "waiting": 0}', "application/json")) as server:
        prim = world.rez(owner, lsl_source("resolver", url=server.url, token="t"), card="GRID = Elsewhere")
        world.run(400)
        assert [target for _, target, _, _ in server.requests] == ["/api/v1/pending?limit=20&grid=Elsewhere"] * 2
    assert prim.to_owner == []


def test_the_counter_listens_elsewhere(world: World, owner: Avatar, shop: DirectoryServer) -> None:
    """visitors: the channel of its owner's commands; the card disturbs keyvalue.lsl in the same prim no more than others."""
    sources = lsl_source("visitors"), lsl_source("keyvalue", url=shop.url, token=keyvalue_token(shop))
    prim = world.rez(owner, *sources, card="CHANNEL = 17\nREGISTERED = Hi")
    world.run(10)
    prim.touch(owner)
    assert "say /17 list, /17 remove KEY" in prim.to_owner[-1]
    world.say(owner, 17, "list")
    world.run(30)
    assert prim.to_owner[-1] == "n2k visitors: 0 avatars, 0 visits"
    assert not any("notecard" in line for line in prim.to_owner)


def test_query_takes_addresses(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """It has no token: URL and SPARE come from the card."""
    with scripted_server(Scripted(503, b"no")) as main:
        card = f"URL = {main.url}\nSPARE = {directory.url}\nGRID = Production\nNO_ANSWER ="
        prim = world.rez(owner, lsl_source("query", url="http://127.0.0.1:9/", spare="http://127.0.0.1:9/"), card=card)
        world.run(10)
        prim.touch(CARLA)
        world.say(CARLA, 5, GOVERNOR.name)
        world.run(10)
        assert [target for _, target, _, _ in main.requests] == ["/?name=Governor%20Linden&grid=Production"] * 2
    assert prim.told[CARLA.key][-1] == f"Governor Linden: {GOVERNOR.key}"


def test_an_empty_text_is_not_said(world: World, owner: Avatar) -> None:
    """As at the top of a script."""
    with scripted_server(yes) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"), card="REGISTERED =")
        world.run(10)
        prim.touch(CARLA)
        world.run(10)
    assert sent(prim) == [CARLA.name] and prim.told[CARLA.key] == []


# --- when it changes


def test_it_is_read_again(world: World, owner: Avatar) -> None:
    """Another card, and none: from then on those texts, without a reset; whoever waits keeps the place in the queue."""
    with scripted_server(Scripted(503), yes) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t", grid="A"), card="GRID = B\nREGISTERED = eins")
        world.run(10)
        prim.touch(CARLA)
        world.run(1)
        prim.write_card("REGISTERED = zwei")
        world.run(20)
        prim.touch(DORA)
        world.run(20)
        prim.write_card(None)
        prim.touch(owner)
        world.run(20)
    assert [prim.told[who.key] for who in (CARLA, DORA, owner)] == [["zwei"], ["zwei"], ["Registered: Prim Owner. Thank you."]]
    assert [json.loads(exchange.request.body)["grid"] for exchange in prim.exchanges] == ["B", "A", "A", "A"]
    assert prim.scripts[0].starts == 1


def test_half_a_card_is_no_card(world: World, owner: Avatar) -> None:
    """While it is read the script's own texts are said."""
    prim = world.rez(owner, lsl_source("touch"), card="TOO_MANY = Viele\n" + "# more\n" * 20)
    world.run(4)
    prim.touch(*CROWD[:51])
    world.run(0.5)
    assert prim.told[CROWD[50].key] == ["Too many are waiting. Please touch again later."]


def test_a_stopped_script_stays_so(world: World, owner: Avatar) -> None:
    """A new card does not start it: the owner's touch does, and the card holds then."""
    with scripted_server(Scripted(401, b"no"), yes) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"))
        prim.touch(CARLA)
        world.run(10)
        prim.write_card("REGISTERED = eins")
        world.run(600)
        assert len(server.requests) == 1
        prim.touch(owner)
        world.run(10)
    assert prim.told[CARLA.key] == ["eins"]


def test_a_turn_is_finished_first(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """query: whoever asks has the turn until the end, then the new card is read."""
    prim = world.rez(owner, lsl_source("query", url=directory.url), card="CHANNEL = 6")
    world.run(10)
    prim.touch(CARLA)
    prim.write_card("CHANNEL = 8")
    world.run(5)
    world.say(CARLA, 6, GOVERNOR.name)
    world.run(10)
    assert prim.told[CARLA.key][-1] == f"Governor Linden: {GOVERNOR.key}"
    prim.touch(CARLA)
    assert prim.told[CARLA.key][-1].startswith("Say a name or a key on channel 8")
    prim.write_card("CHANNEL = 9")
    world.run(31)
    assert prim.told[CARLA.key][-1] == "Time is up. Touch again when you want to ask."
    world.run(5)
    prim.touch(DORA)
    assert prim.told[DORA.key] == ["Say a name or a key on channel 9, for example: /9 Governor Linden"]


@pytest.mark.parametrize("script", WITH_CARD)
def test_without_a_card_nothing_is_read(world: World, owner: Avatar, script: str) -> None:
    """Another change of the prim's contents does nothing either."""
    prim = world.rez(owner, lsl_source(script))
    prim.write_card(None)
    world.run(100)
    assert prim.lines_read == 0 and not any("notecard" in line for line in prim.to_owner)


@pytest.mark.parametrize("loss", ["line", "region"])
@pytest.mark.parametrize("script", ["touch", "query", "greeter", "visitors"])
def test_a_lost_line_is_asked_for_again(world: World, owner: Avatar, script: str, loss: str) -> None:
    """After half a minute, or after the restart at once; nothing is sent before."""
    with scripted_server(yes) as server:
        card = "GRID = B\nCHANNEL = 8"
        prim = world.rez(owner, lsl_source(script, url=server.url, token="t", grid="A"), card=card)
        world.run(0.45)
        world.restart() if loss == "region" else world.lose_answers()
        prim.touch(CARLA)
        world.run(29)
        if loss == "line":
            assert server.requests == []
        world.run(40)
        grids = [json.loads(body)["grid"] for _, _, _, body in server.requests]
        assert set(grids) == ({"B"} if script in WAYS else set())
    told = [line for line in prim.to_owner if "the grid does not send the notecard n2k: was it ever saved?" in line]
    assert len(told) == (loss == "line")
    prim.touch(owner)
    heard = "".join(prim.to_owner + prim.told[owner.key])
    assert script not in ("query", "visitors") or "/8 " in heard


def test_a_card_that_was_never_saved(world: World, owner: Avatar) -> None:
    """The grid never sends it: nothing is sent to the service, which might be about the wrong grid; the owner hears of it
    once, and saves it.
    """
    with scripted_server(yes) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"), card=UNSAVED)
        prim.touch(CARLA)
        world.run(3600)
        assert server.requests == [] and len(prim.to_owner) == 1
        prim.write_card("GRID = B")
        world.run(10)
        assert len(server.requests) == 1
    assert prim.told[CARLA.key] == ["Registered: Carla Comer. Thank you."]


# --- what is wrong with it


@pytest.mark.parametrize("script", WITH_TOKEN)
@pytest.mark.parametrize("name", ["URL", "TOKEN", "SPARE", "spare_token", "me.URL"])
def test_a_card_with_an_address_is_refused(world: World, owner: Avatar, script: str, name: str) -> None:
    """As a whole, also what stands before and behind it; the owner is told why, and the token goes nowhere else."""
    with scripted_server(yes) as server, scripted_server(yes) as thief:
        name = name.replace("me.", f"{script}.")
        card = f"REGISTERED = Mine\nTOO_MANY = Mine\nGRID = Mine\n{name} = {thief.url}\nREFUSED = Mine\nGRID = Yours"
        prim = world.rez(owner, lsl_source(script, url=server.url, token="t", grid="Own"), card=card)
        world.run(10)
        for _ in range(3):
            prim.touch(CARLA)
            if script == "gate":
                prim.walk_through(CARLA)
            world.run(30)
        assert thief.requests == []
        bare = name.rpartition(".")[2].upper()
        assert f"n2k {script}: line 4 of the notecard n2k: {bare}: the whole card is refused. Addresses and tokens" in "".join(
            prim.to_owner
        )
        assert "would be sent the token" in prim.to_owner[0] and thief.url not in "".join(prim.to_owner)
        assert b"Mine" not in b"".join(body + target.encode() for _, target, _, body in server.requests)
        assert server.requests or script == "seat"
    assert not any("Mine" in text for told in prim.told.values() for text in told)


@pytest.mark.parametrize("name", ["TOKEN", "SPARE_TOKEN"])
def test_query_takes_no_token(world: World, owner: Avatar, name: str) -> None:
    """It has none; its card is refused, too, so that nobody leaves a token in one."""
    with scripted_server(Scripted(200, GOVERNOR.key.encode())) as server:
        prim = world.rez(owner, lsl_source("query", url=server.url), card=f"CHANNEL = 9\n{name} = n2k_secret")
        world.run(10)
        prim.touch(CARLA)
    assert "on channel 5" in prim.told[CARLA.key][0]
    (line,) = prim.to_owner
    assert f"{name}: the whole card is refused" in line and "secret" not in line


LONG = "REGISTERED = " + "ü" * 119


@pytest.mark.parametrize(
    ("card", "fault"),
    [
        ("GRID", "line 1 of the notecard n2k: it is not NAME = value."),
        ("# good\n= x", "line 2 of the notecard n2k: it is not NAME = value."),
        ("GIRD = x", "line 1 of the notecard n2k: this script has no GIRD."),
        ("touch.CHANNEL = 5", "line 1 of the notecard n2k: this script has no CHANNEL."),
        ("tuoch.GRID = x", "line 1 of the notecard n2k: no script that reads this card is called tuoch."),
        ("GRID = x\nGRID = y", "line 2 of the notecard n2k: GRID is set twice."),
        (LONG + "x", "line 1 of the notecard n2k: it is longer than 249 bytes. Split it: use its name twice."),
        ("REGISTERED = " + "x" * 300, "line 1 of the notecard n2k: it is longer than 249 bytes. Split it: use its name twice."),
        (
            "\n".join(["REFUSED = " + "x" * 200] * 5),
            "line 5 of the notecard n2k: the card is too long: it may set 1000 letters.",
        ),
        (EMBEDDED, "the notecard n2k is empty, or something is embedded in it."),
        (LONG[:-2], ""),
        ("\n".join(["REFUSED = " + "x" * 200] * 4), ""),
        ("CHANNEL = abc\nQUESTION = a\nforget.NONSENSE = 1\ngate.TOO_MANY = x", ""),
        ("", ""),
    ],
)
def test_faults_are_told_to_the_owner_only(world: World, owner: Avatar, card: str, fault: str) -> None:
    """With the line; what is right in the card holds, and the script works."""
    with scripted_server(yes) as server:
        prim = world.rez(owner, lsl_source("touch", url=server.url, token="t"), card=card + "\nTOO_MANY = Viele")
        if card == EMBEDDED:
            prim.write_card(EMBEDDED)
        world.run(20)
        prim.touch(*CROWD[:51])
        world.run(20)
        assert server.requests
    assert prim.to_owner == ([f"n2k touch: {fault}"] if fault else [])
    assert prim.told[CROWD[50].key] == (["Viele"] if card != EMBEDDED else ["Too many are waiting. Please touch again later."])


@pytest.mark.parametrize("value", ["five", "5.0", "", "0x10", "5 6"])
def test_a_channel_is_a_number(world: World, owner: Avatar, value: str) -> None:
    """Otherwise the script's own is kept; so are its addresses."""
    prim = world.rez(owner, lsl_source("query"), card=f"CHANNEL = {value}\nURL = example.com\nSPARE =")
    world.run(10)
    prim.touch(CARLA)
    assert "on channel 5" in prim.told[CARLA.key][0]
    assert prim.to_owner == [
        "n2k query: line 1 of the notecard n2k: CHANNEL must be a number.",
        "n2k query: line 2 of the notecard n2k: URL must be an address.",
        "n2k query: line 3 of the notecard n2k: SPARE must be an address.",
    ]


def test_a_card_of_another_kind(world: World, owner: Avatar) -> None:
    """A page of prose is read to its end; of its faults three are told, and the number of the others."""
    prim = world.rez(owner, lsl_source("touch"), card="Once upon a time\n" * 40)
    world.run(60)
    assert len(prim.to_owner) == 4 and prim.to_owner[3] == "n2k touch: the notecard n2k has 37 more faults."


def test_several_scripts_share_a_card(world: World, owner: Avatar, directory: DirectoryServer) -> None:
    """Texts of the same name are told apart by the name of the script; a name without one is for all that have it."""
    card = (
        "touch.REGISTERED = T {name}\nforget.TOO_MANY = F\nTouch.GRID = Production\nCHANNEL = 7\nquery.URL = " + directory.url
    )
    sources = [
        lsl_source("touch", url=directory.url, token=directory.token),
        lsl_source("query", url="http://127.0.0.1:9/"),
        lsl_source("forget", url=directory.url, token=directory.forget_token),
    ]
    prim = world.rez(owner, *sources, card=card)
    world.run(20)
    prim.touch(CARLA)
    world.say(CARLA, 7, GOVERNOR.name)
    world.run(10)
    assert "T Carla Comer" in prim.told[CARLA.key] and f"Governor Linden: {GOVERNOR.key}" in prim.told[CARLA.key]
    assert prim.to_owner == []


def test_memory_has_bounds_with_a_card(world: World, owner: Avatar) -> None:
    """The longest card, a full queue and everybody remembered, in the script that remembers most."""
    card = "\n".join(["REFUSED = " + "x" * 200] * 4 + ["REGISTERED = " + "y" * 180])
    crowd = [Avatar(f"{'N' * 31} {'L' * 29}{n:02}", f"{n:08x}-0000-4000-8000-00000000cccc") for n in range(60)]
    with scripted_server(Scripted(503)) as server:
        prim = world.rez(owner, lsl_source("greeter", url=server.url, token="t"), card=card)
        prim.scripts[0].lsl.seen = [str(n) * 12 for n in range(100, 250)]
        world.enter(*crowd)
        world.run(200)
        assert prim.scripts[0].list_bytes() < 35_000
        assert server.requests
