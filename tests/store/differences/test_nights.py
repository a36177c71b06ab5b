"""Nights: what is written, what is kept, and what kills, full disks and going back leave."""

import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from n2k_fcgi.errors import NoMemory, NoSuchGeneration, StoreDamaged, StoreTooNew
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.report import Order
from n2k_fcgi.store.datadir import BUILDING, DATA_FILE, GENERATIONS, MANIFEST
from n2k_fcgi.store.lmdb import generation_folders
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import KEYS
from n2k_fcgi.wiring import importer, inspection, purge
from tests.support.nights import ROWS, as_of, command, key_of, killed_at, lines, name_of, play
from tests.support.sandbox import Sandbox, csv

CALLS = ("pwrite64", "fsync", "rename", "unlink", "openat", "mkdir")


def _file(box: Sandbox, name: str) -> Path:
    return box.data_dir / GENERATIONS / name / DATA_FILE


def _base(box: Sandbox, name: str) -> str:
    return box.store.generations.manifest(name).base


def test_a_night_writes_what_differs(sandbox: Sandbox) -> None:
    """A file of some pages, which answers for all avatars, with the time of the new dump where that has them."""
    base, night = play(sandbox, 0, 1)
    assert _base(sandbox, base) == "" and _base(sandbox, night) == base
    assert _file(sandbox, night).stat().st_size < _file(sandbox, base).stat().st_size
    generation = sandbox.store.generations.current()
    assert generation is not None and generation.count() == ROWS
    assert generation.own.entries(KEYS) == 6 + 3, "the renamed, and those that the dump does not have"
    seen = {
        avatar.key: avatar.seen for _, avatars in generation.keys_from(b"", ROWS) for avatar in avatars if not avatar.former
    }
    assert sorted(seen.values()).count(as_of(0)) == 3 and sorted(seen.values()).count(as_of(1)) == ROWS - 3
    assert sandbox.problems() == []


def test_differences_are_against_the_whole_one_never_against_differences(sandbox: Sandbox) -> None:
    """Of three nights each needs the base alone; pruning keeps it, and the latest ones."""
    base, first, second, third = play(sandbox, 0, 1, 2, 3)
    assert {_base(sandbox, name) for name in (second, third)} == {base}
    assert sandbox.store.generations.names() == [base, second, third], f"{first} is pruned"
    for night in (1, 2, 3):
        for number in range(night, ROWS, 100):
            assert sandbox.view().name2key(canonical(name_of(number, night))) is not None


def test_a_rebuild_is_whole_and_the_old_base_goes_with_its_last_differences(sandbox: Sandbox) -> None:
    """``rebuild = 0`` is ``--whole``: with ``keep = 2`` the night after it is the first that needs no older base."""
    base, night = play(sandbox, 0, 1)
    sandbox.settings = sandbox.settings._replace(rebuild=0)
    (whole,) = play(sandbox, 2)
    assert _base(sandbox, whole) == "" and sandbox.store.generations.names() == [base, night, whole]
    sandbox.settings = sandbox.settings._replace(rebuild=10)
    (after,) = play(sandbox, 3)
    assert _base(sandbox, after) == whole and sandbox.store.generations.names() == [whole, after]
    assert sandbox.problems() == []


def test_many_differences_become_a_whole_generation(sandbox: Sandbox) -> None:
    """One key in ten is allowed; a dump that renames more is a rebuild, with the same answers."""
    play(sandbox, 0)
    few = csv(*((key_of(n), f"Few{n} Resident" if n % 10 == 0 else name_of(n, 0)) for n in range(1, ROWS + 1)))
    assert sandbox.import_text(few, as_of=as_of(1)).manifest.base
    many = csv(*((key_of(n), f"Few{n} Resident" if n % 9 == 0 else name_of(n, 0)) for n in range(1, ROWS + 1)))
    manifest = sandbox.import_text(many, as_of=as_of(2)).manifest
    assert manifest.base == "" and manifest.rows == ROWS
    assert sandbox.problems() == []


def test_going_back_and_on(sandbox: Sandbox) -> None:
    """To the base, and to differences of it; an import on either is built on that."""
    base, first, second = play(sandbox, 0, 1, 2)
    sandbox.store.generations.use(base)
    assert sandbox.view().name2key(canonical(name_of(1, 1))) is None
    sandbox.store.generations.use(second)
    assert sandbox.view().name2key(canonical(name_of(1, 1))) is not None
    sandbox.store.generations.use(first)
    assert sandbox.view().name2key(canonical(name_of(2, 2))) is None, "that night was taken back"
    (third,) = play(sandbox, 3)
    assert _base(sandbox, third) == base
    assert sandbox.view().name2key(canonical(name_of(3, 3))) is not None
    assert sandbox.problems() == []


