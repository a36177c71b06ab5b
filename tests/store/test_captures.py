"""Captures: acknowledged means on the disk, in both directions, for every process."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import CapturesDamaged, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.avatar import Source
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.service.access.tokens import create_token
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb import growing_map, lockfile, rewriting
from n2k_fcgi.store.lmdb.captures import Captures, captures_file
from n2k_fcgi.store.lmdb.layout import FORMAT
from n2k_fcgi.store.lmdb.writable import with_prefix
from tests.support.processes import talking
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox

KEY, OTHER = parse_key(MASAKAZU), parse_key(GOVERNOR)


def test_the_map_grows_and_other_processes_follow(sandbox: Sandbox) -> None:
    """A file that outgrows its first map is written and read on, here and in a process that had it open."""
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "captures = Captures(captures_file(Path(sys.argv[1]), PRIVATE))\n"
        "input(); print(sum(1 for _ in captures.all_stored()), flush=True); input()\n"
        "print(sum(1 for _ in captures.all_stored()), flush=True)"
    )
    with talking(code, sandbox.data_dir) as go_on:
        assert go_on() == "0\n"
        big = Source(region="r" * 60_000)
        for n in range(400):
            key = parse_key(f"{n + 1:032x}")
            sandbox.record(key, f"N{n}", 1, source=big)
        assert (sandbox.data_dir / CAPTURES).stat().st_size > 16 * 1024 * 1024
        assert go_on() == "400\n"


def test_a_rewrite_that_outgrows_its_first_map_counts_right(sandbox: Sandbox) -> None:
    """Rows are copied again when the map was too small: what goes is counted once, all else is there."""
    big = Source(region="r" * 60_000)
    for n in range(400):
        sandbox.record(parse_key(f"{n + 1:032x}"), f"N{n}", 1, source=big)
    sandbox.store.forgotten.forget([parse_key(f"{7:032x}"), parse_key(f"{300:032x}")], [], 1)
    assert sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden()) == 2
    assert sandbox.store.captures.count() == 398


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_a_rewrite_copies_every_part(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """However many rows go into one transaction: captures in both directions, tokens, who is forgotten."""
    monkeypatch.setattr(rewriting, "ROWS_A_TRANSACTION", rows)
    for n in range(1, 41):
        sandbox.record(parse_key(f"{n:032x}"), f"N{n}", 1)
    token = create_token(sandbox.store.tokens, ("register",))
    sandbox.store.forgotten.forget([parse_key(f"{7:032x}")], [("Production", "n7")], 1)
    assert sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden()) == 1
    assert sandbox.store.captures.count() == 39
    assert {name for name, _ in sandbox.store.captures.names()} == {f"n{n}" for n in range(1, 41) if n != 7}
    assert sandbox.store.tokens.tokens() == [token.token] and sandbox.store.forgotten.count() == 1


def test_what_a_killed_rewrite_left_is_not_gone_on_with(sandbox: Sandbox) -> None:
    """It may hold who has left meanwhile: the next one begins anew."""
    sandbox.record(KEY, "Quillon Ash", 1)
    sandbox.record(OTHER, "Governor Linden", 1)
    for name in (CAPTURES, CAPTURES + "-lock"):
        shutil.copy(sandbox.data_dir / name, sandbox.data_dir / name.replace(".mdb", ".fresh"))
    sandbox.store.forgotten.forget([KEY], [], 1)
    assert sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden()) == 1
    sandbox.store.close()
    assert b"uillon" not in (sandbox.data_dir / CAPTURES).read_bytes()
    assert sandbox.store.captures.count() == 1
    assert not list(sandbox.data_dir.glob("*.fresh*"))


def test_readers_notice_a_file_that_was_replaced(sandbox: Sandbox) -> None:
    """At their next look: what they had open has no name any more."""
    code = (
        "import sys; from pathlib import Path; from n2k_fcgi.store.lmdb import writable; writable.LOOK_EVERY = 0\n"
        "from n2k_fcgi.store.lmdb.captures import *; from n2k_fcgi.files import PRIVATE\n"
        "captures = Captures(captures_file(Path(sys.argv[1]), PRIVATE))\n"
        "while True: input(); print(captures.count(), flush=True)"
    )
    sandbox.record(KEY, "Masakazu Kojima", 1)
    sandbox.record(OTHER, "Governor Linden", 1)
    with talking(code, sandbox.data_dir) as go_on:
        assert go_on() == "2\n"
        sandbox.store.forgotten.forget([KEY], [], 1)
        sandbox.store.captures.drop_hidden(sandbox.store.forgotten.hidden())
        assert go_on() == "1\n"
        sandbox.record(b"x" * 16, "New Comer", 2)
        assert go_on() == "2\n"


def test_the_killed_do_not_fill_the_table_of_readers(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed keeps its slot in LMDB's table: the next one frees it, or one day none could open the file."""
    monkeypatch.setattr(growing_map, "MAX_READERS", 3)
    monkeypatch.setattr(lockfile, "LOCK_BYTES", 1)
    sandbox.record(KEY, "Masakazu Kojima", 1)
    sandbox.store.close()
    (sandbox.data_dir / (CAPTURES + "-lock")).unlink()  # its size says how many slots there are
    assert sandbox.store.captures.count() == 1
    code = (
        "import sys, os; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.store.lmdb import lockfile, growing_map; from n2k_fcgi.files import PRIVATE\n"
        "growing_map.MAX_READERS, lockfile.LOCK_BYTES = 3, 1\n"
        "captures = Captures(captures_file(Path(sys.argv[1]), PRIVATE)); print(captures.count(), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    for _ in range(8):
        done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == ("1\n", -signal.SIGKILL), done.stderr


def test_a_retired_file_answers_nobody(sandbox: Sandbox) -> None:
    """Another store has the file now: LMDB has one environment a file and process."""
    sandbox.record(KEY, "Masakazu Kojima", 1)
    file = captures_file(sandbox.data_dir, PRIVATE)
    sandbox.store.close()
    file.retire()
    for ask in (lambda: Captures(file).count(), lambda: file.write(lambda transaction: None)):
        with pytest.raises(StoreUnreadable, match="ask again"):
            ask()
    assert sandbox.store.captures.count() == 1


def test_a_prefix_of_any_length(sandbox: Sandbox) -> None:
    """The rows that begin so, without the beginning, and no more."""

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


def test_a_writer_that_waits_too_long_says_busy_and_hears_signals(sandbox: Sandbox) -> None:
    """LMDB's own lock would block for ever without running a signal handler; ours gives up."""
    code = (
        "import sys; from pathlib import Path; from tests.support.sandbox import Sandbox, MASAKAZU\n"
        "from n2k_fcgi.errors import StoreBusy\n"
        "box = Sandbox(Path(sys.argv[1]))\n"
        "try: box.register('Masakazu Kojima', MASAKAZU)\n"
        "except StoreBusy as error: print(error)"
    )
    with hold(sandbox.data_dir / "captures.writer", PRIVATE, 0) as held:
        assert held
        done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], capture_output=True, text=True, check=True)
    assert "busy" in done.stdout
    assert sandbox.store.captures.by_key(KEY) == []


