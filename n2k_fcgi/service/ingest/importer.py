"""One import, from the dump to the published generation."""

import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import late, logs
from n2k_fcgi.errors import DumpShrank, EmptyDump, TooManyBadLines, counted
from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.batch import filtered
from n2k_fcgi.model.builds import Built, Merge, Step
from n2k_fcgi.model.choices import Phase, Provenance
from n2k_fcgi.model.grids import PRODUCTION, Grids
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.model.origins import Origin, OriginTable
from n2k_fcgi.service.best_effort import best_effort
from n2k_fcgi.service.dumps.archives import Kind
from n2k_fcgi.service.dumps.as_of import AsOf, settle
from n2k_fcgi.service.dumps.lines import batches
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.dumps.tally import Reason, Tally
from n2k_fcgi.service.ingest.ahead import ahead
from n2k_fcgi.service.ingest.disputes import Disputes, Move
from n2k_fcgi.service.ingest.report import ImportReport, Order, Progress
from n2k_fcgi.service.unfinished import Tell, silently, tell_unfinished
from n2k_fcgi.store.avatars import GenerationBuild, GenerationStore
from n2k_fcgi.store.base import ConflictStore, ForgottenStore, HiddenSet
from n2k_fcgi.store.ration import spend

SMALL_DUMP = 100
"""Lines up to which ``max_bad`` allows one bad line: a title above the header is not a reason to refuse a short dump."""

UNPACKED = 2.5
"""Bytes of csv in a byte of an archive, at least."""

HOW = "--max-bad"
_HOW = {
    Reason.FIELD_COUNT: f"docs/dumps.md for what is read, and {HOW}",
    Reason.NOT_UTF8: f"'iconv -f WINDOWS-1252 -t UTF-8' for what is Latin-1, and {HOW}",
}
"""What a refusal for too many bad lines refers to, by the reason of most."""


class _Job(NamedTuple):
    """One import under way."""

    dump: Dump
    order: Order
    as_of: AsOf
    origins: OriginTable
    started: float
    """Unix seconds."""
    hidden: HiddenSet
    disputes: Disputes
    prunes: bool
    """Whether old generations go: not where the live one is damaged, which may be mended by hand."""


