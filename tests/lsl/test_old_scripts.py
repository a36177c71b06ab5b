"""Existing scripts, in the request forms of docs/lsl.md: they work with the new address."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lsl.conftest import MASAKAZU
from tests.support.directory_server import DirectoryServer, directory_server
from tests.support.registering import CARLA
from tests.support.simulator import Avatar, Prim, World

PASSING = Avatar("Passing By", "12121212-0000-4000-8000-000000000001")

OLD = """
// What an old script does: a word on channel 1, an answer by its own rules.
default
{
    state_entry() { llListen(1, "", NULL_KEY, ""); }
    listen(integer channel, string name, key id, string message) { llHTTPRequest(FORM, [HTTP_METHOD, "GET"], ""); }
    touch_start(integer count)
    {
        string name = llDetectedName(0);
        key id = llDetectedKey(0);
        llHTTPRequest(TOUCH, [HTTP_METHOD, "GET"], "");
    }
    http_response(key id, integer status, list metadata, string body)
    {
        if (status == 499) llOwnerSay("time-out");
        else if (status != 200) llOwnerSay("error " + (string)status);
        else if ((key)body == NULL_KEY) llOwnerSay("not found");
        else llOwnerSay(body);
    }
}
"""

NAME_FORMS = {
    "terse, escaped": '"name2key?terse=1&name=" + llEscapeURL(message)',
    "terse, raw plus": '"name2key?terse=1&name=" + llDumpList2String(llParseString2List(message, [" "], []), "+")',
    "terse, dot": '"name2key?terse=1&name=" + llToLower(llDumpList2String(llParseString2List(message, [" "], []), "."))',
    "name before terse": '"name2key?name=" + llEscapeURL(message) + "&terse=1"',
    "peers' query": '"?name=" + llEscapeURL(message)',
}
TOUCH_FORMS = {
    "touch": '"touch/?name=" + llEscapeURL(name) + "&key=" + (string)id',
    "touch with amp;": '"touch/?name=" + llEscapeURL(name) + "&amp;key=" + (string)id',
}


def old_script(world: World, owner: Avatar, url: str, form: str = '""', touch: str = '""') -> Prim:
    """A prim with a script that asks in *form*, or registers avatars that touch in the form *touch*."""
    return world.rez(owner, OLD.replace("FORM", f'"{url}" + {form}').replace("TOUCH", f'"{url}" + {touch}'))


@pytest.fixture
def open_directory(template: Path, tmp_path: Path) -> Iterator[DirectoryServer]:
    """A service with open registration."""
    with directory_server(template, tmp_path / "data") as server:
        server.stop()
        (server.data_dir / "n2k.ini").write_text("[n2k]\nregister = open\n")
        server.start()
        yield server


@pytest.mark.parametrize("form", NAME_FORMS.values(), ids=NAME_FORMS)
def test_queries_work_unchanged(world: World, owner: Avatar, directory: DirectoryServer, form: str) -> None:
    """The key and nothing else; the null key and 200 for an unknown name."""
    prim = old_script(world, owner, directory.url, form)
    for name in (MASAKAZU.name, "Nobody Atall"):
        world.say(owner, 1, name)
        world.run(5)
    assert prim.to_owner == [MASAKAZU.key, "not found"]


@pytest.mark.parametrize("word", ["newcomer", "newcomer resident", "Newcomer Resident"])
def test_newcomers_by_one_word_or_two(world: World, owner: Avatar, directory: DirectoryServer, word: str) -> None:
    """Later scripts send a single name as it is, or with the word resident."""
    newcomer = Avatar("newcomer Resident", "34343434-0000-4000-8000-000000000001")
    directory.register(newcomer.name, newcomer.key)
    prim = old_script(world, owner, directory.url, NAME_FORMS["terse, raw plus"])
    world.say(owner, 1, word)
    world.run(5)
    assert prim.to_owner == [newcomer.key]


@pytest.mark.parametrize("touch", TOUCH_FORMS.values(), ids=TOUCH_FORMS)
def test_old_touch_scripts_need_an_open_service(
    world: World, owner: Avatar, open_directory: DirectoryServer, touch: str
) -> None:
    """With register = open the avatar is registered, but a known name cannot be taken over."""
    prim = old_script(world, owner, open_directory.url, touch=touch)
    for avatar in (CARLA, Avatar(CARLA.name, PASSING.key)):
        prim.touch(avatar)
        world.run(5)
    assert open_directory.name2key(CARLA.name) == CARLA.key
    assert prim.to_owner == [f"Registered Carla Comer {CARLA.key} on {world.rules.shard}\n", "error 409"]


@pytest.mark.parametrize("touch", TOUCH_FORMS.values(), ids=TOUCH_FORMS)
def test_old_touch_scripts_are_refused_otherwise(world: World, owner: Avatar, directory: DirectoryServer, touch: str) -> None:
    """They have no token: 401, and nothing is written."""
    prim = old_script(world, owner, directory.url, touch=touch)
    prim.touch(PASSING)
    world.run(5)
    assert prim.to_owner == ["error 401"]
    assert directory.name2key(PASSING.name).startswith("00000000-")
