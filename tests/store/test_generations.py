"""Generations: published by one rename, refused when damaged, noticed by every process."""

import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import NoSuchGeneration, StoreDamaged, StoreMissing, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.datadir import BUILDING, CURRENT, DATA_FILE, GENERATIONS, MANIFEST
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMAT, FORMAT_KEY, KEYS, META
from n2k_fcgi.store.lmdb.resident import IMPORT_RESIDENT
from n2k_fcgi.wiring import purge
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def _data(sandbox: Sandbox, name: str) -> Path:
    return sandbox.data_dir / GENERATIONS / name / DATA_FILE


def test_current_is_none_before_the_first_import(sandbox: Sandbox) -> None:
    """A new directory has no generation, which is not an error."""
    assert sandbox.store.generations.current() is None


def test_current_refuses_a_folder_that_is_no_data_directory(tmp_path: Path) -> None:
    """The message has the wrong path; it is not treated as an empty directory."""
    generations = Generations(tmp_path, PRIVATE, resident_limit=1)
    for ask in (generations.current, generations.names):
        with pytest.raises(StoreMissing) as caught:
            ask()
        assert str(caught.value) == str(StoreMissing(path=tmp_path))


def test_publish_is_noticed_by_an_open_reader(sandbox: Sandbox) -> None:
    """A reader gets the new generation with its next request."""
    first = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest
    reader = Generations(sandbox.data_dir, PRIVATE, resident_limit=1 << 40)
    sandbox.store.generations.close()
    try:
        before = reader.current()
        assert before is not None and before.name == first.name
        reader.close()
        second = sandbox.import_text(csv((GOVERNOR, "Governor Linden"))).manifest
        after = reader.current()
        assert after is not None and after.name == second.name > first.name
    finally:
        reader.close()


def test_a_truncated_data_file_is_refused_before_it_is_mapped(sandbox: Sandbox) -> None:
    """A half-copied file raises our error; reading it would end the process with SIGBUS."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    path = _data(sandbox, name)
    whole = path.read_bytes()
    sandbox.store.close()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreDamaged, match="manifest says"):
        sandbox.store.generations.current()
    path.write_bytes(whole)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format":' * 100_000, "[]", "{", '{"format": null}'])
def test_a_damaged_manifest_is_told_whatever_is_in_it(sandbox: Sandbox, text: str) -> None:
    """Nested too deeply for Python, not an object, truncated: our error, which names the file."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    path = _data(sandbox, name).parent / "manifest.json"
    whole = path.read_text()
    path.write_text(text)
    with pytest.raises(StoreDamaged, match="is damaged") as caught:
        sandbox.store.generations.manifest(name)
    assert str(caught.value).startswith(str(path)[:60])  # a long path is shortened in messages
    assert "(None)" not in str(caught.value), "it has the reason"
    path.write_text(whole)


def test_a_missing_manifest_is_reported_for_its_folder(sandbox: Sandbox) -> None:
    """The message has the folder of the generation, and the reason."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    path = _data(sandbox, name).with_name(MANIFEST)
    whole = path.read_text()
    path.unlink()
    with pytest.raises(StoreDamaged) as caught:
        sandbox.store.generations.manifest(name)
    assert str(caught.value) == str(StoreDamaged(path=path.parent, why="it has no manifest"))
    path.write_text(whole)


def test_a_pointer_of_the_very_same_time_is_noticed(sandbox: Sandbox) -> None:
    """If clocks are coarse or set back, two files may have the same time: another inode is another pointer."""
    names = [sandbox.import_text(csv((MASAKAZU, f"Name{n} Kojima")), as_of=n + 1).manifest.name for n in range(2)]
    pointer = sandbox.data_dir / CURRENT
    before = pointer.stat()
    assert sandbox.view().generation_name == names[1]
    sandbox.store.generations.use(names[0])
    os.utime(pointer, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sandbox.view().generation_name == names[0]


@pytest.mark.parametrize("more", [1, 4096, 1 << 20])
def test_a_data_file_larger_than_its_manifest_says_is_refused(sandbox: Sandbox, more: int) -> None:
    """A published file is never written again, so its content is not the checked one; going back to it is refused, too."""
    first = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest
    second = sandbox.import_text(csv((GOVERNOR, "Governor Linden"))).manifest
    sandbox.store.close()
    for manifest in (first, second):
        with _data(sandbox, manifest.name).open("ab") as file:
            file.write(bytes(more))
    with pytest.raises(StoreDamaged, match=f"it has {second.bytes + more} bytes, its manifest says {second.bytes}") as caught:
        sandbox.store.generations.current()
    assert str(caught.value).startswith(str(_data(sandbox, second.name))[:60])  # a long path is shortened in messages
    with pytest.raises(StoreDamaged, match=f"it has {first.bytes + more} bytes"):
        sandbox.store.generations.use(first.name)
    assert sandbox.store.generations.current_name() == second.name
    for manifest in (first, second):
        os.truncate(_data(sandbox, manifest.name), manifest.bytes)


def test_a_truncated_file_with_a_lying_manifest_is_refused_too(sandbox: Sandbox) -> None:
    """LMDB's own number of pages is compared with the file, so that a forged manifest cannot cause SIGBUS."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    path, manifest = _data(sandbox, name), _data(sandbox, name).with_name(MANIFEST)
    whole, said = path.read_bytes(), manifest.read_text()
    sandbox.store.close()
    path.write_bytes(whole[:12288])
    manifest.write_text(said.replace(f'"bytes": {len(whole)}', '"bytes": 12288'))
    with pytest.raises(StoreDamaged, match="12288 bytes of"):
        sandbox.store.generations.current()
    path.write_bytes(whole)
    manifest.write_text(said)


