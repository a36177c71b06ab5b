"""The bytes of a namespace on disk; a file that is damaged, cut, of a later format, busy, or too small for a snapshot."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import pytest

from n2k_fcgi.errors import BadRequest, NamespaceDamaged, NumberTooLarge, SnapshotLost, StoreBusy, StoreTooNew, StoreUnreadable
from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.entry import MAX_KEY, ValueType
from n2k_fcgi.model.keyvalue.operations import AssignId, Increment, Put
from n2k_fcgi.store.keyvalue import Kind, Range, Terms
from n2k_fcgi.store.lmdb import writer_queue
from n2k_fcgi.store.lmdb.growing_map import FIRST_MAP
from n2k_fcgi.store.lmdb.keyvalue import requests, sequences
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from n2k_fcgi.store.lmdb.keyvalue.rows import FORMATS

NOW = 0x1_0000_0000
"""Unix milliseconds (in 1970): the bytes below are easy to read."""
TERMS = Terms(1_000_000, 1000)


@contextmanager
def namespaces(folder: Path, most_changes: int = 1000) -> Iterator[Namespaces]:
    """Those of a folder, without waiting for the disk."""
    store = Namespaces(folder, PRIVATE, sync=Sync.OFF, most_changes=most_changes)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Namespaces]:
    """An empty data directory."""
    with namespaces(tmp_path) as store:
        yield store


@pytest.fixture
def shop(store: Namespaces) -> Namespace:
    """An empty namespace."""
    return store.create("shop", TERMS)


def path_of(space: Namespace) -> Path:
    """The file."""
    return space.file.path


def rows(space: Namespace) -> dict[bytes, str]:
    """All rows, as hexadecimal digits; the file is closed."""
    space.file.close()
    with lmdb.open(str(path_of(space)), subdir=False, lock=False, readonly=True) as env, env.begin() as transaction:
        return {db_key: value.hex() for db_key, value in transaction.cursor()}


def put_row(space: Namespace, db_key: bytes, value: bytes) -> None:
    """Store a row behind the engine's back."""
    space.file.write(lambda transaction: transaction.put(db_key, value))
    space.file.close()


def test_the_bytes_on_disk(shop: Namespace) -> None:
    """Every row of one write with everything: as docs/storage.md describes them, for programs that read them in ten years."""
    operation = AssignId(b"key", Put(b"key", b"value", ValueType.TEXT, 0x1000, 0x77))
    shop.apply([operation], NOW, request="request")
    shop.sequence(b"numbers", 5)
    digest = requests.digest_of("request", [operation])
    version, expires = "000003e800000000", "0000000100001000"
    assert rows(shop) == {
        b"e" + bytes.fromhex(expires) + b"key": "0000000000000008",
        b"l" + bytes.fromhex(version): b"pkey".hex(),
        b"mcounters": version + "".join(f"{number:016x}" for number in (1, 8, 1, 0, 1, 1, 1)),
        b"mformat": b"2".hex(),
        b"mterms": f"{1_000_000:016x}{1000:016x}00",
        b"q" + bytes.fromhex(version) + digest: "",
        b"r" + digest: version + f"{NOW:016x}" + "01" + version + "01" + expires + "0000007702" + f"{1:016x}" + "0000",
        b"snumbers": f"{6:016x}",
        b"vkey": version + expires + "0000007702" + f"{1:016x}" + b"value".hex(),
    }


def test_the_longest_key(shop: Namespace) -> None:
    """Its rows fit, that of its end, too."""
    key = b"k" * MAX_KEY
    shop.apply([Put(key, b"v", ttl=10)], NOW)
    assert shop.get(key, NOW) is not None
    assert shop.sequence(key, 1) == 1 and shop.sweep(NOW + 10, 10) == 1


PLAIN = Put(b"k", b"")
DIGEST = requests.digest_of("id", [PLAIN])


