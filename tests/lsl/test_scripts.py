"""What holds for every script of the set."""

import re

import pytest
from lummao import compile_script

from n2k_fcgi import __version__
from n2k_fcgi.service.scripts import catalogue as scripts
from tests.support.directory_server import DirectoryServer, n2k
from tests.support.grid_rules import OPENSIM, SECOND_LIFE
from tests.support.lsl_blocks import shared_block
from tests.support.lsl_compiler import complaints
from tests.support.lsl_source import OF_AVATARS, SCRIPTS, lsl_source
from tests.support.registering import CARLA, WAYS
from tests.support.simulator import Avatar, World

TOUCHED = ["forget", "gate", "keyvalue", "query", "seat", "touch"]
"""Scripts that do nothing until somebody comes."""

BLOCKS = {
    "common": set(SCRIPTS) - {"visitors"},
    "card": set(SCRIPTS) - {"keyvalue"},
    "limits": set(OF_AVATARS) - {"query"},
    "asking": set(SCRIPTS) - {"query", "visitors"},
    "decided": set(OF_AVATARS) - {"query"},
    "registering": set(OF_AVATARS) - {"query", "forget"},
    "detecting": {"touch", "gate", "sensor"},
    "events": set(OF_AVATARS) - {"query"},
}

LINES = ("URL", "TOKEN", "SPARE", "SPARE_TOKEN", "GRID")
WITHOUT = {"query": ["TOKEN", "SPARE_TOKEN"], "forget": ["GRID"], "keyvalue": ["GRID"], "visitors": list(LINES)}
"""Lines for address, token and grid at the top, and those that a script does not have."""


def token_in(text: str) -> str:
    """The token in a script's line; '' when it has none."""
    return (re.findall(r'(?m)^string TOKEN = "(.*)";$', text) or [""])[0]


def test_the_set_is_complete() -> None:
    """The folder holds the scripts of the table, each with the lines that are filled in and a word about itself."""
    assert set(scripts.SCRIPTS) == set(SCRIPTS)
    for name, script in scripts.SCRIPTS.items():
        top = script.text.partition("Nothing below needs changing")[0]
        lines = re.findall(rf'(?m)^string ({"|".join(LINES)}) = "', top)
        assert lines == [setting for setting in LINES if setting not in WITHOUT.get(name, [])]
        assert re.fullmatch(r"[a-z].{20,100}\.", script.purpose)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_shared_is_the_same(block: str) -> None:
    """A block between two marks is the same text, to the letter, in every script that must have it, and in no other."""
    texts = {name: shared_block(script.text, block) for name, script in scripts.SCRIPTS.items()}
    assert {name for name, text in texts.items() if text} == BLOCKS[block]
    assert len(set(texts.values()) - {""}) == 1


@pytest.mark.parametrize("name", OF_AVATARS)
def test_what_the_command_prints_works(world: World, owner: Avatar, directory: DirectoryServer, name: str) -> None:
    """The very text of ``n2k lsl``, pasted into a prim of the grid that was asked for: it does what it is for."""
    grid = "Production" if world.rules is SECOND_LIFE else "OpenSim"
    text = n2k(directory.data_dir, "lsl", "--url", directory.url, "--grid", grid, name)
    head, _, script = text.partition("\n")
    assert head.startswith("// By n2k lsl ")
    assert script == lsl_source(name, url=directory.url, token=token_in(text), grid=grid)
    world.accounts[CARLA.key] = CARLA.name
    directory.ask_about(world.rules.shard, CARLA.key)
    prim = world.rez(owner, text)
    for _ in range(3):
        prim.touch(CARLA) if name not in WAYS else WAYS[name](prim, CARLA)
        world.run(5)
    world.say(CARLA, 5, CARLA.name)
    world.run(120)
    if name == "query":
        assert prim.told[CARLA.key][-1] == f"No avatar called {CARLA.name} is known here."
    elif name == "forget":
        assert prim.told[CARLA.key][-1].startswith("Done.")
    else:
        assert directory.name2key(CARLA.name) == CARLA.key
    assert prim.to_owner == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_compiles_as_delivered(name: str) -> None:
    """A script compiles without being edited."""
    assert compile_script(lsl_source(name)).current_state == "default"


