"""Registering avatars that were seen: check for conflicts, store durably, then answer."""

from __future__ import annotations

import contextlib
import time

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import AskedToBeForgotten, BadKey, BadName, N2KError, NameTaken
from n2k_fcgi.model.avatar import Capture, Conflict
from n2k_fcgi.model.choices import OnConflict, Provenance
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import is_second_life_name, parse_name
from n2k_fcgi.model.observations import Asked, Observation
from n2k_fcgi.named import NamedTuple
from n2k_fcgi.service.best_effort import best_effort
from n2k_fcgi.service.directory.lookup import MOST_ROWS
from n2k_fcgi.service.directory.pending import drop_named
from n2k_fcgi.store.bounds import MOST_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from n2k_fcgi.model.avatar import Avatar, Source
    from n2k_fcgi.model.grids import Grids, Wanted
    from n2k_fcgi.model.names import ParsedName
    from n2k_fcgi.service.directory.lookup import Directory
    from n2k_fcgi.store.avatars import GenerationView
    from n2k_fcgi.store.base import Binding, ConflictStore, PendingStore

NOT_OF_SECOND_LIFE = f"on {PRODUCTION} a name is one or two parts of ASCII letters, digits and underscores"


_NEW, _KNOWN = "registers.new", "registers.known"


class Offer(NamedTuple):
    """A name for a key on a grid."""

    name: ParsedName | BadName
    """BadName is raised when the offer is registered."""
    key: str
    """The text that the caller sent."""
    grid: str
    """The label; for a visitor, of the home grid."""


class Registered(NamedTuple):
    """The result of a registration."""

    capture: Capture
    is_new: bool
    """Whether this avatar was not captured before."""


