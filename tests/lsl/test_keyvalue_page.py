"""docs/keyvalue.md: its script does what the page says, on every grid and by Linden's compiler."""

from tests.lsl.conftest import keyvalue_token
from tests.support.directory_server import DirectoryServer
from tests.support.lsl_compiler import complaints
from tests.support.pages import blocks
from tests.support.registering import CARLA, DORA
from tests.support.simulator import Avatar, World

(SCRIPT,) = blocks("docs/keyvalue.md", "lsl")


def test_the_script_counts_touches(world: World, owner: Avatar, shop: DirectoryServer) -> None:
    """Those of two objects together; a wrong token is reported to the owner."""
    source = SCRIPT.text.replace("https://example.com/n2k/", shop.url).replace("n2k_…", keyvalue_token(shop))
    assert source.count(shop.url) == 1 and keyvalue_token(shop) in source
    prims = [world.rez(owner, source), world.rez(owner, source)]
    for number, prim in enumerate([prims[0], prims[1], prims[0]], 1):
        prim.touch(CARLA, DORA)
        world.run(5)
        assert prim.to_owner[-1] == f"Touches so far: {number}"
    wrong = world.rez(owner, source.replace(keyvalue_token(shop), "n2k_wrong"))
    wrong.touch(CARLA)
    world.run(5)
    assert wrong.to_owner[0].startswith("401 a valid token is needed")


def test_the_compiler_has_no_complaint() -> None:
    """No warning."""
    assert complaints(SCRIPT.text) == []
