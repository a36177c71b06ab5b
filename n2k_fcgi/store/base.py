"""What the service needs of a store: Protocols that an engine implements. Nothing above names an engine but ``wiring``.

An engine is a folder beside this file. It returns values (``Avatar``, ``Capture``, ``Token``), never buffers of its own, so
that they outlive the transaction that read them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from n2k_fcgi.errors import N2KError
from n2k_fcgi.files import PRIVATE, SHARED, Modes
from n2k_fcgi.model.avatar import Avatar, Capture, Conflict, StoredCapture
from n2k_fcgi.model.batch import Batch
from n2k_fcgi.model.builds import Built, Merge, Watch
from n2k_fcgi.model.charges import Charge
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.mention import Mention
from n2k_fcgi.model.observations import Asked, Observation
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.model.tokens import Token

MOST_FORMER = 64
"""Former names of one key on one grid that captures keep. Captures from before that bound keep more, which are found."""

MOST_KEYS = 64
"""Keys of one name on one grid that captures keep, and that an answer reads, however many are stored."""


class AvatarIndex(Protocol):
    """One source of avatars: a generation, or the captures. Reading changes nothing and waits for no writer."""

    rows_read: int
    """Names unpacked so far: the cost of an answer, which is bounded."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything inside as of one moment; nothing may be written inside. Inside of another one it is that one.

        It holds for this source. An engine may read more of the store as of the same moment; nothing may rely on it.
        """
        ...

    def by_name(self, canonical: str) -> list[Avatar]:
        """Return the avatars that have or had this name, the winner of each grid first, former names last.

        At most MOST_KEYS per grid. A generation returns no spellings: their names are ''.
        """
        ...

    def by_key(self, key: bytes) -> list[Avatar]:
        """Return the current name of the key on each grid that knows it."""
        ...

    def by_names(self, canonicals: Sequence[str], most: int) -> list[list[Avatar]]:
        """Return ``by_name`` of each, in order, as of one moment.

        Of the first ones only, one at least, when these took *most* ``rows_read``.
        """
        ...

    def by_keys(self, keys: Sequence[bytes], most: int) -> list[list[Avatar]]:
        """Return ``by_key`` of each, as ``by_names`` does."""
        ...

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """Return at most *limit* canonical names in UTF-8, at or above *first* and below *end*, in order or backwards."""
        ...


class GenerationView(AvatarIndex, Protocol):
    """One published generation, open for one answer. It never changes, so all of it is one snapshot.

    Memory is bounded, however much is read: pages of a map, say, are released between two calls.
    """

    @property
    def name(self) -> str:
        """Its stamp, which ``X-N2K-Generation`` shows."""
        ...

    @property
    def grids(self) -> frozenset[str]:
        """The grids that it has avatars of."""
        ...

    def count(self) -> int:
        """Count its keys."""
        ...

    def history(self, key: bytes, most: int | None = None) -> list[Avatar]:
        """Return the former names of a key, oldest first; only the latest *most*."""
        ...

    def is_called(self, key: bytes, canonical: str, grid: str) -> bool:
        """Whether *key* has or had this name on *grid*, however many others have it."""
        ...

    def bindings(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """Return canonical names at or above *first* in order, each with the avatars that have it now, as in ``by_name``.

        As many names as have *limit* avatars together, one at least; none above the last name.
        """
        ...

    def keys_from(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """Return at most *limit* keys at or above *first* in order, each with its current names, then its former ones."""
        ...

    def ambiguous_names(self, first: bytes, limit: int) -> tuple[list[str], bytes | None]:
        """Of the *limit* canonical names at or above *first*, return those whose avatars have a grid or a time in common.

        Only the generation knows which of these is the answer. Also return the next *first*, None after the last name.
        """
        ...


class GenerationStore(Protocol):
    """The published generations; one of them is live.

    Any process may publish another one at any moment, and prune the one before: two calls may read different generations.
    So only ``service.directory.lookup.Directory`` asks for the live one, once per answer.
    """

    def current(self) -> GenerationView | None:
        """Return the live generation, None before the first import. Valid until the next call.

        Another process's publication is seen by the next call. Raises StoreMissing, StoreDamaged, StoreTooNew,
        StoreUnreadable.
        """
        ...

    def hold(self) -> "Lease | None":
        """Return a lease on the live generation, for an answer of many steps; None before the first import."""
        ...

    def live(self) -> Manifest | None:
        """Return the live one's manifest, None before the first import."""
        ...

    def latest(self, grid: str) -> int | None:
        """Return the time of the latest dump that avatars of *grid* in the live generation are from; None if it has none."""
        ...

    def current_name(self) -> str:
        """Return the live one's name; '' before the first import."""
        ...

    def listed(self, *, strict: bool = False) -> tuple[str, list[Manifest]]:
        """Return the live one's name ('': none) and the manifests of all, oldest first, the live one among them.

        One that cannot be read is left out; if *strict*, its error is raised.
        """
        ...

    def grids(self) -> set[str]:
        """Return the grids that any of them has avatars of; those of one that cannot be read are missing."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Keep every other process out of the methods below, which are called inside. Raises ImportRunning at once.

        The lock ends with the process that holds it.
        """
        ...

    def sweep(self) -> list[str]:
        """Remove what killed builds left; return the names of the generations that they were building. Idempotent."""
        ...

    def build(self, origins: OriginTable, *, text_bytes: int, jobs: int) -> "GenerationBuild":
        """Begin a generation. *origins* numbers the origins of its rows.

        *text_bytes*: about how many bytes of csv will be added, 0 if unknown. *jobs*: processes that it may use. Raises
        StoreFull if there is no room for it.
        """
        ...

    def publish(self, manifest: Manifest) -> None:
        """Make the finished build of *manifest*'s name the live generation: atomic, durable when this returns."""
        ...

    def use(self, name: str) -> None:
        """Make a published generation the live one: atomic, durable when this returns.

        Raises NoSuchGeneration, and the errors of one that is damaged, which does not become live.
        """
        ...

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest generations but *keep*, never the live one; return their names. Readers are not disturbed."""
        ...

    def drop_hidden(self, name: str, hidden: "HiddenSet", cleaned: Callable[[Manifest], Manifest]) -> int:
        """Replace generation *name* by one without the *hidden*; return how many names were removed, 0 if it has none.

        Its manifest is replaced by what *cleaned* makes of it, in any case. What was live stays live. Atomic: of a killed
        call nothing is visible, or its result, and the next call with this name completes it. Durable; bounded in memory.
        """
        ...


class GenerationBuild(Protocol):
    """A generation under construction.

    Nothing of it is visible before ``GenerationStore.publish``, and nothing of the live one changes. Memory is bounded,
    however much is added. If its process is killed, ``GenerationStore.sweep`` removes what is left.

    Raises StoreFull, NoMemory, HelperLost.
    """

    @property
    def name(self) -> str:
        """The stamp that it will be published under, later than that of every generation before."""
        ...

    def add(self, batch: Batch) -> None:
        """Add rows, in the order of the dump."""
        ...

    def finish(self, merge: Merge, watch: Watch) -> Built:
        """Merge with the live generation, verify all counts, and return when the result is durable. No ``add`` follows.

        Of the names of a key on a grid, added or live, the current one is that of the latest origin; of equal times, the
        one that was added last. All others are former names. Names of the live generation that were not added are kept.
        Raises CountsDisagree, StoreDamaged, TooManyGrids.
        """
        ...

    def abandon(self) -> None:
        """Remove it, unless it was published. Always called at the end, also after an error."""
        ...


class Lease(AbstractContextManager[GenerationView], Protocol):
    """A generation that one answer reads in many steps. Valid until it is released, whatever is published or pruned."""

    @property
    def view(self) -> GenerationView:
        """The generation, which a ``with`` block gets too."""
        ...

    def release(self) -> None:
        """End the lease; idempotent. The end of a ``with`` block does the same."""
        ...


class CaptureStore(AvatarIndex, Protocol):
    """Avatars seen in-world. Writes are atomic, durable, and visible to every process when the call returns."""

    def record(self, observations: Sequence[Observation], now: int) -> list[Capture | N2KError]:
        """Store observations in one atomic write; each is found in both directions when this returns.

        A rejected one has its error in its place and changes nothing: NameTaken, TooManyNewGrids, TooManyNames. The same
        observation again only counts once more, so a retry is safe.
        """
        ...

    def stored(self, key: bytes) -> list[StoredCapture]:
        """Return the captures of one key, one per grid, with their former names."""
        ...

    def all_stored(self) -> Iterator[StoredCapture]:
        """Iterate over all captures in the order of keys, one per key and grid, each once.

        No snapshot: what is written meanwhile may appear or not. A slow reader holds nothing that writers need.
        """
        ...

    def known_among(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of *keys* that were captured, on any grid."""
        ...

    def count(self) -> int:
        """Count the captured keys."""
        ...

    def evicted(self) -> int:
        """Count the names that were dropped because a key had too many, or a name too many keys."""
        ...

    def created_grids(self) -> list[str]:
        """Return the grids that observations created (``Observation.grids_left``), sorted."""
        ...

    def drop_grid(self, grid: str) -> int:
        """Remove a created grid with all its captures, in one atomic write; return how many captures."""
        ...


