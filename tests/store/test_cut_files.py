"""A file that is truncated under running workers: those that read in the same second may end; none damages it further."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.errors import NamespaceDamaged
from n2k_fcgi.model.keyvalue.operations import Put
from n2k_fcgi.store.datadir import CAPTURES, CURRENT, DATA_FILE, GENERATIONS, KEYVALUE, VOLATILE
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.store.lmdb import writable
from n2k_fcgi.store.lmdb.writable import LOOK_EVERY
from tests.support.golden import Golden, prepare
from tests.support.sandbox import GOVERNOR, Sandbox
from tests.support.worker import FIND, FOUND, Worker, worker

PAGE = 4096
CUTS = pytest.mark.parametrize("pages", [0, 1, 2, 5, -3])
"""Pages that are left; if negative, pages that are removed."""

NEWCOMER = "77777777-2222-3333-4444-555555555555"


@pytest.fixture
def golden(tmp_path: Path) -> Golden:
    """The data of the golden cases; not checked afterwards, since the test breaks it."""
    return prepare(tmp_path / "data")


@contextlib.contextmanager
def two_workers(golden: Golden) -> Iterator[tuple[Worker, Worker]]:
    """Both have everything open and have written."""
    with worker(golden.data_dir) as one, worker(golden.data_dir) as other:
        for n, each in enumerate((one, other)):
            assert each.finds()
            for number in range(20):
                name, key = f"Cut{n}x{number} Resident", f"{n}{number:07x}-2222-3333-4444-555555555555"
                assert each.register(golden, name, key)[0] == 200
        yield one, other


def cut(path: Path, pages: int) -> int:
    """Leave *pages* of the file; return its size. More than LOOK_EVERY has passed when this returns."""
    size = pages * PAGE if pages >= 0 else path.stat().st_size + pages * PAGE
    os.truncate(path, size)
    time.sleep(LOOK_EVERY + 0.1)
    return size


@CUTS
def test_captures_that_were_cut_are_not_read_and_not_written(golden: Golden, pages: int) -> None:
    """Every worker reports it in one line and continues, a new one, too; the file is not changed until it is replaced."""
    path = golden.data_dir / CAPTURES
    backup = path.read_bytes()
    with two_workers(golden) as workers, contextlib.ExitStack() as stack:
        size = cut(path, pages)
        for each in (*workers, stack.enter_context(worker(golden.data_dir))):
            for answer in (each.ask(FIND), each.register(golden, "New Comer", NEWCOMER), each.ask(FIND)):
                assert answer[0] == 503 and "damaged" in answer[1]
            assert each.process.poll() is None
        assert path.stat().st_size <= max(size, 2 * PAGE), "it grew over what is missing"
        fresh = path.with_name("backup.mdb")
        fresh.write_bytes(backup)
        fresh.rename(path)
        time.sleep(LOOK_EVERY + 0.1)
        for each in workers:
            assert each.finds()
        assert workers[0].register(golden, "New Comer", NEWCOMER)[0] == 200
        assert workers[1].ask(f"/?key={NEWCOMER}") == (200, "New Comer")


@CUTS
def test_a_cut_volatile_file_begins_anew(golden: Golden, pages: int) -> None:
    """Registrations and lookups work."""
    with two_workers(golden) as workers:
        cut(golden.data_dir / VOLATILE, pages)
        for n, each in enumerate(workers):
            assert each.register(golden, f"New{n} Comer", f"7777777{n}-2222-3333-4444-555555555555")[0] == 200
            assert each.ask("/name2key?keys=99999999-2222-3333-4444-555555555555")[0] == 200
            assert each.finds() and each.process.poll() is None


@pytest.mark.parametrize("pages", [0, 2, -3])
def test_a_cut_generation_ends_a_worker_and_no_second_one(golden: Golden, pages: int) -> None:
    """An open generation is not checked again, so a worker may end; the next one reports it in one line, with what to do."""
    path = golden.data_dir / GENERATIONS / (golden.data_dir / CURRENT).read_text().strip() / DATA_FILE
    with worker(golden.data_dir) as first:
        assert first.finds()
        cut(path, pages)
        with contextlib.suppress(OSError, EOFError):
            first.ask(f"/?key={GOVERNOR}")
    with worker(golden.data_dir) as following:
        for _ in range(3):
            status, text = following.ask(FIND)
            assert status == 503 and "n2k generations use" in text
        assert following.process.poll() is None


def test_a_registration_that_is_whole_passes(golden: Golden) -> None:
    """A file that grew was not truncated: two processes write in turn, for longer than LOOK_EVERY."""
    with two_workers(golden) as (one, other):
        time.sleep(LOOK_EVERY + 0.1)
        assert one.register(golden, "New Comer", NEWCOMER)[0] == 200
        assert other.ask(f"/?key={NEWCOMER}") == (200, "New Comer") and other.ask(FIND) == FOUND


@CUTS
def test_a_namespace_that_grew_and_was_cut_is_not_read_and_not_written(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """Also if it grew since the last look. It is not changed, and a backup in its place is used at once."""
    monkeypatch.setattr(writable, "LOOK_EVERY", 1e9)
    shop = sandbox.store.keyvalue.create("shop", Terms(1_000_000, 1000))
    path = sandbox.data_dir / KEYVALUE / "shop" / DATA_FILE
    backup = path.read_bytes()
    for n in range(50):
        shop.apply([Put(b"k%d" % n, bytes(3000))], 5)
    os.truncate(path, pages * PAGE if pages >= 0 else path.stat().st_size + pages * PAGE)
    size = path.stat().st_size
    monkeypatch.setattr(writable, "LOOK_EVERY", 0)
    for refused in (lambda: shop.apply([Put(b"k1", b"")], 5), lambda: shop.get(b"k1", 5), shop.compact):
        with pytest.raises(NamespaceDamaged):
            refused()
    assert path.stat().st_size <= max(size, 2 * PAGE)
    assert [problem for problem in sandbox.problems() if "keyvalue/shop/data.mdb is damaged" in problem]
    fresh = path.with_name("backup")
    fresh.write_bytes(backup)
    fresh.chmod(0o600)
    fresh.rename(path)
    shop.apply([Put(b"k1", b"new")], 5)
    found = shop.get(b"k1", 5)
    assert found is not None and found.value == b"new"
