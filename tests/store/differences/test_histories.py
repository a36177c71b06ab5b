"""Whatever happens to a directory, its differences answer as whole generations do: every row, every time, every count."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from n2k_fcgi.model.keys import parse_key
from tests.support.histories import PADDING, Pair, Row, key_of

pytestmark = pytest.mark.unmeasured

NAMES = ["Ada Lovelace", "ada LOVELACE", "Bob Resident", "Bob", "BOB", "Cid Row2", "Dan Émile", "Zoë", "pad1 Row", "mAd3 row"]
EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
START = 1_700_000_000
"""The time of the first dump, unix seconds."""

KEYS = st.integers(0, 6).map(key_of)
TIMES = [None, None, None, START - 5, START + 15, START + 40]
rows = st.lists(
    st.tuples(
        KEYS, st.sampled_from(NAMES), st.sampled_from([None, None, None, "OpenSim", "Production"]), st.sampled_from(TIMES)
    ).map(lambda fields: Row(*fields)),
    max_size=8,
)
plain = st.lists(st.tuples(KEYS, st.sampled_from(NAMES)).map(lambda fields: Row(*fields)), max_size=8)
imports = st.tuples(
    st.one_of(plain, plain, rows),
    st.sampled_from([True, True, True, False]),
    st.sampled_from(["sorted", "nearly", "shuffled"]),
    st.sampled_from(["Production", "Production", "Production", "OpenSim"]),
    st.sampled_from([10, 10, 10, 0, -15]),
    st.sampled_from([False, False, False, False, True]),
)
steps = st.one_of(
    imports,
    imports,
    imports,
    st.tuples(st.just("back")),
    st.tuples(st.just("capture"), st.integers(0, 6), st.sampled_from(NAMES)),
    st.tuples(st.just("forget"), st.integers(0, 6)),
    st.tuples(st.just("purge")),
)


def _shuffled(lines: list[Row], order: str, random: int) -> list[Row]:
    ordered = sorted(lines, key=lambda row: row.name.lower())
    if order == "sorted":
        return ordered
    if order == "nearly":
        for at in range(0, len(ordered) - 3, 5):
            ordered[at], ordered[at + 3] = ordered[at + 3], ordered[at]
        return ordered
    return sorted(lines, key=lambda row: hash((row.key, random)) % 1_000)


def _play(pair: Pair, first_format: int, history: list[tuple[object, ...]]) -> None:
    padding = [Row(*row) for row in PADDING]
    pair.import_rows([*padding, Row(key_of(0), "Ada Lovelace"), Row(key_of(1), "Bob Resident")], grid="Production", as_of=START)
    if first_format < 3:
        pair.convert(first_format)
    as_of = START
    forgotten = False
    for number, step in enumerate(history):
        if step[0] == "back":
            if len(pair.names[0]) > 1 and all(
                names[-2] in box.store.generations.names() for names, box in zip(pair.names, pair.boxes, strict=True)
            ):
                pair.back(1)
        elif step[0] == "capture":
            pair.each(lambda box, step=step: box.record(parse_key(key_of(step[1])), step[2], 50, refuse=False))
        elif step[0] == "forget":
            forgotten = True
            pair.each(lambda box, step=step: box.forget_key(parse_key(key_of(step[1]))))
        elif step[0] == "purge":
            pair.purge()
        else:
            lines, with_padding, order, grid, days, replace = step
            as_of = max(1, as_of + days)
            found = [*lines, *padding] if with_padding and grid == "Production" else lines
            if not found:
                continue
            pair.import_rows(_shuffled(found, order, number), grid=grid, as_of=as_of, replace=replace)
        whole, layered = pair.contents()
        assert layered == whole
        if not forgotten:
            one, other = pair.manifests()
            assert other == one
    assert pair.problems() == []


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([1, 2, 3, 3, 3]), st.lists(steps, min_size=1, max_size=6))
def test_differences_answer_as_whole_generations_do(first_format: int, history: list[tuple[object, ...]]) -> None:
    """Row by row after each step: dumps in any order, replaced grids, renames there and back, captures, going back, purges."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Pair(Path(folder))
        note(f"format {first_format}: {history}")
        try:
            _play(pair, first_format, history)
        finally:
            pair.close()
