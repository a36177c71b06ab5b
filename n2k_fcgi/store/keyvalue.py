"""What the key-value service needs of a store: a namespace at a time, each a store of its own.

Times are Unix milliseconds, given by the caller (*now*): what has expired by then is in no answer. Versions are microseconds:
``max(previous + 1, now)``, so they grow over a namespace and never repeat.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.choices import Choice, Later
from n2k_fcgi.model.keyvalue.entry import Entry
from n2k_fcgi.model.keyvalue.operations import Flush, Operation

if TYPE_CHECKING:
    from n2k_fcgi.store.base import Finding


class Range(NamedTuple):
    """Keys in byte order, from *start* to before *end* (None: to the last)."""

    start: bytes = b""
    end: bytes | None = None

    @classmethod
    def of_prefix(cls, prefix: bytes) -> "Range":
        """Return the range of all keys that begin with *prefix*."""
        stem = prefix.rstrip(b"\xff")
        return cls(prefix, stem[:-1] + bytes([stem[-1] + 1]) if stem else None)

    def within(self, other: "Range") -> "Range":
        """Return the keys that are in both."""
        ends = [each.end for each in (self, other) if each.end is not None]
        return Range(max(self.start, other.start), min(ends) if ends else None)


class Page(NamedTuple):
    """A part of a range."""

    entries: list[Entry]
    """Without values (b'') if only keys were asked for."""
    more_after: bytes | None
    """The key after which the rest begins, in the direction of the scan; None: that was all. The page may be empty then."""


class Kind(Choice):
    """What happened to a key."""

    PUT = "put"
    DELETE = "delete"
    EXPIRE = "expire"
    """It expired and was swept."""
    FLUSH = "flush"
    """Everything was replaced or removed: list anew. ``Change.key`` is b''."""


class Change(NamedTuple):
    """One record of the log of changes."""

    version: int
    kind: Kind
    key: bytes


class Changes(NamedTuple):
    """A part of the log."""

    changes: list[Change]
    """In the order of their versions."""
    last: int
    """Ask again with this as *since*."""
    more: bool


class Spot(Choice):
    """Where a namespace has a text of its users."""

    ENTRY = "entry"
    """Of what is seen, or has expired and is not swept yet."""
    LATER = "later write"
    """Of a dataset that is not shown."""
    LOG = "log of changes"
    SEQUENCE = "sequence"


class Holding(NamedTuple):
    """One row with a text of users."""

    spot: Spot
    key: bytes
    """Or the name of a sequence."""
    value: bytes = b""


class Space(NamedTuple):
    """How full a namespace is. Bytes are those of keys and values. A dataset is not counted: what was written since is."""

    used: int
    quota: int
    keys: int
    most_keys: int

    @property
    def free(self) -> int:
        """Bytes that may still be stored."""
        return max(0, self.quota - self.used)

    @property
    def free_keys(self) -> int:
        """Keys that may still be stored."""
        return max(0, self.most_keys - self.keys)


class Terms(NamedTuple):
    """What the owner set for a namespace."""

    quota: int
    """Bytes of keys and values."""
    most_keys: int
    is_open: bool = False
    """Whether anyone may read it without a token."""


class Dataset(NamedTuple):
    """Entries that nobody writes any more, in a file of their own. A namespace shows one at a time below its own entries."""

    name: str
    keys: int
    bytes: int
    """Of keys and values."""
    size: int
    """Bytes of the file."""


class Result(NamedTuple):
    """What one operation did."""

    entry: Entry | None
    """As it is stored now; None: removed."""
    created: bool
    version: int
    """Of the write; of the present entry if nothing had to be written."""


class Applied(NamedTuple):
    """What a call of ``apply`` did."""

    results: list[Result]
    space: Space
    repeated: bool = False
    """Whether the request was applied before: these are its first results, without values."""


class SpaceReader(Protocol):
    """One state of a namespace."""

    def get(self, key: bytes, now: int) -> Entry | None:
        """Return the entry of *key*."""
        ...

    def get_many(self, keys: Sequence[bytes], now: int) -> list[Entry | None]:
        """Return the entries of *keys*, in order, all of one state."""
        ...

    def scan(
        self, wanted: Range, now: int, *, limit: int, values: bool, reverse: bool = False, max_bytes: int | None = None
    ) -> Page:
        """Return up to *limit* entries, all of one state.

        *values*: with their values. At most *max_bytes* of keys and values, but at least one entry. The work is bounded: a
        page may end early, also empty, where many have expired.
        """
        ...

    def count(self, wanted: Range, now: int) -> tuple[int, int]:
        """Return how many keys there are, and bytes of keys and values."""
        ...

    def changes(self, since: int, limit: int) -> Changes:
        """Return what happened after the version *since* (0: from the beginning). Raises ChangesGone."""
        ...

    def space(self, now: int) -> Space:
        """Return how full it is, what has expired left out."""
        ...

    def terms(self) -> Terms:
        """Return what the owner set."""
        ...

    def dataset(self) -> str:
        """Return the name of the dataset that is live; '': none."""
        ...

    def version(self) -> int:
        """Return the last version that was given; 0: none yet."""
        ...

    def sequences(self) -> dict[bytes, int]:
        """Return the names of all sequences, each with the number that it leases next."""
        ...


class NamespaceStore(SpaceReader, Protocol):
    """One namespace. Writes are atomic, as durable as the setting ``kv_sync`` says, and visible to every process on return.

    Every method may raise NoSuchNamespace (dropped meanwhile), StoreBusy, StoreFull, StoreUnreadable, and DatasetDamaged or
    DatasetGone or DatasetDamaged if the live dataset cannot be read.
    """

    def apply(self, operations: Sequence[Operation], now: int, *, request: str = "") -> Applied:
        """Do all of *operations*, in order, each seeing those before it, or none.

        One operation: raises its error. Several: raises BatchRefused, which has the error of each that failed, or
        BatchTooLarge.
        QuotaReached after sweeping what has expired; StillSweeping if that takes several requests. *request*: an id of the
        caller's; one that was applied in the last ten minutes (of the last ten thousand) is not applied again, and its first
        results are returned.
        """
        ...

    def apply_each(self, operations: Sequence[Operation | Flush], now: int) -> list[Result | N2KError]:
        """Do each of *operations*, in order, in one write: those that can be done are, whatever becomes of the others.

        Returns for each its result, or the error that refused it: the operation's own, or QuotaReached. The caller bounds
        the bytes of the values that it brings, reads and changes, which are in memory at once. Raises the errors of the
        namespace and the store; nothing is done then.
        """
        ...

    def sequence(self, name: bytes, count: int) -> int:
        """Lease *count* numbers that nobody got or will get; return the first. The first of all is 1.

        *count* may be 0: the result is the number that is leased next.
        """
        ...

    def set_terms(self, terms: Terms) -> None:
        """Store what the owner set."""
        ...

    def sweep(self, now: int, limit: int) -> int:
        """Remove up to *limit* expired entries, noted in the log; return how many."""
        ...

    def flush(self, now: int) -> int:
        """Remove all entries, as one record in the log; return how many. Version, sequences and terms are kept.

        It takes no longer for more entries: their space on the disk is freed by later writes. But to count what is seen above
        a dataset takes a look at each later write, which ``apply_each`` with a ``Flush`` does not.
        """
        ...

    def use(self, dataset: str, now: int, later: Later = Later.KEPT, *, max_value: int | None = None) -> int:
        """Make the dataset of that name live ('': none); return the version of the swap, which its values have.

        Every read that begins after this returns sees it, in all processes; one that has begun sees the one before to its
        end. Readers of the log get ChangesGone. If it is live already and its later writes stay, nothing changes.
        Raises NoSuchDataset, DatasetDamaged, StoreTooNew, and BadRequest for a value of more than *max_value* bytes: the
        dataset that was live stays live.
        """
        ...

    def later_writes(self) -> dict[str, int]:
        """Return the datasets that are not live and have later writes here ('': none was live), each with the keys written."""
        ...

    def forget_later(self, dataset: str) -> bool:
        """Remove the later writes of a dataset that is not live; return whether there were any. What is seen stays."""
        ...

    def compact(self, *, keep_log: bool = True) -> tuple[int, int]:
        """Make the file as small as its content while it is served; return its bytes before and after.

        Without *keep_log* the log of changes is removed: readers that have not seen all of it get ChangesGone.
        """
        ...

    def snapshot(self) -> AbstractContextManager[SpaceReader]:
        """Read one state for as long as the block takes. Keep it short: space cannot be reused meanwhile."""
        ...

    def holdings(self) -> Iterator[Holding]:
        """Yield all rows with a text of users, also those that no answer has, but no dataset's. No snapshot: rows of a moment.

        A slow reader holds nothing that writers need.
        """
        ...

    def copy(self, target: Path | None = None) -> AbstractContextManager[SpaceReader]:
        """Read a compact copy at *target* (mode 0600), removed at the end: for as long as the reader likes.

        None: where the store keeps its files.

        Raises StoreFull if the disk has no room for it.
        """
        ...


class KeyValueStore(Protocol):
    """All namespaces."""

    def names(self) -> list[str]:
        """Return the namespaces, sorted."""
        ...

    def namespace(self, name: str) -> NamespaceStore:
        """Return a namespace, opened at first use; a bounded number stays open. Raises NoSuchNamespace."""
        ...

    def create(self, name: str, terms: Terms) -> NamespaceStore:
        """Make a namespace with *terms*; an existing one gets them, and keeps whether it is open and its entries."""
        ...

    def dropped_terms(self, name: str) -> Terms | None:
        """Return the terms that a namespace had when it was dropped; None: it was not, or was made again."""
        ...

    def drop(self, name: str) -> bool:
        """Remove a namespace with its entries; False: there is none.

        What must not repeat (version, ids, sequences) and its terms are kept for the next namespace of this name.
        """
        ...

    def dataset_names(self) -> list[str]:
        """Return the names of the datasets, sorted, whether they can be read or not."""
        ...

    def dataset(self, name: str) -> Dataset:
        """Return what a list shows of a dataset; not every byte is read.

        Raises NoSuchDataset, DatasetDamaged, StoreTooNew, StoreUnreadable.
        """
        ...

    def entries_of(self, dataset: str) -> Iterator[Entry]:
        """Yield the entries of a dataset. Raises as ``dataset`` does."""
        ...

    def remove_dataset(self, name: str, *, later: bool = False) -> list[str]:
        """Remove the file of a dataset, damaged or not, that no namespace shows. Whoever reads it reads on to its end.

        Returns the namespaces that have later writes of it. They are kept, for another dataset of this name; with *later*
        they are removed, also if the file is gone already. Raises NoSuchDataset, DatasetInUse; StoreBusy while it is made
        live; the error of a namespace that cannot be read: it might show it.
        """
        ...

    def build(self, name: str, entries: Iterable[Entry], folder: Path | None = None) -> Dataset:
        """Make a dataset, durably, in memory that does not grow with it. Of several entries with one key the last counts.

        *folder*: make it there, for another data directory; the folder is made if it is missing. Raises DatasetExists: a
        dataset never changes. StoreFull; nothing is left then.
        """
        ...

    def problems(self) -> Iterator[str]:
        """Check all that is stored, changing nothing; yield one line per problem."""
        ...

    def write_problem(self, name: str, patience: float) -> "Finding | None":
        """Return why a namespace cannot be written now, having waited *patience* seconds for other writers; None if it can."""
        ...

    def stopped_readers(self) -> list[tuple[str, int, int]]:
        """Return processes that hold an old snapshot, so that space cannot be reused: (namespace, process, changes since)."""
        ...

    def close(self) -> None:
        """Release files; the next use opens them again."""
        ...