@pytest.mark.parametrize("filled", [{}, {"token": "n2k_id_secret", "grid": "Production"}], ids=["as delivered", "filled in"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_compiler_has_no_complaint(name: str, filled: dict[str, str]) -> None:
    """Linden's own: no condition that is always true or false, whatever the top lines say."""
    assert complaints(lsl_source(name, **filled)) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('if (SETTING == "") llOwnerSay("");', "Condition is always true."),
        ("if (FLAG) llOwnerSay(SETTING);", "Condition is always false."),
        ("if (NUMBER > 3) llOwnerSay(SETTING);", "Condition is always true."),
        ("nothing();", "`nothing' is undeclared."),
    ],
)
def test_the_compiler_complains(line: str, complaint: str) -> None:
    """What the scripts shall be free of is found, on its line."""
    script = 'string SETTING = "";\ninteger FLAG = FALSE;\ninteger NUMBER = 4;\ndefault { state_entry() {\n'
    assert [text for text in complaints(f"{script}{line}\n}} }}") if complaint in text and text.startswith("5: ")]


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_may_be_changed_stands_at_the_top(name: str) -> None:
    """Above one line: the version, and every text that an avatar can hear. Below it no words are said to avatars, only texts
    by their names.
    """
    top, line, below = lsl_source(name).partition("// ------------------------------ Nothing below needs changing.")
    assert line
    assert top.splitlines()[1].startswith(f"// Version {__version__}. MIT licence.")
    assert "llRegionSayTo(" not in top
    said = re.findall(
        r"(?:llRegionSayTo|llInstantMessage|\btell|answer|done_with|ask_avatar)\((?!key |string |list )(.*?)\);", below
    )
    assert [words for words in said if '"' in re.sub(r'"(\{\w+\}|: |n2k | in |[A-Z_]+)"', "", words)] == []
    assert name not in OF_AVATARS or name in ("resolver", "query") or re.search(r"(?m)^(string|list) REFUSED = ", top)


@pytest.mark.parametrize("name", SCRIPTS)
def test_calls_only_what_both_grids_have(name: str, owner: Avatar) -> None:
    """Every function a script calls is one that the simulator or the compiler's library knows."""
    script = World(OPENSIM).rez(owner, lsl_source(name)).scripts[0]
    called = set(re.findall(r"\b(?:ll|os)[A-Z]\w*", re.sub(r"(?m)//.*", "", lsl_source(name))))
    assert called
    assert called <= set(script.lsl.builtin_funcs)
    assert not any(function.startswith("os") for function in called)


@pytest.mark.parametrize("name", TOUCHED)
def test_is_quiet_until_somebody_comes(name: str, owner: Avatar) -> None:
    """An idle script says nothing, asks nothing, listens to nothing and has no timer running."""
    world = World(OPENSIM)
    prim = world.rez(owner, lsl_source(name))
    world.run(3600)
    assert (prim.to_owner, prim.exchanges, prim.scripts[0].most_listeners, world.busy) == ([], [], 0, False)


@pytest.mark.parametrize("name", SCRIPTS)
def test_fits_into_a_prim(name: str) -> None:
    """No line is too long to read in the viewer's editor, and a whole script is far below what that takes (64 KB). Its code,
    without comments and indents, is short enough to leave the lists of other tests (35 KB) their room in the memory.
    """
    text = lsl_source(name)
    assert max(map(len, text.splitlines())) <= 130
    assert len(text.encode()) < 31_000
    assert len(re.sub(r"(?m)^\s+|\s*//.*$", "", text)) < 20_000
    assert text.isascii()


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("event", ["rez_again", "give_to"])
def test_begins_anew_with_a_new_life(name: str, event: str, owner: Avatar) -> None:
    """A script resets when its prim is rezzed and when it is given away."""
    prim = World(OPENSIM).rez(owner, lsl_source(name))
    arguments = [Avatar("New Owner", "0b3e4f5a-9999-4222-8333-444455556666")] if event == "give_to" else []
    getattr(prim, event)(*arguments)
    assert prim.scripts[0].starts == 2
