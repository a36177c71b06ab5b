"""Searching for hidden avatars: every form of a key and a name, in texts and in pages of LMDB."""

import shutil

import pytest

from n2k_fcgi.files import PIECE
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.directory.remains import Remains, texts_of_json
from n2k_fcgi.wiring import inspection, purge
from tests.support.sandbox import GOVERNOR, Sandbox
from tests.support.traces import KEY

pytestmark = pytest.mark.unmeasured

PLACES = {
    "dashes": f"x {KEY} y".encode(),
    "upper case": KEY.upper().encode(),
    "no dashes": f'"{KEY.replace("-", "")}"'.encode(),
    "no space before": f"key={KEY},".encode(),
    "csv": b"Quillon,Ash\n",
    "quoted csv": b'"quillon","ash"\n',
    "url": b"GET /?name=Quillon%20Ash HTTP/1.1",
    "plus": b"name=QUILLON+ASH&x",
    "username": b"<quillon.ash>",
    "non-ASCII quotes": "“Quillon Ash”".encode(),
    "no-break space": "Quillon\u00a0Ash".encode(),
    "one word": b"hello Zyphara!",
    "one word, resident": b"Zyphara Resident was here",
    "between bytes": b"\xff\x00\x07quillon.ash\x00\xff",
    "grid": b"Vexworth Ash",
    "hyphen": b"so Jean-Luc O'Brien said",
    "Unicode": "so ÆRLIG Ñandú said".encode(),
}


@pytest.fixture
def left(sandbox: Sandbox) -> Sandbox:
    """Five hidden avatars whose data is in no file; one was on OpenSim, which still has other avatars."""
    names = ("Quillon Ash", "Jean-Luc O'Brien", "Ærlig Ñandú", "Zyphara Resident")
    for number, name in enumerate(names, 1):
        sandbox.record(bytes([number]) * 16, name, 1)
        sandbox.forget_key(bytes([number]) * 16)
    sandbox.record(KEY, "Vexworth Ash", 1, grid="OpenSim")
    sandbox.forget_key(parse_key(KEY))
    purge(sandbox.store, sandbox.settings).run()
    sandbox.record(GOVERNOR, "Governor Linden", 1, grid="OpenSim")
    return sandbox


def inspected(box: Sandbox) -> list[Remains]:
    """The results of the search."""
    return list(inspection(box.store, box.settings).remains())


def test_an_unfinished_generation_is_searched(left: Sandbox) -> None:
    """A killed import leaves pages with keys of 16 bytes and canonical names; the next purge removes them."""
    left.import_text("3d6181b0-6a4b-97ef-18d8-722652995cf1,Governor Linden\n")
    (published,) = (left.data_dir / "generations").iterdir()
    unfinished = published.with_name("20200101T000000.000Z.building")
    shutil.copytree(published, unfinished)
    data = unfinished / "data.mdb"
    data.write_bytes(data.read_bytes().replace(b"governor.linden", b"quillon.ash\0\0\0\0"))
    assert [remains.path for remains in inspected(left)] == ["generations/20200101T000000.000Z.building/data.mdb"]
    with left.store.generations.locked():
        purge(left.store, left.settings).run()
    assert inspected(left) == []


@pytest.mark.parametrize("place", PLACES)
def test_every_form_is_found_wherever_it_lies(left: Sandbox, place: str) -> None:
    """A key or name in an unknown file: at its beginning, across two blocks, far from the beginning."""
    offsets = (0, 5, PIECE - 7, PIECE - 515, PIECE + 3, 2 * PIECE - 1)
    for offset in offsets:
        filling = (b"Other Words stand here\n" + b"\n" * 4000) * (offset // 4000 + 1)
        (left.data_dir / f"{offset}.txt").write_bytes(
            filling[: max(0, offset - 1)] + b"\n" * (offset > 0) + PLACES[place] + b"\nmore words"
        )
    found = {each.path: (int(each.first.removeprefix("byte ")), each.times) for each in inspected(left)}
    assert found.keys() == {f"{offset}.txt" for offset in offsets}
    for offset in offsets:
        at, times = found[f"{offset}.txt"]
        assert times == 1 and offset <= at < offset + len(PLACES[place])


def test_what_is_nobodys_name_is_not_found(left: Sandbox) -> None:
    """Not parts of names, the same words in another order or far apart, or truncated keys."""
    text = f"Quillo nAsh quillonash ash; quillon and Ash\nzypharax Luc O'Brien {KEY[:-1]} {KEY[1:]} Vexworth\nAerlig Ñandú\n"
    (left.data_dir / "stranger.txt").write_text(text, "utf-8")
    assert inspected(left) == []


def test_free_pages_and_other_databases_are_read(sandbox: Sandbox) -> None:
    """LMDB leaves deleted rows in free pages, keys as 16 bytes; a copy of captures.mdb with another name is searched too."""
    filler = [(n.to_bytes(16, "big"), f"Filler{n} Last") for n in range(1, 400)]
    for key, name in [*filler[:200], (parse_key(KEY), "Quillon Ash"), *filler[200:]]:
        sandbox.record(key, name, 1)
    sandbox.store.pending.add([parse_key(KEY)], "Production", 5)
    sandbox.close()
    shutil.copy(sandbox.data_dir / "captures.mdb", sandbox.data_dir / "backup.mdb")
    sandbox.store.captures._file.write(lambda t: [t.delete(b"nquillon.ash"), t.delete(b"k" + parse_key(KEY))])
    sandbox.store.forgotten.forget([parse_key(KEY)], [("Production", "quillon.ash")], 1)
    found = {(each.path, each.what) for each in inspected(sandbox)}
    assert {(name, what) for name in ("captures.mdb", "backup.mdb") for what in ("a key", "a name")} <= found
    assert ("volatile.mdb", "a key") in found
    (sandbox.data_dir / "backup.mdb").unlink()
    purge(sandbox.store, sandbox.settings).run()
    assert inspected(sandbox) == []


@pytest.mark.parametrize("text", ["[" * 100_000 + f'"{KEY}"', '{"a":' * 100_000 + f'"{KEY}"', f'{{"a": "{KEY}'])
def test_json_that_cannot_be_read_is_looked_at_as_a_text(text: str) -> None:
    """JSON that is nested too deeply or truncated is searched as one text."""
    assert list(texts_of_json(text.encode())) == [text]
