"""Registering avatars that were seen: the conflict rule, then the disk, then the answer."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import AskedToBeForgotten, N2KError, NameTaken
from n2k_fcgi.model.avatar import Capture, Conflict, Source
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.lookup import other_holder
from n2k_fcgi.store.base import (
    CaptureStore,
    ConflictStore,
    ForgottenStore,
    GenerationStore,
    GenerationView,
    Observation,
    PendingStore,
)


class Offer(NamedTuple):
    """A name for a key on a grid, as a caller wrote it."""

    name: str
    key: str
    grid: str
    """A label; a visitor's name says its own grid."""


class Registered(NamedTuple):
    """What became of a registration."""

    capture: Capture
    is_new: bool
    """This avatar was not captured before."""


class Registrar:
    """Takes observations. *newest_wins* lets a name move to another key, on other grids than Second Life's only.

    *max_grids*: how many grids beside *known_grids* and the imported ones registrations may bring.
    """

    def __init__(
        self,
        generations: GenerationStore,
        captures: CaptureStore,
        forgotten: ForgottenStore,
        pending: PendingStore,
        conflicts: ConflictStore,
        *,
        newest_wins: bool,
        known_grids: tuple[str, ...] = (),
        max_grids: int = 64,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._generations = generations
        self._captures = captures
        self._forgotten = forgotten
        self._pending = pending
        self._conflicts = conflicts
        self._newest_wins = newest_wins
        self._known_grids = known_grids
        self._max_grids = max_grids
        self._clock = clock

    def register(self, name: str, key: str, grid: str, source: Source) -> Registered:
        """Bind *name* to *key* on *grid*, fsync'ed when this returns.

        Raises BadName, BadKey, NameTaken when the name is known with another key, AskedToBeForgotten, TooManyNewGrids.
        """
        (done,) = self.register_all([Offer(name, key, grid)], source)
        if isinstance(done, N2KError):
            raise done
        return done

    def register_all(self, offers: Sequence[Offer], source: Source) -> list[Registered | N2KError]:
        """Register in one transaction; one that is refused has its error in its place and keeps none of the others."""
        now = int(self._clock())
        generation = self._generations.current()
        results: list[Registered | N2KError | None] = []
        accepted: list[Observation] = []
        for offer in offers:
            try:
                accepted.append(self._observation(offer, source, generation, now))
                results.append(None)
            except N2KError as refusal:
                results.append(refusal)
        if not accepted:
            return [result for result in results if result is not None]
        recorded = iter(self._record(accepted, now))
        return [next(recorded) if result is None else result for result in results]

    def _observation(self, offer: Offer, source: Source, generation: GenerationView | None, now: int) -> Observation:
        parsed, key = parse_name(offer.name, self._known_grids), parse_key(offer.key)
        grid = parsed.home or offer.grid
        if self._forgotten.is_hidden(key, grid, parsed.canonical):
            raise AskedToBeForgotten
        refuse = grid == PRODUCTION or not self._newest_wins
        holder = other_holder(generation, parsed.canonical, key, grid) if refuse and generation else None
        is_known = grid in self._known_grids or (generation is not None and grid in generation.grids)
        grids_left = None if is_known else self._max_grids
        seen = Observation(key, parsed.spelling, parsed.canonical, grid, source, refuse, grids_left)
        if holder is not None:
            self._note(seen, holder, now)
            raise NameTaken(name=parsed.spelling, grid=grid, holder=holder)
        return seen

    def _record(self, accepted: list[Observation], now: int) -> list[Registered | N2KError]:
        done: list[Registered | N2KError] = []
        for seen, result in zip(accepted, self._captures.record(accepted, now), strict=True):
            if isinstance(result, Capture):
                done.append(Registered(result, result.times_seen == 1))
                continue
            if isinstance(result, NameTaken):
                self._note(seen, result.holder, now)
            done.append(result)
        named = [result.capture.key for result in done if isinstance(result, Registered)]
        _if_possible(lambda: self._pending.drop(named), "the resolver's list")
        return done

    def _note(self, seen: Observation, holder: bytes, now: int) -> None:
        logs.warning(f"conflict: {seen.name!r} offered for {format_key(seen.key)} on {seen.grid}, refused")
        conflict = Conflict(seen.name, seen.grid, holder, seen.key, now, now, 1, "capture")
        _if_possible(lambda: self._conflicts.note([conflict]), "the list of conflicts")


def _if_possible(action: Callable[[], object], what: str) -> None:
    """Do what is good to have: the answer to a registration does not hang on it."""
    try:
        action()
    except N2KError as problem:
        logs.warning(f"{what} was not updated: {problem}")
