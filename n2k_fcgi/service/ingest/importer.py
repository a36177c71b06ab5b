"""One import, from the dump to the published generation."""

import calendar
import contextlib
import gc
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import (
    CountsDisagree,
    DumpShrank,
    EmptyDump,
    StoreDamaged,
    TooManyBadLines,
    counted,
)
from n2k_fcgi.files import refuse_os_error, refuse_when_low
from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import PRODUCTION, Grids
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.origins import Origin, OriginTable
from n2k_fcgi.service.best_effort import best_effort
from n2k_fcgi.service.dumps.as_of import AsOf, settle
from n2k_fcgi.service.dumps.lines import FIELD_COUNT, NOT_UTF8, Tally, batches
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.ahead import ahead
from n2k_fcgi.service.ingest.disputes import Disputes, Move
from n2k_fcgi.service.ingest.hidden import without_hidden
from n2k_fcgi.service.ingest.keys import KeyCounts, KeyMerge, build_history, outdated_names
from n2k_fcgi.service.ingest.names import NameCounts, build_names
from n2k_fcgi.service.ingest.room import refuse_without_room
from n2k_fcgi.service.ingest.runs import Range
from n2k_fcgi.service.ingest.spills import Spills
from n2k_fcgi.service.unfinished import Tell, silently, tell_unfinished
from n2k_fcgi.store.base import ConflictStore, ForgottenStore
from n2k_fcgi.store.lmdb.builder import Builder
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMAT, FORMER, KEYS, NAMES

_SECONDS = "%Y%m%dT%H%M%S"
_NAME = re.compile(r"(\d{8}T\d{6})\.(\d{3})Z[px]*$")
"""A generation's name: its time, and a letter for each purge."""

SMALL_DUMP = 100
"""Lines up to which ``max_bad`` allows one bad line: a title above the header is not a reason to refuse a short dump."""


HOW = "--max-bad"
_HOW = {
    FIELD_COUNT: f"docs/dumps.md for what is read, and {HOW}",
    NOT_UTF8: f"'iconv -f WINDOWS-1252 -t UTF-8' for what is Latin-1, and {HOW}",
}
"""What a refusal for too many bad lines refers to, by the reason of most."""


class Progress(NamedTuple):
    """Where an import is."""

    phase: str
    done: int
    """Packed bytes read, or rows written."""
    total: int | None
    """Of the same; None when it is not known (a pipe)."""
    rows: int
    """Good rows so far."""


class ImportReport(NamedTuple):
    """What an import did."""

    manifest: Manifest
    tally: Tally
    published: bool
    """False: the very same dump is already live."""
    pruned: list[str]
    moves: list[Move]
    """Names of Second Life that the dump gives to other keys, which was refused (the first of them)."""
    as_of: AsOf
    """The time that the dump was taken to speak for, and why."""
    member: str
    """The file in a zip that was read; '' for all else."""
    warnings: list[str]
    """What was odd about the archive."""


