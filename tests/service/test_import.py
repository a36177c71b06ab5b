"""Imports: what a generation holds after one or several dumps, against a plain model."""

import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2k_fcgi.errors import DumpShrank, EmptyDump, ImportRunning, NameTaken, StoreDamaged, TooManyBadLines
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.forget import Forgetting
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.report import Order
from n2k_fcgi.store.datadir import CURRENT, GENERATIONS, IMPORT_LOCK
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.layout import KEYS, NAMES
from n2k_fcgi.wiring import directory
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def _key_of(sandbox: Sandbox, name: str, grid: str | None = None) -> str | None:
    avatar = sandbox.view().name2key(canonical(name), grid, strict=grid is not None)
    return format_key(avatar.key) if avatar else None


def _name_of(sandbox: Sandbox, key: str) -> str | None:
    avatar = sandbox.view().key2name(parse_key(key))
    return avatar.name if avatar else None


def test_both_directions_answer_after_an_import(sandbox: Sandbox) -> None:
    """Any spelling of the name returns the key, the key returns the imported spelling."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (USERNAME, "Username Resident")))
    assert _key_of(sandbox, "MASAKAZU+kojima") == MASAKAZU
    assert _key_of(sandbox, "username") == USERNAME
    assert _name_of(sandbox, USERNAME) == "Username Resident"


def test_absent_rows_stay_and_counts_say_so(sandbox: Sandbox) -> None:
    """A second dump adds, changes and confirms; rows that it does not have are kept."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=100)
    done = sandbox.import_text(csv((MASAKAZU, "Masakazu Newname"), (USERNAME, "Username Resident")), as_of=200)
    counts = done.manifest
    assert (counts.rows, counts.added, counts.changed, counts.unchanged, counts.removed) == (3, 1, 1, 0, 0)
    assert _key_of(sandbox, "governor linden") == GOVERNOR


def test_a_renamed_avatar_keeps_its_former_name(sandbox: Sandbox) -> None:
    """The former name returns the key, the key the current name."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100)
    done = sandbox.import_text(csv((MASAKAZU, "Masakazu Newname")), as_of=200)
    assert done.manifest.former == 1
    assert _key_of(sandbox, "masakazu kojima") == MASAKAZU
    assert _name_of(sandbox, MASAKAZU) == "Masakazu Newname"
    back = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=300)
    assert back.manifest.former == 1 and _name_of(sandbox, MASAKAZU) == "Masakazu Kojima"


def test_an_older_dump_does_not_turn_names_back(sandbox: Sandbox) -> None:
    """Of two dumps the one with the later as-of wins, whichever is imported last."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Newname")), as_of=200)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100)
    assert _name_of(sandbox, MASAKAZU) == "Masakazu Newname"
    assert _key_of(sandbox, "masakazu kojima") == MASAKAZU


def test_replace_removes_what_is_absent_on_its_grid_only(sandbox: Sandbox) -> None:
    """--replace never touches other grids."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=100)
    sandbox.import_text(csv((USERNAME, "Username Resident")), grid="OpenSim", as_of=100)
    done = sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=200, replace=True)
    assert (done.manifest.removed, done.manifest.rows) == (1, 2)
    assert _key_of(sandbox, "masakazu kojima") is None and _name_of(sandbox, MASAKAZU) is None
    assert _key_of(sandbox, "username") == USERNAME


def test_replace_with_an_older_time_still_replaces(sandbox: Sandbox) -> None:
    """Replaced rows are removed, even if their time was later."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Newname")), as_of=200)
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100, replace=True)
    assert _name_of(sandbox, MASAKAZU) == "Masakazu Kojima"


def test_one_key_on_two_grids_has_a_name_on_each(sandbox: Sandbox) -> None:
    """An avatar is a key on a grid: different grids may assign the same key."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100)
    sandbox.import_text(csv((MASAKAZU, "Other Person")), grid="OpenSim", as_of=200)
    names = {avatar.grid: avatar.name for avatar in sandbox.view().with_key(parse_key(MASAKAZU))}
    assert names == {"Production": "Masakazu Kojima", "OpenSim": "Other Person"}
    assert _name_of(sandbox, MASAKAZU) == "Masakazu Kojima"


def test_in_one_dump_the_later_row_wins_and_the_conflict_is_counted(sandbox: Sandbox) -> None:
    """A name with two keys returns the later one; both keys keep their name."""
    done = sandbox.import_text(csv((MASAKAZU, "Same Name"), (GOVERNOR, "Same Name"), (USERNAME, "First One")))
    assert done.manifest.conflicts == 1
    assert _key_of(sandbox, "same name") == GOVERNOR
    assert _name_of(sandbox, MASAKAZU) == _name_of(sandbox, GOVERNOR) == "Same Name"


def test_a_key_with_two_names_in_one_dump_keeps_the_earlier_as_former(sandbox: Sandbox) -> None:
    """Both names lead to the key; the later one is current."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Zzz"), (GOVERNOR, "Governor Linden"), (MASAKAZU, "Masakazu Aaa")))
    assert _name_of(sandbox, MASAKAZU) == "Masakazu Aaa"
    assert _key_of(sandbox, "masakazu zzz") == MASAKAZU


