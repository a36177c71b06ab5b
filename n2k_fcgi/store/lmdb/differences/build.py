"""One generation under construction as the differences against a whole one: from batches to a finished data file."""

import contextlib
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

from n2k_fcgi.files import refuse_when_low
from n2k_fcgi.model.batch import Batch, separate
from n2k_fcgi.model.builds import Built, Merge, Step, Watch
from n2k_fcgi.model.choices import Phase
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.model.renderings import NameForm, forms_of, spelled
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.lmdb.building.construction import Construction, agree, past_of
from n2k_fcgi.store.lmdb.building.data_file import Contents, DataFile
from n2k_fcgi.store.lmdb.building.runs import Runs
from n2k_fcgi.store.lmdb.building.sorting import records_of
from n2k_fcgi.store.lmdb.building.spill import IN_MEMORY
from n2k_fcgi.store.lmdb.differences.changes import Changes, Kind, Line
from n2k_fcgi.store.lmdb.differences.dump_order import Rows, Sorted, Window
from n2k_fcgi.store.lmdb.differences.folding import fold
from n2k_fcgi.store.lmdb.differences.key_changes import KeyChanges, confirmed_names
from n2k_fcgi.store.lmdb.differences.name_changes import NameChanges
from n2k_fcgi.store.lmdb.differences.name_join import ALREADY, NameJoin
from n2k_fcgi.store.lmdb.differences.name_ops import OP
from n2k_fcgi.store.lmdb.differences.numbers import Numbers
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import FORMAT, KEYS
from n2k_fcgi.store.ration import spend

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.generations import Generations

DIFFERENCES = "differences.mdb"
"""The differences' file before it is known that it is the generation's."""

NO_PLACE = 1 << 40
"""Above all places of rows."""

LINE_BYTES = 55
"""Bytes of a line of csv, about: a key of 36, two separators, a name."""

LEAST_SHARE = 2
"""A dump with at least one row for so many live names of its grid renews them; a smaller one is looked up row by row."""

NOT_IN_BASE = 255
"""The number of the dump in records when no live name is from its grid."""