def test_two_answers_share_the_file_of_the_base(sandbox: Sandbox) -> None:
    """A lease on one night, another night live: one open file for the base, which the last of them closes."""
    base, *_ = play(sandbox, 0, 1)
    lease = sandbox.store.generations.hold()
    assert lease is not None
    play(sandbox, 2)
    live = sandbox.store.generations.current()
    assert live is not None and live.base is lease.view.base is not None and live.base.users == 2
    assert lease.view.by_name(canonical(name_of(2, 2))) == []
    lease.release()
    assert live.base.users == 1 and live.by_name(canonical(name_of(2, 2)))
    with sandbox.store.generations.opened(base) as whole:
        assert whole.own is live.base


def _refusal(box: Sandbox) -> StoreDamaged:
    box.store.close()
    with pytest.raises(StoreDamaged) as caught:
        box.view()
    return caught.value


def test_a_base_that_is_not_there_is_told(sandbox: Sandbox) -> None:
    """Lookups and check name it; the whole generation before, if one is kept, can be made live."""
    base, night = play(sandbox, 0, 1)
    folder = sandbox.data_dir / GENERATIONS / base
    sandbox.store.close()
    folder.rename(folder.with_name("elsewhere"))
    (folder.parent / "elsewhere").rename(sandbox.data_dir / "elsewhere")
    assert f"it is the differences against generation {base}, which is not there" in str(_refusal(sandbox))
    assert [problem for problem in sandbox.problems() if base in problem and "not there" in problem]
    (sandbox.data_dir / "elsewhere").rename(folder)
    assert sandbox.view().generation_name == night and sandbox.problems() == []


def test_a_base_that_was_cut_is_refused_before_it_is_mapped(sandbox: Sandbox) -> None:
    """By its size; nothing reads behind its end."""
    base, _ = play(sandbox, 0, 1)
    path = _file(sandbox, base)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert f"{base}" in str(_refusal(sandbox)) and "its manifest says" in str(_refusal(sandbox))
    path.write_bytes(whole)
    sandbox.store.close()
    assert sandbox.problems() == []


def test_differences_of_another_base_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """The same dump imported elsewhere is another generation: the files carry an id. It does not become live either."""
    base, night = play(sandbox, 0, 1)
    other = Sandbox(tmp_path / "other")
    other.import_text(lines(0), as_of=as_of(0))
    (named,) = other.store.generations.names()
    other.close()
    source = other.data_dir / GENERATIONS / named
    target = sandbox.data_dir / GENERATIONS / base
    sandbox.store.close()
    kept = {path.name: path.read_bytes() for path in target.iterdir()}
    (target / DATA_FILE).write_bytes((source / DATA_FILE).read_bytes())
    fields = json.loads((source / MANIFEST).read_text())
    (target / MANIFEST).write_text(json.dumps({**fields, "name": base}))
    assert "another generation" in str(_refusal(sandbox))
    with pytest.raises(StoreDamaged, match="another generation"):
        sandbox.store.generations.use(night)
    sandbox.store.generations.use(base)
    assert sandbox.view().generation_name == base
    sandbox.store.close()
    for name, content in kept.items():
        (target / name).write_bytes(content)


@pytest.mark.parametrize("left", [(), (MANIFEST,)])
def test_import_force_replaces_what_cannot_be_read(sandbox: Sandbox, left: tuple[str, ...]) -> None:
    """Without its base, or with a base without its file, the live one is not merged, which is told, and nothing is pruned."""
    base, night = play(sandbox, 0, 1)
    sandbox.store.close()
    folder = sandbox.data_dir / GENERATIONS / base
    for path in folder.iterdir():
        if path.name not in left:
            path.unlink()
    if not left:
        folder.rmdir()
    said: list[str] = []
    dump = sandbox.data_dir.parent / "dump.csv"
    dump.write_text(lines(2))
    with Dump(dump) as opened:
        job = importer(sandbox.store, sandbox.settings._replace(keep=1), jobs=1, tell=said.append)
        report = job.run(opened, Order("Production", as_of(2), force=True))
    assert report.manifest.base == "" and report.pruned == [] and night in sandbox.store.generations.names()
    assert len(said) == 1 and base in said[0] and "nothing is pruned" in said[0]
    assert sandbox.view().name2key(canonical(name_of(2, 2))) is not None
    sandbox.store.generations.remove_all([night, base])
    assert sandbox.problems() == []