class Importer:
    """Imports dumps into one store, one at a time."""

    def __init__(
        self,
        generations: GenerationStore,
        forgotten: ForgottenStore,
        conflicts: ConflictStore,
        *,
        grids: Grids,
        max_bad: float,
        max_shrink: float,
        keep: int,
        rebuild: float,
        jobs: int = 2,
        progress: Callable[[Progress], None] = lambda _: None,
        tell: Tell = silently,
        count: Callable[[str, int], None] = lambda name, count: None,
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
        self._rebuild = rebuild
        self._jobs = jobs
        self._progress = progress
        self._tell = tell
        self._count = count

    def run(self, dump: Dump, order: Order) -> ImportReport:
        """Build and publish a generation of *dump* merged with the live one; a failure leaves that one alone.

        Raises ImportRunning, the Dump... errors, TooManyBadLines, EmptyDump, FutureTime, StoreFull.
        """
        # Millions of tuples are made and freed, none in a cycle: looking for cycles would take half the time of a merge.
        with self._generations.locked(), late.uncollected(), dump.naming_member():
            tell_unfinished("an import or purge", self._generations.sweep(), self._tell)
            started = time.time()
            as_of = settle(order.as_of, dump.times, int(started))
            origins = OriginTable(Origin(order.grid, as_of.seconds))
            hidden = self._forgotten.hidden()
            disputes = Disputes()
            damaged: list[str] = []
            merge = Merge(
                disputes.holder,
                order.grid if order.replace else None,
                skip_damaged=order.force,
                tell=damaged.append,
                hides=hidden.hides if hidden else None,
            )
            rebuild = 0 if order.whole else self._rebuild
            build = self._generations.build(origins, merge, text_bytes=_text_bytes(dump), jobs=self._jobs, rebuild=rebuild)
            for warning in damaged:
                logs.warning(warning)
                self._tell(f"{warning}; nothing is pruned, so that it can be mended")
            try:
                return self._run(build, _Job(dump, order, as_of, origins, started, hidden, disputes, prunes=not damaged))
            finally:
                build.abandon()

    def _run(self, build: GenerationBuild, job: _Job) -> ImportReport:
        dump, order, as_of = job.dump, job.order, job.as_of
        self.tally = Tally()
        rows, added = self._read(build, job)
        self._refuse_bad(rows)
        live = None if order.force else self._generations.live()
        if live is not None:
            self._refuse_shrunk(live, order.grid, rows)
            if not order.replace and not order.whole and self._is_same(live, job):
                return ImportReport(live, self.tally, False, [], [], as_of, dump.member, dump.warnings)
        built = build.finish(lambda step: self._watch(step, rows, added))
        manifest = self._manifest(built, job, rows)
        self._generations.publish(manifest)
        pruned = self._generations.prune(self._keep) if job.prunes else []
        logs.info(f"import of {manifest.source}: {counted(built.rows, 'row')}, generation {built.name}, {manifest.seconds} s")
        self._count_it(manifest)
        moves = self._shown(job.disputes.moves)
        self._note(moves, manifest.as_of)
        if as_of.is_doubted:
            logs.warning(f"{manifest.source} counts as of {as_of.why}")
        for warning in dump.warnings:
            logs.warning(f"{manifest.source}: {warning}")
        return ImportReport(manifest, self.tally, True, pruned, moves, as_of, dump.member, dump.warnings)

    def _count_it(self, manifest: Manifest) -> None:
        self._count("imports.done", 1)
        self._count("imports.rows", manifest.dump_rows)
        self._count("imports.added", manifest.added)
        self._count("imports.changed", manifest.changed)
        self._count("imports.removed", manifest.removed)
        self._count("imports.bytes", manifest.bytes)
        self._count("imports.milliseconds", int(manifest.seconds * 1000))

    def _read(self, build: GenerationBuild, job: _Job) -> tuple[int, int]:
        """Add the dump's rows without those of hidden avatars; return how many good rows it has, and how many were added."""
        dump, origins, hidden = job.dump, job.origins, job.hidden

        def is_shown(key: bytes, number: int, name: bytes) -> bool:
            return not hidden.hides(key, origins.grid(number), name.decode())

        rows = added = 0
        with contextlib.closing(self._blocks(dump)) as blocks:
            for batch in batches(blocks, self.tally, self._grids, origins.number_of_row):
                shown = filtered(batch, is_shown) if hidden else batch  # two digests per row
                rows += batch.rows
                added += shown.rows
                build.add(shown)
                spend()
                self._progress(Progress(Phase.READING, dump.position, dump.size, rows))
        return rows, added

    def _blocks(self, dump: Dump) -> Generator[bytes, None, None]:
        return ahead(dump.blocks(), dump.interrupt) if self._jobs > 1 else dump.blocks()

    def _watch(self, step: Step, rows: int, added: int) -> None:
        self._progress(Progress(step.phase, step.done, 2 * added, rows))

    def _refuse_bad(self, rows: int) -> None:
        bad, lines = self.tally.bad_lines, self.tally.lines
        allowed = lines * self._max_bad / 100
        most = self.tally.commonest
        if most and bad > allowed and not (bad == 1 and 1 < lines <= SMALL_DUMP and self._max_bad > 0):
            how = _HOW.get(most, HOW)
            raise TooManyBadLines(bad=bad, lines=lines, most=most.value, limit=f"{self._max_bad:g}", how=how)
        if rows == 0:
            raise EmptyDump

    def _refuse_shrunk(self, live: Manifest, grid: str, rows: int) -> None:
        if live.grid == grid and rows < live.dump_rows * (1 - self._max_shrink / 100):
            raise DumpShrank(rows=rows, before=live.dump_rows, grid=grid, limit=f"{self._max_shrink:g}")

    def _is_same(self, live: Manifest, job: _Job) -> bool:
        """Whether importing it again would change nothing. It would restore avatars that were shown again since.

        With a time that cannot be believed, the dump is of another *now* each time.
        """
        is_same = (live.sha256, live.grid) == (job.dump.sha256, job.order.grid)
        is_complete = self._forgotten.undone() < live.created
        return is_same and is_complete and (job.as_of.is_doubted or live.as_of == job.as_of.seconds)

    def _manifest(self, built: Built, job: _Job, rows: int) -> Manifest:
        return Manifest(
            name=built.name,
            format=built.format,
            created=int(job.started),
            source=Path(job.dump.name).name,
            sha256=job.dump.sha256,
            as_of=job.as_of.seconds,
            grid=job.order.grid,
            dump_rows=rows,
            rows=built.rows,
            names=built.names,
            keys=built.keys,
            former=built.former,
            added=built.added,
            changed=built.changed,
            removed=built.removed,
            unchanged=built.unchanged,
            refused=self.tally.bad_lines,
            conflicts=built.conflicts,
            bytes=built.bytes,
            seconds=round(time.time() - job.started, 3),
            base=built.base,
        )

    def _shown(self, moves: list[Move]) -> list[Move]:
        """Those that name no hidden avatar."""
        hidden = self._forgotten.hidden()
        return [m for m in moves if not any(hidden.hides(key, PRODUCTION, m.name) for key in (m.key, m.holder))]

    def _note(self, moves: list[Move], as_of: int) -> None:
        """List the refused moves as conflicts; the import is published whether that works or not."""
        for move in moves:
            logs.warning(f"conflict: the dump gives {move.name!r} to {format_key(move.key)}, refused")
        conflicts = [Conflict(m.name, PRODUCTION, m.holder, m.key, as_of, as_of, 1, Provenance.DUMP) for m in moves]
        with best_effort("the list of conflicts"):
            self._conflicts.note(conflicts)


def _text_bytes(dump: Dump) -> int:
    """About how many bytes of csv it has, at least; 0 for a pipe, whose size is unknown."""
    return int((dump.size or 0) * (1 if dump.kind is Kind.PLAIN else UNPACKED))