class Importer:
    """Imports dumps into one data directory, one at a time."""

    def __init__(
        self,
        generations: Generations,
        forgotten: ForgottenStore,
        conflicts: ConflictStore,
        *,
        grids: Grids,
        max_bad: float,
        max_shrink: float,
        keep: int,
        jobs: int = 2,
        progress: Callable[[Progress], None] = lambda _: None,
        tell: Tell = silently,
    ) -> None:
        self.tally = Tally()
        """What was read by the latest ``run``, for the report of a refusal too."""
        self._generations = generations
        self._forgotten = forgotten
        self._conflicts = conflicts
        self._grids = grids
        self._max_bad = max_bad
        self._max_shrink = max_shrink
        self._keep = keep
        self._jobs = jobs
        self._progress = progress
        self._tell = tell

    def run(
        self, dump: Dump, grid: str, *, as_of: int | None = None, replace: bool = False, force: bool = False
    ) -> ImportReport:
        """Build and publish a generation of *dump* merged with the live one; whatever fails leaves that one alone.

        Rows that name no grid are of *grid*. *as_of*: unix seconds for which the dump speaks, else ``as_of.settle`` says.
        *replace*: avatars of *grid* that the dump does not have go. Both *replace* and *force* take this very dump when it
        is live, too. *force*: also when it has far fewer rows than the one before; a damaged live generation is left out
        then.

        Raises ImportRunning, the Dump... errors, TooManyBadLines, EmptyDump, FutureTime, StoreFull.
        """
        with self._generations.locked(), _no_garbage_collection(), dump.naming_member():
            tell_unfinished("an import or purge", self._generations.sweep(), self._tell)
            refuse_without_room(self._generations.data_dir, dump)
            started = time.time()
            name = _stamp(started, self._generations.names())
            folder = self._generations.building(name)
            try:
                return self._build(dump, grid, as_of, replace, force, name, folder, started)
            except OSError as error:  # of a spill file; a dump's are DumpUnreadable
                refuse_os_error(folder, error)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    self._generations.discard(name)

    def _build(
        self,
        dump: Dump,
        grid: str,
        as_of: int | None,
        replace: bool,
        force: bool,
        name: str,
        folder: Path,
        started: float,
    ) -> ImportReport:
        speaks_for = settle(as_of, dump.times, int(started))
        own = Origin(grid, speaks_for.seconds)
        live = self._generations.current_name()
        tally, origins = Tally(), OriginTable(own)
        self.tally = tally
        with contextlib.ExitStack() as stack:
            spills = Spills(folder, self._jobs, stack)
            rows = self._read(dump, tally, origins, spills)
            self._refuse_bad(tally, rows)
            if live and not force:
                self._refuse_shrunk(live, grid, rows)
            if live and not force and not replace and self._is_live_already(live, dump, grid, speaks_for):
                manifest = self._generations.manifest(live)
                return ImportReport(manifest, tally, False, [], [], speaks_for, dump.member, dump.warnings)
            previous = self._open_previous(live, force, stack)
            builder = Builder(folder, self._generations.modes)
            stack.callback(builder.close)
            names, keys, former, moves = self._index(builder, spills, origins, previous, grid if replace else None, rows)
            size = builder.finish(origins.origins)
        manifest = Manifest(
            name=name,
            format=FORMAT,
            created=int(started),
            source=Path(dump.name).name,
            sha256=dump.sha256,
            as_of=own.as_of,
            grid=grid,
            dump_rows=rows,
            rows=keys.records,
            names=names.names,
            keys=keys.keys,
            former=former,
            added=keys.added,
            changed=keys.changed,
            removed=keys.removed,
            unchanged=keys.unchanged,
            refused=tally.bad_lines,
            conflicts=names.conflicts,
            bytes=size,
            seconds=round(time.time() - started, 3),
        )
        self._generations.publish(manifest)
        pruned = self._generations.prune(self._keep)
        logs.info(f"import of {manifest.source}: {counted(manifest.rows, 'row')}, generation {name}, {manifest.seconds} s")
        hidden = self._forgotten.hidden()
        moves = [m for m in moves if not any(hidden.hides(key, PRODUCTION, m.name) for key in (m.key, m.holder))]
        self._note(moves, manifest.as_of)
        if speaks_for.is_doubted:
            logs.warning(f"{manifest.source} counts as of {speaks_for.why}")
        for warning in dump.warnings:
            logs.warning(f"{manifest.source}: {warning}")
        return ImportReport(manifest, tally, True, pruned, moves, speaks_for, dump.member, dump.warnings)

    def _note(self, moves: list[Move], as_of: int) -> None:
        """Have the refused moves listed; the import is published whether that works or not."""
        for move in moves:
            logs.warning(f"conflict: the dump gives {move.name!r} to {format_key(move.key)}, refused")
        conflicts = [Conflict(m.name, PRODUCTION, m.holder, m.key, as_of, as_of, 1, Provenance.DUMP) for m in moves]
        with best_effort("the list of conflicts"):
            self._conflicts.note(conflicts)

    def _read(self, dump: Dump, tally: Tally, origins: OriginTable, spills: Spills) -> int:
        rows = 0
        hidden = self._forgotten.hidden()
        blocks = ahead(dump.blocks()) if self._jobs > 1 else dump.blocks()
        for batch in batches(blocks, tally, self._grids, origins.number_of_row):
            rows += batch.rows
            spills.dump.add(without_hidden(batch, hidden, origins) if hidden else batch)
            refuse_when_low(self._generations.data_dir)
            self._progress(Progress("reading", dump.position, dump.size, rows))
        return rows

    def _watched(self, ranges: Iterable[Range], phase: str, before: int, rows: int) -> Iterator[Range]:
        """Tell how far writing is; both indexes are twice *rows*. Looks whether the disk has room for more."""
        done = before
        for found in ranges:
            refuse_when_low(self._generations.data_dir)
            self._progress(Progress(phase, done, 2 * rows, rows))
            yield found
            done += len(found.db_keys)

    def _refuse_bad(self, tally: Tally, rows: int) -> None:
        bad, lines = tally.bad_lines, tally.lines
        allowed = lines * self._max_bad / 100
        if bad > allowed and not (bad == 1 and 1 < lines <= SMALL_DUMP and self._max_bad > 0):
            most = tally.bad.most_common(1)[0][0]
            raise TooManyBadLines(bad=bad, lines=lines, most=most, limit=f"{self._max_bad:g}", how=_HOW.get(most, HOW))
        if rows == 0:
            raise EmptyDump

    def _refuse_shrunk(self, live: str, grid: str, rows: int) -> None:
        before = self._generations.manifest(live)
        if before.grid == grid and rows < before.dump_rows * (1 - self._max_shrink / 100):
            raise DumpShrank(rows=rows, before=before.dump_rows, grid=grid, limit=f"{self._max_shrink:g}")

    def _is_live_already(self, live: str, dump: Dump, grid: str, as_of: AsOf) -> bool:
        """Whether importing it again would change nothing. It would bring back who was shown again since.

        A time that cannot be believed tells nothing: the dump is another *now* each time.
        """
        manifest = self._generations.manifest(live)
        is_same = (manifest.sha256, manifest.grid) == (dump.sha256, grid) and self._forgotten.undone() < manifest.created
        return is_same and (as_of.is_doubted or manifest.as_of == as_of.seconds)

    def _open_previous(self, live: str, force: bool, stack: contextlib.ExitStack) -> Generation | None:
        if not live:
            return None
        self._generations.close()  # one environment a file and process
        try:
            previous = self._generations.open(live)
        except StoreDamaged as error:
            if not force:
                raise
            logs.warning(f"the damaged generation is not merged: {error}")
            return None
        stack.callback(previous.close)
        return previous

    def _index(
        self,
        builder: Builder,
        spills: Spills,
        origins: OriginTable,
        previous: Generation | None,
        replaced_grid: str | None,
        rows: int,
    ) -> tuple[NameCounts, KeyCounts, int, list[Move]]:
        """Build all indexes and hold their counts against each other."""
        disputes = Disputes(spills.disputed, builder, origins, None if replaced_grid == PRODUCTION else previous)
        merge = KeyMerge(builder, origins, spills.outdated, previous, replaced_grid)
        merge.build(self._watched(spills.dump.keys(), "keys", 0, rows))
        for lines in outdated_names(spills.outdated):
            spills.outdated_names.add(lines)
        names = build_names(
            self._watched(spills.dump.names(), "names", rows, rows),
            builder,
            NAMES,
            origins,
            disputes,
            outdated=spills.outdated_names.cursor(),
            previous=previous,
            replaced_grid=replaced_grid,
        )
        history = build_history(spills.outdated, spills.former, builder, origins, previous)
        former = build_names(spills.former.ranges(), builder, FORMER, origins, disputes)
        disputes.build()
        self._progress(Progress("names", 2 * rows, 2 * rows, rows))
        counts = merge.counts
        _agree("names and keys", names.records, counts.records)
        _agree("former names and history", former.records, history)
        _agree("names", names.names, builder.entries(NAMES))
        _agree("keys", counts.keys, builder.entries(KEYS))
        return names, counts, history, disputes.moves


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Millions of tuples come and go here, and none in a cycle: looking for those takes half the time of a merge."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _stamp(now: float, existing: list[str]) -> str:
    """A generation's name: the time, sortable; later than every existing one even when the clock was set back.

    It is the next millisecond's then: names do not grow, however many imports it takes for the clock to pass the latest.
    """
    name = _named(int(now * 1000))
    if not existing or name > existing[-1]:
        return name
    latest = _NAME.match(existing[-1])
    if latest is None:  # a person's name for it
        return existing[-1] + "x"
    return _named(calendar.timegm(time.strptime(latest[1], _SECONDS)) * 1000 + int(latest[2]) + 1)


def _named(milliseconds: int) -> str:
    return time.strftime(_SECONDS, time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"


def _agree(what: str, given: int, kept: int) -> None:
    if given != kept:
        raise CountsDisagree(what=what, given=given, kept=kept)
