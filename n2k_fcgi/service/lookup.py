"""name2key and key2name: one generation, overlaid by what was captured since.

When several avatars answer, a one-line answer picks by this rule (``choose``): the grid asked for, else the default grid,
else the avatar seen most recently. On one grid a current name comes before a former one, and:

* In Second Life a name never passes to another account, so the dump outranks a capture that contradicts it.
* On other grids the binding seen most recently wins.
"""

from collections.abc import Iterable

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import AvatarIndex, CaptureStore, GenerationStore, GenerationView

NO_GENERATION = "none"
"""What X-N2K-Generation says before the first import."""


class Directory:
    """Answers lookups. Take one ``view`` a request, so that the whole answer comes from one generation."""

    def __init__(self, generations: GenerationStore, captures: CaptureStore, default_grid: str) -> None:
        self._generations = generations
        self._captures = captures
        self._default_grid = default_grid

    def view(self) -> "View":
        """What is current now. Raises the errors of a store that cannot be read."""
        return View(self._generations.current(), self._captures, self._default_grid)


class View:
    """The directory as it is for one request."""

    __slots__ = ("_captures", "_default_grid", "_generation", "generation_name")

    def __init__(self, generation: GenerationView | None, captures: CaptureStore, default_grid: str) -> None:
        self._generation = generation
        self._captures = captures
        self._default_grid = default_grid
        self.generation_name = NO_GENERATION if generation is None else generation.name

    def name2key(self, name: str, grid: str | None = None, *, strict: bool = False) -> Avatar | None:
        """The avatar with the canonical name *name*; only one on *grid* when *strict*, else *grid* is preferred."""
        found = self.named(name)
        if not found:
            return None
        return choose(found, grid, self._default_grid, strict=strict)

    def key2name(self, key: bytes, grid: str | None = None, *, strict: bool = False) -> Avatar | None:
        """The avatar with *key*, under its current name."""
        found = self.with_key(key)
        if not found:
            return None
        return choose(found, grid, self._default_grid, strict=strict)

    def named(self, name: str) -> list[Avatar]:
        """All avatars that are or were called so (canonical), the winner of each grid first."""
        captured = self._captures.by_name(name)
        if self._generation is None:
            return captured
        imported = self._generation.by_name(name)
        if not captured:
            return imported
        return sorted(imported + captured, key=_name_rank)

    def with_key(self, key: bytes) -> list[Avatar]:
        """The current name of *key* on each grid that knows it."""
        captured = self._captures.by_key(key)
        if self._generation is None:
            return captured
        imported = self._generation.by_key(key)
        if not captured:
            return imported
        by_grid = {avatar.grid: avatar for avatar in imported}
        for avatar in captured:
            other = by_grid.get(avatar.grid)
            if other is None or _is_better_name(avatar, other):
                by_grid[avatar.grid] = avatar
        return list(by_grid.values())

    def spelled(self, avatar: Avatar) -> Avatar:
        """*avatar* with its spelling: the name index of a generation keeps none."""
        if avatar.name:
            return avatar
        return next((known for known in self.with_key(avatar.key) if known.grid == avatar.grid), avatar)


def choose(found: Iterable[Avatar], grid: str | None, default_grid: str, *, strict: bool = False) -> Avatar | None:
    """Pick one avatar by the rule above; *found* has the winner of each grid first."""
    candidates = list(found)
    if grid is not None:
        for avatar in candidates:
            if avatar.grid == grid:
                return avatar
        if strict:
            return None
    for avatar in candidates:
        if avatar.grid == default_grid:
            return avatar
    return max(candidates, key=lambda avatar: (not avatar.former, avatar.seen), default=None)


def bound_elsewhere(index: AvatarIndex, name: str, key: bytes, grid: str) -> bool:
    """Whether canonical *name* is or was another key's on *grid*, and not also this key's."""
    holders = {avatar.key for avatar in index.by_name(name) if avatar.grid == grid}
    return bool(holders) and key not in holders


def _name_rank(avatar: Avatar) -> tuple[bool, bool, int]:
    captured_in_second_life = avatar.grid == PRODUCTION and avatar.origin == "capture"
    return avatar.former, captured_in_second_life, -avatar.seen


def _is_better_name(captured: Avatar, imported: Avatar) -> bool:
    """The later name wins; of one name the captured spelling, because W-Hat's dump has lost upper and lower case."""
    return captured.seen >= imported.seen or canonical(captured.name) == canonical(imported.name)
