"""What the service needs of a store: Protocols that an engine implements. Nothing above names an engine but ``wiring``.

An engine is a folder beside this file. It returns values (``Avatar``, ``Capture``, ``Token``), never buffers of its own, so
that they outlive the transaction that read them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.keeping import EVERYTHING, Keeping
from n2k_fcgi.model.mention import Mention
from n2k_fcgi.model.observations import Asked, Queued
from n2k_fcgi.model.sessions import Session
from n2k_fcgi.model.statistics import DAYS_KEPT, HOURS_KEPT, Counted
from n2k_fcgi.model.tokens import Token
from n2k_fcgi.store.avatars import (
    CaptureStore,
    GenerationStore,
)
from n2k_fcgi.store.counts import Counts

if TYPE_CHECKING:
    from n2k_fcgi.store.keyvalue import KeyValueStore  # lookups do not need it


class TokenStore(Protocol):
    """Tokens by their id. Writes are atomic, durable, and visible to every process when the call returns."""

    def find(self, token_id: str) -> Token | None:
        """Return the token, revoked or not."""
        ...

    def add(self, token: Token) -> None:
        """Store a token. Raises TokenExists if there is one with its id: that stays as it is."""
        ...

    def revoke(self, token_id: str) -> Token | None:
        """Mark a token as revoked; return it as it was before, None when there is no such token. Idempotent."""
        ...

    def tokens(self) -> list[Token]:
        """Return all tokens, the oldest first."""
        ...


Binding = tuple[bytes, str, str]
"""A key, a grid, and a canonical name that the key has or had there."""


class HiddenSet(Protocol):
    """A copy of all tombstones as of one moment, for work on many rows. False when there are none."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        ...

    def hides(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this key is hidden on *grid*, or this name."""
        ...

    def hides_key(self, key: bytes, grid: str | None = None) -> bool:
        """Whether the key is hidden on *grid*; None: on any grid."""
        ...

    def hides_everywhere(self, key: bytes) -> bool:
        """Whether the key is hidden on every grid."""
        ...

    def hides_name(self, grid: str, canonical: str) -> bool:
        """Whether this name is hidden."""
        ...


class Tombstone(NamedTuple):
    """What hides a key, or a name on one grid."""

    when: int
    """Unix seconds: when its group was first hidden."""
    key: bytes | None = None
    name: tuple[str, str] | None = None
    """(grid, canonical)."""
    grids: tuple[str, ...] | None = None
    """Where the key is hidden; None: everywhere."""


class ForgottenStore(Protocol):
    """Avatars whose owners asked to be forgotten. Only keyed digests of keys and names are stored.

    Writes are atomic, durable, and visible to every process when the call returns.
    """

    def hidden_among(self, bindings: Iterable[Binding]) -> set[Binding]:
        """Return those of *bindings* of which the key is hidden on that grid, or the name."""
        ...

    def hidden_keys(self, keys: Iterable[bytes], grid: str | None) -> set[bytes]:
        """Return those of *keys* that are hidden on *grid*; None: on any grid."""
        ...

    def hidden(self, before: HiddenSet | None = None) -> HiddenSet:
        """Return a copy of all tombstones; *before* itself, an earlier result, when nothing was written since."""
        ...

    def tombstones(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]]) -> list[Tombstone]:
        """Return what hides these keys and names, (grid, canonical)."""
        ...

    def secret(self) -> bytes:
        """Return random bytes that only this store has, always the same; b'' before the first ``forget``."""
        ...

    def forget(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> None:
        """Hide *keys* and *names*, (grid, canonical), as one group. Idempotent.

        *only*: hide the keys on this grid alone. What is hidden everywhere stays hidden everywhere, in its own group. Groups
        that share a key or name become one.
        """
        ...

    def undo(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> int | None:
        """Show the groups of these keys and names again; return when the first was hidden, None when nothing was.

        *only*: show what is hidden on this grid alone; what is hidden everywhere stays hidden. After a purge, which took the
        avatar's rows, it begins anew: names that were reserved for these keys (``CaptureStore.drop_outdated``) are free.
        """
        ...

    def undone(self) -> int:
        """Return the time of the last ``undo``, 0 for never: imports before it may lack rows that are shown again."""
        ...

    def note_purge(self, now: int) -> None:
        """Store that a purge removes rows from now on."""
        ...

    def purged(self) -> int:
        """Return when the last purge began, 0 for never. A ``forget`` after it has a later time, in the same second too."""
        ...

    def count(self) -> int:
        """Count the groups that are hidden."""
        ...


class PendingStore(Protocol):
    """A bounded queue of unknown keys that callers asked for.

    May be lost as a whole at any time. Writes are atomic and visible to every process when the call returns.
    """

    def unqueued(self, keys: Sequence[bytes], grid: str, now: int) -> list[bytes]:
        """Return those of *keys* that ``add`` would queue for *grid*: neither waiting nor lately marked unknown."""
        ...

    def add(self, keys: Iterable[bytes], grid: str, now: int, asker: str = "") -> int:
        """Queue those of *keys* that are ``unqueued``, each once, while there is space; return how many.

        A full queue drops what waited too long and what is marked unknown, then the oldest key of the asker with most keys, as
        long as *asker* has fewer: askers share a full queue evenly.
        """
        ...

    def waiting(self) -> list[Asked]:
        """Return the keys to name, the one that waits longest first."""
        ...

    def queued(self, key: bytes) -> list[Queued]:
        """Return the entries of *key*, one per grid, whether they wait or are marked unknown."""
        ...

    def drop(self, keys: Iterable[bytes], *, only: str | None = None, spare: str | None = None) -> int:
        """Remove *keys* on any grid, or on *only*, or on all but *spare*; return how many entries were removed."""
        ...

    def mark_unknown(self, keys: Iterable[bytes], grid: str, now: int) -> int:
        """Note of queued keys that *grid* has no such avatar: not waiting for some days; return how many were queued."""
        ...


class ConflictStore(Protocol):
    """The latest conflicts, a bounded list.

    May be lost as a whole at any time. Writes are atomic and visible to every process when the call returns.
    """

    def note(self, conflicts: Iterable[Conflict]) -> None:
        """Store conflicts; one of the same grid, name and rejected key is counted once more. The oldest are dropped."""
        ...

    def conflicts(self) -> list[Conflict]:
        """Return all, the latest first."""
        ...


class MeterStore(Protocol):
    """Rate limits that all processes share. May be lost at any time: then all limits start full."""

    def take(self, charges: Sequence[Charge], now: float) -> float:
        """Count all of *charges* and return 0, or count none and return the seconds to wait. Atomic across processes.

        A clock that is set back must not block callers.
        """
        ...


class SessionStore(Protocol):
    """Sessions of the owner by the digests of their ids, and one-time codes by theirs; bounded lists.

    May be lost as a whole at any time: then the owner logs in again. Writes are atomic and visible to every process when the
    call returns.
    """

    def find(self, digest: bytes) -> Session | None:
        """Return the session, ended or not; None: there is none."""
        ...

    def add(self, digest: bytes, session: Session) -> None:
        """Store a session. What has ended is removed, and of too many those that end first."""
        ...

    def end(self, digest: bytes) -> bool:
        """Remove a session; return False if there was none."""
        ...

    def end_all(self, now: float) -> int:
        """Remove all sessions and codes; return how many sessions had not ended by *now*."""
        ...

    def add_code(self, digest: bytes, now: float, end: float) -> None:
        """Store a code until *end*. What has ended by *now* is removed, and of too many those that end first."""
        ...

    def use_code(self, code: bytes, digest: bytes, session: Session, longest: float) -> bool:
        """Remove a code and store *session* in one step, so that a code begins one session at most.

        False: there is no such code, or ``session.begun`` is not within *longest* seconds before its end. It is earlier if the
        clock was set back since.
        """
        ...


class StatisticsStore(Protocol):
    """What all processes counted (``store.counts``). May be lost as a whole at any time, and lag behind."""

    def merge(self) -> bool:
        """Merge what processes have noted, each note once. False: not now, since others write, or the disk is full; try later.

        Waits for nothing, and raises no N2KError.
        """
        ...

    def read(self, *, hours: int = HOURS_KEPT, days: int = DAYS_KEPT) -> Counted:
        """Return what is noted, merged or not, of the last *hours* and *days* and in total, and change nothing of it.

        Raises N2KError, OSError if it cannot be read.
        """
        ...


Mentioned = Callable[[bytes], Iterable[Mention]]
"""Finds hidden avatars in a text that may name any avatar."""


class PurgedRows(NamedTuple):
    """What a purge removed from a store."""

    generations: int
    """How many were rewritten."""
    names: int
    """Current and former ones that were removed from them."""
    captures: int


class Remnant(NamedTuple):
    """A hidden avatar that is still stored, without its name and key."""

    what: str
    where: str
    """A row's number, a field, a byte."""


class Finding(NamedTuple):
    """Something wrong with what is stored."""

    problem: str
    """One line, without the name or key of a hidden avatar."""
    advice: str
    """What to do about it; '' if the next use repairs it."""


class Store(Protocol):
    """All that is stored of one directory; each part is opened at first use. Not for use across ``fork()``.

    An engine may keep parts together: ``purge`` and ``check`` are of the whole store.
    """

    @property
    def generations(self) -> GenerationStore: ...
    @property
    def captures(self) -> CaptureStore: ...
    @property
    def tokens(self) -> TokenStore: ...
    @property
    def forgotten(self) -> ForgottenStore: ...
    @property
    def pending(self) -> PendingStore: ...
    @property
    def conflicts(self) -> ConflictStore: ...
    @property
    def meters(self) -> MeterStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def keyvalue(self) -> "KeyValueStore": ...
    @property
    def statistics(self) -> StatisticsStore: ...
    @property
    def counts(self) -> Counts:
        """What this process counts of this store."""
        ...

    def create(self) -> None:
        """Make an empty store, durable when this returns; an existing one is kept. Raises StoreUnreadable, StoreFull."""
        ...

    def check(self) -> Iterator[Finding]:
        """Check that generations and captures are consistent in both directions. Read everything, change nothing."""
        ...

    def purge(self, hidden: HiddenSet, without: Callable[[str], str], keeping: Keeping = EVERYTHING) -> PurgedRows:
        """Remove all that is *hidden*, so that no byte of it is left; pending keys, conflicts, meters and sessions begin empty.

        Captures go as ``CaptureStore.drop_outdated`` says, too.
        Texts that may name any avatar (``store.fields``) become what *without* makes of them. Answers go on meanwhile. If
        it is killed, no acknowledged write is lost; the next purge completes it. Called inside ``generations.locked``.
        Raises StoreFull, StoreBusy.
        """
        ...

    def remains(self, hidden: HiddenSet, mentioned: Mentioned) -> Iterator[tuple[str, Iterator[Remnant]]]:
        """Search everything, the space of deleted rows too. Yield each place that was searched, and what is still there.

        A place that is a file is its path below the data directory. Read the remnants of a place before the next one.
        Raises OSError of a file that cannot be read.
        """
        ...

    def write_problem(self, patience: float) -> Finding | None:
        """Return why nothing can be recorded now, having waited *patience* seconds for other writers; None if it can."""
        ...

    def address_space(self) -> int:
        """Return the bytes of address space that a worker needs for it, the live generation (``Manifest.bytes``) aside."""
        ...

    def stopped_readers(self) -> list[tuple[int, int]]:
        """Return processes that hold an old snapshot, so that space cannot be reused: (process, changes since then)."""
        ...

    def keep_house(self, now: int) -> None:
        """Remove some of what has expired by *now*, in Unix milliseconds, unless other processes write. Raises no N2KError."""
        ...

    def close(self) -> None:
        """Release files, memory and connections; the next use opens them again."""
        ...

    def retire(self) -> None:
        """Close for good, also during an answer: another store takes over. A later use raises StoreUnreadable."""
        ...
