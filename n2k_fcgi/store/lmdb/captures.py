"""Captures: avatars that were seen in-world, each acknowledged only when both directions are on the disk.

A key keeps MOST_FORMER former names a grid, and a name MOST_KEYS keys a grid. Past that a registration in Second Life is
refused, since a name that went could be given to another key; elsewhere the oldest go, and are counted (``mevicted``).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import lmdb

from n2k_fcgi.errors import N2KError, NameTaken, TooManyNames, TooManyNewGrids, shown
from n2k_fcgi.files import Modes
from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.names import canonical as canonical_form
from n2k_fcgi.model.observations import MOST_GRIDS_BY_ONE, Observation
from n2k_fcgi.store.base import MOST_FORMER, MOST_KEYS, HiddenSet
from n2k_fcgi.store.fields import cleaned
from n2k_fcgi.store.lmdb.capture_rows import MOST_LOOKED_AT, CaptureRows, current_avatar, split_keys
from n2k_fcgi.store.lmdb.codec import unpack_captures
from n2k_fcgi.store.lmdb.growing_map import Result
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_META, CAPTURE_NAME, CAPTURES, CREATED_GRID, EVICTED_KEY, TOKEN
from n2k_fcgi.store.lmdb.rewriting import rewrite
from n2k_fcgi.store.lmdb.tokens import cleaned_token
from n2k_fcgi.store.lmdb.writable import WritableFile, with_prefix

_EVICTED = CAPTURE_META + EVICTED_KEY

STRETCH = 1000
"""Keys that are read at a time."""

CLOCKS_DIFFER = 86_400
"""Seconds by which a right clock may have been ahead of another right one, with time zones mistaken and all."""


class Captures:
    """The captures of one data directory. Implements ``store.base.CaptureStore``.

    ``n`` + canonical name -> the keys (16 bytes each) that are or were called so; ``k`` + key -> its captures.
    """

    def __init__(self, file: WritableFile) -> None:
        self._file = file
        self._rows: CaptureRows | None = None
        self.rows_read = 0

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """See ``store.base.AvatarIndex``. What is beside the captures in their file is read in it, too."""
        with self._file.snapshot(), self._file.read() as transaction:
            self._rows = CaptureRows(transaction, self._count_read)
            try:
                yield
            finally:
                self._rows = None

    def _look(self, look: Callable[[CaptureRows], Result]) -> Result:
        """What *look* finds in the rows of the ``snapshot`` around it, else of a transaction of their own."""
        if self._rows is not None:
            return look(self._rows)
        with self._file.read() as transaction:
            return look(CaptureRows(transaction, self._count_read))

    def _count_read(self, names: int) -> None:
        self.rows_read += names

    def by_name(self, canonical: str) -> list[Avatar]:
        """Current names first, the one seen last first of all; then former ones."""
        found = self._look(lambda rows: [a for key in rows.keys_called(canonical) for a in rows.called(key, canonical)])
        if not found:
            return found
        self.rows_read += len(found)
        return _first_of_each_grid(sorted(found, key=lambda avatar: (avatar.former, -avatar.seen)))

    def by_key(self, key: bytes) -> list[Avatar]:
        """The current name on each grid."""
        return [current_avatar(stored.capture) for stored in self._look(lambda rows: rows.of(key))]

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """See ``store.base.AvatarIndex``; former names are among them."""
        low, high = CAPTURE_NAME + first, CAPTURE_NAME + end
        found: list[bytes] = []
        with self._file.read() as transaction:
            cursor = transaction.cursor()
            more = (cursor.prev() if cursor.set_range(high) else cursor.last()) if reverse else cursor.set_range(low)
            while more and len(found) < limit and low <= bytes(cursor.key()) < high:
                found.append(bytes(cursor.key())[len(CAPTURE_NAME) :])
                more = cursor.prev() if reverse else cursor.next()
        return found

    def record(self, observations: Sequence[Observation], now: int) -> list[Capture | N2KError]:
        """See ``store.base.CaptureStore``."""

        def change(transaction: lmdb.Transaction) -> list[Capture | N2KError]:
            rows = CaptureRows(transaction)
            done: list[Capture | N2KError] = []
            evicted = 0
            for observation in observations:
                try:
                    capture, gone = _record(transaction, rows, observation, now)
                    evicted += gone
                    done.append(capture)
                except (NameTaken, TooManyNames, TooManyNewGrids) as refusal:
                    done.append(refusal)
            if evicted:
                transaction.put(_EVICTED, str(int(transaction.get(_EVICTED) or 0) + evicted).encode())
            return done

        return self._file.write(change)

    def stored(self, key: bytes) -> list[StoredCapture]:
        """What is known of one key, an entry a grid."""
        return list(self._look(lambda rows: rows.of(key)))

    def created_grids(self) -> list[str]:
        """The grids that registrations brought."""
        with self._file.read() as transaction:
            return [grid.decode() for grid, _ in with_prefix(transaction, CREATED_GRID)]

    def count(self) -> int:
        """How many keys were captured."""
        with self._file.read() as transaction:
            return sum(1 for _ in with_prefix(transaction, CAPTURE_KEY))

    def evicted(self) -> int:
        """How many names went because a key had too many, or a name too many keys."""
        with self._file.read() as transaction:
            return int(transaction.get(_EVICTED) or 0)

    def known_among(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of *keys* that were captured, on whatever grid."""
        with self._file.read() as transaction:
            return {key for key in keys if transaction.get(CAPTURE_KEY + key) is not None}

    def drop_hidden(self, hidden: HiddenSet, without: Callable[[str], str] = str) -> int:
        """Write the file anew without captures and former names of the *hidden*; give how many captures went.

        *without*: makes of a text that may name anybody one that does not name them.
        """

        def keep(stored: StoredCapture) -> StoredCapture | None:
            return None if _is_hidden(stored, hidden) else _shown(stored, hidden, without)

        def clean(db_key: bytes, value: bytes) -> bytes:
            return cleaned_token(db_key[1:].decode(), value, without) if db_key[:1] == TOKEN else value

        return self._rewrite(keep, clean)

    def drop_grid(self, grid: str) -> int:
        """Write the file anew without a grid that registrations brought, and its captures; give how many went."""
        created = CREATED_GRID + grid.encode()
        return self._rewrite(
            lambda stored: None if stored.capture.grid == grid else stored,
            lambda db_key, value: None if db_key == created else value,
        )

    def _rewrite(
        self, keep: Callable[[StoredCapture], StoredCapture | None], other: Callable[[bytes, bytes], bytes | None]
    ) -> int:
        """Write the file anew with what *keep* makes of captures and *other* of all else, None: nothing; give how many went."""
        dropped: dict[bytes, int] = {}  # by key: rows may be copied again (the map was too small)

        def copy(transaction: lmdb.Transaction, db_key: bytes, value: bytes) -> None:
            if db_key[:1] == CAPTURE_KEY:
                key = db_key[1:]
                before = unpack_captures(key, value)
                kept = [made for made in map(keep, before) if made is not None]
                dropped[key] = len(before) - len(kept)
                CaptureRows(transaction).put(key, kept)
            elif db_key[:1] != CAPTURE_NAME:  # names come back with their keys
                made = other(db_key, value)
                if made is not None:
                    transaction.put(db_key, made)

        rewrite(self._file, copy)
        return sum(dropped.values())

    def all_stored(self) -> Iterator[StoredCapture]:
        """See ``store.base.CaptureStore``. Read in chunks: a slow reader must not keep a transaction open."""
        first = b""
        while True:
            with self._file.read() as transaction:
                rows = list(islice(with_prefix(transaction, CAPTURE_KEY, first), STRETCH))
                found = [stored for key, value in rows for stored in unpack_captures(key, value)]
            yield from found
            if len(rows) < STRETCH:
                return
            first = rows[-1][0] + b"\0"  # the smallest db_key behind it

    def names(self) -> Iterator[tuple[str, list[bytes]]]:
        """Every canonical name with its keys, in order."""
        with self._file.read() as transaction:
            for name, value in with_prefix(transaction, CAPTURE_NAME):
                yield name.decode(), split_keys(value)


