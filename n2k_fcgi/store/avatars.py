"""The sources of avatars that an engine implements: an index of names and keys, generations and their build, captures.

Everything else that a store is made of is in ``store.base``, with what holds for all of it.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
from n2k_fcgi.model.batch import Batch
from n2k_fcgi.model.builds import Built, Merge, Watch
from n2k_fcgi.model.keeping import Keeping
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.observations import Observation
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.bounds import REBUILD


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

    def opened(self, name: str) -> AbstractContextManager[GenerationView]:
        """Open any generation for as long as the block takes. Raises the errors of ``current``."""
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

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of a generation. Raises StoreDamaged, StoreTooNew, StoreUnreadable."""
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

    def build(
        self, origins: OriginTable, merge: Merge, *, text_bytes: int = 0, jobs: int = 1, rebuild: float = REBUILD
    ) -> "GenerationBuild":
        """Begin a generation: the live one, merged with the rows that are added. *origins* numbers the origins of its rows.

        *text_bytes*: about how many bytes of csv will be added, 0 if unknown. *jobs*: processes that it may use. *rebuild*:
        percent of the avatars of a whole generation; an engine may store only the differences against one, up to that
        share of it. Raises StoreFull if there is no room for it, StoreDamaged.
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

    def seal(self, name: str) -> None:
        """Let copies of a generation be compared byte by byte. All of it is read, so it is for one that was built to be copied.

        Not atomic: one that was half sealed is refused as damaged. Raises StoreFull.
        """
        ...

    def refuse_changed(self, name: str) -> None:
        """Read all of a generation that has a seal, and raise StoreDamaged if it is not what was built.

        One without a seal is not read. Raises NoSuchGeneration, StoreUnreadable.
        """
        ...

    def shares_past(self, name: str) -> bool:
        """Whether one of the live generation and *name* was built from the other, by any number of imports, or none is live.

        True also where that is not known, or the live one is damaged. Raises NoSuchGeneration, and the errors of ``use``.
        """
        ...

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest generations but *keep*, never the live one, nor one that a kept one needs; return their names.

        Readers are not disturbed.
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

    def finish(self, watch: Watch) -> Built:
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

        A rejected one has its error in its place and changes nothing: NameTaken (without a holder: the name is reserved),
        TooManyNewGrids, TooManyNames. The same observation again only counts once more, so a retry is safe.
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

    def drop_outdated(self, keeping: Keeping) -> int:
        """Remove what the owner does not keep, so that no byte of it is left; return how many captures.

        The names that a removed capture has or had in Second Life stay reserved for its key, as keyed digests. One atomic
        write: if it is killed, all or nothing was removed. Raises StoreBusy, StoreFull.
        """
        ...

    def note_doubt(self, now: int) -> None:
        """Store that nothing confirmed the clock at *now*, when captures were to be dropped by it."""
        ...

    def doubted(self) -> int:
        """Return when ``note_doubt`` was last called; 0: never."""
        ...

    def reserved_for(self, key: bytes, canonical: str) -> tuple[bool, bool]:
        """Return whether a name of Second Life is reserved, and whether it is for *key*."""
        ...

    def count_reserved(self, key: bytes) -> int:
        """Count the names of Second Life that are reserved for *key*; which they are cannot be read."""
        ...

    def drop_grid(self, grid: str) -> int:
        """Remove a created grid with all its captures, in one atomic write; return how many captures."""
        ...
