"""The nightly run: download the dump if it changed, check it, import it, remember it."""

import hashlib
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import DumpNotNewer, DumpUnreadable, ImportRunning
from n2k_fcgi.files import Modes, hold
from n2k_fcgi.model.dates import iso
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.service.dumps.as_of import Clue, Stated, refuse_future, settle
from n2k_fcgi.service.dumps.location import Location, is_url, parse_location
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.dumps.sources import Source
from n2k_fcgi.service.ingest.report import ImportReport, Order
from n2k_fcgi.service.unfinished import Tell, silently, tell_unfinished
from n2k_fcgi.service.update.contents import Validators
from n2k_fcgi.service.update.download import BLOCK, BeganAnew, Download, Limits
from n2k_fcgi.service.update.remembered import UNFINISHED, Remembered, last_updates, remember
from n2k_fcgi.service.update.stored import fetch, without_codings
from n2k_fcgi.service.update.streamed import Arriving
from n2k_fcgi.store.avatars import GenerationStore
from n2k_fcgi.store.base import ForgottenStore
from n2k_fcgi.store.datadir import DECODED, DOWNLOADED, UPDATE_LOCK
from n2k_fcgi.store.ration import Passing, drop

_TEMPORARY = (DOWNLOADED, DECODED, UNFINISHED)


class Result(Enum):
    """What an update came to. The value is its text in JSON."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    """Downloaded, but it is the dump that was imported last."""
    NOT_MODIFIED = "not modified"
    """Not even downloaded."""


class Outcome(NamedTuple):
    """What an update came to."""

    result: Result
    source: str
    report: ImportReport | None


class _Taken(NamedTuple):
    """What came of a dump."""

    outcome: Outcome
    sha256: str
    validators: Validators = Validators()
    """Of a download."""


class _KnownAlready(Exception):
    """The dump would change nothing. Never leaves this module."""


class _Arrival(NamedTuple):
    """What is known of the time of a download; the file's own time is that of the download."""

    modified: Clue | None
    is_encoded: bool
    """The gz was made by the web server, at the time in it."""

    def times(self, own: list[Clue]) -> list[Clue]:
        """Return the stated times without those that the download made, then Last-Modified."""
        misleading = {Stated.FILE, Stated.GZ} if self.is_encoded else {Stated.FILE}
        kept = [clue for clue in own if clue.source not in misleading]
        return kept + ([self.modified] if self.modified else [])