def captures_file(data_dir: Path, modes: Modes) -> WritableFile:
    """The file behind captures and tokens."""
    return WritableFile(data_dir / CAPTURES, modes)


def _record(transaction: lmdb.Transaction, rows: CaptureRows, seen: Observation, now: int) -> tuple[Capture, int]:
    """Both directions of one observation, and how many names went for it; all checks come before the first change."""
    keys = rows.keys_called(seen.canonical)
    if seen.refuse_conflict:
        holder = _other_holder(rows, keys, seen)
        if holder is not None:
            raise NameTaken(name=seen.name, grid=seen.grid, holder=holder)
    rivals = _rivals(rows, keys, seen)
    others, mine = [], None
    for stored in rows.of(seen.key):
        if stored.capture.grid == seen.grid:
            mine = stored
        else:
            others.append(stored)
    updated = _seen_again(mine, Capture(seen.key, seen.name, seen.grid, now, now, 1, seen.source))
    is_too_long = len(updated.former) > max(MOST_FORMER, len(mine.former) if mine else 0)
    if seen.grid == PRODUCTION:  # nothing goes: what has more from before stays as it is
        if is_too_long:
            raise TooManyNames(what=f"{MOST_FORMER} former names of this key", grid=seen.grid)
        if len(rivals) >= MOST_KEYS or (len(keys) >= MOST_LOOKED_AT and seen.key not in keys):
            raise TooManyNames(what=f"{MOST_KEYS} keys of the name '{shown(seen.name)}'", grid=seen.grid)
    if seen.grids_left is not None:
        _create_grid(transaction, seen, seen.grids_left)
    gone = 0
    if is_too_long:
        gone = len(updated.former) - MOST_FORMER
        updated = updated._replace(former=updated.former[-MOST_FORMER:])
    rows.put(seen.key, [*others, updated])
    if seen.grid != PRODUCTION:
        for rival in sorted(rivals, key=lambda rival: rival.seen)[: max(0, len(rivals) + 1 - MOST_KEYS)]:
            gone += rows.without(rival.key, seen.grid, seen.canonical)
    return updated.capture, gone