class TokenStore(Protocol):
    """Tokens by their id. Writes are atomic, durable, and visible to every process when the call returns."""

    def find(self, token_id: str) -> Token | None:
        """Return the token, revoked or not."""
        ...

    def add(self, token: Token) -> None:
        """Store a token, or replace the one with its id."""
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

        *only*: show what is hidden on this grid alone; what is hidden everywhere stays hidden.
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
    """Rate limits that all processes share. May be lost at any time: then everybody has a full minute's worth again."""

    def take(self, charges: Sequence[Charge], now: float) -> float:
        """Count all of *charges* and return 0, or count none and return the seconds to wait. Atomic across processes.

        A clock that is set back locks nobody out.
        """
        ...


class StoreOptions(NamedTuple):
    """What a store is opened with. Stores of equal options are interchangeable."""

    data_dir: Path
    share_with_group: bool
    """Files can be read and written by the group: cron and the web server may be different users."""
    resident_limit: int
    """Bytes of resident memory of this process above which an engine that maps files releases their pages."""
    max_pending: int
    """The most pending keys that are kept."""

    @property
    def modes(self) -> Modes:
        """File modes of the data directory."""
        return SHARED if self.share_with_group else PRIVATE


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

    def create(self) -> None:
        """Make an empty store, durable when this returns; an existing one is kept. Raises StoreUnreadable, StoreFull."""
        ...

    def check(self) -> Iterator[Finding]:
        """Check that generations and captures are consistent in both directions. Read everything, change nothing."""
        ...

    def purge(self, hidden: HiddenSet, without: Callable[[str], str]) -> PurgedRows:
        """Remove all that is *hidden*, so that no byte of it is left; pending keys, conflicts and meters begin empty.

        Texts that may name any avatar (``store.fields``) become what *without* makes of them. Answers go on meanwhile. If
        it is killed, nothing acknowledged is lost, and the next purge does the rest. Called inside ``generations.locked``.
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

    def close(self) -> None:
        """Release files, memory and connections; the next use opens them again."""
        ...

    def retire(self) -> None:
        """Close for good, also during an answer: another store takes over. A later use raises StoreUnreadable."""
        ...
