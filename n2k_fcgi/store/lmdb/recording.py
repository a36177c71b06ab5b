"""What one observation changes: checks first, then both directions of the capture, its former names, a new grid.

A key keeps MOST_FORMER former names per grid, and a name MOST_KEYS keys per grid. Beyond that a registration in Second Life is
rejected, since a dropped name could be given to another key; on other grids the oldest are dropped and counted.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NameTaken, TooManyNames, TooManyNewGrids, shown
from n2k_fcgi.model.avatar import Capture, StoredCapture
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.observations import MOST_GRIDS_BY_ONE
from n2k_fcgi.store.bounds import MOST_FORMER, MOST_KEYS
from n2k_fcgi.store.lmdb.capture_rows import MOST_LOOKED_AT
from n2k_fcgi.store.lmdb.layout import CAPTURE_META, CREATED_GRID, RESERVED_KEY
from n2k_fcgi.store.lmdb.writable import with_prefix

if TYPE_CHECKING:
    import lmdb

    from n2k_fcgi.model.avatar import Avatar
    from n2k_fcgi.model.observations import Observation
    from n2k_fcgi.store.lmdb.capture_rows import CaptureRows

CLOCKS_DIFFER = 86_400
"""Seconds by which one correct clock may be ahead of another, wrong time zones included."""


def record(transaction: lmdb.Transaction, rows: CaptureRows, seen: Observation, now: int) -> tuple[Capture, int]:
    """Store one observation; return its capture and how many names were dropped for it.

    Raises NameTaken, TooManyNames, TooManyNewGrids, before the first change.
    """
    keys = rows.keys_called(seen.canonical)
    _refuse_taken(transaction, rows, keys, seen)
    rivals = _rivals(rows, keys, seen)
    others, mine = [], None
    for stored in rows.of(seen.key):
        if stored.capture.grid == seen.grid:
            mine = stored
        else:
            others.append(stored)
    updated = _seen_again(mine, Capture(seen.key, seen.name, seen.grid, now, now, 1, seen.source))
    is_too_long = len(updated.former) > max(MOST_FORMER, len(mine.former) if mine else 0)
    if seen.grid == PRODUCTION:  # nothing is dropped, also where an earlier version stored more
        if is_too_long:
            raise TooManyNames(what=f"{MOST_FORMER} former names of this key", grid=seen.grid)
        if len(rivals) >= MOST_KEYS or (len(keys) >= MOST_LOOKED_AT and seen.key not in keys):
            raise TooManyNames(what=f"{MOST_KEYS} keys of the name '{shown(seen.name)}'", grid=seen.grid)
    if seen.grids_left is not None:
        _create_grid(transaction, seen, seen.grids_left)
    dropped = 0
    if is_too_long:
        dropped = len(updated.former) - MOST_FORMER
        updated = updated._replace(former=updated.former[-MOST_FORMER:])
    rows.put(seen.key, [*others, updated])
    if seen.grid != PRODUCTION:
        for rival in sorted(rivals, key=lambda rival: rival.seen)[: max(0, len(rivals) + 1 - MOST_KEYS)]:
            dropped += rows.remove_name(rival.key, seen.grid, seen.canonical)
    return updated.capture, dropped


def _rivals(rows: CaptureRows, keys: list[bytes], seen: Observation) -> list[Avatar]:
    """The other keys with this name on that grid, current or former; empty if this one cannot be one too many."""
    if len(keys) < MOST_KEYS or any(avatar.grid == seen.grid for avatar in rows.called(seen.key, seen.canonical)):
        return []
    others = (key for key in keys if key != seen.key)
    return [avatar for key in others for avatar in rows.called(key, seen.canonical) if avatar.grid == seen.grid]


def _create_grid(transaction: lmdb.Transaction, seen: Observation, most: int) -> None:
    db_key, creator = CREATED_GRID + seen.grid.encode(), seen.brought_by.encode()
    if transaction.get(db_key) is not None:
        return
    creators = [value for _, value in with_prefix(transaction, CREATED_GRID)]
    for count, limit in ((len(creators), most), (creators.count(creator), MOST_GRIDS_BY_ONE)):
        if count >= limit:
            raise TooManyNewGrids(grid=seen.grid, limit=limit)
    transaction.put(db_key, creator)


def _refuse_taken(transaction: lmdb.Transaction, rows: CaptureRows, keys: list[bytes], seen: Observation) -> None:
    """Raise NameTaken if the name must stay with another key; without a holder if that one's capture was dropped."""
    holder = _other_holder(rows, keys, seen) if seen.refuse_conflict else None
    if holder is not None:
        raise NameTaken(name=seen.name, grid=seen.grid, holder=holder)
    if seen.grid == PRODUCTION and transaction.get(CAPTURE_META + RESERVED_KEY) is not None:
        from n2k_fcgi.store.lmdb.reserved import is_for_others  # late: most files have no reserved names

        if is_for_others(transaction, seen.key, seen.canonical):
            raise NameTaken(name=seen.name, grid=seen.grid)


def _other_holder(rows: CaptureRows, keys: list[bytes], seen: Observation) -> bytes | None:
    """Another key that has or had the name on that grid; None if there is none. Second Life never gives a name out again."""
    for other in keys:
        if other != seen.key and any(a.grid == seen.grid for a in rows.called(other, seen.canonical)):
            return other
    return None


def _believed(seen: int, now: int) -> int:
    """The time *seen*, or *now* if it is far ahead of that: a clock was wrong then, and no dump could ever win against it."""
    return seen if seen <= now + CLOCKS_DIFFER else now


def _seen_again(before: StoredCapture | None, now: Capture) -> StoredCapture:
    if before is None:
        return StoredCapture(now, [])
    was, former = before
    if canonical(was.name) != canonical(now.name):
        former = [(name, seen) for name, seen in former if canonical(name) != canonical(now.name)]
        former.append((was.name, _believed(was.last_seen, now.last_seen)))
    merged = now._replace(
        first_seen=min(was.first_seen, now.first_seen),
        last_seen=max(_believed(was.last_seen, now.last_seen), now.last_seen),
        times_seen=was.times_seen + 1,
    )
    return StoredCapture(merged, former)