def test_a_later_format_is_refused_with_a_clear_message(sandbox: Sandbox) -> None:
    """Data of a later version is not misread: the message has the file and both formats."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    manifest = _data(sandbox, name).with_name(MANIFEST)
    said = manifest.read_text()
    sandbox.store.close()
    manifest.write_text(said.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    with pytest.raises(StoreTooNew) as caught:
        sandbox.store.generations.current()
    assert str(caught.value) == str(StoreTooNew(path=manifest, found=FORMAT + 1, known=FORMAT))
    manifest.write_text(said)


@pytest.mark.parametrize(("written", "refusal"), [(b"99", StoreTooNew), (b"", StoreDamaged), (b"two", StoreDamaged)])
def test_the_data_file_says_its_format_itself(sandbox: Sandbox, written: bytes, refusal: type[Exception]) -> None:
    """A manifest beside the data file of another version does not make it valid."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    path, manifest = _data(sandbox, name), _data(sandbox, name).with_name(MANIFEST)
    whole, said = path.read_bytes(), manifest.read_text()
    sandbox.store.close()
    with lmdb.open(str(path), subdir=False, lock=False, max_dbs=8) as env:
        meta = env.open_db(META)
        with env.begin(write=True, db=meta) as transaction:
            transaction.put(FORMAT_KEY, written)
    manifest.write_text(said.replace(f'"bytes": {len(whole)}', f'"bytes": {path.stat().st_size}'))
    with pytest.raises(refusal):
        sandbox.store.generations.current()
    path.write_bytes(whole)
    manifest.write_text(said)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it names ''"),
        ("\n", "it names ''"),
        ("../../etc\n", "it names '../../etc'"),
        ("/etc\n", "it names '/etc'"),
        (".\n", "it names '.'"),
        ("..\n", "it names '..'"),
        (".hidden\n", "it names '.hidden'"),
        ("no-such-generation\n", "it has no manifest"),
    ],
)
def test_a_damaged_pointer_is_refused(sandbox: Sandbox, text: str, why: str) -> None:
    """CURRENT leads to a generation or to a clear error; no path outside of the directory is read."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    pointer = sandbox.data_dir / CURRENT
    sandbox.store.close()
    pointer.write_text(text)
    with pytest.raises(StoreDamaged, match=re.escape(why)) as caught:
        sandbox.store.generations.current()
    if "manifest" not in why:
        assert str(caught.value) == str(StoreDamaged(path=pointer, why=why))
    pointer.write_text(name + "\n")


def test_a_pointer_that_is_not_text_is_refused(sandbox: Sandbox) -> None:
    """Names of generations are ASCII: no other byte is looked up as a folder; the message has the file and the reason."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    pointer = sandbox.data_dir / CURRENT
    sandbox.store.close()
    for written in (b"\xff\n", "Gr\u00f6\u00dfe\n".encode()):
        pointer.write_bytes(written)
        with pytest.raises(StoreUnreadable) as caught:
            sandbox.store.generations.current_name()
        assert str(caught.value) == str(StoreUnreadable(path=pointer, why="it is not in ASCII"))
    pointer.write_text(name + "\n")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 1}', '{"format": 99}', None])
