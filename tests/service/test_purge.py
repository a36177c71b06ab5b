"""A purge, in the process of the test: what it removes, keeps and reports."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi import logs
from n2k_fcgi.errors import ImportRunning
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.directory import purge as purging
from n2k_fcgi.service.directory.purge import Purged
from n2k_fcgi.store.datadir import BUILDING, GENERATIONS, TYPED_LINES, UPDATE_LOCK, UPDATE_STATE
from n2k_fcgi.store.inventory import File, files
from n2k_fcgi.store.lmdb.layout import FORMAT
from n2k_fcgi.store.lmdb.purging import ROWS
from n2k_fcgi.wiring import forgetting, inspection, purge
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv

KEY = parse_key(MASAKAZU)
TWINS = ("11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555")


@pytest.fixture
def box(sandbox: Sandbox) -> Sandbox:
    """Two generations and the captures know Masakazu; others have former names and names that two claim."""
    sandbox.import_text(csv((TWINS[1], "Twin Name"), (GOVERNOR, "Governor Former"), (MASAKAZU, "Quillon Kojima")), as_of=100)
    sandbox.import_text(csv((TWINS[0], "Twin Name"), (GOVERNOR, "Governor Linden"), (MASAKAZU, "Quillon Newname")), as_of=200)
    sandbox.record(MASAKAZU, "Quillon Seen", 300)
    sandbox.record(USERNAME, "Username Resident", 300)
    return sandbox


def run(box: Sandbox) -> Purged:
    """Run a purge."""
    return purge(box.store, box.settings).run()


def others(box: Sandbox) -> list[object]:
    """The answers of lookups about all avatars except Masakazu, in both directions."""
    view = box.view()
    names = ("twin.name", "governor.former", "governor.linden", "username")
    keys = (*TWINS, GOVERNOR, USERNAME)
    return [*(view.named(name) for name in names), *(view.with_key(parse_key(key)) for key in keys)]


def counts(box: Sandbox) -> list[tuple[int, ...]]:
    """Rows, names, keys and former names of each generation, by its manifest."""
    return [(m.rows, m.names, m.keys, m.former) for m in box.store.generations.listed()[1]]


def test_others_answer_as_before(box: Sandbox) -> None:
    """By current and former names and keys, on every grid; of a name with two keys the same one is first."""
    before = others(box)
    assert box.view().named("twin.name")[0].key == parse_key(TWINS[1])
    box.forget_key(KEY)
    assert run(box)[:3] == (2, 3, 1)
    assert others(box) == before and len(before) == 8 and all(before)
    assert counts(box) == [(2, 2, 2, 0), (3, 2, 3, 1)]
    assert list(inspection(box.store, box.settings).remains()) == [] and box.problems() == []


def test_what_is_undone_later_was_removed(box: Sandbox) -> None:
    """After an undo lookups do not find the avatar any more."""
    box.forget_key(KEY)
    run(box)
    box.store.forgotten.undo([KEY], [], 400)
    view = box.view()
    assert view.with_key(KEY) == [] and view.named("quillon.newname") == view.named("quillon.kojima") == []


def test_generations_that_are_written_anew(box: Sandbox) -> None:
    """They replace the old ones: with a letter appended to the name, the present format, and the rest of the manifest."""
    first, last = box.store.generations.listed()[1]
    box.store.generations.rewrite(first._replace(format=FORMAT - 1))
    old = [first, last]
    box.forget_key(KEY)
    run(box)
    current, new = box.store.generations.listed()
    assert [m.name for m in new] == [m.name + "p" for m in old] and current == new[-1].name
    kept = ("created", "source", "sha256", "as_of", "grid", "dump_rows", "added", "removed", "refused")
    for one, other in zip(old, new, strict=True):
        assert other.format == FORMAT and all(getattr(one, field) == getattr(other, field) for field in kept)
        assert other.bytes == (box.data_dir / GENERATIONS / other.name / "data.mdb").stat().st_size


def test_generations_without_them_stay(box: Sandbox) -> None:
    """Without hidden rows nothing is written: the same files, and counts of zero."""
    before = box.store.generations.names()
    assert run(box) == (0, 0, 0, [])
    box.forget_key(parse_key("99999999-2222-3333-4444-555555555555"))
    assert run(box) == (0, 0, 0, []) and box.store.generations.names() == before
    assert box.store.forgotten.purged() > 0


def test_a_second_purge_finds_nothing(box: Sandbox) -> None:
    """It removes nothing."""
    box.forget_key(KEY)
    assert run(box).generations == 2 and run(box)[:3] == (0, 0, 0)


def test_more_rows_than_one_step_has(sandbox: Sandbox) -> None:
    """The counts include all steps."""
    rows = [(f"{n:08x}-0000-0000-0000-000000000001", f"Name{n} Last") for n in range(1, ROWS + 50)]
    sandbox.import_text(csv(*rows, (MASAKAZU, "Quillon Kojima")), as_of=100)
    sandbox.forget_key(KEY)
    assert run(sandbox)[:3] == (1, 1, 0)
    assert counts(sandbox) == [(len(rows), len(rows), len(rows), 0)]
    assert [avatar.name for avatar in sandbox.view().with_key(parse_key(rows[-1][0]))] == ["Name10049 Last"]


def test_a_name_of_a_dump_leaves_its_manifest(sandbox: Sandbox) -> None:
    """Also in a generation that is not rewritten; other manifests are kept."""
    path = sandbox.data_dir / "quillon kojima.csv"
    path.write_text(csv((GOVERNOR, "Governor Linden")))
    sandbox.import_text(csv((GOVERNOR, "Governor Linden")), as_of=100)
    (manifest,) = sandbox.store.generations.listed()[1]
    sandbox.store.generations.rewrite(manifest._replace(source=path.name))
    path.unlink()
    run(sandbox)
    assert [m.source for m in sandbox.store.generations.listed()[1]] == ["quillon kojima.csv"]
    sandbox.forget_name("quillon.kojima", "Production")
    run(sandbox)
    (cleaned,) = sandbox.store.generations.listed()[1]
    assert "quillon" not in cleaned.source and cleaned == manifest._replace(source=cleaned.source)


def test_other_files(box: Sandbox) -> None:
    """The history is removed, update.json only if it mentions the avatar; files that are not ours are kept and reported."""
    box.forget_key(KEY)
    typed, state, stranger = (box.data_dir / name for name in (TYPED_LINES, UPDATE_STATE, "notes.txt"))
    for path in (typed, stranger):
        path.write_text("quillon newname\n")
    state.write_text('{"url": "https://example.org/name2key.csv.bz2"}')
    assert run(box).strangers == [stranger]
    assert (typed.exists(), state.exists(), stranger.exists()) == (False, True, True)
    state.write_text('{"url": "https://example.org/Quillon%20Newname.csv"}')
    run(box)
    assert not state.exists()


def test_a_file_that_vanishes_meanwhile(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the shell that wrote it removes it first, the purge continues."""
    typed = box.data_dir / TYPED_LINES
    typed.write_text("quillon newname\n")

    def vanishing(data_dir: Path) -> Iterator[tuple[Path, File | None]]:
        for path, row in files(data_dir):
            if path == typed:
                path.unlink()
            yield path, row

    monkeypatch.setattr(purging, "files", vanishing)
    box.forget_key(KEY)
    assert run(box)[:3] == (2, 3, 1)
    assert not typed.exists()


