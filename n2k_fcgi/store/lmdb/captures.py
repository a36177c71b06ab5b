"""Captures: avatars that were seen in-world, each acknowledged only when both directions are on the disk."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import lmdb

from n2k_fcgi.errors import N2KError, NameTaken, TooManyNewGrids
from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical as canonical_form
from n2k_fcgi.store.base import HiddenSet, Observation
from n2k_fcgi.store.lmdb.codec import pack_captures, unpack_captures
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_NAME, CAPTURES, CREATED_GRID, Modes
from n2k_fcgi.store.lmdb.writable import WritableFile, with_prefix

ORIGIN = "capture"


class Captures:
    """The captures of one data directory. Implements ``store.base.CaptureStore``.

    ``n`` + canonical name -> the keys (16 bytes each) that are or were called so; ``k`` + key -> its captures.
    """

    def __init__(self, file: WritableFile) -> None:
        self._file = file

    def lock_problem(self) -> str | None:
        """See ``WritableFile.lock_problem``."""
        return self._file.lock_problem()

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """See ``store.base.AvatarIndex``. What is beside the captures in their file is read in it, too."""
        return self._file.snapshot()

    def by_name(self, canonical: str) -> list[Avatar]:
        """Current names first, the one seen last first of all; then former ones."""
        with self._file.read() as transaction:
            keys = transaction.get(CAPTURE_NAME + canonical.encode())
            if not keys:
                return []
            found = [avatar for key in _split(bytes(keys)) for avatar in _called(transaction, key, canonical)]
        return sorted(found, key=lambda avatar: (avatar.former, -avatar.seen))

    def by_key(self, key: bytes) -> list[Avatar]:
        """The current name on each grid."""
        with self._file.read() as transaction:
            return [_avatar(stored.capture) for stored in _captures_of(transaction, key)]

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
            done: list[Capture | N2KError] = []
            for observation in observations:
                try:
                    done.append(_record(transaction, observation, now))
                except (NameTaken, TooManyNewGrids) as refusal:
                    done.append(refusal)
            return done

        return self._file.write(change)

    def stored(self, key: bytes) -> list[StoredCapture]:
        """What is known of one key, an entry a grid."""
        with self._file.read() as transaction:
            return _captures_of(transaction, key)

    def count(self) -> int:
        """How many keys were captured."""
        with self._file.read() as transaction:
            return sum(1 for _ in with_prefix(transaction, CAPTURE_KEY))

    def known_among(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of *keys* that were captured, on whatever grid."""
        with self._file.read() as transaction:
            return {key for key in keys if transaction.get(CAPTURE_KEY + key) is not None}

    def drop_hidden(self, hidden: HiddenSet) -> int:
        """Write the file anew without captures and former names of the *hidden*; give how many captures went."""
        dropped: dict[bytes, int] = {}  # by key: rows may be copied again (the map was too small)

        def copy(transaction: lmdb.Transaction, db_key: bytes, value: bytes) -> None:
            if db_key[:1] == CAPTURE_KEY:
                key = db_key[1:]
                before = unpack_captures(key, value)
                kept = [_shown(stored, hidden) for stored in before if not _is_hidden(stored, hidden)]
                dropped[key] = len(before) - len(kept)
                _put(transaction, key, kept)
            elif db_key[:1] != CAPTURE_NAME:  # names come back with their keys
                transaction.put(db_key, value)

        self._file.rewrite(copy)
        return sum(dropped.values())

    def captures(self) -> Iterator[Capture]:
        """All, in key order, from one transaction: consume it at once."""
        for _, stored in self.all_stored():
            yield stored.capture

    def all_stored(self) -> Iterator[tuple[bytes, StoredCapture]]:
        """All with their former names, in key order."""
        with self._file.read() as transaction:
            for key, value in with_prefix(transaction, CAPTURE_KEY):
                for stored in unpack_captures(key, value):
                    yield key, stored

    def names(self) -> Iterator[tuple[str, list[bytes]]]:
        """Every canonical name with its keys, in order."""
        with self._file.read() as transaction:
            for name, value in with_prefix(transaction, CAPTURE_NAME):
                yield name.decode(), _split(value)


def captures_file(data_dir: Path, modes: Modes) -> WritableFile:
    """The file behind captures and tokens."""
    return WritableFile(data_dir / CAPTURES, modes)