def test_a_list_leaves_out_what_cannot_be_read(sandbox: Sandbox, damage: str | None) -> None:
    """One damaged, later or missing manifest does not affect the others."""
    names = [sandbox.import_text(csv((MASAKAZU, f"Name{n} Kojima")), as_of=n + 1).manifest.name for n in range(2)]
    manifest = _data(sandbox, names[0]).with_name(MANIFEST)
    said = manifest.read_text()
    manifest.unlink() if damage is None else manifest.write_text(damage)
    assert [each.name for each in sandbox.store.generations.listed()[1]] == names[1:]
    assert sandbox.store.generations.names() == names
    manifest.write_text(said)
    assert [each.name for each in sandbox.store.generations.listed()[1]] == names


def test_use_goes_back_and_refuses_what_is_not_there(sandbox: Sandbox) -> None:
    """An older generation can be made live again; an unknown name is refused by that name, and changes nothing."""
    first = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    second = sandbox.import_text(csv((GOVERNOR, "Governor Linden"))).manifest.name
    sandbox.store.generations.use(first)
    assert sandbox.view().generation_name == first
    with pytest.raises(NoSuchGeneration, match="20000101T"):
        sandbox.store.generations.use("20000101T000000.000Z")
    sandbox.store.generations.use(second)
    assert sandbox.view().generation_name == second


def test_prune_keeps_the_live_generation_even_when_it_is_old(sandbox: Sandbox) -> None:
    """The live generation is never removed."""
    names = [sandbox.import_text(csv((MASAKAZU, f"Name{n} Kojima")), as_of=n + 1).manifest.name for n in range(2)]
    sandbox.store.generations.use(names[0])
    assert sandbox.store.generations.prune(1) == [names[1]]
    assert sandbox.store.generations.names() == [names[0]]


def test_a_pruned_generation_goes_on_serving_its_reader(sandbox: Sandbox) -> None:
    """A worker that has it open can still read it."""
    first = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.store.lmdb.generations import Generations\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "held = Generations(Path(sys.argv[1]), PRIVATE, resident_limit=1 << 40).current()\n"
        "print('open', flush=True); sys.stdin.readline()\n"
        "print(len(held.by_name('masakazu.kojima')), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(sandbox.data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stdin is not None
        assert child.stdout.readline() == "open\n"
        for n in range(3):
            sandbox.import_text(csv((GOVERNOR, "Governor Linden"), (USERNAME, f"Name{n} Resident")), as_of=n + 5)
        assert first not in sandbox.store.generations.names()
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "1\n"


def test_a_part_of_the_rows_ends_before_its_end(sandbox: Sandbox) -> None:
    """The first key is included, the end is not; one by one or in chunks of any size."""
    keys = [bytes(15) + bytes([n]) for n in range(1, 9)]
    sandbox.import_text(csv(*[(key.hex(), f"Name{key[-1]} Last") for key in keys]))
    generation = sandbox.store.generations.current()
    assert generation is not None
    for first in range(8):
        for end in (*range(first, 8), None):
            until = None if end is None else keys[end]
            assert [key for key, _ in generation.rows(KEYS, keys[first], until)] == keys[first:end]
            for limit in (1, 3, 100):
                assert [key for key, _ in generation.chunk(KEYS, keys[first], until, limit)] == keys[first:end][:limit]


def test_sweep_removes_what_a_killed_import_left(sandbox: Sandbox) -> None:
    """The next import removes unfinished generations; finished ones are kept."""
    left = sandbox.data_dir / GENERATIONS / ("20200101T000000.000Z" + BUILDING)
    left.mkdir()
    (left / DATA_FILE).write_bytes(b"half")
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest.name
    assert os.listdir(sandbox.data_dir / GENERATIONS) == [name]