def _rivals(rows: CaptureRows, keys: list[bytes], seen: Observation) -> list[Avatar]:
    """The other keys that are or were called so on that grid, where this one may be one too many."""
    if len(keys) < MOST_KEYS or any(avatar.grid == seen.grid for avatar in rows.called(seen.key, seen.canonical)):
        return []
    others = (key for key in keys if key != seen.key)
    return [avatar for key in others for avatar in rows.called(key, seen.canonical) if avatar.grid == seen.grid]


def _create_grid(transaction: lmdb.Transaction, seen: Observation, most: int) -> None:
    db_key, bringer = CREATED_GRID + seen.grid.encode(), seen.brought_by.encode()
    if transaction.get(db_key) is not None:
        return
    bringers = [value for _, value in with_prefix(transaction, CREATED_GRID)]
    for count, limit in ((len(bringers), most), (bringers.count(bringer), MOST_GRIDS_BY_ONE)):
        if count >= limit:
            raise TooManyNewGrids(grid=seen.grid, limit=limit)
    transaction.put(db_key, bringer)


def _first_of_each_grid(avatars: list[Avatar]) -> list[Avatar]:
    """The first MOST_KEYS of each grid, in their order."""
    if len(avatars) <= MOST_KEYS:
        return avatars
    seen: dict[str, int] = {}
    found = []
    for avatar in avatars:
        seen[avatar.grid] = seen.get(avatar.grid, 0) + 1
        if seen[avatar.grid] <= MOST_KEYS:
            found.append(avatar)
    return found


def _is_hidden(stored: StoredCapture, hidden: HiddenSet) -> bool:
    capture = stored.capture
    return hidden.hides(capture.key, capture.grid, canonical_form(capture.name))


def _shown(stored: StoredCapture, hidden: HiddenSet, without: Callable[[str], str]) -> StoredCapture:
    capture = stored.capture._replace(source=cleaned(stored.capture.source, without))
    former = [n for n in stored.former if not hidden.hides(capture.key, capture.grid, canonical_form(n[0]))]
    return StoredCapture(capture, former)


def _other_holder(rows: CaptureRows, keys: list[bytes], seen: Observation) -> bytes | None:
    """Whose the name is or was on that grid, if another's: in Second Life a name is never given out again."""
    for other in keys:
        if other != seen.key and any(a.grid == seen.grid for a in rows.called(other, seen.canonical)):
            return other
    return None


def _believed(seen: int, now: int) -> int:
    """When somebody was *seen*, unless it is far ahead of *now*: the clock was wrong then, and no dump could ever win."""
    return seen if seen <= now + CLOCKS_DIFFER else now


def _seen_again(before: StoredCapture | None, now: Capture) -> StoredCapture:
    if before is None:
        return StoredCapture(now, [])
    was, former = before
    if canonical_form(was.name) != canonical_form(now.name):
        former = [(name, seen) for name, seen in former if canonical_form(name) != canonical_form(now.name)]
        former.append((was.name, _believed(was.last_seen, now.last_seen)))
    merged = now._replace(
        first_seen=min(was.first_seen, now.first_seen),
        last_seen=max(_believed(was.last_seen, now.last_seen), now.last_seen),
        times_seen=was.times_seen + 1,
    )
    return StoredCapture(merged, former)