def test_a_base_that_cannot_be_mapped_again_is_opened_anew(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another answer holds it: its next lookup fails, those of later requests do not."""
    play(sandbox, 0, 1)
    lease = sandbox.store.generations.hold()
    assert lease is not None and lease.view.base is not None
    play(sandbox, 2)
    assert sandbox.store.generations.current() is not None

    def refused(path: Path) -> object:
        raise NoMemory(what=path)

    monkeypatch.setattr("n2k_fcgi.store.lmdb.generation_file.open_reader", refused)
    with pytest.raises(NoMemory):
        lease.view.base.reopen()
    monkeypatch.undo()
    sandbox.store.generations.close()
    assert sandbox.view().name2key(canonical(name_of(1, 1))) is not None
    lease.release()
    assert sandbox.view().name2key(canonical(name_of(2, 2))) is not None


def test_nights_on_both_families_that_a_killed_purge_left(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is live, and its base, stay; the next purge leaves no hidden avatar."""
    _, night = play(sandbox, 0, 1)
    sandbox.forget_key(bytes.fromhex(key_of(1).replace("-", "")))

    def killed(self: Generations, names: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, sandbox.store.generations.locked():
        patched.setattr(Generations, "remove_all", killed)
        with pytest.raises(KeyboardInterrupt):
            purge(sandbox.store, sandbox.settings).run()
    sandbox.settings = sandbox.settings._replace(keep=9)
    (fresh,) = play(sandbox, 2)
    sandbox.store.generations.use(night)
    (old,) = play(sandbox, 3)
    for turn in range(2):
        live = old if turn else fresh
        sandbox.store.generations.use(live)
        with sandbox.store.generations.locked():
            purge(sandbox.store, sandbox.settings).run()
        now = sandbox.store.generations.current_name()
        assert now in sandbox.store.generations.names() and now.rstrip("p") == live.rstrip("p")
        assert sandbox.problems() == [] and list(inspection(sandbox.store, sandbox.settings).remains()) == []
        old = next(name for name in sandbox.store.generations.names() if name.rstrip("p") == old.rstrip("p"))


def test_an_older_program_refuses_with_the_format(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole or differences, before it looks at fields that it does not know."""
    names = play(sandbox, 0, 1)
    monkeypatch.setattr(generation_folders, "FORMAT", 2)
    for name in names:
        with pytest.raises(StoreTooNew, match="format 3, this version reads up to 2"):
            sandbox.store.generations.manifest(name)
    monkeypatch.undo()


def test_a_clock_that_was_set_back(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that are in the future now count as the dump's: all of them change, so the generation is whole."""
    play(sandbox, 0, 1)
    earlier = float(as_of(0) - 86_400)
    monkeypatch.setattr("time.time", lambda: earlier)
    report = sandbox.import_text(lines(2), as_of=int(earlier) - 10)
    monkeypatch.undo()
    assert report.manifest.base == "" and report.manifest.rows == ROWS
    generation = sandbox.store.generations.current()
    assert generation is not None and max(origin.as_of for origin in generation.origins) <= earlier
    assert sandbox.problems() == []


@pytest.mark.unmeasured
def test_check_is_clean_after_each_of_30_nights_with_kills(sandbox: Sandbox, tmp_path: Path) -> None:
    """Each night or rebuild is killed at another system call, and then done: nothing is lost, nothing is left."""
    play(sandbox, 0)
    kills = 0
    for night in range(1, 31):
        before = sandbox.store.generations.current_name()
        sandbox.store.close()
        options = ("--whole",) if night % 7 == 0 else ()
        words = command(sandbox, tmp_path / "dump.csv", night, *options)
        code = killed_at(CALLS[night % len(CALLS)], 1 + night // 2, words)
        kills += code != 0
        now = sandbox.store.generations.current_name()
        assert now == before or code in (0, -signal.SIGKILL)
        assert sandbox.problems() == [], night
        sandbox.import_text(lines(night), as_of=as_of(night))
        assert not [name for name in os.listdir(sandbox.data_dir / GENERATIONS) if name.endswith(BUILDING)]
        assert sandbox.problems() == [], night
    assert kills >= 15
    for number in range(1, ROWS + 1):
        assert sandbox.view().name2key(canonical(name_of(number, 30))) is not None, number


@pytest.mark.parametrize("options", [(), ("--whole",)])
def test_a_full_disk_in_the_middle_of_a_night(sandbox: Sandbox, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The write that fails (here at a file size limit) ends it with one line; the live one answers on."""
    base, night = play(sandbox, 0, 1)
    sandbox.store.close()
    size = 20_000 if not options else 60_000

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    words = command(sandbox, tmp_path / "dump.csv", 2, *options)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, preexec_fn=limit)
    assert done.returncode in (41, 45) and done.stderr.count("\n") == 1, done
    assert sandbox.view().generation_name == night and sorted(os.listdir(sandbox.data_dir / GENERATIONS)) == [base, night]


@pytest.mark.unmeasured
def test_a_purge_that_is_killed_between_any_two_steps(sandbox: Sandbox) -> None:
    """New base, new differences, switch, removal: after each kill all answers are there, and the next purge completes it."""
    play(sandbox, 0, 1, 2)
    for number, left in enumerate(range(10, 30)):
        key = bytes.fromhex(key_of(left).replace("-", ""))
        sandbox.forget_key(key)
        sandbox.store.close()
        words = [*command(sandbox, sandbox.data_dir.parent / "unused", 0)[:6], "purge"]
        killed_at(("rename", "fsync", "unlink", "rmdir")[number % 4], 1 + number // 3, words)
        assert sandbox.problems() == []
        assert sandbox.view().name2key(canonical(name_of(500, 2))) is not None
        with sandbox.store.generations.locked():
            sandbox.store.generations.sweep()
            purge(sandbox.store, sandbox.settings).run()
        assert list(inspection(sandbox.store, sandbox.settings).remains()) == []
        assert sandbox.problems() == []
        families = {_base(sandbox, name) or name for name in sandbox.store.generations.names()}
        assert len(families) == 1, "the old family is gone"


def test_a_purge_tells_of_differences_without_their_base(sandbox: Sandbox) -> None:
    """They may name hidden avatars and cannot be rewritten, so it does not say that all are gone."""
    base, _ = play(sandbox, 0, 1)
    sandbox.forget_key(bytes.fromhex(key_of(1).replace("-", "")))
    sandbox.store.close()
    folder = sandbox.data_dir / GENERATIONS / base
    folder.rename(sandbox.data_dir / "elsewhere")
    with sandbox.store.generations.locked(), pytest.raises(StoreDamaged, match="not there"):
        purge(sandbox.store, sandbox.settings).run()
    (sandbox.data_dir / "elsewhere").rename(folder)
    with sandbox.store.generations.locked():
        assert purge(sandbox.store, sandbox.settings).run().generations == 2
    assert list(inspection(sandbox.store, sandbox.settings).remains()) == [] and sandbox.problems() == []


def test_hidden_avatars_are_not_in_new_differences(sandbox: Sandbox) -> None:
    """Neither a record nor an empty row: not even the key's bytes."""
    play(sandbox, 0, 1)
    key = bytes.fromhex(key_of(1).replace("-", ""))
    assert key in _file(sandbox, sandbox.store.generations.current_name()).read_bytes()
    sandbox.forget_key(key)
    (night,) = play(sandbox, 2)
    content = _file(sandbox, night).read_bytes()
    assert key not in content and b"avatar00001" not in content
    assert sandbox.problems() == []


def test_differences_can_be_built_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    """``--base`` names differences, whose base lies beside them; without that it is told. The result is small, and is used."""
    base, night = play(sandbox, 0, 1)
    sandbox.store.close()
    there = tmp_path / "there"
    there.mkdir()
    for name in (base, night):
        (there / name).mkdir()
        for path in (sandbox.data_dir / GENERATIONS / name).iterdir():
            (there / name / path.name).write_bytes(path.read_bytes())
    words = command(sandbox, tmp_path / "dump.csv", 2, "--base", str(there / night), "--to", str(tmp_path / "built"), "--json")
    words = [word for word in words if word not in ("--dir", str(sandbox.data_dir))]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    said = json.loads(done.stdout)
    assert said["base"] == base
    made = Path(said["folder"])
    assert sorted(path.name for path in made.iterdir()) == [DATA_FILE, MANIFEST]
    made.rename(sandbox.data_dir / GENERATIONS / made.name)
    sandbox.store.generations.refuse_changed(made.name)
    sandbox.store.generations.use(made.name)
    assert sandbox.view().name2key(canonical(name_of(2, 2))) is not None and sandbox.problems() == []
    for path in (there / base).iterdir():
        path.unlink()
    (there / base).rmdir()
    refused = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 42 and base in refused.stderr and "not there" in refused.stderr


def test_of_no_generation(sandbox: Sandbox) -> None:
    """A name that is not there is refused as before, whatever the others are."""
    play(sandbox, 0, 1)
    with pytest.raises(NoSuchGeneration):
        sandbox.store.generations.use("20200101T000000.000Z")
