"""What holds for every script of the set."""

import re

import pytest
from lummao import compile_script

from tests.support.grid_rules import OPENSIM
from tests.support.lsl_source import SCRIPTS, lsl_source
from tests.support.simulator import Avatar, World


def test_the_set_is_complete() -> None:
    """The folder holds the scripts that the project promises."""
    assert {"query", "touch"} <= set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_compiles_as_delivered(name: str) -> None:
    """A script compiles without being edited."""
    assert compile_script(lsl_source(name)).current_state == "default"


@pytest.mark.parametrize("name", SCRIPTS)
def test_calls_only_what_both_grids_have(name: str, owner: Avatar) -> None:
    """Every function a script calls is one that the simulator or the compiler's library knows."""
    script = World(OPENSIM).rez(owner, lsl_source(name)).scripts[0]
    called = set(re.findall(r"\b(?:ll|os)[A-Z]\w*", lsl_source(name)))
    assert called
    assert called <= set(script.lsl.builtin_funcs)


@pytest.mark.parametrize("name", SCRIPTS)
def test_is_quiet_until_touched(name: str, owner: Avatar) -> None:
    """An idle script says nothing, asks nothing, listens to nothing and has no timer running."""
    world = World(OPENSIM)
    prim = world.rez(owner, lsl_source(name))
    world.run(3600)
    assert (prim.to_owner, prim.exchanges, prim.scripts[0].most_listeners, world.busy) == ([], [], 0, False)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("event", ["rez_again", "give_to"])
def test_begins_anew_with_a_new_life(name: str, event: str, owner: Avatar) -> None:
    """A script resets when its prim is rezzed and when it is given away."""
    prim = World(OPENSIM).rez(owner, lsl_source(name))
    arguments = [Avatar("New Owner", "0b3e4f5a-9999-4222-8333-444455556666")] if event == "give_to" else []
    getattr(prim, event)(*arguments)
    assert prim.scripts[0].starts == 2