@pytest.mark.parametrize(
    ("db_key", "value"),
    [
        (b"vk", b""),
        (b"vk", bytes(28)),
        (b"vk", bytes(20) + b"\x03" + bytes(8)),
        (b"mcounters", b"short"),
        (b"mcounters", bytes(100)),
        (b"mcounters", bytes(30) + b"\xff" + bytes(33)),
        (b"mterms", b""),
        (b"l" + bytes(8), b"?key"),
        (b"l" + bytes(8), b""),
        (b"e" + bytes(8), b""),
        (b"sn", b"12"),
        (b"r" + DIGEST, b""),
        (b"r" + DIGEST, bytes(20)),
        (b"r" + DIGEST, bytes(16) + b"xno zlib"),
        (b"mreplaced", b"x"),
    ],
)
def test_a_damaged_row(shop: Namespace, db_key: bytes, value: bytes) -> None:
    """What reads it reports the file as damaged, in one line; nothing is written over it."""
    put_row(shop, db_key, value)
    uses: list[Callable[[], object]] = [
        lambda: shop.get(b"k", NOW),
        lambda: shop.scan(Range(), NOW, limit=9, values=True),
        lambda: shop.count(Range(b"a"), NOW),
        lambda: shop.space(NOW),
        lambda: shop.changes(0, 9),
        lambda: shop.sequence(b"n", 0),
        lambda: shop.apply([PLAIN], NOW, request="id"),
    ]
    found = []
    for use in uses:
        try:
            use()
        except NamespaceDamaged as problem:
            found.append(str(problem))
    assert found and all(str(path_of(shop)) in line and "\n" not in line for line in found)
    assert bytes.fromhex(rows(shop)[db_key]) == value


def test_a_later_format_is_refused(shop: Namespace) -> None:
    """A later version of this program wrote it: neither read nor changed, by a process that has it open, too."""
    shop.apply([PLAIN], NOW)
    shop.file.write(lambda transaction: transaction.put(b"mformat", b"%d" % FORMATS.stop))
    with pytest.raises(StoreTooNew):
        shop.apply([PLAIN], NOW)
    shop.file.close()
    for use in (lambda: shop.get(b"k", NOW), lambda: shop.apply([PLAIN], NOW)):
        with pytest.raises(StoreTooNew, match="update n2k_fcgi"):
            use()


