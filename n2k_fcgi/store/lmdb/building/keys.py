"""The key index: sorted key lines, merged with the previous generation's, appended; former names are collected."""

from collections.abc import Iterable
from typing import NamedTuple

from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.lmdb.building.merging import Merging
from n2k_fcgi.store.lmdb.building.runs import Range, Runs
from n2k_fcgi.store.lmdb.building.stretches import Merged, Row, Stretch
from n2k_fcgi.store.lmdb.codec import pack_name, pack_spelling, unpack_spellings
from n2k_fcgi.store.lmdb.layout import KEYS


class Spelled(NamedTuple):
    """One name of a key: origin number and spelling."""

    origin: int
    spelling: bytes


class KeyCounts:
    """What became of the avatars (a key on a grid) of the dump and of the previous generation."""

    def __init__(self) -> None:
        self.keys = 0
        self.records = 0
        self.added = 0
        self.changed = 0
        self.unchanged = 0
        self.removed = 0


class KeyMerge:
    """Builds the key index. *outdated* collects a key line for each name that is no longer current."""

    def __init__(self, merging: Merging, outdated: Runs) -> None:
        self._merging = merging
        self._origins = merging.origins
        self._replaced_grid = merging.replaced_grid
        self._carried = merging.carried()
        self._outdated = outdated
        self._former: list[bytes] = []
        self.counts = KeyCounts()

    def build(self, ranges: Iterable[Range]) -> None:
        """Append everything to the key index."""
        for stretch in self._merging.stretches(ranges, KEYS):
            db_keys, values = stretch.db_keys, stretch.values
            if stretch.needs_merging:
                db_keys, values = self._merge(stretch)
            else:
                self.counts.added += len(db_keys)
                self.counts.records += len(db_keys)
            self._merging.data.append(KEYS, db_keys, values)
            self.counts.keys += len(db_keys)
            self._outdated.add(self._former)
            self._former = []

    def _merge(self, stretch: Stretch) -> tuple[list[bytes], list[bytes]]:
        """Merge one stretch. Nearly all keys have the same name in the dump and stored, or are in one of them only."""
        merged = Merged(stretch)
        several = _several(stretch) if merged.has_repeated else {}
        stored = stretch.stored
        added = len(merged.new) - len(several)
        unchanged = carried_over = 0
        get = merged.new.get
        unlike = stored
        if 0 in self._carried.confirmed:  # merging a stored name of origin 0 with the same name changes nothing
            unlike = [row for row in stored if get(row[0]) != row[1] or row[1][0] or row[0] in several]
            unchanged = len(stored) - len(unlike)
        unusual: list[Row] = []
        for row in unlike:
            if row[0] in merged.new or self._replaced_grid is not None:
                unusual.append(row)
            else:
                merged.put(row[0], value := self._carry(row[1]))
                carried_over += 1 if len(value) == value[1] + 2 else len(unpack_spellings(value))
        added -= unchanged
        for key, value in unusual:
            added -= key in merged.new and key not in several
            self._merge_one(merged, key, value, several.pop(key, None))
        for key, names in several.items():
            self._merge_one(merged, key, None, names)
        self.counts.added += added
        self.counts.unchanged += unchanged
        self.counts.records += added + unchanged + carried_over
        return merged.columns()

    def _carry(self, value: bytes) -> bytes:
        """Return a stored value with the new origin numbers."""
        if len(value) == value[1] + 2:
            return bytes((self._carried.numbers[value[0]] or 0,)) + value[1:]
        return b"".join(pack_spelling(self._carried.numbers[o] or 0, name) for o, name in unpack_spellings(value))

    def _merge_one(self, merged: Merged, key: bytes, stored: bytes | None, names: list[Spelled] | None) -> None:
        """Merge one key of the slow path: renamed, replaced, on several grids, or with several names in the dump."""
        dumped = names if names is not None else [Spelled(*s) for s in unpack_spellings(merged.new.get(key, b""))]
        current = self._current_names(key, stored, dumped)
        self.counts.records += len(current)
        merged.put(key, b"".join(pack_spelling(*spelled) for spelled in current) or None)

    def _current_names(self, key: bytes, stored: bytes | None, dumped: list[Spelled]) -> list[Spelled]:
        """Return the current name on each grid, of the stored ones and those of the dump."""
        by_grid: dict[str, list[Spelled]] = {}
        for spelled in (Spelled(*s) for s in unpack_spellings(self._carry(stored) if stored else b"")):
            by_grid[self._origins.grid(spelled.origin)] = [spelled]
        known = set(by_grid)
        for spelled in dumped:
            by_grid.setdefault(self._origins.grid(spelled.origin), []).append(spelled)
        current = []
        for grid, names in by_grid.items():
            if grid not in known or len(names) > 1:
                current.append(self._current(key, names, grid in known))
            elif grid == self._replaced_grid:
                self.counts.removed += 1
            else:
                current.append(names[0])
        return current

    def _current(self, key: bytes, names: list[Spelled], is_known: bool) -> Spelled:
        """Return the latest of *names*, of equal times the last one; collect the others as former."""
        first = names[0]
        if len(names) == 1:
            self.counts.added += 1
            return first
        replaced = is_known and self._origins.grid(first.origin) == self._replaced_grid
        rivals = names[1:] if replaced else names  # a replaced name is never current, whatever its time
        latest = max(reversed(rivals), key=lambda spelled: self._origins.as_of(spelled.origin))
        form = form_of(latest)
        for spelled in names:
            if spelled is not latest and form_of(spelled) != form:
                self._former.append(key + pack_spelling(*spelled))
        if not is_known:
            self.counts.added += 1
        elif latest is not first and form_of(first) != form:
            self.counts.changed += 1
        else:
            self.counts.unchanged += 1
        return latest


def _several(stretch: Stretch) -> dict[bytes, list[Spelled]]:
    """Return the names of repeated keys."""
    names: dict[bytes, list[Spelled]] = {}
    for key, value in zip(stretch.db_keys, stretch.values, strict=True):
        names.setdefault(key, []).append(Spelled(value[0], value[2:]))
    return {key: found for key, found in names.items() if len(found) > 1}


def form_of(spelled: Spelled) -> str:
    """Return the canonical name."""
    return canonical(spelled.spelling.decode())


def name_line(key: bytes, spelled: Spelled) -> bytes:
    """Return the line of the name index for a name of a key."""
    return form_of(spelled).encode() + pack_name(spelled.origin, key)
