"""The key index: sorted key lines, merged with the previous generation's, appended; former names fall out."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.service.ingest.runs import Range, Runs
from n2k_fcgi.service.ingest.stretches import Merged, Row, Stretch, aligned
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.building.carried import Carried
from n2k_fcgi.store.lmdb.codec import pack_name, pack_spelling, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import HISTORY, KEYS

TRIM_EVERY = 256
"""Keys looked up in the new index between two looks at memory: each may map 64 KB of it."""


class Spelled(NamedTuple):
    """One name of a key: origin number and spelling."""

    origin: int
    spelling: bytes


class KeyCounts:
    """What became of the dump's avatars (a key on a grid), and of those it does not have."""

    def __init__(self) -> None:
        self.keys = 0
        self.records = 0
        self.added = 0
        self.changed = 0
        self.unchanged = 0
        self.removed = 0


class KeyMerge:
    """Builds the key index. *outdated* collects a key line for every name that is not current any more."""

    def __init__(
        self,
        builder: Builder,
        origins: OriginTable,
        outdated: Runs,
        previous: Generation | None = None,
        replaced_grid: str | None = None,
    ) -> None:
        self._builder = builder
        self._origins = origins
        self._outdated = outdated
        self._previous = previous
        self._replaced_grid = replaced_grid
        self._carried = Carried(origins, previous.origins if previous else [], None)
        self._former: list[bytes] = []
        self.counts = KeyCounts()

    def build(self, ranges: Iterable[Range]) -> None:
        """Append everything to the key index."""
        for stretch in aligned(ranges, self._previous, KEYS):
            db_keys, values = stretch.db_keys, stretch.values
            if stretch.needs_merging:
                db_keys, values = self._merge(stretch)
            else:
                self.counts.added += len(db_keys)
                self.counts.records += len(db_keys)
            self._builder.append(KEYS, db_keys, values)
            self.counts.keys += len(db_keys)
            self._outdated.add(self._former)
            self._former = []
            if self._previous is not None:
                self._previous.trim()

    def _merge(self, stretch: Stretch) -> tuple[list[bytes], list[bytes]]:
        """The rows of one stretch. Nearly all keys are in dump and store with one and the same name, or in one only."""
        merged = Merged(stretch)
        several = _several(stretch) if merged.has_repeated else {}
        stored = stretch.stored
        added = len(merged.new) - len(several)
        unchanged = carried_over = 0
        get = merged.new.get
        unlike = stored
        if 0 in self._carried.confirmed:  # a name of origin 0 that the dump repeats is the same after the merge
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
        """A stored value with the new origin numbers."""
        if len(value) == value[1] + 2:
            return bytes((self._carried.numbers[value[0]] or 0,)) + value[1:]
        return b"".join(pack_spelling(self._carried.numbers[o] or 0, name) for o, name in unpack_spellings(value))

    def _merge_one(self, merged: Merged, key: bytes, stored: bytes | None, names: list[Spelled] | None) -> None:
        """One key that takes thought: renamed, replaced, on several grids, or with several names in the dump."""
        dumped = names if names is not None else [Spelled(*s) for s in unpack_spellings(merged.new.get(key, b""))]
        current = self._current_names(key, stored, dumped)
        self.counts.records += len(current)
        merged.put(key, b"".join(pack_spelling(*spelled) for spelled in current) or None)

    def _current_names(self, key: bytes, stored: bytes | None, dumped: list[Spelled]) -> list[Spelled]:
        """The current name on each grid, of what was stored and what the dump says."""
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
        """The latest of *names*, of equal times the one that came last; with the others noted as former."""
        first = names[0]
        if len(names) == 1:
            self.counts.added += 1
            return first
        replaced = is_known and self._origins.grid(first.origin) == self._replaced_grid
        rivals = names[1:] if replaced else names  # what is replaced never outlives the dump, however late it is
        latest = max(reversed(rivals), key=lambda spelled: self._origins.as_of(spelled.origin))
        form = _form(latest)
        for spelled in names:
            if spelled is not latest and _form(spelled) != form:
                self._former.append(key + pack_spelling(*spelled))
        if not is_known:
            self.counts.added += 1
        elif latest is not first and _form(first) != form:
            self.counts.changed += 1
        else:
            self.counts.unchanged += 1
        return latest


def _several(stretch: Stretch) -> dict[bytes, list[Spelled]]:
    """The names of the keys that come several times."""
    names: dict[bytes, list[Spelled]] = {}
    for key, value in zip(stretch.db_keys, stretch.values, strict=True):
        names.setdefault(key, []).append(Spelled(value[0], value[2:]))
    return {key: found for key, found in names.items() if len(found) > 1}


def outdated_names(outdated: Runs) -> Iterator[list[bytes]]:
    """The name lines of collected key lines, in bounded lists."""
    for _, _, db_keys, values in outdated.ranges():
        yield [_name_line(key, Spelled(value[0], value[2:])) for key, value in zip(db_keys, values, strict=True)]


def _name_line(key: bytes, spelled: Spelled) -> bytes:
    return _form(spelled).encode() + pack_name(spelled.origin, key)


def build_history(outdated: Runs, former: Runs, builder: Builder, origins: OriginTable, previous: Generation | None) -> int:
    """Append the former names of every key, with those of *previous*; collect their name lines in *former*.

    A name that is current (again) is no former one, and an avatar that is gone has none. Gives the number of records.
    """
    records = 0
    carried = Carried(origins, previous.origins if previous else [], None)
    for db_keys, values, stored, _ in aligned(outdated.ranges(), previous, HISTORY):
        names: dict[bytes, list[Spelled]] = {
            key: [Spelled(carried.numbers[old] or 0, spelling) for old, spelling in unpack_spellings(value)]
            for key, value in stored
        }
        for key, value in zip(db_keys, values, strict=True):
            names.setdefault(key, []).append(Spelled(value[0], value[2:]))
        found: dict[bytes, list[Spelled]] = {}
        for number, key in enumerate(sorted(names)):
            if spelled := _former_names(key, names[key], builder, origins):
                found[key] = spelled
            if number % TRIM_EVERY == 0:
                builder.trim()
        builder.append(HISTORY, list(found), [b"".join(pack_spelling(*s) for s in spelled) for spelled in found.values()])
        lines = [_name_line(key, s) for key, spelled in found.items() for s in spelled]
        former.add(lines)
        records += len(lines)
    return records


def _former_names(key: bytes, names: list[Spelled], builder: Builder, origins: OriginTable) -> list[Spelled]:
    """Of *names* one of each form and grid, the latest, oldest first, without the current ones."""
    current = {origins.grid(origin): canonical(name.decode()) for origin, name in _current_names(key, builder)}
    latest: dict[tuple[str, str], Spelled] = {}
    for spelled in names:
        grid, form = origins.grid(spelled.origin), _form(spelled)
        if current.get(grid, form) == form:
            continue
        rival = latest.get((grid, form))
        if rival is None or origins.as_of(rival.origin) <= origins.as_of(spelled.origin):
            latest[grid, form] = spelled
    return sorted(latest.values(), key=lambda spelled: origins.as_of(spelled.origin))


def _current_names(key: bytes, builder: Builder) -> list[tuple[int, bytes]]:
    value = builder.get(KEYS, key)
    return unpack_spellings(value) if value else []


def _form(spelled: Spelled) -> str:
    return canonical(spelled.spelling.decode())
