"""Files of earlier formats, as earlier versions wrote them: they are read, and become the present one with the first write.

And two versions at once: what a later one has written, an earlier one that still runs does not touch.
"""

import subprocess
import sys
import time
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import StoreTooNew
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.datadir import CAPTURES, VOLATILE
from n2k_fcgi.store.lmdb.layout import CAPTURE_FORMATS, FORMAT
from n2k_fcgi.store.lmdb.writable import LOOK_EVERY
from tests.support.old_formats import as_format, format_of_captures, put_captures
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


def test_a_generation_of_format_1_is_read_and_merged(sandbox: Sandbox) -> None:
    """Its names are found, and the next import determines their holders."""
    name = sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")), as_of=1).manifest.name
    as_format(sandbox.data_dir, sandbox.store, name, 1)
    assert sandbox.view().name2key("masakazu.kojima") is not None
    assert sandbox.problems() == []
    done = sandbox.import_text(csv((USERNAME, "Masakazu Kojima")), as_of=2)
    assert len(done.moves) == 1 and done.manifest.format == FORMAT
    avatar = sandbox.view().name2key("masakazu.kojima")
    assert avatar is not None and avatar.key == parse_key(MASAKAZU)


@pytest.mark.parametrize("number", CAPTURE_FORMATS[:-1])
def test_captures_of_earlier_formats_are_read_and_become_the_present_one(tmp_path: Path, number: int) -> None:
    """Format 1: a source without a shard, a token without rate and note; the first write raises the format."""
    box = Sandbox(tmp_path / "data")
    box.close()
    key = parse_key(MASAKAZU)
    capture = {"grid": "Production", "name": "Masakazu Kojima", "first": 1, "last": 2, "count": 3, "former": []}
    put_captures(box.data_dir, number, {MASAKAZU: [{**capture, "source": ["object", "owner", "region"]}]})
    try:
        (stored,) = box.store.captures.stored(key)
        assert stored.capture.source == Source("object", "owner", "region", "")
        found = box.store.tokens.find("0123456789ab")
        assert found is not None and (found.rate, found.note) == (None, "")
        assert box.problems() == []
        box.record(GOVERNOR, "Governor Linden", 5)
        box.close()
        assert format_of_captures(box.data_dir) == CAPTURE_FORMATS[-1]
    finally:
        box.close()


def _raise_format(box: Sandbox, name: str, number: bytes) -> None:
    """Raise the format as a later version does, in another process, of a file that this process has open."""
    code = "import lmdb, sys; env = lmdb.open(sys.argv[1], subdir=False); t = env.begin(write=True)\n"
    code += "t.put(b'mformat', sys.argv[2].encode()); t.commit()"
    subprocess.run([sys.executable, "-c", code, str(box.data_dir / name), number.decode()], check=True)


def test_a_later_version_beside_a_running_process(tmp_path: Path) -> None:
    """From then on this process does not write the file, and within a second does not read it."""
    box = Sandbox(tmp_path / "data")
    box.record(MASAKAZU, "Masakazu Kojima", 1)
    box.store.meters.take([Charge(b"a", 10)], 1.0)
    for name in (CAPTURES, VOLATILE):
        _raise_format(box, name, b"9")
    with pytest.raises(StoreTooNew, match=f"format 9, this version reads up to {CAPTURE_FORMATS[-1]}: update n2k_fcgi"):
        box.record(GOVERNOR, "Governor Linden", 2)
    with pytest.raises(StoreTooNew, match="format 9, this version reads up to 3: update n2k_fcgi"):
        box.store.meters.take([Charge(b"a", 10)], 1.0)
    time.sleep(LOOK_EVERY + 0.1)
    with pytest.raises(StoreTooNew):
        box.store.captures.by_key(parse_key(MASAKAZU))
    box.close()


@pytest.mark.parametrize("number", [b"1", b"2"])
def test_a_volatile_file_of_an_earlier_version_begins_anew(sandbox: Sandbox, number: bytes) -> None:
    """Its rows have another format. An earlier version that still runs sees another file, of a format that it rejects."""
    path = sandbox.data_dir / VOLATILE
    assert sandbox.store.meters.take([Charge(b"a", 10)], 1.0) == 0
    sandbox.store.close()
    env = lmdb.open(str(path), subdir=False)
    with env.begin(write=True) as transaction:
        transaction.put(b"lold", bytes(8))
        transaction.put(b"p" + parse_key(MASAKAZU) + b"Production", bytes(16))
        transaction.put(b"mformat", number)
    env.close()
    assert sandbox.store.pending.waiting() == []
    assert sandbox.store.meters.take([Charge(b"old", 10)], 1.0) == 0
    assert sandbox.store.pending.add([parse_key(MASAKAZU)], "Production", 5) == 1
    with sandbox.store.volatile.read() as transaction:
        assert transaction.get(b"mformat") == b"3"
