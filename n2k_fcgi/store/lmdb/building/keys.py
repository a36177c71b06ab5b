"""The key index: sorted key lines, merged with the previous generation's, appended; former names are collected."""

from collections.abc import Iterable

from n2k_fcgi.store.lmdb.building.merging import Merging
from n2k_fcgi.store.lmdb.building.one_key import KeyCounts, NameRules, Spelled
from n2k_fcgi.store.lmdb.building.runs import Range, Runs
from n2k_fcgi.store.lmdb.building.stretches import Merged, Row, Stretch
from n2k_fcgi.store.lmdb.codec import pack_spelling, unpack_spellings
from n2k_fcgi.store.lmdb.layout import KEYS


class KeyMerge:
    """Builds the key index. *outdated* collects a key line for each name that is no longer current."""

    def __init__(self, merging: Merging, outdated: Runs) -> None:
        self._merging = merging
        self._replaced_grid = merging.replaced_grid
        self._carried = merging.carried()
        self._outdated = outdated
        self._former: list[bytes] = []
        self.counts = KeyCounts()
        self._rules = NameRules(merging.origins, merging.replaced_grid, self.counts)

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
        carried = [Spelled(*s) for s in unpack_spellings(self._carry(stored) if stored else b"")]
        current, outdated = self._rules.current(carried, dumped)
        self._former += [key + pack_spelling(*spelled) for spelled in outdated]
        self.counts.records += len(current)
        merged.put(key, b"".join(pack_spelling(*spelled) for spelled in current) or None)


def _several(stretch: Stretch) -> dict[bytes, list[Spelled]]:
    """Return the names of repeated keys."""
    names: dict[bytes, list[Spelled]] = {}
    for key, value in zip(stretch.db_keys, stretch.values, strict=True):
        names.setdefault(key, []).append(Spelled(value[0], value[2:]))
    return {key: found for key, found in names.items() if len(found) > 1}
