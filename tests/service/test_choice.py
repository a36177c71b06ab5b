"""Which avatar is the answer if several have a name: the documented rule, compared with a plain model in dicts."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.model.grids import Grid, Grids
from n2k_fcgi.model.keys import format_key
from tests.support.sandbox import Sandbox

GRIDS = ("Production", "OpenSim", "Mine")
NAME = "Same Name"
_numbers = itertools.count()

BINDINGS = st.dictionaries(st.sampled_from(GRIDS), st.tuples(st.integers(1, 9), st.integers(1, 50)), max_size=3)
"""Grid -> the key that has the name there, and when it was seen."""


def model(
    dumped: dict[str, tuple[int, int]], seen: dict[str, tuple[int, int]], asked: str | None, strict: bool, default: str
) -> int | None:
    """The documented rule, as short as possible."""
    winners: dict[str, tuple[int, int]] = {}
    for grid in GRIDS:
        both = [binding for binding in (dumped.get(grid), seen.get(grid)) if binding]
        if both and grid == "Production":
            winners[grid] = dumped.get(grid) or seen[grid]  # there the dump outranks what contradicts it
        elif both:
            winners[grid] = max(both, key=lambda binding: binding[1])
    if asked in winners:
        return winners[asked][0]
    if strict and asked is not None:
        return None
    if default in winners:
        return winners[default][0]
    return max(winners.values(), key=lambda binding: binding[1])[0] if winners else None


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BINDINGS, BINDINGS, st.sampled_from([None, *GRIDS]), st.booleans(), st.sampled_from(GRIDS))
def test_the_rule_of_choice(
    tmp_path: Path,
    dumped: dict[str, tuple[int, int]],
    seen: dict[str, tuple[int, int]],
    asked: str | None,
    strict: bool,
    default: str,
) -> None:
    """The named grid, else the default one, else the avatar seen last; on one grid dump and captures by their times."""
    times = [time for _, time in dumped.values()] + [time for _, time in seen.values()]
    if len(set(times)) < len(times):
        return  # of two at the same time either may answer
    box = Sandbox(tmp_path / str(next(_numbers)), default_grid=default, grids="Production, OpenSim, Mine")
    try:
        for grid, (key, time) in dumped.items():
            box.import_text(f"{format_key(key.to_bytes(16, 'big'))},{NAME}\n", grid=grid, as_of=time)
        for grid, (key, time) in seen.items():
            # A key has one name a grid, so a capture under a key of the dump is the same avatar.
            box.record(key.to_bytes(16, "big"), NAME, time, grid=grid, refuse=False)
        avatar = box.view().name2key("same.name", asked, strict=strict)
        expected = model(dumped, seen, asked, strict, default)
        assert (avatar and int.from_bytes(avatar.key, "big")) == expected
    finally:
        box.close()


def test_an_import_for_one_grid_turns_no_other_over(sandbox: Sandbox) -> None:
    """Of several keys of a name the later line is the answer on its grid, however often other grids are imported."""
    lines = "".join(f"{format_key(key.to_bytes(16, 'big'))},{NAME}\n" for key in (1, 2, 3))
    sandbox.import_text(lines, grid="OpenSim", as_of=5)
    for turn in range(3):
        sandbox.import_text(lines, grid="Mine", as_of=6 + turn)
        avatar = sandbox.view().name2key("same.name", "OpenSim", strict=True)
        assert avatar is not None and avatar.key == (3).to_bytes(16, "big")


@pytest.mark.parametrize(
    ("shard", "label"),
    [
        ("Production", "Production"),
        ("production", "Production"),
        (" TESTING ", "Testing"),
        ("OpenSim", "Mine"),
        (" OPENSIM ", "Mine"),
        ("opensim", "Mine"),
        ("Other", "Other"),
        ("unheard of", "unheard of"),
    ],
)
def test_a_shard_means_the_grid_that_the_owner_said(shard: str, label: str) -> None:
    """OpenSimulator's default shard may mean one of the owner's grids; Second Life's two shards always mean Second Life."""
    grids = Grids((Grid("Production", "Production"), Grid("Mine", "OpenSim"), Grid("Other", "Other")))
    assert grids.of_shard(shard) == label


def test_second_lifes_words_are_second_lifes() -> None:
    """Whatever the settings are: they reject such a value, and it would have no effect here."""
    grids = Grids((Grid("Mine", "Production"), Grid("Yours", "testing")))
    for shard in ("Production", "production", " PRODUCTION "):
        assert grids.of_shard(shard) == "Production"
    for shard in ("Testing", "testing", "TESTING "):
        assert grids.of_shard(shard) == "Testing"