def test_the_order_of_a_dump_changes_nothing(tmp_path: Path) -> None:
    """Sorted and unsorted dumps give identical generations, over many runs and ranges."""
    rows = sorted((f"{n * 2654435761 % 2**32 + 1:032x}", f"Name{n % 700} Last{n % 3}") for n in range(2000))
    contents = []
    for place, shuffled in enumerate((rows, rows[::-1], rows[1::2] + rows[::2])):
        box = Sandbox(tmp_path / f"data{place}")
        box.store.generations.sizes = Sizes(run_rows=100, range_rows=64, sample_every=8)
        box.import_text(csv(*[(format_key(bytes.fromhex(key)), name) for key, name in shuffled]), as_of=7, block=4096)
        generation = box.store.generations.current()
        assert generation is not None and box.problems() == []
        generation = box.store.generations.current()
        assert generation is not None
        names = [(name, sorted(value[n : n + 17] for n in range(0, len(value), 17))) for name, value in generation.rows(NAMES)]
        contents.append((names, list(generation.rows(KEYS))))
        box.close()
    assert contents[0] == contents[1] == contents[2]
    assert len(contents[0][1]) == 2000


def test_a_small_dump_into_a_large_generation_is_merged_in_pieces(sandbox: Sandbox) -> None:
    """The previous generation is never held in memory as a whole: stretches are bounded by its rows, too."""
    sandbox.store.generations.sizes = Sizes(run_rows=100, range_rows=50, sample_every=8)
    sandbox.import_text(csv(*[(format_key(n.to_bytes(16, "big")), f"Name{n} Last") for n in range(1, 1001)]), as_of=1)
    new = format_key((5000).to_bytes(16, "big"))
    done = sandbox.import_text(csv((new, "Name500x Last"), (format_key((77).to_bytes(16, "big")), "Name77 Last")), as_of=2)
    assert (done.manifest.rows, done.manifest.added, done.manifest.unchanged) == (1001, 1, 1)
    assert _key_of(sandbox, "name500x last") == new and _key_of(sandbox, "name1000 last") is not None


def test_too_many_bad_lines_refuse_the_whole(sandbox: Sandbox) -> None:
    """The live generation is not changed, and no unfinished one is left."""
    live = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    with pytest.raises(TooManyBadLines, match="3 of 5"):
        sandbox.import_text(csv((GOVERNOR, "Governor Linden"), (USERNAME, "Username Resident")) + "x\ny\nz\n")
    assert (sandbox.data_dir / CURRENT).read_text().strip() == live
    assert [p.name for p in (sandbox.data_dir / GENERATIONS).iterdir()] == [live]


def test_an_empty_dump_is_refused(sandbox: Sandbox) -> None:
    """A dump without rows is an error."""
    with pytest.raises(EmptyDump):
        sandbox.import_text("")


def test_the_same_dump_again_publishes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is reported; --force imports it."""
    path = tmp_path / "same.csv"
    path.write_text(csv((MASAKAZU, "Masakazu Kojima")))
    reports = []
    for force in (False, False, True):
        with Dump(path) as dump:
            reports.append(sandbox.importer().run(dump, Order("Production", force=force)))
    assert [report.published for report in reports] == [True, False, True]


@pytest.mark.parametrize(("when", "published"), [(5, False), (1 << 40, True)])
def test_the_same_dump_after_an_undo(sandbox: Sandbox, when: int, published: bool) -> None:
    """Unchanged if the undo was before the live generation was made; if it was later, imported again."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    sandbox.forget_key(parse_key(MASAKAZU))
    store = sandbox.store
    Forgetting(directory(store, sandbox.settings), store.pending, clock=lambda: when).undo_key(parse_key(MASAKAZU))
    assert sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1, force=False).published is published


def test_two_imports_at_once_the_second_leaves(sandbox: Sandbox) -> None:
    """It reports the other one, whose build is kept."""
    with hold(sandbox.data_dir / IMPORT_LOCK, PRIVATE, 0), pytest.raises(ImportRunning):
        sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))


