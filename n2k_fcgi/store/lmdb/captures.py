"""Captures: avatars that were seen in-world. A registration is acknowledged when both directions are on disk."""

from __future__ import annotations

import contextlib
import os
from itertools import islice

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import NameTaken, TooManyNames, TooManyNewGrids
from n2k_fcgi.store.bounds import MOST_KEYS
from n2k_fcgi.store.datadir import CAPTURES
from n2k_fcgi.store.lmdb.bulk import BulkLookups
from n2k_fcgi.store.lmdb.capture_rows import CaptureRows, current_avatar, split_keys
from n2k_fcgi.store.lmdb.codec import unpack_captures
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_META, CAPTURE_NAME, CREATED_GRID, DOUBTED_KEY, EVICTED_KEY
from n2k_fcgi.store.lmdb.writable import WritableFile, with_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import lmdb
    from _typeshed import StrPath

    from n2k_fcgi.errors import N2KError
    from n2k_fcgi.files import Modes
    from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
    from n2k_fcgi.model.keeping import Keeping
    from n2k_fcgi.model.observations import Observation
    from n2k_fcgi.store.base import HiddenSet
    from n2k_fcgi.store.lmdb.growing_map import Result

_EVICTED = CAPTURE_META + EVICTED_KEY
_DOUBTED = CAPTURE_META + DOUBTED_KEY

STRETCH = 1000
"""Keys that ``all_stored`` reads in one transaction."""


