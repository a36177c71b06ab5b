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
from n2k_fcgi.model.observations import Asked, Observation
from n2k_fcgi.model.tokens import Token

MOST_FORMER = 64
"""Former names of one key on one grid that captures keep; what they held before that bound stays, and answers."""

MOST_KEYS = 64
"""Keys of one name on one grid that captures keep, and that an answer looks at, whatever is stored."""


class AvatarIndex(Protocol):
    """One source of avatars: a generation, or the captures."""

    rows_read: int
    """Names unpacked so far, for an answer that is to be bounded."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything inside as it is at one moment, in one transaction; nothing may be written inside."""
        ...

    def by_name(self, canonical: str) -> list[Avatar]:
        """Avatars that are or were called so, the winner of each grid first, former names last; MOST_KEYS a grid at most."""
        ...

    def by_key(self, key: bytes) -> list[Avatar]:
        """The current name of the key on each grid that knows it."""
        ...

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """Canonical names in UTF-8 at or above *first* and below *end*, in order (or backwards), at most *limit*."""
        ...


class GenerationView(AvatarIndex, Protocol):
    """One immutable generation, open for one answer."""

    @property
    def name(self) -> str:
        """Its stamp, which ``X-N2K-Generation`` shows."""
        ...

    @property
    def grids(self) -> frozenset[str]:
        """The grids that it has avatars of."""
        ...

    def count(self) -> int:
        """How many keys it has."""
        ...

    def history(self, key: bytes, most: int | None = None) -> list[Avatar]:
        """The former names of a key, oldest first; the latest *most* of them."""
        ...

    def is_called(self, key: bytes, canonical: str, grid: str) -> bool:
        """Whether *key* is or was called so on *grid*, however many others are."""
        ...

    def bindings(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """Canonical names at or above *first* in order, each with its avatars as ``by_name`` has them, former ones not.

        One at least, then as long as they have *limit* avatars; none behind the last name.
        """
        ...


class GenerationStore(Protocol):
    """The published generations; one of them is live.

    Another may be published at any moment, and the one before it pruned: two calls may speak of two generations. So the
    only one who asks for the live one is ``service.directory.lookup.Directory``, once an answer.
    """

    def current(self) -> GenerationView | None:
        """The live generation; None when nothing was imported yet. Valid until the next call."""
        ...

    def live(self) -> Manifest | None:
        """What the live one says of itself; None when there is none."""
        ...

    def listed(self, *, strict: bool = False) -> tuple[str, list[Manifest]]:
        """The live one's name ('': none) and the manifests of all, oldest first, the live one among them.

        One that cannot be read is left out; its error is raised if *strict*.
        """
        ...

    def current_name(self) -> str:
        """The live one's name; '' when there is none."""
        ...

    def names(self) -> list[str]:
        """Every finished generation, oldest first."""
        ...

    def manifest(self, name: str) -> Manifest:
        """The manifest of one. Raises StoreDamaged, StoreTooNew, StoreUnreadable."""
        ...

    def grids(self) -> set[str]:
        """The grids that any of them has avatars of; those of one that cannot be read are missing."""
        ...

    def use(self, name: str) -> None:
        """Make a finished generation the live one, atomically and durably. Raises NoSuchGeneration; refuses a damaged one."""
        ...

    def hold(self) -> "HeldGeneration | None":
        """``current`` for an answer that takes many steps: valid until released, whatever is published meanwhile."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Keep every other process out of the methods below, which are called inside. Raises ImportRunning at once.

        The lock ends with the process that holds it.
        """
        ...

    def sweep(self) -> list[str]:
        """Remove what killed builds left; return the names of the generations that they were building."""
        ...

    def publish(self, manifest: Manifest) -> None:
        """Make the finished build of *manifest*'s name the live generation: atomic, durable when this returns."""
        ...

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest generations but *keep*, never the live one; return their names. Readers are not disturbed."""
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


class HeldGeneration(Protocol):
    """A generation that one answer goes on reading."""

    @property
    def view(self) -> GenerationView:
        """The generation."""
        ...

    def trim(self) -> None:
        """Between two steps: give its pages back when this process has grown."""
        ...

    def release(self) -> None:
        """The answer is done, or given up."""
        ...


class CaptureStore(AvatarIndex, Protocol):
    """Avatars seen in-world, acknowledged only once they are on the disk."""

    def record(self, observations: Sequence[Observation], now: int) -> list[Capture | N2KError]:
        """Store observations, findable in both directions when this returns, in one transaction.

        One that is refused has its error in the capture's place and changes nothing: NameTaken, TooManyNewGrids, TooManyNames.
        """
        ...

    def stored(self, key: bytes) -> list[StoredCapture]:
        """What is known of one key, an entry per grid, with former names."""
        ...

    def all_stored(self) -> Iterator[tuple[bytes, StoredCapture]]:
        """Every key and grid with its former names, in key order; no transaction is open between two steps."""
        ...

    def created_grids(self) -> list[str]:
        """The grids that registrations created."""
        ...

    def drop_grid(self, grid: str) -> int:
        """Remove a grid that registrations created, with its captures; return how many captures were removed."""
        ...

    def count(self) -> int:
        """How many keys were captured."""
        ...

    def evicted(self) -> int:
        """How many names went because a key had too many, or a name too many keys."""
        ...

    def known_among(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of *keys* that were captured, on whatever grid."""
        ...

    def captures(self) -> Iterator[Capture]:
        """All of them, in key order."""
        ...


class TokenStore(Protocol):
    """Tokens by their id."""

    def find(self, token_id: str) -> Token | None:
        """The token, revoked or not."""
        ...

    def add(self, token: Token) -> None:
        """Store a new one, or replace it."""
        ...

    def tokens(self) -> list[Token]:
        """All, oldest first."""
        ...


class HiddenSet(Protocol):
    """Who asked to be forgotten, as it was at one moment: for work on many rows."""

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        ...

    def hides(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this avatar, or whoever has this name, asked to be forgotten."""
        ...

    def hides_key(self, key: bytes, grid: str | None = None) -> bool:
        """Whether the avatar with *key* asked to be forgotten on *grid*; None: on whatever grid."""
        ...

    def hides_everywhere(self, key: bytes) -> bool:
        """Whether the avatar with *key* asked to be forgotten on every grid."""
        ...

    def hides_name(self, grid: str, canonical: str) -> bool:
        """Whether whoever has this name asked to be forgotten."""
        ...


class ForgottenStore(Protocol):
    """Who asked to be forgotten. Nothing but keyed digests of keys and names is kept."""

    def shown(self, avatars: list[Avatar], canonical: str) -> list[Avatar]:
        """Those of *avatars*, all called *canonical*, that nobody asked to forget."""
        ...

    def is_hidden(self, key: bytes, grid: str, canonical: str) -> bool:
        """Whether this avatar, or whoever has this name, asked to be forgotten."""
        ...

    def is_key_hidden(self, key: bytes, grid: str | None) -> bool:
        """Whether the avatar with *key* asked to be forgotten on *grid*; None: on whatever grid."""
        ...

    def hidden(self, before: HiddenSet | None = None) -> HiddenSet:
        """All of them, as they are now; *before* itself, which this gave earlier, when nothing was written since."""
        ...

    def secret(self) -> bytes:
        """Random bytes that only this directory knows; b'' before anybody asked."""
        ...

    def forget(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> None:
        """Hide *keys* and *names*, (grid, canonical), together, from every process's next look on; on the disk then.

        *only*: the keys on this grid alone. What is hidden everywhere stays so, and with those that it was hidden with.
        """
        ...

    def undo(self, keys: Iterable[bytes], names: Iterable[tuple[str, str]], now: int, only: str | None = None) -> int | None:
        """Show again what was hidden together with any of these; give when that was asked for first, None: nothing was.

        *only*: what was hidden on this grid alone; who is hidden everywhere stays so.
        """
        ...

    def undone(self) -> int:
        """When somebody was last shown again; 0: never. What was imported before that may lack rows of theirs."""
        ...

    def note_purge(self, now: int) -> None:
        """Remember that a purge takes rows out from now on."""
        ...

    def purged(self) -> int:
        """When a purge last began; 0: never."""
        ...

    def count(self) -> int:
        """How many requests to be forgotten are in force."""
        ...


class PendingStore(Protocol):
    """Keys that were asked about and nobody knows."""

    def unqueued(self, keys: Sequence[bytes], grid: str, now: int) -> list[bytes]:
        """Those of *keys* that are not there for *grid*, or were found to be nobody's long ago."""
        ...

    def add(self, keys: Iterable[bytes], grid: str, now: int, asker: str = "") -> int:
        """Queue those of *keys*, asked for on *grid*, that are not there, as many as there is room for; give how many.

        Where there is none, *asker* gets some of whoever has most of it, up to the same share.
        """
        ...

    def waiting(self) -> list[Asked]:
        """The keys to name, the one that waits longest first."""
        ...

    def drop(self, keys: Iterable[bytes], is_meant: Callable[[str], bool] = ...) -> int:
        """Take keys out that were asked for on a grid that *is_meant*, else on whatever grid; give how many were there."""
        ...

    def nobody(self, keys: Iterable[bytes], grid: str, now: int) -> int:
        """Note that a resolver found nobody on *grid* behind these of the queue; give how many."""
        ...


class ConflictStore(Protocol):
    """The latest names that were offered for another key than their own."""

    def note(self, conflicts: Iterable[Conflict]) -> None:
        """Keep these; one that is there already is counted once more."""
        ...

    def conflicts(self) -> list[Conflict]:
        """All, the latest first."""
        ...


class MeterStore(Protocol):
    """Counts per minute that all workers share."""

    def wait(self, charges: Sequence[Charge], now: float) -> float:
        """Seconds until all of *charges* would be admitted; 0: now. Counts nothing."""
        ...

    def take(self, charges: Sequence[Charge], now: float) -> float:
        """Count all of *charges* and give 0, or count none and give the seconds to wait."""
        ...


class StoreOptions(NamedTuple):
    """What a store is opened with. Stores of equal options are interchangeable."""

    data_dir: Path
    share_with_group: bool
    """Files can be read and written by the group: cron and the web server may be different users."""
    resident_limit: int
    """Bytes of resident memory of this process above which pages of mapped files are released."""
    max_pending: int
    """How many pending keys are kept."""

    @property
    def modes(self) -> Modes:
        """File modes of the data directory."""
        return SHARED if self.share_with_group else PRIVATE


class Finding(NamedTuple):
    """Something wrong with what is stored."""

    problem: str
    """One line, without the name or key of anyone who asked to be forgotten."""
    advice: str
    """What to do about it; '' if the next use repairs it."""


class Store(Protocol):
    """All that is stored of one directory; each part is opened at first use. Not for use across ``fork()``."""

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
        """Make an empty store; an existing one is kept. Raises StoreUnreadable, StoreFull."""
        ...

    def check(self) -> Iterator[Finding]:
        """Check that generations and captures agree with themselves, in both directions; read everything, change nothing."""
        ...

    def stopped_readers(self) -> list[tuple[int, int]]:
        """Processes that hold an old snapshot, so that space cannot be reused, and how many changes old it is."""
        ...

    def close(self) -> None:
        """Release files, memory and connections; the next use opens them again."""
        ...

    def retire(self) -> None:
        """Close for good, also during an answer: another store takes over. A later use raises StoreUnreadable."""
        ...
