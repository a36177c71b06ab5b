"""The names of the differences: those whose keys changed, and those that the differences before had."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import NamedTuple

from n2k_fcgi.model.builds import Claims, Merge
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.lmdb.building.data_file import DataFile
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.codec import NAME_RECORD, pack_name, unpack_records
from n2k_fcgi.store.lmdb.differences.key_changes import TRIM_EVERY, stored_rows
from n2k_fcgi.store.lmdb.differences.name_ops import OP, PUT
from n2k_fcgi.store.lmdb.differences.numbers import Numbers
from n2k_fcgi.store.lmdb.differences.rows import Writing
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generation_file import GenerationFile
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, NAMES
from n2k_fcgi.store.ration import spend

_KEY = slice(3, 3 + KEY_BYTES)
_ORIGIN = 2
"""Where key and number of the origin are in a change."""

_OP, _NAMES, _FORMER, _HELD, _CONTESTED = range(5)
"""What a row of the merged streams is: a change, a part of the differences before, a live holder."""


class Record(NamedTuple):
    """One record of a name: number of the origin, key, form."""

    origin: int
    key: bytes
    form: int


class Answer(NamedTuple):
    """All of one name."""

    names: list[Record]
    former: list[Record]
    held: bytes | None


class Raw(NamedTuple):
    """The same as stored; None or b'': nothing."""

    names: bytes | None
    former: bytes | None
    held: bytes | None


class NameChanges:
    """Writes names, former names and holders."""

    def __init__(
        self,
        live: Generation,
        base: GenerationFile,
        numbers: Numbers,
        *,
        origins: OriginTable,
        merge: Merge,
        data: DataFile,
    ) -> None:
        self._live = live
        self._base = base
        self._numbers = numbers
        self._origins = origins
        self._decide = merge.holder
        self._keeps_holders = merge.replaced_grid != PRODUCTION
        self.writing = Writing(data, NAMES, FORMER, HELD)
        self.names: int = base.sizes["names"]
        self.records_added = 0
        """Current names more than in the base; of former names, and of names of several keys on a grid, likewise."""
        self.former_added = 0
        self.conflicts_added = 0

    def run(self, ops: Runs) -> None:
        """Go through all names of *ops*, of the differences before, and of live holders."""
        touched = self._touched(ops)
        while part := list(islice(touched, TRIM_EVERY)):
            with self._live.snapshot():
                for name, changes, before, is_contested in part:
                    is_decided_anew = is_contested and not self._keeps_holders
                    if changes or before is not None or is_decided_anew:
                        self._merge(name, changes, before, is_decided_anew=is_decided_anew)
                    if is_contested and not changes and not is_decided_anew:
                        self._contest(name)
            self._live.trim()
            spend()
        self.writing.flush()

    def _merge(self, name: bytes, changes: list[bytes], before: Raw | None, *, is_decided_anew: bool) -> None:
        names, former = self._base.pair(NAMES, FORMER, name)
        if before is None and former is None and not is_decided_anew and self._is_of_one_key(names, changes):
            self._write_one_key(name, changes, names)
            return
        base = Raw(names, former, self._base.get(HELD, name))
        stored = base if before is None else before
        if changes or is_decided_anew:
            self._change(name, changes, stored, base)
        else:
            self._write(name, self._answer(stored), base)

    def _is_of_one_key(self, names: bytes | None, changes: list[bytes]) -> bool:
        """Whether a name has one key before and after, on one grid: nothing is to be ranked, and nobody holds it."""
        if len(changes) > 2 or (names is not None and len(names) != NAME_RECORD):
            return False
        first = changes[0]
        if names is not None and names[1 : 1 + KEY_BYTES] != first[_KEY]:
            return False
        grid = self._origins.grid(first[_ORIGIN])
        if names is not None and self._numbers.grid_of_live(names[0]) != grid:
            return False
        if len(changes) == 1:
            return True
        other = changes[1]
        return other[_KEY] == first[_KEY] and other[0] != first[0] and self._origins.grid(other[_ORIGIN]) == grid

    def _write_one_key(self, name: bytes, changes: list[bytes], names: bytes | None) -> None:
        """Write such a name."""
        current, former = names, b""
        for change in changes:
            is_former, kind, origin, key, form, _ = OP.unpack(change)
            if is_former:
                former = pack_name(self._numbers.packed_former(origin), key, form) if kind == PUT else b""
            else:
                current = pack_name(self._numbers.packed(origin), key, form) if kind == PUT else b""
        current = current or b""
        if current == (names or b"") and not former:
            return
        self.writing.put(name, (current, names), (former, None), (b"", None))
        self.names += bool(current) - bool(names)
        self.records_added += bool(current) - bool(names)
        self.former_added += bool(former)

    def _touched(self, ops: Runs) -> Iterator[tuple[bytes, list[bytes], Raw | None, bool]]:
        """Yield each name with its changes, what the differences before have, and whether it is contested."""
        streams: list[Iterable[tuple[bytes, int, bytes]]] = [_ops(ops)]
        if self._live.base is not None:
            parts = ((_NAMES, NAMES), (_FORMER, FORMER), (_HELD, HELD))
            streams += [stored_rows(self._live.own.chunk, database, tag) for tag, database in parts]
        streams.append(stored_rows(self._live.chunk, HELD, _CONTESTED))
        for name, group in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
            changes: list[bytes] = []
            parts_before: dict[int, bytes] = {}
            for _, tag, value in group:
                if tag == _OP:
                    changes.append(value)
                else:
                    parts_before[tag] = value
            is_contested = parts_before.pop(_CONTESTED, None) is not None
            before = Raw(*map(parts_before.get, (_NAMES, _FORMER, _HELD))) if parts_before else None
            yield name, changes, before, is_contested

    def _answer(self, raw: Raw) -> Answer:
        now, former = self._numbers.now, self._numbers.former
        return Answer(
            [Record(now(n), key, form) for n, key, form in unpack_records(raw.names or b"")],
            [Record(former(n), key, form) for n, key, form in unpack_records(raw.former or b"")],
            raw.held or None,
        )

    def _change(self, name: bytes, changes: list[bytes], stored: Raw, base: Raw) -> None:
        before = self._answer(stored)
        current = self._amended(before.names, changes, former=False)
        former = self._amended(before.former, changes, former=True)
        self._write(name, Answer(current, former, self._holder(name, current, former)), base)

    def _amended(self, records: list[Record], changes: list[bytes], *, former: bool) -> list[Record]:
        """Return *records* with their changes, the latest first.

        Of equal times: current ones the later row of the dump, else the order before; former ones the larger key, of one key
        the later change.
        """
        grid = self._origins.grid
        found = {(grid(record.origin), record.key): (-place, record) for place, record in enumerate(records)}
        is_changed = False
        for number, change in enumerate(changes, 1):
            is_former, kind, origin, key, form, arrival = OP.unpack(change)
            if is_former != former:
                continue
            is_changed = True
            identity = grid(origin), key
            if kind == PUT:
                before = found.get(identity)
                if former:
                    arrival = before[0] if before else number
                elif not arrival:
                    arrival = before[0] if before else -len(records)
                found[identity] = (arrival, Record(origin, key, form))
            else:
                found.pop(identity, None)
        if not is_changed:
            return records
        as_of = self._origins.as_of
        if former:
            ranked = sorted(found.values(), key=lambda item: (as_of(item[1].origin), item[1].key, item[0]), reverse=True)
        else:
            ranked = sorted(found.values(), key=lambda item: (as_of(item[1].origin), item[0]), reverse=True)
        return [record for _, record in ranked]

    def _holder(self, name: bytes, current: list[Record], former: list[Record]) -> bytes | None:
        """Return the key that keeps a contested name of Second Life."""
        keys = [record.key for record in chain(current, former) if self._origins.grid(record.origin) == PRODUCTION]
        if len(set(keys)) < 2:
            return None
        before = self._live.holder(name.decode()) if self._keeps_holders else None
        return self._decide(Claims(name.decode(), keys, before))

    def _contest(self, name: bytes) -> None:
        """Have a contested name decided again, for the list of refused claims: its holder stays."""
        names, former = self._live.pair(NAMES, FORMER, name)
        answer = self._answer(Raw(names, former, None))
        self._holder(name, answer.names, answer.former)

    def _write(self, name: bytes, answer: Answer, base: Raw) -> None:
        """Write the answer of a name, unless it is that of the base."""
        of_base = self._answer(base)
        if answer == of_base:
            return
        self.writing.put(
            name,
            (_packed(answer.names, self._numbers.packed), base.names),
            (_packed(answer.former, self._numbers.packed_former), base.former),
            (answer.held or b"", base.held),
        )
        self.names += bool(answer.names) - bool(of_base.names)
        self.records_added += len(answer.names) - len(of_base.names)
        self.former_added += len(answer.former) - len(of_base.former)
        self.conflicts_added += self._is_conflict(answer.names) - self._is_conflict(of_base.names)

    def _is_conflict(self, records: list[Record]) -> bool:
        return len(records) > 1 and len(Counter(self._origins.grid(r.origin) for r in records)) < len(records)


def _packed(records: list[Record], number: Callable[[int], int]) -> bytes:
    return b"".join(pack_name(number(record.origin), record.key, record.form) for record in records)


def _ops(runs: Runs) -> Iterator[tuple[bytes, int, bytes]]:
    for _, _, names, values in runs.ranges():
        for name, value in zip(names, values, strict=True):
            yield name, _OP, value