def _record(transaction: lmdb.Transaction, seen: Observation, now: int) -> Capture:
    """Both directions of one observation; all checks come before the first change."""
    name_key = CAPTURE_NAME + seen.canonical.encode()
    keys = _split(bytes(transaction.get(name_key) or b""))
    if seen.refuse_conflict:
        holder = _other_holder(transaction, keys, seen)
        if holder is not None:
            raise NameTaken(name=seen.name, grid=seen.grid, holder=holder)
    if seen.grids_left is not None:
        _create_grid(transaction, seen.grid, seen.grids_left)
    others, mine = [], None
    for stored in _captures_of(transaction, seen.key):
        if stored.capture.grid == seen.grid:
            mine = stored
        else:
            others.append(stored)
    updated = _seen_again(mine, Capture(seen.key, seen.name, seen.grid, now, now, 1, seen.source))
    transaction.put(CAPTURE_KEY + seen.key, pack_captures([*others, updated]))
    if seen.key not in keys:
        transaction.put(name_key, b"".join([*keys, seen.key]))
    return updated.capture


def _create_grid(transaction: lmdb.Transaction, grid: str, most: int) -> None:
    db_key = CREATED_GRID + grid.encode()
    if transaction.get(db_key) is not None:
        return
    if sum(1 for _ in with_prefix(transaction, CREATED_GRID)) >= most:
        raise TooManyNewGrids(grid=grid, limit=most)
    transaction.put(db_key, b"")


def _split(keys: bytes) -> list[bytes]:
    return [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]


def _captures_of(transaction: lmdb.Transaction, key: bytes) -> list[StoredCapture]:
    value = transaction.get(CAPTURE_KEY + key)
    return unpack_captures(key, bytes(value)) if value else []


def _put(transaction: lmdb.Transaction, key: bytes, captures: list[StoredCapture]) -> None:
    """Both directions of all that is known of a key."""
    if captures:
        transaction.put(CAPTURE_KEY + key, pack_captures(captures))
    for form in {canonical_form(name) for c in captures for name in (c.capture.name, *(former for former, _ in c.former))}:
        name_key = CAPTURE_NAME + form.encode()
        keys = bytes(transaction.get(name_key) or b"")
        if key not in _split(keys):
            transaction.put(name_key, keys + key)


def _is_hidden(stored: StoredCapture, hidden: HiddenSet) -> bool:
    capture = stored.capture
    return hidden.hides(capture.key, capture.grid, canonical_form(capture.name))


def _shown(stored: StoredCapture, hidden: HiddenSet) -> StoredCapture:
    capture = stored.capture
    former = [n for n in stored.former if not hidden.hides(capture.key, capture.grid, canonical_form(n[0]))]
    return stored._replace(former=former)


def _avatar(capture: Capture) -> Avatar:
    return Avatar(capture.key, capture.name, capture.grid, capture.last_seen, ORIGIN)


def _called(transaction: lmdb.Transaction, key: bytes, canonical: str) -> Iterator[Avatar]:
    for capture, former in _captures_of(transaction, key):
        if canonical_form(capture.name) == canonical:
            yield _avatar(capture)
            continue
        for name, seen in former:
            if canonical_form(name) == canonical:
                yield Avatar(key, name, capture.grid, seen, ORIGIN, former=True)


def _other_holder(transaction: lmdb.Transaction, keys: list[bytes], seen: Observation) -> bytes | None:
    """Whose the name is or was on that grid, if another's: in Second Life a name is never given out again."""
    for other in keys:
        if other != seen.key and any(a.grid == seen.grid for a in _called(transaction, other, seen.canonical)):
            return other
    return None


def _seen_again(before: StoredCapture | None, now: Capture) -> StoredCapture:
    if before is None:
        return StoredCapture(now, [])
    was, former = before
    if canonical_form(was.name) != canonical_form(now.name):
        former = [(name, seen) for name, seen in former if canonical_form(name) != canonical_form(now.name)]
        former.append((was.name, was.last_seen))
    merged = now._replace(
        first_seen=min(was.first_seen, now.first_seen),
        last_seen=max(was.last_seen, now.last_seen),
        times_seen=was.times_seen + 1,
    )
    return StoredCapture(merged, former)
