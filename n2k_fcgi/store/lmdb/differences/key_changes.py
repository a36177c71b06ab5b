"""The keys of the differences: those of the lines, and those that the differences before had."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from n2k_fcgi.model.builds import Merge
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.model.renderings import form_of
from n2k_fcgi.store.lmdb.building.data_file import DataFile
from n2k_fcgi.store.lmdb.building.one_key import KeyCounts, NameRules, Spelled, canonical_of
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.codec import pack_spelling, unpack_spellings
from n2k_fcgi.store.lmdb.differences.changes import Found, Kind, Line, found_in
from n2k_fcgi.store.lmdb.differences.name_ops import DROP, OP, PUT
from n2k_fcgi.store.lmdb.differences.numbers import Numbers
from n2k_fcgi.store.lmdb.differences.rows import Writing
from n2k_fcgi.store.lmdb.differences.usual_keys import UsualKeys
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generation_file import GenerationFile
from n2k_fcgi.store.lmdb.layout import HISTORY, KEYS
from n2k_fcgi.store.ration import spend

TRIM_EVERY = 128
"""Keys between two checks of memory. Each may be on a page of its own, which is fetched from the disk: half a megabyte."""


class State(NamedTuple):
    """The names of one key."""

    current: list[Spelled]
    former: list[Spelled]


Raw = tuple[bytes | None, bytes | None]
"""The same as stored; None or b'': no names."""


class KeyChanges:
    """Writes keys and history, and collects the changes of names in *ops*. *sorted_from*: see ``DifferencesBuild``."""

    def __init__(
        self,
        live: Generation,
        base: GenerationFile,
        numbers: Numbers,
        *,
        origins: OriginTable,
        merge: Merge,
        data: DataFile,
        ops: Runs,
        sorted_from: int,
    ) -> None:
        self._live = live
        self._base = base
        self._numbers = numbers
        self._origins = origins
        self._hides = merge.hides
        self._replaced_grid = merge.replaced_grid
        self._ops = ops
        self._sorted_from = sorted_from
        self.counts = KeyCounts()
        self._rules = NameRules(origins, merge.replaced_grid, self.counts)
        self.writing = Writing(data, KEYS, HISTORY)
        self.origins: Counter[int] = Counter(dict(enumerate(base.sizes["origins"])))
        """Of the new generation, current names by their number in the differences."""
        self.keys: int = base.sizes["keys"]
        self.former_added = 0
        """Former names more than in the base."""

    def run(self, lines: Runs) -> None:
        """Go through all keys of lines and of the differences before."""
        touched = self._touched(lines)
        usual = UsualKeys(self, self._numbers, self._ops, may_be_usual=not self._hides and self._replaced_grid is None)
        while part := list(islice(touched, TRIM_EVERY)):
            with self._base.snapshot():
                for key, values, before in part:
                    base = self._base.pair(KEYS, HISTORY, key)
                    if before is None and usual.wrote(key, values, base):
                        continue
                    self._merge(key, values, base, base if before is None else before)
            self._live.trim()
            spend()
        self.writing.flush()

    def _merge(self, key: bytes, values: list[bytes], base: Raw, stored: Raw) -> None:
        if values or self._hidden_grids(key, self._state(stored, self._numbers.before)):
            self._change(key, found_in(values), stored, base)
        else:  # nothing changed, but the numbers of the origins
            self._write(key, self._state(stored, self._numbers.now), base)

    def _touched(self, lines: Runs) -> Iterator[tuple[bytes, list[bytes], Raw | None]]:
        """Yield each key with its lines and what the differences before have; None: nothing."""
        if self._live.base is None:
            for _, _, keys, values in lines.ranges():
                for key, group in groupby(zip(keys, values, strict=True), key=itemgetter(0)):
                    yield key, [value for _, value in group], None
            return
        streams = [_lines(lines)]
        streams += [stored_rows(self._live.own.chunk, database, tag) for tag, database in ((1, KEYS), (2, HISTORY))]
        for key, merged in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
            of_key: list[bytes] = []
            before: list[bytes | None] = [None, None]
            for _, tag, value in merged:
                if tag == 0:
                    of_key.append(value)
                else:
                    before[tag - 1] = value
            yield key, of_key, None if before == [None, None] else (before[0], before[1])

    def _hidden_grids(self, key: bytes, state: State) -> set[str]:
        """Return the grids on which the key is hidden; a name that is hidden for another key does not count."""
        hides = self._hides
        if hides is None:
            return set()
        grids = {self._origins.grid(spelled.origin) for names in state for spelled in names}
        return {grid for grid in grids if hides(key, grid, "")}

    def _state(self, raw: Raw, number: Callable[[int], int]) -> State:
        former = self._numbers.former
        return State(
            [Spelled(number(n), spelling) for n, spelling in unpack_spellings(raw[0] or b"")],
            [Spelled(former(n), spelling) for n, spelling in unpack_spellings(raw[1] or b"")],
        )

    def _change(self, key: bytes, found: Found, stored: Raw, base: Raw) -> None:
        before = self._state(stored, self._numbers.before)
        dumped, lines = self._dumped(found, stored)
        current, outdated = self._rules.current(before.current, dumped)
        after = State(current, self._rules.former([*before.former, *outdated], current))
        hidden = self._hidden_grids(key, before)
        if hidden:
            after = self._with_hidden(after, self._state(base, self._numbers.now), hidden)
        self._write(key, after, base)
        shown = self._state(stored, self._numbers.now)
        self._note(key, shown.current, after.current, lines=lines)
        self._note(key, shown.former, after.former)

    def _with_hidden(self, state: State, base: State, hidden: set[str]) -> State:
        """Return *state* with what the base has on *hidden* grids: hidden avatars are not written."""
        grid = self._origins.grid
        return State(
            *(
                [s for s in names if grid(s.origin) not in hidden] + [s for s in old if grid(s.origin) in hidden]
                for names, old in zip(state, base, strict=True)
            )
        )

    def _dumped(self, found: Found, stored: Raw) -> "tuple[list[Spelled], dict[int, Line]]":
        """Return the names of a key in the dump, in its order; and of each, by its identity, its line.

        A row that was confirmed is no line: it is added where it was.
        """
        numbers = self._numbers
        rows = [(line, Spelled(line.origin, line.spelling)) for line in found.rows]
        lines = {id(name): line for line, name in rows}
        names = [name for _, name in rows]
        if rows and numbers.renews and not found.is_gone:
            confirmed = [s for n, s in unpack_spellings(stored[0] or b"") if n == numbers.bulk]
            if confirmed:
                self.counts.unchanged -= 1  # the join has counted it
                name = Spelled(0, confirmed[0])
                later = [self._is_later(line, spelled, name, found.confirmed) for line, spelled in rows]
                names = [
                    *(s for s, is_later in zip(names, later, strict=True) if not is_later),
                    name,
                    *(s for s, is_later in zip(names, later, strict=True) if is_later),
                ]
        return names, lines

    def _is_later(self, line: Line, spelled: Spelled, confirmed: Spelled, place: int | None) -> bool:
        """Whether a row comes after the confirmed one, whose place may not be known: then the dump was in order."""
        if place is not None:
            return line.place > place
        if line.kind is Kind.LATE or line.place >= self._sorted_from:
            return True
        return canonical_of(spelled).encode() > canonical_of(confirmed).encode()

    def _write(self, key: bytes, state: State, base: Raw) -> None:
        """Write the names of a key, unless they are those of the base."""
        of_base = self._state(base, self._numbers.now)
        if state == of_base:
            return
        packed, packed_former = self._numbers.packed, self._numbers.packed_former
        current = [Spelled(packed(n), spelling) for n, spelling in state.current]
        former = [Spelled(packed_former(n), spelling) for n, spelling in state.former]
        self.writing.put(
            key,
            (b"".join(pack_spelling(*name) for name in current), base[0]),
            (b"".join(pack_spelling(*name) for name in former), base[1]),
        )
        self.origins.subtract(n for n, _ in unpack_spellings(base[0] or b""))
        self.origins.update(name.origin for name in current)
        self.keys += bool(current) - bool(base[0])
        self.former_added += len(former) - len(of_base.former)

    def _note(self, key: bytes, before: list[Spelled], after: list[Spelled], *, lines: dict[int, Line] | None = None) -> None:
        """Collect what changes in the index of names, for current names with their *lines*, else for former ones."""
        former = lines is None
        row_of = (lines or {}).get
        old = {self._place_of(name): name for name in before}
        new = {self._place_of(name): name for name in after}
        ops = []
        for place, name in old.items():
            if place not in new:
                ops.append(place[0] + OP.pack(former, DROP, name.origin, key, 0, 0))
        for place, name in new.items():
            form = form_of(name.spelling, place[0])
            known, line = old.get(place), row_of(id(name))
            is_same = known is not None and (known.origin, form_of(known.spelling, place[0])) == (name.origin, form)
            if not is_same or (line is not None and line.kind is not Kind.CAME):
                ops.append(place[0] + OP.pack(former, PUT, name.origin, key, form, 0 if line is None else line.place + 1))
        if ops:
            self._ops.add(ops)

    def _place_of(self, name: Spelled) -> tuple[bytes, str]:
        return canonical_of(name).encode(), self._origins.grid(name.origin)


def confirmed_names(live: Generation, numbers: Numbers, keys: list[bytes], values: list[bytes]) -> Iterator[bytes]:
    """Yield canonical name and key of the confirmed rows whose keys have other rows in the dump; of lines, in order."""
    for key, lines in groupby(zip(keys, values, strict=True), key=itemgetter(0)):
        found = found_in([value for _, value in lines])
        if found.is_gone or not found.rows:
            continue
        for number, spelling in unpack_spellings(live.get(KEYS, key) or b""):
            if number == numbers.bulk:
                yield canonical_of(Spelled(0, spelling)).encode() + key


def _lines(runs: Runs) -> Iterator[tuple[bytes, int, bytes]]:
    for _, _, keys, values in runs.ranges():
        for key, value in zip(keys, values, strict=True):
            yield key, 0, value


def stored_rows(
    chunk: Callable[[bytes, bytes, bytes | None, int], list[tuple[bytes, bytes]]], database: bytes, tag: int
) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield all rows of a database, with *tag*; no transaction is open between two of them."""
    start = b""
    while rows := chunk(database, start, None, TRIM_EVERY):
        for db_key, value in rows:
            yield db_key, tag, value
        start = rows[-1][0] + b"\0"