NAMES_DRAWN = st.sampled_from(["Ann Lee", "ann.lee", "Bob", "Bob Resident", "Zoë Ünal", "Cy Dee"])
KEYS_DRAWN = st.integers(1, 5).map(lambda n: format_key(n.to_bytes(16, "big")))
DUMPS = st.lists(st.lists(st.tuples(KEYS_DRAWN, NAMES_DRAWN), min_size=1, max_size=8), min_size=1, max_size=4)
_numbers = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DUMPS, st.sampled_from([1, 2, 3, 1000]))
def test_any_sequence_of_dumps_gives_what_a_plain_model_says(
    tmp_path: Path, dumps: list[list[tuple[str, str]]], stretch: int
) -> None:
    """Current name of every key; for every name a key that has or had it, always the same one; however work is split."""
    box = Sandbox(tmp_path / str(next(_numbers)))
    box.store.generations.sizes = Sizes(run_rows=stretch, range_rows=stretch, sample_every=1)
    current: dict[str, str] = {}
    had: dict[str, set[str]] = {}
    answered: dict[str, str | None] = {}
    try:
        for time, rows in enumerate(dumps):
            box.import_text(csv(*rows), as_of=time + 1)
            for key, name in rows:
                current[key] = name
                had.setdefault(canonical(name), set()).add(key)
            for form, keys in had.items():
                if form not in answered:
                    holders = {key for key in keys if canonical(current[key]) == form}
                    answered[form] = _key_of(box, form)
                    assert answered[form] in (holders or keys)
                assert _key_of(box, form) == answered[form]
        assert {key: _name_of(box, key) for key in current} == current
        assert box.problems() == []
    finally:
        box.close()


def test_a_shrunken_dump_is_refused(sandbox: Sandbox) -> None:
    """A truncated bz2 may look complete; the number of rows shows it."""
    rows = [(format_key(n.to_bytes(16, "big")), f"Name{n} Last") for n in range(1, 101)]
    live = sandbox.import_text(csv(*rows), as_of=1).manifest.name
    with pytest.raises(DumpShrank, match="80 rows, the previous one had 100"):
        sandbox.import_text(csv(*rows[:80]), as_of=2, force=False)
    assert sandbox.view().generation_name == live
    assert sandbox.import_text(csv(*rows[:95]), as_of=2, force=False).published
    assert sandbox.import_text(csv(*rows[:5]), grid="OpenSim", force=False).published


def test_a_replacing_dump_that_shrank_is_refused(sandbox: Sandbox) -> None:
    """--replace would remove the others: the check matters most here."""
    rows = [(format_key(n.to_bytes(16, "big")), f"Name{n} Last") for n in range(1, 101)]
    live = sandbox.import_text(csv(*rows), as_of=1).manifest.name
    with pytest.raises(DumpShrank):
        sandbox.import_text(csv(*rows[:80]), as_of=2, replace=True, force=False)
    assert sandbox.view().generation_name == live
    assert sandbox.import_text(csv(*rows[:80]), as_of=2, replace=True).manifest.removed == 20


def test_going_back_shows_no_future(sandbox: Sandbox) -> None:
    """Former names are part of their generation: the previous one has neither the new name nor the rename."""
    before = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=100).manifest.name
    sandbox.import_text(csv((MASAKAZU, "Masakazu Newname")), as_of=200)
    sandbox.store.generations.use(before)
    assert _name_of(sandbox, MASAKAZU) == "Masakazu Kojima"
    assert _key_of(sandbox, "masakazu newname") is None
    assert not sandbox.view().name2key("masakazu.kojima").former  # type: ignore[union-attr]


def test_a_record_of_another_grid_survives_a_dump_that_looks_the_same(sandbox: Sandbox) -> None:
    """Each import numbers origins again: equal bytes of two generations may mean different grids."""
    line = '{"key": "%s", "name": "Same Name"%s}\n'
    both = line % (MASAKAZU, "") + line % (GOVERNOR, ', "grid": "OpenSim"')
    sandbox.import_text(both, as_of=5)
    other = line % (MASAKAZU, "") + line % (GOVERNOR, ', "grid": "elsewhere"')
    sandbox.import_text(other, as_of=5)
    found = {avatar.grid for avatar in sandbox.view().with_key(parse_key(GOVERNOR))}
    assert found == {"OpenSim", "elsewhere"}
    assert _key_of(sandbox, "same name", "OpenSim") == _key_of(sandbox, "same name", "elsewhere") == GOVERNOR


def test_a_damaged_live_generation_is_replaced_with_force(sandbox: Sandbox) -> None:
    """Without --force it is refused, because its data would be lost silently."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    sandbox.close()
    (sandbox.data_dir / GENERATIONS / name / "data.mdb").write_bytes(b"short")
    with pytest.raises(StoreDamaged, match="--force"):
        sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=2, force=False)
    assert sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=2).manifest.rows == 1
    shutil.rmtree(sandbox.data_dir / GENERATIONS / name)


def test_a_former_name_holds_on_its_grid_while_current_on_another(sandbox: Sandbox) -> None:
    """A current name on another grid neither hides it nor lets it pass to another key."""
    sandbox.import_text(csv((MASAKAZU, "Former Guy")), as_of=1)
    sandbox.import_text(csv((MASAKAZU, "Renamed Guy")), as_of=2)
    sandbox.import_text(csv((GOVERNOR, "Former Guy")), grid="OpenSim", as_of=3)
    assert _key_of(sandbox, "former guy", "Production") == MASAKAZU
    with pytest.raises(NameTaken):
        sandbox.register("Former Guy", USERNAME, "Production")