class Updater:
    """Updates one store, one at a time; temporary files and update.json are in *folder*.

    *open_dump* opens a file or a download as a dump; *load* imports an open one. *token* is sent to the host of a URL. With
    *stream* a download is imported while it arrives, else stored first, and *progress* is called meanwhile. *tell* is called
    if an earlier update was killed.
    """

    def __init__(
        self,
        generations: GenerationStore,
        forgotten: ForgottenStore,
        limits: Limits,
        *,
        folder: Path,
        modes: Modes,
        open_dump: Callable[[Path | Source], Dump],
        load: Callable[[Dump, Order], ImportReport],
        token: str = "",
        stream: bool = False,
        progress: Callable[[int, int | None], None] = lambda _done, _total: None,
        tell: Tell = silently,
    ) -> None:
        self._generations = generations
        self._forgotten = forgotten
        self._folder = folder
        self._modes = modes
        self._limits = limits
        self._open_dump = open_dump
        self._load = load
        self._token = token
        self._stream = stream
        self._progress = progress
        self._tell = tell

    def run(self, source: str, order: Order) -> Outcome:
        """Update from *source*, a URL or a path; a failure leaves the live generation, and no temporary file.

        Raises ImportRunning if another update is running, the Download... errors, DumpNotNewer, FutureTime, and what an
        import raises.
        """
        refuse_future(order.as_of, int(time.time()))
        with hold(self._folder / UPDATE_LOCK, self._modes, 0) as held:
            if not held:
                raise ImportRunning(path=self._folder)
            tell_unfinished("an update", self._sweep(), self._tell)
            try:
                if is_url(source):
                    return self._from_url(parse_location(source), order)
                return _said(self._from_file(Path(source), order).outcome)
            finally:
                self._sweep()

    def _sweep(self) -> list[str]:
        """Remove temporary files; return their names."""
        left = [name for name in _TEMPORARY if (self._folder / name).exists()]
        for name in left:
            (self._folder / name).unlink(missing_ok=True)
        return left

    def _from_file(self, path: Path, order: Order) -> _Taken:
        with self._open_dump(path) as dump:
            dump.name = path.name
            digest = "" if dump.size is None else _sha256(path)  # a pipe can be read only once
            return self._take(dump, order, str(path), digest=digest)

    def _from_url(self, location: Location, order: Order) -> Outcome:
        started = int(time.time())
        before = None if order.force else self._remembered(location, order)
        last = before.sha256 if before else ""
        known = Validators(before.etag, before.last_modified) if before else Validators()
        taken = (self._streamed if self._stream else self._stored)(location, order, known, last)
        if taken is None:
            return _said(Outcome(Result.NOT_MODIFIED, str(location), None))
        seen = taken.validators
        update = Remembered(location.url, order.replace, order.as_of, *seen, sha256=taken.sha256, when=started)
        remember(self._folder, order.grid, update)
        return _said(taken.outcome)

    def _stored(self, location: Location, order: Order, known: Validators, last: str) -> _Taken | None:
        """Download into a file, then import that; None: it was not modified."""
        path = self._folder / DOWNLOADED
        said = fetch(location, path, known, self._limits, token=self._token, progress=self._progress)
        if said is None:
            return None
        bare = without_codings(path, said, self._folder / DECODED, location=location, limit=self._limits.size)
        arrival = _Arrival(_last_modified(said.validators), is_encoded=bool(said.encoding) and bare == path)
        with self._open_dump(bare) as dump:
            dump.times = arrival.times(dump.times)
            dump.name = location.file_name
            taken = self._take(dump, order, str(location), last=last, digest=_sha256(bare))
        return taken._replace(validators=said.validators)

    def _streamed(self, location: Location, order: Order, known: Validators, last: str) -> _Taken | None:
        """Import while it downloads, from the beginning as often as the download begins anew; None: it was not modified."""
        with Download(location, known, self._limits, token=self._token) as download:
            if not download.begin():
                return None
            while True:
                try:
                    arriving = Arriving(download)
                    said = download.said
                    arrival = _Arrival(_last_modified(said.validators), is_encoded=bool(said.encoding) and not arriving.gzips)
                    with self._open_dump(arriving) as dump:
                        dump.times = arrival.times(dump.times)
                        dump.name = location.file_name
                        taken = self._take(dump, order, str(location), last=last)
                    return taken._replace(validators=said.validators)
                except BeganAnew:
                    logs.info(f"download: {location} cannot be resumed, what was read of it is discarded")

    def _take(self, dump: Dump, order: Order, source: str, *, last: str = "", digest: str | None = None) -> _Taken:
        """Import *dump* unless it is known or older than the live one.

        *digest*: its SHA-256, "" if it cannot be known (a pipe). None: it is known when all was read, before anything is
        published.
        """
        live = None if order.force else self._generations.live()
        known = self._known(last, order, live)
        live_time = self._time_of(live, order)
        as_of = settle(order.as_of, dump.times, int(time.time())).seconds

        def refuse(digest: str) -> None:
            if digest in known:
                raise _KnownAlready
            # A time in the future is of a wrong clock, and no dump could be newer.
            if live_time is not None and as_of < live_time <= time.time():
                raise DumpNotNewer(found=iso(as_of), live=iso(live_time), grid=order.grid)

        try:
            if digest is None:
                dump.at_end = lambda: refuse(dump.sha256)
            else:
                with dump.naming_member():
                    refuse(digest)
            report = self._load(dump, order)
        except _KnownAlready:
            return _Taken(Outcome(Result.UNCHANGED, source, None), digest or dump.sha256)
        return _Taken(Outcome(Result.UPDATED if report.published else Result.UNCHANGED, source, report), dump.sha256)

    def _known(self, last: str, order: Order, live: Manifest | None) -> set[str]:
        """The SHA-256 of dumps that change nothing."""
        if live is None or order.replace or order.as_of is not None:
            return set()
        is_live = live.grid == order.grid and self._forgotten.undone() < live.created
        return {digest for digest in (last, live.sha256 if is_live else "") if digest}

    def _time_of(self, live: Manifest | None, order: Order) -> int | None:
        """As of when the live generation has the grid of *order*; None: it does not."""
        if live is None:
            return None
        return live.as_of if live.grid == order.grid else self._generations.latest(order.grid)

    def _remembered(self, location: Location, order: Order) -> Remembered | None:
        """Return the last update of this grid if its order was the same and a generation is live.

        Not one from before an avatar was shown again: its rows were not imported, or were purged since.
        """
        entry = last_updates(self._folder).get(order.grid)
        if entry is None or self._forgotten.undone() >= entry.when or self._generations.live() is None:
            return None
        same = (entry.url, entry.replace, entry.as_of) == (location.url, order.replace, order.as_of)
        return entry if same else None


def _said(outcome: Outcome) -> Outcome:
    logs.info(f"update from {outcome.source}: {outcome.result.value}")
    return outcome


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            passing = Passing(file.fileno())
            while block := file.read(BLOCK):
                passing.was_read(len(block))
                yield block
            drop(file.fileno())
    except OSError as error:
        raise DumpUnreadable(path=path, why=error.strerror) from None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _last_modified(validators: Validators) -> Clue | None:
    try:
        return Clue(Stated.LAST_MODIFIED, int(parsedate_to_datetime(validators.last_modified).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return None