class Registrar:
    """Registers avatars. *on_conflict* applies outside Second Life: there a name never passes to another key.

    *places*: whether the object and the region of a source are stored.
    """

    def __init__(
        self,
        directory: Directory,
        pending: PendingStore,
        conflicts: ConflictStore,
        *,
        on_conflict: OnConflict,
        grids: Grids,
        places: bool = True,
        count: Callable[[str, int], None] = lambda name, count: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._pending = pending
        self._conflicts = conflicts
        self._on_conflict = on_conflict
        self._grids = grids
        self._places = places
        self._count = count
        self._clock = clock

    def offer(self, name: str, key: str, wanted: Wanted) -> Offer:
        """Return the offer of *name*, in any spelling, for *key*, on the grid of the name or the *wanted* one."""
        try:
            parsed = parse_name(name, self._grids)
        except BadName as refusal:
            return Offer(refusal, key, self._grids.one(wanted))
        return Offer(parsed, key, self._grids.one(parsed.on(wanted)))

    def register(self, offer: Offer, source: Source, by: str = "") -> Registered:
        """Bind the name to the key on the grid of *offer*, durable when this returns.

        Raises BadName, BadKey, NameTaken when the name is known with another key, AskedToBeForgotten, TooManyNewGrids,
        TooManyNames.
        """
        (done,) = self.register_all([offer], source, by)
        if isinstance(done, N2KError):
            raise done
        return done

    def register_all(self, offers: Sequence[Offer], source: Source, by: str = "") -> list[Registered | N2KError]:
        """Register in one atomic write; a refused offer has its error in its place and does not affect the others.

        *by*: the id of the token, '' without one.
        """
        now = int(self._clock())
        source = self._without_hidden(source if self._places else _without_place(source))
        generation = self._directory.full_view().generation
        imported = _Imported(generation, offers) if generation is not None else None
        hidden = self._hidden(offers)
        results: list[Registered | N2KError | None] = []
        accepted: list[Observation] = []
        conflicts: list[Conflict] = []
        for offer in offers:
            try:
                seen = self._observation(offer, source, generation, by)
                if (seen.key, seen.grid, seen.canonical) in hidden:
                    raise AskedToBeForgotten
                if imported is not None:
                    imported.refuse_taken(seen)
                accepted.append(seen)
                results.append(None)
            except NameTaken as taken:
                refusal = self._told(taken, seen.grid)
                if refusal is taken:
                    conflicts.append(_conflict(seen, taken, now))
                results.append(refusal)
            except N2KError as problem:
                results.append(problem)
        recorded = iter(self._record(accepted, conflicts, now) if accepted else ())
        if conflicts:
            with best_effort("the list of conflicts"):
                self._conflicts.note(conflicts)
        done = [next(recorded) if result is None else result for result in results]
        for result in done:
            self._count("registers.refused" if isinstance(result, N2KError) else _NEW if result.is_new else _KNOWN, 1)
        return done

    def _without_hidden(self, source: Source) -> Source:
        """Return *source* without mentions of hidden avatars: their prims still report others."""
        if not self._directory.forgotten.secret():  # no avatar was ever hidden
            return source
        from n2k_fcgi.service.directory.mentions import Mentions, StoredTombstones  # late: if any was ever hidden
        from n2k_fcgi.store.fields import cleaned

        return cleaned(source, Mentions(StoredTombstones(self._directory.forgotten), self._grids.labels).without)

    def _hidden(self, offers: Sequence[Offer]) -> set[Binding]:
        """The bindings of *offers* that are hidden."""
        bindings: list[Binding] = []
        for offer in offers:
            with contextlib.suppress(BadKey):
                if not isinstance(offer.name, BadName):
                    bindings.append((parse_key(offer.key), offer.grid, offer.name.canonical))
        return self._directory.forgotten.hidden_among(bindings)

    def _observation(self, offer: Offer, source: Source, generation: GenerationView | None, by: str) -> Observation:
        if isinstance(offer.name, BadName):
            raise offer.name
        parsed, key, grid = offer.name, parse_key(offer.key), offer.grid
        if grid == PRODUCTION and not is_second_life_name(parsed.spelling):  # this rejects look-alike and invisible letters
            raise BadName(name=parsed.spelling, why=NOT_OF_SECOND_LIFE)
        refuse = grid == PRODUCTION or self._on_conflict is OnConflict.REFUSE
        imported = generation.grids if generation is not None else ()
        grids_left = None if self._grids.is_established(grid, imported) else self._grids.most_new
        return Observation(key, parsed.spelling, parsed.canonical, grid, source, refuse, grids_left, by)

    def _told(self, refusal: N2KError, grid: str) -> N2KError:
        """Return *refusal*, or AskedToBeForgotten if the holder is hidden: neither answer nor list may reveal the holder."""
        is_hidden = isinstance(refusal, NameTaken) and self._directory.forgotten.hidden_keys([refusal.holder], grid)
        return AskedToBeForgotten() if is_hidden else refusal

    def _record(self, accepted: list[Observation], conflicts: list[Conflict], now: int) -> list[Registered | N2KError]:
        done: list[Registered | N2KError] = []
        for seen, result in zip(accepted, self._directory.captures.record(accepted, now), strict=True):
            if isinstance(result, Capture):
                done.append(Registered(result, result.times_seen == 1))
                continue
            refusal = self._told(result, seen.grid)
            if isinstance(refusal, NameTaken):
                conflict = _conflict(seen, refusal, now)
                conflicts += [conflict] if refusal.holder else []  # of a reserved name nobody knows the holder
            done.append(refusal)
        named = [Asked(each.capture.key, each.capture.grid) for each in done if isinstance(each, Registered)]
        with best_effort("the resolver's list"):
            drop_named(self._pending, named)
        return done


class _Imported:
    """The holders of names in *generation*; those of *offers* are read by one call of the store."""

    def __init__(self, generation: GenerationView, offers: Sequence[Offer]) -> None:
        self._generation = generation
        names = list(dict.fromkeys(offer.name.canonical for offer in offers if not isinstance(offer.name, BadName)))
        self._by_name = dict(zip(names, generation.by_names(names, MOST_ROWS), strict=False))

    def _called(self, name: str) -> list[Avatar]:
        if name not in self._by_name:  # those before it took too much reading
            self._by_name[name] = self._generation.by_name(name)
        return self._by_name[name]

    def refuse_taken(self, seen: Observation) -> None:
        """Raise NameTaken if the name is or was another key's on that grid and not this one's, and must not pass on."""
        if not seen.refuse_conflict:
            return
        holders = [avatar.key for avatar in self._called(seen.canonical) if avatar.grid == seen.grid]
        if not holders or seen.key in holders:
            return
        if len(holders) < MOST_KEYS or not self._generation.is_called(seen.key, seen.canonical, seen.grid):
            raise NameTaken(name=seen.name, grid=seen.grid, holder=holders[0])


def _without_place(source: Source) -> Source:
    from n2k_fcgi.model.keeping import without_place  # late: by default places are kept

    return without_place(source)


def _conflict(seen: Observation, refusal: NameTaken, now: int) -> Conflict:
    """Return the conflict for the list, and log it."""
    logs.warning(f"conflict: {seen.name!r} offered for {format_key(seen.key)} on {seen.grid}, refused")
    return Conflict(seen.name, seen.grid, refusal.holder, seen.key, now, now, 1, Provenance.CAPTURE)
