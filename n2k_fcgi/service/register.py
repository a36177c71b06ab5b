"""Registering an avatar that was seen: the conflict rule, then the disk, then the answer."""

import time
from collections.abc import Callable
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import NameTaken
from n2k_fcgi.model.avatar import Capture, Source
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.lookup import bound_elsewhere
from n2k_fcgi.store.base import CaptureStore, GenerationStore


class Registered(NamedTuple):
    """What became of a registration."""

    capture: Capture
    is_new: bool
    """This pair of name and key was not captured before."""


class Registrar:
    """Takes observations. *newest_wins* lets a name move to another key, on other grids than Second Life's only."""

    def __init__(
        self,
        generations: GenerationStore,
        captures: CaptureStore,
        *,
        newest_wins: bool,
        known_grids: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._generations = generations
        self._captures = captures
        self._newest_wins = newest_wins
        self._known_grids = known_grids
        self._clock = clock

    def register(self, name: str, key: str, grid: str, source: Source) -> Registered:
        """Bind *name* to *key* on *grid* (a visitor's name says its own grid), fsync'ed when this returns.

        Raises BadName, BadKey, and NameTaken when the name is known with another key.
        """
        parsed, avatar_key = parse_name(name, self._known_grids), parse_key(key)
        world = parsed.home or grid
        refuse = world == PRODUCTION or not self._newest_wins
        try:
            generation = self._generations.current()
            if refuse and generation and bound_elsewhere(generation, parsed.canonical, avatar_key, world):
                raise NameTaken(name=parsed.spelling, grid=world)
            capture = self._captures.record(
                avatar_key,
                parsed.spelling,
                parsed.canonical,
                world,
                source,
                int(self._clock()),
                refuse_conflict=refuse,
            )
        except NameTaken:
            logs.warning(f"conflict: {parsed.spelling!r} offered for {format_key(avatar_key)} on {world}, refused")
            raise
        return Registered(capture, capture.times_seen == 1)
