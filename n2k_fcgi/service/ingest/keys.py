"""The key index: sorted key lines, merged with the previous generation's, appended; former names fall out.

A key line is ``key`` (32 digits) ``origin`` (2 digits) ``spelling``.
"""

from binascii import hexlify, unhexlify
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.ingest.names import name_lines
from n2k_fcgi.service.ingest.origins import OriginTable
from n2k_fcgi.service.ingest.runs import Runs, aligned
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
        self._former: list[bytes] = []
        self.counts = KeyCounts()

    def build(self, runs: Runs) -> None:
        """Append everything to the key index."""
        for lines, stored in self._stretches(runs):
            rows = self._in_bulk(lines) if not stored else None
            if rows is None:
                rows = self._one_by_one(lines, stored)
            self._builder.append(KEYS, rows)
            self.counts.keys += len(rows)
            self._outdated.add(self._former)
            self._former = []

    def _stretches(self, runs: Runs) -> Iterator[tuple[list[bytes], list[tuple[bytes, bytes]]]]:
        if self._previous is None:
            return ((lines, []) for _, _, lines in runs.ranges())
        previous = self._previous

        def stored(first: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
            return previous.rows(KEYS, unhexlify(first), end and unhexlify(end))

        return aligned(runs, stored, hexlify)

    def _in_bulk(self, lines: list[bytes]) -> list[tuple[bytes, bytes]] | None:
        """The rows when no key comes twice, else None."""
        digits = [line[:_DIGITS] for line in lines]
        if len(set(digits)) < len(digits):
            return None
        joined = unhexlify(b"".join(digits))
        keys = [joined[at : at + 16] for at in range(0, len(joined), 16)]
        spellings = [line[34:] for line in lines]
        numbers = unhexlify(b"".join([line[32:34] for line in lines]))
        values = map(pack_spelling, numbers, spellings)
        self.counts.records += len(lines)
        self.counts.added += len(lines)
        return list(zip(keys, values, strict=True))

    def _one_by_one(self, lines: list[bytes], stored: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        dumped: dict[bytes, list[Spelled]] = {}
        for line in lines:
            dumped.setdefault(unhexlify(line[:32]), []).append(Spelled(int(line[32:34], 16), line[34:]))
        before = dict(stored)
        rows = []
        for key in sorted(before.keys() | dumped.keys()):
            current = self._merge(key, before.get(key), dumped.get(key, []))
            self.counts.records += len(current)
            if current:
                rows.append((key, b"".join(pack_spelling(*spelled) for spelled in current)))
        return rows

    def _merge(self, key: bytes, stored: bytes | None, dumped: list[Spelled]) -> list[Spelled]:
        """The current name on each grid, of what was stored and what the dump says."""
        by_grid: dict[str, list[Spelled]] = {}
        for old, spelling in unpack_spellings(stored) if stored else ():
            origin = self._origins.translated(old)
            by_grid[self._origins.grid(origin)] = [Spelled(origin, spelling)]
        known = set(by_grid)
        for spelled in dumped:
            by_grid.setdefault(self._origins.grid(spelled.origin), []).append(spelled)
        current = []
        for grid, names in by_grid.items():
            is_known = grid in known
            if is_known and len(names) == 1:
                if grid == self._replaced_grid:
                    self.counts.removed += 1
                else:
                    current.append(names[0])
                continue
            current.append(self._current(key, names, is_known))
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

    def stored(first: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        if previous is None:
            return iter(())
        return previous.rows(HISTORY, unhexlify(first), end and unhexlify(end))

    for lines, rows in aligned(outdated, stored, hexlify):
        names: dict[bytes, list[Spelled]] = {
            key: [Spelled(origins.translated(old), spelling) for old, spelling in unpack_spellings(value)]
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