@pytest.mark.parametrize("content", [b"", b"x" * 100_000, None])
def test_a_file_that_is_cut_or_another(shop: Namespace, content: bytes | None) -> None:
    """It is not mapped beyond its end; other namespaces are served."""
    for number in range(0, 1000, 500):
        shop.apply([Put(b"k%d" % n, bytes(200)) for n in range(number, number + 500)], NOW)
    shop.file.close()
    whole = path_of(shop).read_bytes()
    path_of(shop).write_bytes(whole[: len(whole) // 2] if content is None else content)
    for use in (lambda: shop.get(b"k1", NOW), lambda: shop.apply([PLAIN], NOW)):
        with pytest.raises(NamespaceDamaged, match="restore it from a backup"):
            use()
    path_of(shop).write_bytes(whole)
    assert shop.get(b"k1", NOW) is not None


def test_a_retired_store_rejects_every_use(store: Namespaces, shop: Namespace) -> None:
    """Another store has the files now, those of namespaces that were not used, too."""
    store.create("game", TERMS)
    store.retire()
    with pytest.raises(StoreUnreadable, match="ask again"):
        shop.get(b"k", NOW)
    with pytest.raises(StoreUnreadable, match="ask again"):
        store.namespace("game").apply([PLAIN], NOW)
    with namespaces(path_of(shop).parents[2]) as other:
        other.namespace("shop").apply([PLAIN], NOW)


def test_a_busy_writer_is_waited_for_once(shop: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the write is refused; reads and other namespaces go on, and writes when it has ended."""
    shop.apply([PLAIN], NOW)
    monkeypatch.setattr(writer_queue, "WRITER_PATIENCE", 0.05)
    with hold(path_of(shop).with_suffix(".writer"), PRIVATE, 1) as held:
        assert held
        for _ in range(2):
            with pytest.raises(StoreBusy):
                shop.apply([PLAIN], NOW)
        assert shop.get(b"k", NOW) is not None
    shop.apply([PLAIN], NOW)


def grow(space: Namespace) -> None:
    """Write more than the map of a new file holds."""
    for number in range(FIRST_MAP // 50_000 // 40 + 1):
        space.apply([Put(b"large%d" % n, bytes(50_000)) for n in range(number * 50, number * 50 + 50)], NOW)


def test_a_snapshot_stays_while_its_process_writes(store: Namespaces) -> None:
    """As long as the file fits its map; then it is lost, which is said, and nothing else is affected."""
    shop = store.create("shop", Terms(10**9, 10**6))
    shop.apply([Put(b"k", b"before")], NOW)
    with shop.snapshot() as state:
        shop.apply([Put(b"k", b"after")], NOW)
        assert state.get(b"k", NOW).value == b"before"  # type: ignore[union-attr]
    with pytest.raises(SnapshotLost), shop.snapshot() as state:
        grow(shop)
        assert path_of(shop).stat().st_size > FIRST_MAP
        state.get(b"k", NOW)
    with pytest.raises(SnapshotLost), shop.snapshot() as state:
        store.close()
        state.scan(Range(), NOW, limit=1, values=True)
    with shop.snapshot() as state:
        assert state.get(b"k", NOW).value == b"after"  # type: ignore[union-attr]


def test_a_replaced_file_is_released_with_its_last_reader(shop: Namespace) -> None:
    """Its descriptors and its map, though the caller keeps the ended snapshot."""

    def removed() -> set[str]:
        found = {os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists() or entry.is_symlink()}
        maps = Path("/proc/self/maps").read_text()
        return {name for name in found if name.endswith("(deleted)") and str(path_of(shop)) in name} | {
            line for line in maps.splitlines() if str(path_of(shop)) in line and line.endswith("(deleted)")
        }

    shop.apply([PLAIN], NOW)
    with shop.snapshot() as first:
        shop.compact()
        with shop.snapshot() as second:
            shop.compact()
            assert first.get(b"k", NOW) == second.get(b"k", NOW) == shop.get(b"k", NOW) is not None
            assert removed()
    assert not removed()


def test_a_map_that_another_process_outgrew(store: Namespaces, tmp_path: Path) -> None:
    """The next read adopts it."""
    shop = store.create("shop", Terms(10**9, 10**6))
    code = "import sys; from pathlib import Path; from tests.store.keyvalue.test_file import grow, namespaces\n"
    code += "with namespaces(Path(sys.argv[1])) as store: grow(store.namespace('shop'))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert path_of(shop).stat().st_size > FIRST_MAP
    assert shop.get(b"large1", NOW) is not None and shop.count(Range(), NOW)[0] > 300


def test_requests_are_bounded(shop: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last so many are known, the oldest are forgotten first, and no row of them is left."""
    monkeypatch.setattr(requests, "MOST_REQUESTS", 50)
    for number in range(120):
        shop.apply([Put(b"k", b"%d" % number)], NOW, request=f"id {number}")
    kept = [db_key for db_key in rows(shop) if db_key[:1] in (b"q", b"r")]
    assert len(kept) == 100
    assert shop.apply([Put(b"k", b"70")], NOW, request="id 70").repeated
    assert not shop.apply([Put(b"k", b"69")], NOW, request="id 69").repeated


def test_requests_are_forgotten_by_time(shop: Namespace) -> None:
    """Later writes remove some each, in the order of their times, though none of them has an id."""
    for number in range(50):
        shop.apply([Put(b"k", b"")], NOW + number, request=f"id {number}")
    for number in range(6):
        shop.apply([Increment(b"n", 1, 1)], NOW + requests.KEPT_FOR + 39, request=f"other {number}")
    assert len([db_key for db_key in rows(shop) if db_key[:1] == b"r"]) == 16


def test_sequences_have_a_limit(shop: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of them, and numbers of 64 bits with sign: what exists goes on."""
    monkeypatch.setattr(sequences, "MOST_SEQUENCES", 10)
    for number in range(10):
        shop.sequence(b"s%d" % number, 1)
    with pytest.raises(BadRequest, match="10 sequences at most"):
        shop.sequence(b"one more", 1)
    assert shop.sequence(b"s7", 2**63 - 10) == 2
    with pytest.raises(NumberTooLarge):
        shop.sequence(b"s7", 10)
    assert shop.sequence(b"s7", 0) == 2**63 - 8


def test_a_log_that_was_longer(shop: Namespace, tmp_path: Path) -> None:
    """A lowered limit takes effect with the next writes, step by step; 0 keeps nothing."""
    shop.apply([Put(b"k%d" % number, b"") for number in range(500)], NOW)
    shop.file.close()
    with namespaces(tmp_path, most_changes=0) as store:
        shop = store.namespace("shop")
        lengths = []
        for _ in range(6):
            shop.apply([PLAIN], NOW)
            lengths.append(len([db_key for db_key in rows(shop) if db_key[:1] == b"l"]))
        assert lengths == [400, 300, 200, 100, 0, 0]
        assert shop.changes(shop.version(), 9).changes == []


def test_a_full_log_is_cut_once_in_a_hundred_writes(tmp_path: Path) -> None:
    """Its first page is not one more that every write changes."""
    with namespaces(tmp_path, most_changes=10_000) as store:
        shop = store.create("shop", Terms(10**7, 10**5))
        shop.apply([PLAIN] * 10_000, NOW)
        firsts, lengths = set(), set()
        for _ in range(303):
            shop.apply([PLAIN], NOW)
            with shop.file.read() as transaction:
                cursor = transaction.cursor()
                assert cursor.set_range(b"l")
                firsts.add(bytes(cursor.key()))
            lengths.add(len([db_key for db_key in rows(shop) if db_key[:1] == b"l"]))
    assert len(firsts) == 1 + 3 and (min(lengths), max(lengths)) == (10_000, 10_100)


def test_a_flush_is_one_record_and_keeps_what_must_not_repeat(shop: Namespace) -> None:
    """Entries and the log are gone in one transaction; counters, sequences, ids and requests stay."""
    shop.apply([Put(b"k%d" % number, b"v", ttl=1000) for number in range(500)], NOW, request="id")
    shop.apply([AssignId(b"k1")], NOW)
    shop.sequence(b"s", 5)
    version = shop.version()
    assert shop.flush(NOW) == 500
    assert [change.kind for change in shop.changes(0, 10).changes] == [Kind.FLUSH]
    assert shop.version() == version + 1 and shop.sequence(b"s", 1) == 6
    assert shop.apply([AssignId(b"k1", Put(b"k1", b""))], NOW).results[0].entry.id == 2  # type: ignore[union-attr]
    assert shop.space(NOW).keys == 1


def test_a_flush_leaves_the_rows_to_later_writes(store: Namespaces, shop: Namespace) -> None:
    """It changes three rows and the log, however many entries there are; each write removes some; a check finds no fault."""
    shop.apply([Put(b"k%d" % n, b"v", ttl=1000 if n % 2 else None) for n in range(900)], NOW)
    before = rows(shop)
    shop.flush(NOW)
    after = rows(shop)
    assert sorted(db_key[:9] for db_key in after if before.get(db_key) != after[db_key]) == [
        b"l" + shop.version().to_bytes(8, "big"), b"mcounters", b"mlive", b"x\0\0",
    ]  # fmt: skip
    assert before.keys() <= after.keys() and list(store.problems()) == []
    assert shop.space(NOW).keys == shop.count(Range(b"k"), NOW)[0] == shop.count(Range(), NOW + 2000)[0] == 0
    shop.apply([Put(b"k1", b"new", ttl=1000)], NOW)  # the same end as the old one's
    shop.apply([Put(b"k3", b"new")], NOW)
    writes = 0
    while b"x\0\0" in (left := rows(shop)):
        assert shop.space(NOW).keys == 2 + bool(writes) and list(store.problems()) == []
        shop.apply([Put(b"l", b"")], NOW)
        writes += 1
    assert 5 <= writes <= 20
    assert sorted(db_key for db_key in left if db_key[:1] in b"vV") == [b"V\0\1k1", b"V\0\1k3", b"V\0\1l"]
    assert [db_key[11:] for db_key in left if db_key[:1] in b"eE"] == [b"k1"]
    assert shop.sweep(NOW + 1000, 10) == 1 and list(store.problems()) == []


def test_what_a_flush_has_left_is_swept_in_housekeeping_and_by_a_compaction(shop: Namespace) -> None:
    """Without a write: between requests some of it, and all of it before the file is rewritten."""
    shop.apply([Put(b"k%d" % n, b"v", ttl=1) for n in range(20)], NOW)
    shop.flush(NOW)
    shop.sweep_if_idle(NOW)
    assert not any(db_key[:1] in b"ve" for db_key in rows(shop)) and b"x\0\0" not in rows(shop)
    shop.apply([Put(b"k%d" % n, b"v" * 100) for n in range(900)], NOW)
    shop.flush(NOW)
    shop.apply([Put(b"k1", b"new")], NOW)
    shop.compact()
    assert [db_key for db_key in rows(shop) if db_key[:1] in b"vVeEx"] == [b"vk1"]
    assert [change.kind for change in shop.changes(0, 10).changes] == [Kind.FLUSH, Kind.PUT]


def test_files_of_format_1_are_read_and_become_format_2(shop: Namespace) -> None:
    """With their next write; earlier versions refuse them then: they would show what a flush has removed."""
    shop.apply([Put(b"k", b"v")], NOW)
    shop.file.write(lambda transaction: transaction.put(b"mformat", b"1"))
    assert shop.get(b"k", NOW) is not None and rows(shop)[b"mformat"] == b"1".hex()
    shop.apply([Put(b"k", b"w")], NOW)
    assert rows(shop)[b"mformat"] == b"2".hex()


READ_ALL = """
import sys
from pathlib import Path
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces

store = Namespaces(Path(sys.argv[1]), PRIVATE, sync=Sync.OFF, most_changes=0, resident_limit=int(sys.argv[2]))
for number in range(2000):
    assert store.namespace("shop").get(b"k%d" % number, 0) is not None
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
print(line.split()[1])
"""
"""100 MB of values. Prints the most resident memory, in KB."""


def test_resident_memory_is_bounded(store: Namespaces, tmp_path: Path) -> None:
    """Values that were read do not stay in the memory of a worker, for which hosts kill it."""
    shop = store.create("shop", Terms(10**9, 10**6))
    for start in range(0, 2000, 100):
        shop.apply([Put(b"k%d" % number, bytes(50_000)) for number in range(start, start + 100)], NOW)
    store.close()
    without, bounded = (
        int(subprocess.run([sys.executable, "-c", READ_ALL, str(tmp_path), limit], stdout=subprocess.PIPE, check=True).stdout)
        for limit in ("1000000000", "40000000")
    )
    assert bounded < 60_000 < 100_000 < without


def test_a_snapshot_is_not_closed_for_memory(tmp_path: Path) -> None:
    """It stays valid; other files are closed, and opened by the next use."""
    store = Namespaces(tmp_path, PRIVATE, sync=Sync.OFF, most_changes=0, resident_limit=0)
    shop, game = store.create("shop", TERMS), store.create("game", TERMS)
    for space in (shop, game):
        space.apply([PLAIN], NOW)
    with shop.snapshot() as state:
        was_closed = False
        for _ in range(40):
            store.namespace("game")
            was_closed |= not game.file.is_open
            assert game.get(b"k", NOW) == state.get(b"k", NOW) is not None
    assert was_closed
    store.close()


def test_a_file_of_format_1(shop: Namespace) -> None:
    """It is read as it is, and becomes the next format with its next write, which earlier versions then refuse."""
    shop.apply([PLAIN], NOW)
    put_row(shop, b"mformat", b"1")
    assert shop.get(b"k", NOW) is not None and shop.dataset() == ""
    assert rows(shop)[b"mformat"] == b"1".hex(), "a read changed it"
    shop.apply([PLAIN], NOW)
    assert rows(shop)[b"mformat"] == b"2".hex()