def test_a_name_of_another_grid_in_the_state_of_updates(box: Sandbox) -> None:
    """The text may name an avatar of any known grid."""
    box.record(USERNAME, "Username Resident", 300, grid="OpenSim")
    box.forget_name("zyphara.else", "OpenSim")
    state = box.data_dir / UPDATE_STATE
    state.write_text('{"url": "https://example.org/Zyphara%20Else.csv"}')
    run(box)
    assert not state.exists()


def test_what_the_log_says(box: Sandbox) -> None:
    """The numbers of removed rows, and no name or key."""
    log = box.data_dir / "log" / "n2k.log"
    logs.set_up(log, "INFO", rotate_bytes=1 << 20, keep=1)
    box.forget_key(KEY)
    run(box)
    box.forget_key(parse_key(GOVERNOR))
    forgetting(box.store, box.settings).undo_key(parse_key(GOVERNOR))
    logs.shut_down()
    lines = [line.split(maxsplit=4)[4] for line in log.read_text().splitlines()]
    assert "purge: 2 generations rewritten, 3 names and 1 capture gone" in lines
    assert "forget: undone for one avatar" in lines
    assert "uillon" not in log.read_text() and MASAKAZU not in log.read_text()


def test_an_unfinished_import_is_told_and_removed(box: Sandbox) -> None:
    """The report has its name."""
    left = box.data_dir / GENERATIONS / ("20250101T000000.000Z" + BUILDING)
    left.mkdir()
    said: list[str] = []
    purge(box.store, box.settings, said.append).run()
    assert len(said) == 1 and "an import or purge before this one" in said[0] and "20250101T000000.000Z" in said[0]
    assert not left.exists()


def test_a_download_is_not_disturbed(box: Sandbox) -> None:
    """While an update holds its lock nothing is removed: it needs its download."""
    box.forget_key(KEY)
    before = box.store.generations.names()
    with hold(box.data_dir / UPDATE_LOCK, PRIVATE, 0) as held:
        assert held
        with pytest.raises(ImportRunning) as caught:
            run(box)
    assert str(caught.value) == str(ImportRunning(path=box.data_dir))
    assert box.store.generations.names() == before


def test_a_purge_that_was_killed_before_the_old_one_was_removed(box: Sandbox, tmp_path: Path) -> None:
    """The copy is complete: it becomes live, the old one is removed, and no row is counted twice."""
    box.forget_key(KEY)
    name = box.store.generations.current_name()
    manifest = box.store.generations.manifest(name)
    run(box)
    fresh = box.data_dir / GENERATIONS / (name + "p")
    box.store.close()
    old = box.data_dir / GENERATIONS / name
    old.mkdir()
    for file in fresh.iterdir():
        (old / file.name).write_bytes(file.read_bytes())
    (old / "manifest.json").write_text(json.dumps(manifest._replace(bytes=(old / "data.mdb").stat().st_size)._asdict()))
    box.store.generations.use(name)
    assert run(box)[:3] == (0, 0, 0)
    assert box.store.generations.current_name() == name + "p" and name not in box.store.generations.names()
