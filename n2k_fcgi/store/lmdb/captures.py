"""Captures: avatars that were seen in-world, each acknowledged only when both directions are on the disk."""

from collections.abc import Iterator
from pathlib import Path

import lmdb

from n2k_fcgi.errors import NameTaken
from n2k_fcgi.model.avatar import Avatar, Capture, Source
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical as canonical_form
from n2k_fcgi.store.lmdb.codec import StoredCapture, pack_captures, unpack_captures
from n2k_fcgi.store.lmdb.environment import WritableFile, with_prefix
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_NAME, CAPTURES, Modes

ORIGIN = "capture"


class Captures:
    """The captures of one data directory. Implements ``store.base.CaptureStore``.

    ``n`` + canonical name -> the keys (16 bytes each) that are or were called so; ``k`` + key -> its captures.
    """

    def __init__(self, file: WritableFile) -> None:
        self._file = file

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

    def record(
        self, key: bytes, name: str, canonical: str, grid: str, source: Source, now: int, *, refuse_conflict: bool
    ) -> Capture:
        """Store one observation; see ``store.base.CaptureStore``."""
        name_key = CAPTURE_NAME + canonical.encode()

        def change(transaction: lmdb.Transaction) -> Capture:
            keys = _split(bytes(transaction.get(name_key) or b""))
            if refuse_conflict and _bound_elsewhere(transaction, keys, key, canonical, grid):
                raise NameTaken(name=name, grid=grid)
            others, mine = [], None
            for stored in _captures_of(transaction, key):
                if stored.capture.grid == grid:
                    mine = stored
                else:
                    others.append(stored)
            updated = _seen_again(mine, Capture(key, name, grid, now, now, 1, source))
            transaction.put(CAPTURE_KEY + key, pack_captures([*others, updated]))
            if key not in keys:
                transaction.put(name_key, b"".join([*keys, key]))
            return updated.capture

        return self._file.write(change)

    def captures(self) -> Iterator[Capture]:
        """All, in key order, from one transaction: consume it at once."""
        for _, stored in self.stored():
            yield stored.capture

    def stored(self) -> Iterator[tuple[bytes, StoredCapture]]:
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


def _split(keys: bytes) -> list[bytes]:
    return [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]


def _captures_of(transaction: lmdb.Transaction, key: bytes) -> list[StoredCapture]:
    value = transaction.get(CAPTURE_KEY + key)
    return unpack_captures(key, bytes(value)) if value else []


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


def _bound_elsewhere(transaction: lmdb.Transaction, keys: list[bytes], key: bytes, canonical: str, grid: str) -> bool:
    """Whether the name is or was another key's on that grid: in Second Life a name is never given out again."""
    return any(avatar.grid == grid for other in keys if other != key for avatar in _called(transaction, other, canonical))


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
