"""The key index: sorted key lines, merged with the previous generation's, appended; former names fall out.

A key line is ``key`` (32 digits) ``origin`` (2 digits) ``spelling``.
"""

from binascii import hexlify, unhexlify
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.ingest.names import name_lines
from n2k_fcgi.service.ingest.origins import Carried, OriginTable
from n2k_fcgi.service.ingest.runs import Index, Row, Runs, aligned
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.codec import pack_spelling, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import HISTORY, KEYS

_DIGITS = 32
KEY_SORT_KEY = itemgetter(slice(None, _DIGITS))


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


def key_lines(keys: list[bytes], numbers: bytes | list[bytes], spellings: list[bytes]) -> list[bytes]:
    """Key lines of a batch; *numbers* is one origin in two digits for all rows, or one each."""
    if isinstance(numbers, bytes):
        return [key + numbers + spelling for key, spelling in zip(keys, spellings, strict=True)]
    return [b"%b%b%b" % parts for parts in zip(keys, numbers, spellings, strict=True)]


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

    def build(self, runs: Runs) -> None:
        """Append everything to the key index."""
        index = _key_index(self._previous, KEYS) if self._previous is not None else None
        for lines, stored, _ in aligned(runs, index):
            rows = self._merge(lines, stored)
            self._builder.append(KEYS, rows)
            self.counts.keys += len(rows)
            self._outdated.add(self._former)
            self._former = []
            if self._previous is not None:
                self._previous.trim()

    def _merge(self, lines: list[bytes], stored: list[Row]) -> list[Row]:
        """Rows of one stretch. Nearly all keys are in dump and store with one and the same name, or in one only."""
        merged, several = _packed(lines)
        added = len(merged)
        unchanged = carried_over = 0
        confirmed = self._carried.confirmed
        unusual: list[Row] = []
        for row in stored:
            new = merged.get(row[0])
            if new is not None and new[1:] == row[1][1:] and not new[0] and row[1][0] in confirmed:
                unchanged += 1
            elif new is None and row[0] not in several and self._replaced_grid is None:
                merged[row[0]] = value = self._carry(row[1])
                carried_over += 1 if len(value) == value[1] + 2 else len(unpack_spellings(value))
            else:
                unusual.append(row)
        added -= unchanged
        for key, value in unusual:
            added -= key in merged
            self._merge_one(merged, key, value, several.pop(key, None))
        for key, names in several.items():
            self._merge_one(merged, key, None, names)
        self.counts.added += added
        self.counts.unchanged += unchanged
        self.counts.records += added + unchanged + carried_over
        rows = list(merged.items())
        if stored or several:
            rows.sort()
        return rows

    def _carry(self, value: bytes) -> bytes:
        """A stored value with the new origin numbers."""
        if len(value) == value[1] + 2:
            return bytes((self._carried.numbers[value[0]] or 0,)) + value[1:]
        return b"".join(pack_spelling(self._carried.numbers[o] or 0, name) for o, name in unpack_spellings(value))

    def _merge_one(self, merged: dict[bytes, bytes], key: bytes, stored: bytes | None, names: list[Spelled] | None) -> None:
        """One key that takes thought: renamed, replaced, on several grids, or with several names in the dump."""
        dumped = names if names is not None else [Spelled(*s) for s in unpack_spellings(merged.get(key, b""))]
        current = self._current_names(key, stored, dumped)
        self.counts.records += len(current)
        if current:
            merged[key] = b"".join(pack_spelling(*spelled) for spelled in current)
        else:
            merged.pop(key, None)

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
                self._former.append(key.hex().encode() + b"%02x" % spelled.origin + spelled.spelling)
        if not is_known:
            self.counts.added += 1
        elif latest is not first and _form(first) != form:
            self.counts.changed += 1
        else:
            self.counts.unchanged += 1
        return latest


def _packed(lines: list[bytes]) -> tuple[dict[bytes, bytes], dict[bytes, list[Spelled]]]:
    """Sorted lines -> values of the keys that come once, and the names of those that come several times."""
    joined = unhexlify(b"".join([line[:_DIGITS] for line in lines]))
    keys = [joined[at : at + KEY_BYTES] for at in range(0, len(joined), KEY_BYTES)]
    numbers = unhexlify(b"".join([line[_DIGITS : _DIGITS + 2] for line in lines]))
    spellings = [line[_DIGITS + 2 :] for line in lines]
    values = dict(zip(keys, map(pack_spelling, numbers, spellings), strict=True))
    several: dict[bytes, list[Spelled]] = {}
    if len(values) < len(keys):
        for key, number, spelling in zip(keys, numbers, spellings, strict=True):
            several.setdefault(key, []).append(Spelled(number, spelling))
        several = {key: names for key, names in several.items() if len(names) > 1}
        for key in several:
            del values[key]
    return values, several


def _key_index(generation: Generation, database: bytes) -> Index:
    return Index(partial(generation.rows, database), hexlify, unhexlify)


def outdated_names(runs: Runs) -> Iterator[list[bytes]]:
    """The name lines of collected key lines, in bounded lists."""
    for _, _, lines in runs.ranges():
        yield _as_name_lines(lines)


def _as_name_lines(lines: list[bytes]) -> list[bytes]:
    forms = [canonical(line[34:].decode()).encode() for line in lines]
    return name_lines(forms, [line[32:34] for line in lines], [line[:32] for line in lines])


def build_history(outdated: Runs, former: Runs, builder: Builder, origins: OriginTable, previous: Generation | None) -> int:
    """Append the former names of every key, with those of *previous*; collect their name lines in *former*.

    A name that is current (again) is no former one, and an avatar that is gone has none. Gives the number of records.
    """
    records = 0

    index = None if previous is None else _key_index(previous, HISTORY)
    carried = Carried(origins, previous.origins if previous else [], None)
    for lines, rows, _ in aligned(outdated, index):
        names: dict[bytes, list[Spelled]] = {
            key: [Spelled(carried.numbers[old] or 0, spelling) for old, spelling in unpack_spellings(value)]
            for key, value in rows
        }
        for line in lines:
            names.setdefault(unhexlify(line[:32]), []).append(Spelled(int(line[32:34], 16), line[34:]))
        kept = [(key, _former_names(key, names[key], builder, origins)) for key in sorted(names)]
        builder.append(HISTORY, [(key, b"".join(pack_spelling(*s) for s in found)) for key, found in kept if found])
        again = [key.hex().encode() + b"%02x" % s.origin + s.spelling for key, found in kept for s in found]
        former.add(_as_name_lines(again))
        records += len(again)
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