def test_readers_killed_in_mid_transaction_do_not_make_the_file_grow(sandbox: Sandbox) -> None:
    """Their slots are cleared before the next write, so pages are used again."""
    code = (
        "import sys, os, signal; from pathlib import Path; from n2k_fcgi.store.lmdb.captures import *\n"
        "from n2k_fcgi.files import PRIVATE\n"
        "with captures_file(Path(sys.argv[1]), PRIVATE).read(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    sandbox.record(KEY, "Masakazu Kojima", 1)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code, str(sandbox.data_dir)], check=False)
        assert done.returncode == -signal.SIGKILL
    for now in range(300):
        sandbox.record(KEY, "Masakazu Kojima", now)
    assert (sandbox.data_dir / CAPTURES).stat().st_size < 200_000


def test_a_truncated_captures_file_is_refused(sandbox: Sandbox) -> None:
    """Not mapped beyond its end, which would be SIGBUS."""
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
    """Garbage is our error, not LMDB's."""
    (tmp_path / CAPTURES).write_bytes(b"x" * 100_000)
    with pytest.raises(CapturesDamaged):
        Captures(captures_file(tmp_path, PRIVATE)).by_key(KEY)


def test_a_later_format_is_refused(sandbox: Sandbox) -> None:
    """Data of a later version is not misread."""
    file = captures_file(sandbox.data_dir, PRIVATE)
    sandbox.store.close()
    file.write(lambda transaction: transaction.put(b"mformat", b"%d" % (FORMAT + 1)))
    file.close()
    with pytest.raises(StoreTooNew):
        sandbox.store.captures.by_key(KEY)
    sandbox.store.close()
    file = captures_file(sandbox.data_dir, PRIVATE)
    with lmdb.open(str(file.path), subdir=False) as env, env.begin(write=True) as transaction:
        transaction.put(b"mformat", b"%d" % FORMAT)


def test_a_replaced_file_is_noticed_before_a_write(sandbox: Sandbox) -> None:
    """A restored backup is another file: what is registered then is in it, not in the one that was deleted."""
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
    """Nothing is acknowledged into a file that nobody will find again."""
    sandbox.record(KEY, "Masakazu Kojima", 1)
    path = sandbox.data_dir / CAPTURES
    aside = path.rename(path.with_name("aside"))
    with pytest.raises(StoreUnreadable, match="not there"):
        sandbox.record(OTHER, "Governor Linden", 2)
    aside.rename(path)


def test_what_was_read_only_is_written_again_once_it_can_be(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker need not be restarted for it. (Asked as a system would answer whose user is not root.)"""
    may = [False]
    monkeypatch.setattr("n2k_fcgi.store.lmdb.environment.os.access", lambda path, mode: may[0])
    with pytest.raises(StoreUnreadable, match="not written"):
        sandbox.record(KEY, "Masakazu Kojima", 1)
    assert sandbox.store.captures.by_key(KEY) == []
    may[0] = True
    sandbox.record(KEY, "Masakazu Kojima", 1)