def test_files_are_private_by_default(sandbox: Sandbox) -> None:
    """No other user of a shared host can read the data."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    for path in (sandbox.data_dir, *sandbox.data_dir.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_are_shared_with_the_group_when_set(tmp_path: Path, umask: int) -> None:
    """For hosts where cron and the web server are different users of a group, whatever the umask; others have no access.

    The same holds for files that are made later.
    """
    before = os.umask(umask)
    shared = Sandbox(tmp_path / "data", share_with_group="yes")
    try:
        shared.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
        shared.register("Seen There", GOVERNOR)
        shared.store.pending.add([bytes(16)], "Production", 1)
        shared.store.forgotten.forget([parse_key(GOVERNOR)], [], 1)
        purge(shared.store, shared.settings).run()
        for path in (shared.data_dir, *shared.data_dir.rglob("*")):
            mode = path.stat().st_mode
            assert mode & 0o060 == 0o060 and mode & 0o007 == 0, (path, oct(mode))
    finally:
        os.umask(before)
        shared.close()


def test_the_map_is_dropped_when_the_process_grows(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above its resident limit a worker opens its map again, with every 64th request."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.store.close()
    reader = Generations(sandbox.data_dir, PRIVATE, resident_limit=1)
    reopened: list[int] = []
    answers: list[int] = []
    really = Generation.reopen
    monkeypatch.setattr(Generation, "reopen", lambda self: (reopened.append(len(answers) + 1), really(self)))
    try:
        for _ in range(200):
            answers.append(len(reader.current().by_name("masakazu.kojima")))  # type: ignore[union-attr]
        assert set(answers) == {1} and reopened == [64, 128, 192]
    finally:
        reader.close()


@pytest.mark.parametrize(("limit", "reopens"), [(1 << 40, False), (1, True)])
def test_a_long_answer_keeps_to_the_limit_of_its_worker(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, limit: int, reopens: bool
) -> None:
    """It releases the map between two steps above that limit, not above the one of imports."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.store.close()
    ballast = b"x" * (IMPORT_RESIDENT + 1)
    reader = Generations(sandbox.data_dir, PRIVATE, resident_limit=limit)
    reopened: list[None] = []
    really = Generation.reopen
    monkeypatch.setattr(Generation, "reopen", lambda self: (reopened.append(None), really(self)))
    lease = reader.hold()
    assert lease is not None and ballast
    with lease as generation:
        assert [len(names) for _, names in generation.keys_from(b"", 10)] == [1]
    assert bool(reopened) == reopens
    reader.close()


def test_a_manifest_is_rewritten_beside_the_generations(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a killed purge leaves no third file in the folder of a generation; it is text with one line per field."""
    manifest = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"))).manifest
    folder = sandbox.data_dir / GENERATIONS / manifest.name
    listed: list[tuple[list[str], bool]] = []
    really = Path.replace

    def replace(self: Path, target: Path) -> Path:
        listed.append((sorted(os.listdir(folder)), (sandbox.data_dir / "manifest.json.new").is_file()))
        return really(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    sandbox.store.generations.rewrite(manifest._replace(source="elsewhere.csv"))
    assert listed == [(["data.mdb", "manifest.json"], True)]
    changed = sandbox.store.generations.manifest(manifest.name)
    assert changed == manifest._replace(source="elsewhere.csv")
    assert (folder / MANIFEST).read_text() == json.dumps(changed._asdict(), indent=1) + "\n"


def test_a_lease_outlives_the_store(sandbox: Sandbox) -> None:
    """It may be released after the store was closed."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    lease = sandbox.store.generations.hold()
    assert lease is not None
    sandbox.store.generations.close_all()
    lease.release()
    lease.release()


def test_a_lease_that_is_garbage_keeps_nothing_open(sandbox: Sandbox) -> None:
    """A server that forgets to close its answers: the files are closed once another generation is live, or with the store."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1)
    generations = sandbox.store.generations
    held, forgotten = generations.hold(), generations.hold()
    assert held is not None and forgotten is not None
    generation = forgotten.view
    generations.close()
    del forgotten
    gc.collect()
    generations.close()
    assert generation.own.is_open and len(generation.by_key(parse_key(MASAKAZU))) == 1
    del held
    gc.collect()
    generations.close()
    assert not generation.own.is_open


def test_a_generation_that_cannot_be_read_is_not_listed(sandbox: Sandbox) -> None:
    """If every one is needed it is an error. The same holds for the live one."""
    good = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=1).manifest.name
    bad = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), as_of=2).manifest.name
    path = sandbox.data_dir / GENERATIONS / bad / MANIFEST
    whole = path.read_text()
    path.write_text("{}")
    current, found = sandbox.store.generations.listed()
    assert current == bad and [manifest.name for manifest in found] == [good]
    with pytest.raises(StoreDamaged):
        sandbox.store.generations.listed(strict=True)
    path.write_text(whole)
    assert [manifest.name for manifest in sandbox.store.generations.listed(strict=True)[1]] == [good, bad]


@pytest.mark.parametrize("problem", ["damaged", "of a later version", "unreadable"])
def test_the_grids_of_those_that_can_be_read(sandbox: Sandbox, problem: str) -> None:
    """A generation that cannot be read contributes none."""
    names = [sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")), grid=f"Grid{n}", as_of=n).manifest.name for n in range(2)]
    assert sandbox.store.generations.grids() == {"Grid0", "Grid1"}
    sandbox.store.close()
    path = sandbox.data_dir / GENERATIONS / names[1] / MANIFEST
    whole = path.read_text()
    if problem == "unreadable":
        path.unlink(), path.mkdir()
    else:
        later = whole.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}')
        path.write_text("{}" if problem == "damaged" else later)
    assert sandbox.store.generations.grids() == {"Grid0"}
    if problem == "unreadable":
        path.rmdir()
    path.write_text(whole)
