"""Files of format 1, as the version before wrote them: read as they are, and made format 2 by the first write."""

import json
from pathlib import Path

import lmdb

from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.lmdb.layout import CAPTURES, FORMAT, GENERATIONS, HELD, MANIFEST
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def _as_format_1(box: Sandbox, name: str) -> None:
    """Take out of a generation what format 1 did not have."""
    box.store.close()
    folder = box.data_dir / GENERATIONS / name
    env = lmdb.open(str(folder / "data.mdb"), subdir=False, lock=False, max_dbs=8)
    with env.begin(write=True) as transaction:
        transaction.drop(env.open_db(HELD, txn=transaction))
        transaction.put(b"format", b"1", db=env.open_db(b"meta", txn=transaction))
    env.close()
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 1, "bytes": (folder / "data.mdb").stat().st_size}))


def test_a_generation_of_format_1_is_read_and_merged(sandbox: Sandbox) -> None:
    """Its names answer, and the next import settles whose they are."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=1).manifest.name
    _as_format_1(sandbox, name)
    assert sandbox.view().name2key("masakazu.kojima") is not None
    assert sandbox.problems() == []
    done = sandbox.import_text(csv((USERNAME, "Masakazu Kojima")), as_of=2)
    assert len(done.moves) == 1 and done.manifest.format == FORMAT
    avatar = sandbox.view().name2key("masakazu.kojima")
    assert avatar is not None and avatar.key == parse_key(MASAKAZU)


def test_captures_of_format_1_are_read_and_become_format_2(tmp_path: Path) -> None:
    """A source without a shard, a token without rate and note; the first write raises the format."""
    box = Sandbox(tmp_path / "data")
    box.close()
    key = parse_key(MASAKAZU)
    capture = {"grid": "Production", "name": "Masakazu Kojima", "first": 1, "last": 2, "count": 3, "former": []}
    token = {"digest": "00" * 32, "scopes": ["register"], "grid": None, "created": 5, "revoked": False}
    env = lmdb.open(str(box.data_dir / CAPTURES), subdir=False)
    with env.begin(write=True) as transaction:
        transaction.put(b"k" + key, json.dumps([{**capture, "source": ["object", "owner", "region"]}]).encode())
        transaction.put(b"nmasakazu.kojima", key)
        transaction.put(b"t0123456789ab", json.dumps(token).encode())
        transaction.put(b"mformat", b"1")
    env.close()
    try:
        (stored,) = box.store.captures.stored(key)
        assert stored.capture.source == Source("object", "owner", "region", "")
        found = box.store.tokens.find("0123456789ab")
        assert found is not None and (found.rate, found.note) == (None, "")
        assert box.problems() == []
        box.record(GOVERNOR, "Governor Linden", 5)
        box.close()
        env = lmdb.open(str(box.data_dir / CAPTURES), subdir=False)
        with env.begin() as transaction:
            assert transaction.get(b"mformat") == str(FORMAT).encode()
        env.close()
    finally:
        box.close()
