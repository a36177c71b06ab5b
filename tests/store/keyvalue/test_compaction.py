"""A file that is compacted while processes use it: nothing is lost, no process reads what was overwritten, kills included."""

import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from n2k_fcgi.errors import ChangesGone
from n2k_fcgi.model.keyvalue.operations import Delete, Put
from n2k_fcgi.store.keyvalue import Range
from n2k_fcgi.store.lmdb.keyvalue import file as file_module
from n2k_fcgi.store.lmdb.keyvalue import replacing
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.rows import REPLACED
from tests.contract.engines import Peer, Place, done, open_store
from tests.support.namespaces import COMPACT, NEVER_LOOK, NOW, SPACE, TERMS, calls_of, files, is_killed, problems, traced


@contextmanager
def shop(place: Place) -> Iterator[Namespace]:
    """A namespace that had many entries and has few."""
    store = open_store(place.engine, place.folder)
    space = store.keyvalue.create("shop", TERMS)
    assert isinstance(space, Namespace)
    for start in range(0, 2000, 500):
        space.apply([Put(b"k%04d" % n, bytes(300), ttl=None if n % 2 else 10_000) for n in range(start, start + 500)], NOW)
    space.sequence(b"tickets", 7)
    for start in range(20, 2000, 495):
        space.apply([Delete(b"k%04d" % n) for n in range(start, start + 495)], NOW + 1, request=f"id {start}")
    try:
        yield space
    finally:
        store.close()


def put(peer: Peer, value: bytes) -> int:
    """Store a value in another process; return its version once it is acknowledged."""
    version: int = peer(f"{SPACE}.apply([operation], now).results[0].version", operation=Put(b"k", value), now=NOW + 5)
    return version


def value(peer: Peer) -> bytes:
    """Read it in another process."""
    found: bytes = peer(f"{SPACE}.get(b'k', now).value", now=NOW + 5)
    return found


def test_a_compacted_file_holds_everything_and_is_small(place: Place) -> None:
    """Entries with their times, the log, requests, sequences, versions and terms; no other file is left, the mode is right."""
    with shop(place) as space:
        since = space.apply([Put(b"k0000", b"replaced")], NOW).results[0].version
        space.apply([Put(b"k%04d" % n, bytes(300)) for n in range(1, 20)], NOW)
        before = (
            space.scan(Range(), NOW, limit=10_000, values=True),
            space.changes(since, 10_000),
            space.terms(),
            space.space(NOW),
        )
        large, small = space.compact()
        path = space.file.path
        assert path.stat().st_size == small < large / 3
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert files(place.folder) == ["data.mdb", "data.mdb-lock", "data.writer"]
        assert before == (
            space.scan(Range(), NOW, limit=10_000, values=True),
            space.changes(since, 10_000),
            space.terms(),
            space.space(NOW),
        )
        assert space.sequence(b"tickets", 1) == 8
        assert space.apply([Delete(b"k%04d" % n) for n in range(20, 515)], NOW + 2, request="id 20").repeated is True
        assert space.apply([Put(b"k", b"")], 0).results[0].version > before[1].last
        again = space.compact()
        assert again[1] <= again[0]