class Captures(BulkLookups):
    """The captures of one data directory. Implements ``store.avatars.CaptureStore``.

    ``n`` + canonical name -> the keys (16 bytes each) that have or had it; ``k`` + key -> its captures; ``mevicted`` -> how
    many names were dropped.
    """

    def __init__(self, file: WritableFile) -> None:
        self._file = file
        self._rows: CaptureRows | None = None
        self.rows_read = 0

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """See ``store.avatars.AvatarIndex``. Tokens and tombstones, in the same file, are read in it too."""
        if self._rows is not None:
            yield
            return
        with self._file.snapshot() as transaction:
            self._rows = CaptureRows(transaction, self._count_read)
            try:
                yield
            finally:
                self._rows = None

    def _look(self, look: Callable[[CaptureRows], Result]) -> Result:
        """The result of *look* in the ``snapshot`` around it, else in a transaction of its own."""
        if self._rows is not None:
            return look(self._rows)
        with self._file.read() as transaction:
            return look(CaptureRows(transaction, self._count_read))

    def _count_read(self, names: int) -> None:
        self.rows_read += names

    def by_name(self, canonical: str) -> list[Avatar]:
        """Current names first, the one seen last first of all; then former ones."""
        if self._file.get(CAPTURE_NAME + canonical.encode()) is None:
            return []  # the common case
        found = self._look(lambda rows: [a for key in rows.keys_called(canonical) for a in rows.called(key, canonical)])
        if not found:
            return found
        self.rows_read += len(found)
        return _first_of_each_grid(sorted(found, key=lambda avatar: (avatar.former, -avatar.seen)))

    def by_key(self, key: bytes) -> list[Avatar]:
        """The current name on each grid."""
        if self._file.get(CAPTURE_KEY + key) is None:
            return []  # as above
        return [current_avatar(stored.capture) for stored in self._look(lambda rows: rows.of(key))]

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """See ``store.avatars.AvatarIndex``; former names are among them."""
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
        """See ``store.avatars.CaptureStore``."""
        from n2k_fcgi.store.lmdb import recording  # late: lookups record nothing

        def change(transaction: lmdb.Transaction) -> list[Capture | N2KError]:
            rows = CaptureRows(transaction)
            done: list[Capture | N2KError] = []
            evicted = 0
            for observation in observations:
                try:
                    capture, dropped = recording.record(transaction, rows, observation, now)
                    evicted += dropped
                    done.append(capture)
                except (NameTaken, TooManyNames, TooManyNewGrids) as refusal:
                    done.append(refusal)
            if evicted:
                transaction.put(_EVICTED, str(int(transaction.get(_EVICTED) or 0) + evicted).encode())
            return done

        return self._file.write(change)

    def stored(self, key: bytes) -> list[StoredCapture]:
        """Return the captures of one key, one per grid."""
        if self._file.get(CAPTURE_KEY + key) is None:
            return []  # as in by_name
        return list(self._look(lambda rows: rows.of(key)))

    def created_grids(self) -> list[str]:
        """Return the grids that registrations created, sorted."""
        with self._file.read() as transaction:
            return [grid.decode() for grid, _ in with_prefix(transaction, CREATED_GRID)]

    def count(self) -> int:
        """Count the captured keys."""
        with self._file.read() as transaction:
            return sum(1 for _ in with_prefix(transaction, CAPTURE_KEY))

    def evicted(self) -> int:
        """Count the names that were dropped because a key had too many, or a name too many keys."""
        return self._number(_EVICTED)

    def note_doubt(self, now: int) -> None:
        """See ``store.avatars.CaptureStore``."""
        self._file.write(lambda transaction: transaction.put(_DOUBTED, str(now).encode()))

    def doubted(self) -> int:
        """See ``store.avatars.CaptureStore``."""
        return self._number(_DOUBTED)

    def _number(self, db_key: bytes) -> int:
        with self._file.read() as transaction:
            return int(transaction.get(db_key) or 0)

    def known_among(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of *keys* that were captured, on any grid."""
        with self._file.read() as transaction:
            return {key for key in keys if transaction.get(CAPTURE_KEY + key) is not None}

    def drop_hidden(self, hidden: HiddenSet, without: Callable[[str], str] = str, keeping: Keeping | None = None) -> int:
        """Rewrite the file without captures and former names of the *hidden*; return how many captures were removed.

        *without*: returns a text that may name anybody, of a capture or a token, without mentions of them. *keeping*: also
        without what ``drop_outdated`` drops.
        """
        from n2k_fcgi.model.keeping import EVERYTHING  # late: for one command
        from n2k_fcgi.store.lmdb.dropping import drop_hidden

        return drop_hidden(self._file, hidden, without, keeping or EVERYTHING)

    def drop_outdated(self, keeping: Keeping) -> int:
        """See ``store.avatars.CaptureStore``. The file is rewritten: LMDB leaves what it deleted in free pages."""
        from n2k_fcgi.store.lmdb.dropping import drop_outdated  # late: for the nightly run

        return drop_outdated(self._file, keeping)

    def reserved_for(self, key: bytes, canonical: str) -> tuple[bool, bool]:
        """See ``store.avatars.CaptureStore``."""
        from n2k_fcgi.store.lmdb.reserved import reserved_for  # late: for one command

        return reserved_for(self._file, key, canonical)

    def count_reserved(self, key: bytes) -> int:
        """See ``store.avatars.CaptureStore``."""
        from n2k_fcgi.store.lmdb.reserved import count_reserved  # late: as above

        return count_reserved(self._file, key)

    def drop_grid(self, grid: str) -> int:
        """Rewrite the file without a created grid and its captures; return how many captures were removed."""
        from n2k_fcgi.store.lmdb.dropping import drop_grid  # late: for one command

        return drop_grid(self._file, grid)

    def all_stored(self) -> Iterator[StoredCapture]:
        """See ``store.avatars.CaptureStore``. Read in chunks: a slow reader must not keep a transaction open."""
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
        """Iterate over the canonical names in order, each with its keys."""
        with self._file.read() as transaction:
            for name, value in with_prefix(transaction, CAPTURE_NAME):
                yield name.decode(), split_keys(value)


def captures_file(data_dir: StrPath, modes: Modes) -> WritableFile:
    """The file of captures, tokens and tombstones."""
    return WritableFile(os.path.join(data_dir, CAPTURES), modes)


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
