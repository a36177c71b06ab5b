"""One generation under construction, from batches to a finished data file, one module per step:

sorting, beside (lines, sorted) -> runs (spilled, merged range by range) -> stretches (beside the previous rows)
-> keys, names, history, holders (merged) -> data_file (appended)
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from n2k_fcgi import logs
from n2k_fcgi.files import refuse_when_low
from n2k_fcgi.model.batch import Batch
from n2k_fcgi.model.builds import Built, Merge, Step, Watch
from n2k_fcgi.model.choices import Phase
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.lmdb.building.beside import SortingBeside
from n2k_fcgi.store.lmdb.building.construction import Construction, agree, past_of
from n2k_fcgi.store.lmdb.building.data_file import Contents, DataFile
from n2k_fcgi.store.lmdb.building.history import build_history, outdated_names
from n2k_fcgi.store.lmdb.building.holders import Holders
from n2k_fcgi.store.lmdb.building.keys import KeyMerge
from n2k_fcgi.store.lmdb.building.merging import Merging
from n2k_fcgi.store.lmdb.building.names import build_names
from n2k_fcgi.store.lmdb.building.runs import Range, Runs
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.building.sorting import KEY_CUT, NAME_CUT, Sorting
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import FORMAT, FORMER, KEYS, NAMES

if TYPE_CHECKING:
    from n2k_fcgi.store.lmdb.generations import Generations

DISK_FACTOR = 2
"""Bytes of disk for a byte of csv text, at least: spills and the new generation together.

Measured on a W-Hat-shaped dump of 10,000,000 rows (make bench-import): 2.7. Less is required, because other dumps repeat
themselves more.
"""


class Build(Construction):
    """Implements ``store.avatars.GenerationBuild``."""

    def __init__(
        self,
        generations: "Generations",
        previous: Generation | None,
        origins: OriginTable,
        merge: Merge,
        *,
        text_bytes: int,
        jobs: int,
    ) -> None:
        """*previous*: the live generation, which is closed at the end."""
        super().__init__(generations, previous, text_bytes * DISK_FACTOR)
        self._previous = previous
        self._origins = origins
        self._merge = merge
        self._rows = 0
        try:
            with self._in_our_words():
                self._dump = _sorting(self._folder, jobs, self._sizes)
                self._open.callback(self._dump.close)
        except BaseException:
            self.abandon()
            raise

    def add(self, batch: Batch) -> None:
        """See the protocol."""
        with self._in_our_words():
            self._dump.add(batch)
        self._rows += batch.rows
        refuse_when_low(self._generations.data_dir, self._sizes.reserve)

    def finish(self, watch: Watch) -> Built:
        """See the protocol."""
        with self._open, self._in_our_words():
            data = DataFile(self._folder, self._generations.modes, self._sizes.first_map)
            self._open.callback(data.close)
            merging = Merging(data, self._origins, self._previous, self._merge.replaced_grid, self._sizes.range_rows)
            return self._indexes(merging, watch)

    def _indexes(self, merging: Merging, watch: Watch) -> Built:
        """Build all indexes, compare their counts, and make the file durable."""
        outdated, former = self._runs("outdated", KEY_CUT), self._runs("former", NAME_CUT)
        holders = Holders(self._runs("contested", NAME_CUT), merging, self._merge.holder)
        keys = KeyMerge(merging, outdated)
        keys.build(self._watched(self._dump.keys(), Phase.KEYS, 0, watch))
        gone = self._runs("outdated-names", NAME_CUT)
        for lines in outdated_names(outdated):
            gone.add(lines)
        ranges = self._watched(self._dump.names(), Phase.NAMES, self._rows, watch)
        names = build_names(ranges, NAMES, merging, holders, outdated=gone.cursor())
        history = build_history(outdated, former, merging)
        only_new = merging._replace(previous=None, replaced_grid=None)
        former_names = build_names(former.ranges(), FORMER, only_new, holders)
        holders.build()
        watch(Step(Phase.NAMES, 2 * self._rows))
        counts, data = keys.counts, merging.data
        agree("names and keys", names.records, counts.records)
        agree("former names and history", former_names.records, history)
        agree("names", names.names, data.entries(NAMES))
        agree("keys", counts.keys, data.entries(KEYS))
        contents = Contents(
            origins=self._origins.origins,
            counts=[names.origins[number] for number in range(len(self._origins.origins))],
            names=names.names,
            keys=counts.keys,
            past=past_of(merging.previous),
        )
        size = data.finish(contents)
        return Built(
            name=self.name,
            format=FORMAT,
            bytes=size,
            rows=counts.records,
            names=names.names,
            keys=counts.keys,
            former=history,
            added=counts.added,
            changed=counts.changed,
            unchanged=counts.unchanged,
            removed=counts.removed,
            conflicts=names.conflicts,
            base="",
        )

    def _runs(self, name: str, cut: int) -> Runs:
        made = Runs(self._folder / f"{name}.spill", cut, self._sizes)
        self._open.callback(made.close)
        return made

    def _watched(self, ranges: Iterable[Range], phase: Phase, before: int, watch: Watch) -> Iterator[Range]:
        """Report how far writing is, and check the disk, before each range."""
        done = before
        for found in ranges:
            refuse_when_low(self._generations.data_dir, self._sizes.reserve)
            watch(Step(phase, done))
            yield found
            done += len(found.db_keys)


def _sorting(folder: Path, jobs: int, sizes: Sizes) -> Sorting | SortingBeside:
    if jobs > 1:
        try:
            return SortingBeside(folder, sizes)
        except OSError as error:  # the host allows no more processes
            logs.info(f"the import sorts in its own process: {error.strerror}")
    return Sorting(folder, sizes)