class DifferencesBuild(Construction):
    """Implements ``store.avatars.GenerationBuild`` on a live generation of format 3, which is closed at the end."""

    def __init__(
        self,
        generations: "Generations",
        live: Generation,
        origins: OriginTable,
        merge: Merge,
        *,
        text_bytes: int,
        rebuild: float,
    ) -> None:
        super().__init__(generations, live, 0)
        self._live = live
        self._base = live.own if live.base is None else live.base
        self._base_name = live.name if live.base is None or live.own.base is None else live.own.base["name"]
        self._base_manifest = generations.manifest(self._base_name)
        self._origins = origins
        self._merge = merge
        self._rebuild = rebuild
        self._numbers = Numbers(live, self._base, origins)
        self._guess = text_bytes // LINE_BYTES
        self._rows = 0
        self._late = 0
        self._window = Window(self._sizes.window, self._settled)
        self._sorted: Sorted | None = None
        self._sorted_from = NO_PLACE
        """The place of the first row that is sorted on disk."""
        self._join: NameJoin | None = None
        self._changes = Changes(self._folder / "changes.spill", self._sizes)
        self._open.callback(self._changes.runs.close)

    def add(self, batch: Batch) -> None:
        """See the protocol."""
        with self._in_our_words():
            self._take(self._lines(batch))
        refuse_when_low(self._generations.data_dir, self._sizes.reserve)

    def _lines(self, batch: Batch) -> Rows:
        """Return the rows of a batch; those that can only be looked up by key become lines at once."""
        bulk = self._numbers.bulk
        first, self._rows = self._rows, self._rows + batch.rows
        forms = forms_of(batch) or bytes(batch.rows)
        if NameForm.OTHER in forms or batch.origins:
            forms = self._look_up_unusual(batch, bytearray(forms), first)
        own = NOT_IN_BASE if bulk is None else bulk
        records = records_of(batch.keys, bytes((own,)) * batch.rows, forms)
        return Rows(separate(batch.canonicals), records, list(range(first, self._rows)))

    def _look_up_unusual(self, batch: Batch, forms: bytearray, first: int) -> bytes:
        """Make lines of rows with a spelling or an origin of their own; return the forms, with ALREADY for these.

        A spelling that is the live one of the key stays OTHER: the join compares the rest.
        """
        numbers = batch.origins or bytes(batch.rows)
        with self._live.snapshot():
            for at, spelling in enumerate(separate(batch.spellings)):
                if forms[at] != NameForm.OTHER and not numbers[at]:
                    continue
                key = batch.keys[at * KEY_BYTES : (at + 1) * KEY_BYTES]
                if numbers[at] or self._live_spelling(key) != spelling:
                    self._changes.came(key, Line(first + at, numbers[at], spelling, Kind.CAME))
                    forms[at] = ALREADY
        self._changes.flush()
        self._live.trim()
        spend()
        return bytes(forms)

    def _live_spelling(self, key: bytes) -> bytes | None:
        """Return the spelling of a live key that has one name, of the dump's grid; else None."""
        value = self._live.get(KEYS, key)
        if value and value[0] == self._numbers.bulk and len(value) == value[1] + 2:
            return value[2:]
        return None

    def _spelling(self, name: bytes, record: bytes) -> bytes:
        """Return the spelling of a row that is no line yet."""
        if record[-1] != NameForm.OTHER:
            return spelled(name, record[-1])
        return self._live_spelling(record[1 : 1 + KEY_BYTES]) or b""

    def _settled(self, name: bytes, record: bytes, place: int) -> bytes:
        """Make a row a line, so that its place counts."""
        if record[-1] != ALREADY:
            self._changes.came(record[1 : 1 + KEY_BYTES], Line(place, 0, self._spelling(name, record), Kind.CAME))
        return record[:-1] + bytes((ALREADY,))

    def _take(self, rows: Rows) -> None:
        if self._sorted is not None:
            self._sorted.add(rows)
            return
        self._window.add(rows)
        if not self._window.is_full:
            return
        if self._join is None:
            if not (self._is_large(self._guess) and self._window.is_orderly()):
                self._sort_the_rest()
                return
            self._begin()
        self._compare(self._window.take())
        if self._late > self._sizes.window:
            self._sort_the_rest()

    def _is_large(self, rows: int) -> bool:
        return rows * LEAST_SHARE >= self._numbers.bulk_rows > 0

    def _begin(self) -> None:
        numbers, replaced = self._numbers, self._merge.replaced_grid
        numbers.renews = numbers.bulk is not None and (replaced is not None or not numbers.is_older)
        self._join = NameJoin(self._live, numbers, self._changes, replaced, spelling=self._spelling)

    def _sort_the_rest(self) -> None:
        self._sorted = Sorted(self._folder / "names.spill", self._sizes)
        self._open.callback(self._sorted.close)
        rest = self._window.take(everything=True)
        self._sorted_from = min(rest.places, default=self._rows)
        self._sorted.add(rest)

    def _compare(self, rows: Rows) -> None:
        """Compare rows in order; those below what was compared are late."""
        assert self._join is not None
        late = bisect_left(rows.names, self._join.position)
        self._late += late
        for at in range(late):
            self._look_up(rows, at, Kind.LATE)
        self._join.compare(rows.part(late, len(rows.names)) if late else rows)

    def _look_up(self, rows: Rows, at: int, kind: Kind) -> None:
        record, place = rows.record(at), rows.places[at]
        key = record[1 : 1 + KEY_BYTES]
        if record[-1] != ALREADY:
            self._changes.came(key, Line(place, 0, self._spelling(rows.names[at], record), kind))
        else:
            self._changes.at(key, Kind.MARK, place)

    def finish(self, watch: Watch) -> Built:
        """See the protocol."""
        with self._open, self._in_our_words():
            self._compare_the_rest()
            watch(Step(Phase.KEYS, self._rows))
            return self._differences(watch)

    def _compare_the_rest(self) -> None:
        if self._join is None and (self._is_large(self._rows) or self._merge.replaced_grid is not None):
            self._begin()
        parts = self._sorted.parts() if self._sorted is not None else iter([self._window.take(everything=True)])
        for rows in parts:
            if self._join is not None:
                self._compare(rows)
                continue
            for at in range(len(rows.names)):
                self._look_up(rows, at, Kind.SHARED)
        if self._join is not None:
            self._join.finish()
            if self._sorted is not None:
                self._find_places(self._sorted)
        self._changes.flush()

    def _find_places(self, rows: Sorted) -> None:
        """Add the places of confirmed rows whose key has other rows too: the later of them counts."""
        wanted = Runs(self._folder / "wanted.spill", -KEY_BYTES, self._sizes, memory=IN_MEMORY)
        self._open.callback(wanted.close)
        for _, _, keys, values in self._changes.runs.ranges():
            wanted.add(list(confirmed_names(self._live, self._numbers, keys, values)))
            spend()
        cursor = wanted.cursor()
        for part in rows.parts():
            names, keys = cursor.take(part.names[-1] + b"\0") if part.names else ([], [])
            pairs = set(zip(names, keys, strict=True))
            if pairs:
                for at, name in enumerate(part.names):
                    key = part.record(at)[1 : 1 + KEY_BYTES]
                    if (name, key) in pairs:
                        self._changes.at(key, Kind.CONFIRMED, part.places[at])
        self._changes.flush()

    def _differences(self, watch: Watch) -> Built:
        """Write the differences; a whole generation in their place where they are too many."""
        data = DataFile(self._folder, self._generations.modes, self._sizes.first_map, DIFFERENCES)
        ops = Runs(self._folder / "names-changed.spill", -OP.size, self._sizes, memory=IN_MEMORY)
        for opened in (data, ops):
            self._open.callback(opened.close)
        shared = (self._live, self._base, self._numbers)
        keys = KeyChanges(*shared, origins=self._origins, merge=self._merge, data=data, ops=ops, sorted_from=self._sorted_from)
        keys.run(self._changes.runs)
        self._changes.runs.close()
        watch(Step(Phase.NAMES, 2 * self._rows))
        names = NameChanges(*shared, origins=self._origins, merge=self._merge, data=data)
        names.run(ops)
        ops.close()
        own = self._numbers.packed(0)
        table = self._numbers.table()
        counts = [keys.origins[number] for number in range(len(table))]
        rows = sum(counts)
        agree("names and keys", self._base_manifest.rows + names.records_added, rows)
        agree("former names and history", names.former_added, keys.former_added)
        most = self._base_manifest.rows * self._rebuild / 100
        is_whole = not self._rebuild or self._numbers.are_many or keys.writing.written > most
        past = past_of(self._live)
        contents = Contents(
            origins=table,
            counts=counts,
            names=names.names,
            keys=keys.keys,
            past=past,
            own=own,
            former_origins=self._numbers.former_table(),
            base=(self._base_name, self._base.id),
        )
        size = data.finish(contents)
        if is_whole:
            size = self._fold(data.path)
        else:
            data.path.rename(self._folder / DATA_FILE)
        return Built(
            name=self.name,
            format=FORMAT,
            bytes=size,
            rows=rows,
            names=names.names,
            keys=keys.keys,
            former=self._base_manifest.former + keys.former_added,
            added=keys.counts.added,
            changed=keys.counts.changed,
            unchanged=keys.counts.unchanged + (self._join.confirmed if self._join else 0),
            removed=keys.counts.removed,
            conflicts=self._base_manifest.conflicts + names.conflicts_added,
            base="" if is_whole else self._base_name,
        )

    def _fold(self, differences: Path) -> int:
        """Write a whole generation of the differences and their base; return its bytes."""
        folder, sizes = self._generations.data_dir, self._sizes
        self._refuse_without_space(self._base_manifest.bytes)
        data = DataFile(self._folder, self._generations.modes, sizes.first_map)
        self._open.callback(data.close)
        with contextlib.closing(self._generations.lay_over(differences, self._base)) as layers:
            size = data.finish(fold(layers, data, self._origins.origins[0], lambda: refuse_when_low(folder, sizes.reserve)))
        differences.unlink()
        return size