def test_a_file_larger_than_its_first_map(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fresh file grows while it is written, and each part is copied once."""
    monkeypatch.setattr(replacing, "PART", 300_000)
    with shop(place) as space:
        for n in range(40):
            space.apply([Put(b"big%02d%02d" % (n, m), bytes(60_000)) for m in range(10)], NOW + 1)
        keys = [entry.key for entry in space.scan(Range(), NOW + 1, limit=10_000, values=False).entries]
        assert space.compact()[1] > 24_000_000
        assert [entry.key for entry in space.scan(Range(), NOW + 1, limit=10_000, values=False).entries] == keys
        with space.copy(place.folder / "copy") as state:
            assert len(state.scan(Range(), NOW + 1, limit=10_000, values=False).entries) == len(keys)


def test_no_process_reads_what_was_overwritten_in_the_compacted_file(place: Place) -> None:
    """Three processes, which never look at the path by themselves: one compacts, one writes, two read, one of them late."""
    with shop(place), place.peer() as writer, place.peer() as reader, place.peer() as late, place.peer() as compactor:
        for peer in (writer, reader, late):
            peer(NEVER_LOOK)
        for number in range(30):
            expected = b"%d" % number
            put(writer, expected)
            assert value(reader) == expected
            compactor(f"{SPACE}.compact()")
            assert value(reader) == expected
            put(writer, expected + b"!")
            assert value(reader) == expected + b"!"
            if number % 5 == 4:  # two to ten compactions after its last read
                assert value(late) == expected + b"!"


def test_reads_and_writes_beside_endless_compactions(place: Place) -> None:
    """Two writers count in one entry, two readers see it only grow, never below what was acknowledged.

    The writers go on until the file was compacted four times: five processes want its queue.
    """
    opening = (
        "import time; from n2k_fcgi.errors import StoreBusy; from n2k_fcgi.model.keyvalue.operations import *\n"
        "from n2k_fcgi.store.lmdb import writable; writable.LOOK_EVERY = 1e9\n"
        "space = store.keyvalue.namespace('shop'); stop = Path(sys.argv[3]); often = stop.with_name('often')\n"
        "def patient(action):\n"
        "    while True:\n"
        "        try: return action()\n"
        "        except StoreBusy: time.sleep(0.01)  # five processes want the queue all the time\n"
        "def count(): return int(space.apply([Increment(b'n', 1, 1)], 5).results[0].entry.value)\n"
        "def seen(): entry = space.get(b'n', 5); return int(entry.value) if entry else 0\n"
    )
    write = "n = 0\nwhile n < 150 or not often.exists(): patient(count); n += 1"
    compact = (
        "n = 0\n"
        "while not stop.exists():\n"
        "    patient(space.compact); n += 1; time.sleep(0.01)\n"
        "    if n == 4: often.touch()\n"
        "print(n)"
    )
    read = (
        "last = 0\n"
        "while not stop.exists():\n"
        "    now = seen(); assert now >= last, (now, last)\n"
        "    mine = patient(count); assert mine > now\n"
        "    last = seen(); assert last >= mine, (last, mine)\n"
        "print(last)"
    )
    stop = place.folder.with_name("stop")
    with shop(place) as space, ExitStack() as stack:
        others = [stack.enter_context(place.running(opening + code, stop)) for code in (compact, read, read)]
        stack.callback(stop.touch)  # before it waits for them, whatever fails
        done(*[stack.enter_context(place.running(opening + write, stop)) for _ in range(2)])
        stop.touch()
        compactions, *seen = map(int, done(*others))
        assert compactions > 3
        entry = space.get(b"n", 5)
        assert entry is not None and int(entry.value) >= max(seen) >= 300


def test_a_killed_compaction_loses_nothing_and_hides_nothing(place: Place) -> None:
    """SIGKILL at each system call that changes the disk: running and new processes see all that is acknowledged, at once."""
    with shop(place), place.peer() as writer, place.peer() as reader:
        for peer in (writer, reader):
            peer(NEVER_LOOK)
        put(writer, b"first")
        calls = calls_of(COMPACT, place.folder)
        assert {"rename", "pwrite64", "fdatasync", "fsync"} <= {call for call, _ in calls}
        kills = 0
        for call, number in calls:
            at = b"%s %d" % (call.encode(), number)
            put(writer, at)
            assert value(reader) == at
            kills += is_killed(COMPACT, place.folder, call, number)
            assert value(reader) == at
            with place.peer() as fresh:
                assert value(fresh) == at
                for peer in (writer, fresh, writer, writer):
                    put(peer, at + b"!")
                    assert value(reader) == value(fresh) == value(writer) == at + b"!"
                assert problems(fresh) == []
                assert fresh(f"{SPACE}.count(wanted, now)", wanted=Range(b"k0", b"k1"), now=NOW) == (20, 20 * 305)
        assert kills >= len(calls) - 3
        writer(f"{SPACE}.compact()")
        assert value(reader).endswith(b"!") and files(place.folder) == ["data.mdb", "data.mdb-lock", "data.writer"]


def test_a_void_mark_is_removed_by_a_later_write(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all readers have looked for themselves; until then it costs each of them a look at the path."""
    with shop(place) as space:
        assert is_killed(COMPACT, place.folder, "rename", 1)
        marked = space.file
        space.apply([Put(b"k", b"1")], NOW)
        with marked.read() as transaction:
            assert transaction.get(REPLACED) is not None
        monkeypatch.setattr(file_module, "MARK_KEPT", 0)
        space.apply([Put(b"k", b"2")], NOW)
        with marked.read() as transaction:
            assert transaction.get(REPLACED) is None
        space.compact()
        with marked.read() as transaction:
            assert transaction.get(REPLACED) is None
        found = space.get(b"k", NOW)
        assert found is not None and found.value == b"2"


def test_a_compaction_is_on_the_disk_before_it_counts(place: Place) -> None:
    """The fresh file, then the mark in the old one, the renames, and the folder."""
    with shop(place):
        log = place.folder.with_name("strace.log")
        calls = "trace=fsync,fdatasync,rename"
        assert traced(COMPACT, place.folder, "-y", "-o", str(log), "-e", calls) == 0
        done = [line for line in log.read_text().splitlines() if "/keyvalue/shop" in line]
        words = [re.sub(r"\d+ +(\w+)\(.*", r"\1 ", line) + " ".join(re.findall(r"shop/?([\w.-]*)[>\"]", line)) for line in done]
        # the file is marked in both of LMDB's newest states
        assert [word.replace("fdatasync", "sync").replace("fsync", "sync") for word in words] == [
            "sync data.fresh",
            "sync data.mdb",
            "sync data.mdb",
            "rename data.fresh-lock data.mdb-lock",
            "rename data.fresh data.mdb",
            "sync ",
        ]


def test_a_snapshot_outlives_a_compaction(place: Place) -> None:
    """What was opened before reads its own state, in the process that compacts too; what is opened inside reads the new one."""
    with shop(place) as space, place.peer() as peer, space.snapshot() as state:
        put(peer, b"new")
        assert state.get(b"k", NOW) is None
        peer(f"{SPACE}.compact()")
        put(peer, b"newer")
        assert state.get(b"k", NOW) is None and state.count(Range(), NOW)[0] == 20
        found = space.get(b"k", NOW)
        assert found is not None and found.value == b"newer"
        space.compact()
        assert state.get(b"k", NOW) is None and state.count(Range(), NOW)[0] == 20
        assert space.count(Range(), NOW)[0] == 21


def test_a_compaction_without_the_log(place: Place) -> None:
    """Readers that have seen all of it go on; others list the keys anew. Entries, versions and requests are kept."""
    with shop(place) as space:
        last = space.version()
        entries = space.scan(Range(), NOW, limit=10_000, values=True)
        space.compact(keep_log=False)
        assert b"k1999" not in space.file.path.read_bytes()
        assert space.scan(Range(), NOW, limit=10_000, values=True) == entries and space.version() == last
        assert space.changes(last, 10).changes == []
        for since in (0, last - 1):
            with pytest.raises(ChangesGone):
                space.changes(since, 10)
        assert space.apply([Delete(b"k%04d" % n) for n in range(20, 515)], NOW + 2, request="id 20").repeated is True
        version = space.apply([Put(b"k", b"")], 0).results[0].version
        assert version == last + 1 and [change.version for change in space.changes(last, 10).changes] == [version]
