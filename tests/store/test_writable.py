"""A file that several processes write: replaced, truncated, removed, of another format, read-only."""

import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import CapturesDamaged, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb.captures import Captures, captures_file
from n2k_fcgi.store.lmdb.layout import CAPTURE_FORMATS
from n2k_fcgi.store.lmdb.writable import with_prefix
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

KEY, OTHER = parse_key(MASAKAZU), parse_key(GOVERNOR)


def test_a_retired_file_rejects_every_use(sandbox: Sandbox) -> None:
    """Another store has the file now: LMDB allows one environment per file and process."""
    sandbox.record(KEY, "Masakazu Kojima", 1)
    file = captures_file(sandbox.data_dir, PRIVATE)
    sandbox.store.close()
    file.retire()
    for ask in (lambda: Captures(file).count(), lambda: file.write(lambda transaction: None)):
        with pytest.raises(StoreUnreadable, match="ask again"):
            ask()
    assert sandbox.store.captures.count() == 1


def test_a_prefix_of_any_length(sandbox: Sandbox) -> None:
    """Exactly the rows whose db_key starts with it, without the prefix."""

    def put(transaction: lmdb.Transaction) -> None:
        for row in (b"a", b"ab", b"abc", b"abd", b"ac", b"b"):
            transaction.put(b"z" + row, row)

    file = captures_file(sandbox.data_dir, PRIVATE)
    sandbox.store.close()
    file.write(put)
    with file.read() as transaction:
        assert [row for row, _ in with_prefix(transaction, b"zab")] == [b"", b"c", b"d"]
        assert [value for _, value in with_prefix(transaction, b"zac")] == [b"ac"]
        assert list(with_prefix(transaction, b"zzz")) == []
    file.close()


def test_a_truncated_captures_file_is_refused(sandbox: Sandbox) -> None:
    """It is not mapped beyond its end, which would be SIGBUS."""
    for n in range(200):
        sandbox.record(parse_key(f"{n + 1:032x}"), f"N{n}", 1)
    sandbox.store.close()
    path = sandbox.data_dir / CAPTURES
    whole = path.read_bytes()
    path.write_bytes(whole[:8192])
    with pytest.raises(CapturesDamaged):
        sandbox.store.captures.by_key(KEY)
    path.write_bytes(whole)


def test_a_file_that_is_not_lmdb_is_refused(tmp_path: Path) -> None:
    """Garbage raises our error, not LMDB's."""
    (tmp_path / CAPTURES).write_bytes(b"x" * 100_000)
    with pytest.raises(CapturesDamaged):
        Captures(captures_file(tmp_path, PRIVATE)).by_key(KEY)


def test_a_later_format_is_refused(sandbox: Sandbox) -> None:
    """Data of a later version is not read wrongly."""
    file = captures_file(sandbox.data_dir, PRIVATE)
    sandbox.store.close()
    file.write(lambda transaction: transaction.put(b"mformat", b"%d" % CAPTURE_FORMATS.stop))
    file.close()
    with pytest.raises(StoreTooNew):
        sandbox.store.captures.by_key(KEY)
    sandbox.store.close()
    file = captures_file(sandbox.data_dir, PRIVATE)
    with lmdb.open(str(file.path), subdir=False) as env, env.begin(write=True) as transaction:
        transaction.put(b"mformat", b"%d" % CAPTURE_FORMATS[-1])


def test_a_replaced_file_is_noticed_before_a_write(sandbox: Sandbox) -> None:
    """A restored backup is another file: later registrations are in it, not in the deleted one."""
    sandbox.record(KEY, "Masakazu Kojima", 1)
    path = sandbox.data_dir / CAPTURES
    backup = path.with_name("backup")
    backup.write_bytes(path.read_bytes())
    backup.rename(path)
    sandbox.record(OTHER, "Governor Linden", 2)
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "print(sum(1 for _ in Captures(captures_file(Path(sys.argv[1]), PRIVATE)).all_stored()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"


def test_a_deleted_file_refuses_a_write(sandbox: Sandbox) -> None:
    """No write is acknowledged into a file without a name."""
    sandbox.record(KEY, "Masakazu Kojima", 1)
    path = sandbox.data_dir / CAPTURES
    aside = path.rename(path.with_name("aside"))
    with pytest.raises(StoreUnreadable, match="does not exist"):
        sandbox.record(OTHER, "Governor Linden", 2)
    aside.rename(path)


def test_a_file_that_was_read_only_is_written_once_it_can_be(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a restart of the worker. (os.access answers as it would to a user other than root.)"""
    may = [False]
    monkeypatch.setattr("n2k_fcgi.store.lmdb.environment.os.access", lambda path, mode: may[0])
    with pytest.raises(StoreUnreadable, match="not written"):
        sandbox.record(KEY, "Masakazu Kojima", 1)
    assert sandbox.store.captures.by_key(KEY) == []
    may[0] = True
    sandbox.record(KEY, "Masakazu Kojima", 1)
