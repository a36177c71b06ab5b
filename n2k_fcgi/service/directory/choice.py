"""Which avatar is the answer if several match, and which of its names a key has.

One answer is chosen by this rule (``choose``): the wanted grid, else the default grid, else the avatar seen last. On one
grid a current name comes before a former one, and:

* In Second Life a name never passes to another account: the key that had it first keeps it, whatever a later dump says,
  and the dump outranks a capture that contradicts it.
* On other grids the name seen last wins.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from n2k_fcgi.model.avatar import Avatar


def choose(found: Iterable[Avatar], grid: str | None, default_grid: str, *, strict: bool = False) -> Avatar | None:
    """Return one avatar by the rule above; *found* has the winner of each grid first."""
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
    winners: dict[str, Avatar] = {}
    for avatar in candidates:
        winners.setdefault(avatar.grid, avatar)
    return max(winners.values(), key=lambda avatar: (not avatar.former, avatar.seen), default=None)


def ranked(imported: list[Avatar], captured: list[Avatar]) -> list[Avatar]:
    """Return all avatars of one name, the winner of each grid first."""
    return sorted(imported + captured, key=_name_rank) if captured else imported


def overlaid(imported: list[Avatar], captured: list[Avatar]) -> list[Avatar]:
    """Return the current names of one key, one per grid."""
    if not captured:
        return imported
    by_grid = {avatar.grid: avatar for avatar in imported}
    for avatar in captured:
        other = by_grid.get(avatar.grid)
        if other is None or _is_better_name(avatar, other):
            by_grid[avatar.grid] = avatar
    return list(by_grid.values())


def _name_rank(avatar: Avatar) -> tuple[bool, bool, int]:
    if avatar.grid == PRODUCTION and avatar.provenance is Provenance.DUMP:
        return False, False, 0  # in the generation's order: the holder comes first
    return avatar.former, avatar.grid == PRODUCTION, -avatar.seen


def _is_better_name(captured: Avatar, imported: Avatar) -> bool:
    """Whether the captured name wins: if it is later, or the same name, because W-Hat's dump has no upper and lower case."""
    return captured.seen >= imported.seen or canonical(captured.name) == canonical(imported.name)
