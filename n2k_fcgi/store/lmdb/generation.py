"""One published generation: its avatars, by name and by key, current and former."""

from __future__ import annotations

import contextlib
from itertools import islice

import lmdb

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.errors import StoreDamaged
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.store.bounds import MOST_KEYS
from n2k_fcgi.store.lmdb.bulk import BulkLookups
from n2k_fcgi.store.lmdb.codec import last_spellings, unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.environment import meaning
from n2k_fcgi.store.lmdb.layers import Layers
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, HISTORY, KEYS, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from n2k_fcgi.model.origins import Origin


class Generation(Layers, BulkLookups):
    """Implements ``store.avatars.GenerationView``."""

    rows_read = 0

    def by_name(self, canonical: str) -> list[Avatar]:
        """See ``store.avatars.AvatarIndex``.

        Both databases are read: a name that is current on one grid may be a former one on another. In Second Life the key
        that had the name first is the winner, whether it still has it or not.
        """
        db_key = canonical.encode()
        try:
            current, former = self.pair(NAMES, FORMER, db_key)
        except lmdb.Error as error:
            raise meaning(self.where, error, StoreDamaged) from None
        found = self._named(current, former=False) if current else []
        if former:
            found += self._named(former, former=True)
        self.rows_read += len(found)
        return self._holder_first(db_key, found) if len(found) > 1 else found

    def _holder_first(self, name: bytes, found: list[Avatar]) -> list[Avatar]:
        if not self.has(HELD) or (holder := self.get(HELD, name)) is None:
            return found
        first = [avatar for avatar in found if avatar.key == holder and avatar.grid == PRODUCTION][:1]
        if not first and len(found) >= MOST_KEYS:  # it is stored after those that were read
            first = [self._avatar(record, former=former) for former, record in self._claims(name, holder, PRODUCTION)][:1]
        return first + [avatar for avatar in found if avatar not in first]

    def _claims(self, name: bytes, key: bytes, grid: str) -> Iterator[tuple[bool, tuple[int, bytes]]]:
        """Yield the records of one key among those of a name: whether it is a former name, and the record."""
        for database in (NAMES, FORMER):
            value = self.get(database, name) or b""
            at = value.find(key)
            while at >= 0:
                if at % self.record == 1 and self.origins[value[at - 1]].grid == grid:
                    yield database == FORMER, (value[at - 1], key)
                at = value.find(key, at + 1)

    def is_called(self, key: bytes, canonical: str, grid: str) -> bool:
        """See ``store.avatars.GenerationView``."""
        return any(True for _ in self._claims(canonical.encode(), key, grid))

    def holder(self, canonical: str) -> bytes | None:
        """Return the key that a name of Second Life belongs to; None if no avatar has or had it."""
        return next((avatar.key for avatar in self.by_name(canonical) if avatar.grid == PRODUCTION), None)

    def by_key(self, key: bytes) -> list[Avatar]:
        """See ``store.avatars.AvatarIndex``."""
        try:
            value = self.get(KEYS, key)
        except lmdb.Error as error:
            raise meaning(self.where, error, StoreDamaged) from None
        if value is None:
            return []
        avatars = self._unpacked(key, value, former=False)
        self.rows_read += len(avatars)
        return avatars

    def history(self, key: bytes, most: int | None = None) -> list[Avatar]:
        """See ``store.avatars.GenerationView``."""
        try:
            value = self.get(HISTORY, key)
        except lmdb.Error as error:
            raise meaning(self.where, error, StoreDamaged) from None
        if value is None:
            return []
        avatars = self._unpacked(key, value if most is None else last_spellings(value, most), former=True)
        self.rows_read += len(avatars)
        return avatars

    def count(self) -> int:
        """Count its keys."""
        known: int | None = self.own.sizes.get("keys")
        return self.entries(KEYS) if known is None else known

    @property
    def grids(self) -> frozenset[str]:
        """The grids that it has avatars of."""
        return frozenset(origin.grid for origin in self.origins_in_use())

    def origins_in_use(self) -> list[Origin]:
        """The origins of its current names, and that of its own dump."""
        counts: list[int] | None = self.own.sizes.get("origins")
        if counts is None:
            return self.origins
        own = self.own.sizes["own"]
        return [origin for number, origin in enumerate(self.origins) if counts[number] or number == own]

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """See ``store.avatars.AvatarIndex``; current names only."""
        rows = self.backwards(NAMES, first, end) if reverse else self.rows(NAMES, first, end)
        with contextlib.closing(rows):  # it has a transaction
            return [name for name, _ in islice(rows, limit)]

    def bindings(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """See ``store.avatars.GenerationView``."""
        found: list[tuple[bytes, list[Avatar]]] = []
        avatars = 0
        with contextlib.closing(self.rows(NAMES, first)) as rows:
            for name, value in rows:
                found.append((name, self._named(value, former=False)))
                avatars += len(found[-1][1])
                if avatars >= limit:
                    break
        self.rows_read += avatars
        return found

    def keys_from(self, first: bytes, limit: int) -> list[tuple[bytes, list[Avatar]]]:
        """See ``store.avatars.GenerationView``."""
        self.trim()
        rows = self.chunk(KEYS, first, None, limit)
        if not rows:
            return []
        history = dict(self.chunk(HISTORY, first, rows[-1][0] + b"\0", limit))  # each key there is among *rows*
        found = []
        for key, value in rows:
            names = self._unpacked(key, value, former=False)
            if key in history:
                names += self._unpacked(key, history[key], former=True)
            found.append((key, names))
        return found

    def ambiguous_names(self, first: bytes, limit: int) -> tuple[list[str], bytes | None]:
        """See ``store.avatars.GenerationView``."""
        self.trim()
        rows = self.chunk(NAMES, first, None, limit)
        names = [name.decode() for name, value in rows if len(value) > self.record and self._is_ambiguous(value)]
        return names, rows[-1][0] + b"\0" if len(rows) == limit else None

    def _is_ambiguous(self, value: bytes) -> bool:
        origins = [self.origins[number] for number in value[:: self.record]]
        return len({origin.grid for origin in origins}) < len(origins) or len({o.as_of for o in origins}) < len(origins)

    def _named(self, value: bytes, *, former: bool) -> list[Avatar]:
        """The avatars of a name, the first MOST_KEYS of each grid: in a dump thousands may have it."""
        if len(value) > MOST_KEYS * self.record:
            value = self._first_of_each_grid(value)
        return [self._avatar(record, former=former) for record in unpack_names(value, self.record)]

    def _first_of_each_grid(self, value: bytes) -> bytes:
        numbers = value[:: self.record]
        places: dict[str, list[int]] = {}
        for number in set(numbers):
            places.setdefault(self.origins[number].grid, []).extend(islice(_places(numbers, number), MOST_KEYS))
        kept = sorted(place for found in places.values() for place in sorted(found)[:MOST_KEYS])
        return b"".join(value[place * self.record : (place + 1) * self.record] for place in kept)

    def _avatar(self, record: tuple[int, bytes], *, former: bool) -> Avatar:
        origin = (self.former_origins if former else self.origins)[record[0]]
        return Avatar(record[1], "", origin.grid, origin.as_of, Provenance.DUMP, former)

    def _unpacked(self, key: bytes, value: bytes, *, former: bool) -> list[Avatar]:
        origins = self.former_origins if former else self.origins
        if value and len(value) == value[1] + 2:  # one name, as nearly always
            origin = origins[value[0]]
            return [Avatar(key, value[2:].decode(), origin.grid, origin.as_of, Provenance.DUMP, former)]
        return [
            Avatar(key, spelling.decode(), origins[number].grid, origins[number].as_of, Provenance.DUMP, former)
            for number, spelling in unpack_spellings(value)
        ]


def _places(numbers: bytes, number: int) -> Iterator[int]:
    """Yield the positions of *number*, in order."""
    place = numbers.find(number)
    while place >= 0:
        yield place
        place = numbers.find(number, place + 1)
