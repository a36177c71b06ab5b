"""The nightly run: download the dump if it changed, check it, import it, remember it."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.errors import DownloadTooLarge, DumpNotNewer, DumpUnreadable, ImportRunning
from n2k_fcgi.files import NEW_SUFFIX, PRIVATE, Modes, hold, open_new, refuse_os_error, replace
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.service.dumps.archives import Kind, kind_of
from n2k_fcgi.service.dumps.as_of import Clue, Stated, iso, refuse_future, settle
from n2k_fcgi.service.dumps.location import Location, is_url, parse_location
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.report import ImportReport, Order
from n2k_fcgi.service.unfinished import Tell, silently, tell_unfinished
from n2k_fcgi.service.update.download import BLOCK, Fetched, Limits, Validators, fetch
from n2k_fcgi.store.avatars import GenerationStore
from n2k_fcgi.store.base import ForgottenStore
from n2k_fcgi.store.datadir import DECODED, DOWNLOADED, UPDATE_LOCK, UPDATE_STATE

_TEMPORARY = (DOWNLOADED, DECODED, UPDATE_STATE + NEW_SUFFIX)


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


class Remembered(NamedTuple):
    """The last successful update of a grid, stored in update.json."""

    url: str
    replace: bool
    as_of: int | None
    etag: str
    last_modified: str
    sha256: str
    when: int
    """The time when it began, in unix seconds."""


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

    *open_dump* opens a file as a dump; *load* imports an open one. *token* is sent to the host of a URL. *progress* is called
    during a download, *tell* if an earlier update was killed.
    """

    def __init__(
        self,
        generations: GenerationStore,
        forgotten: ForgottenStore,
        limits: Limits,
        *,
        folder: Path,
        modes: Modes,
        open_dump: Callable[[Path], Dump],
        load: Callable[[Dump, Order], ImportReport],
        token: str = "",
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
                return _said(self._take(Path(source), order, source, Path(source).name)[0])
            finally:
                self._sweep()

    def _sweep(self) -> list[str]:
        """Remove temporary files; return their names."""
        left = [name for name in _TEMPORARY if (self._folder / name).exists()]
        for name in left:
            (self._folder / name).unlink(missing_ok=True)
        return left

    def _from_url(self, location: Location, order: Order) -> Outcome:
        started = int(time.time())
        before = None if order.force else self._remembered(location, order)
        known = Validators(before.etag, before.last_modified) if before else Validators()
        path = self._new_file(DOWNLOADED)
        fetched = fetch(location, path, known, self._limits, token=self._token, progress=self._progress)
        if fetched is None:
            return _said(Outcome(Result.NOT_MODIFIED, str(location), None))
        bare = self._without_encoding(path, fetched, location)
        last = before.sha256 if before else ""
        arrival = _Arrival(_last_modified(fetched), is_encoded=bool(fetched.encoding) and bare == path)
        outcome, digest = self._take(bare, order, str(location), location.file_name, last=last, arrival=arrival)
        self._remember(location, order, fetched.validators, digest=digest, when=started)
        return _said(outcome)

    def _take(
        self, path: Path, order: Order, source: str, name: str, *, last: str = "", arrival: "_Arrival | None" = None
    ) -> tuple[Outcome, str]:
        """Import *path* unless its SHA-256 is *last* or it is the live dump; return the SHA-256 too."""
        with self._open_dump(path) as dump:
            dump.name = name
            if arrival is not None:
                dump.times = arrival.times(dump.times)
            digest = "" if dump.size is None else _sha256(path)  # a pipe can be read only once
            live = None if order.force else self._generations.live()
            if live is not None and self._is_known(digest, last, order, live):
                return Outcome(Result.UNCHANGED, source, None), digest
            with dump.naming_member():
                self._refuse_older(settle(order.as_of, dump.times, int(time.time())).seconds, order, live)
            report = self._load(dump, order)
        return Outcome(Result.UPDATED if report.published else Result.UNCHANGED, source, report), digest

    def _is_known(self, digest: str, last: str, order: Order, live: Manifest) -> bool:
        if order.replace or order.as_of is not None or not digest:
            return False
        is_live = (digest, order.grid) == (live.sha256, live.grid) and self._forgotten.undone() < live.created
        return digest == last or is_live

    def _refuse_older(self, as_of: int, order: Order, live: Manifest | None) -> None:
        if live is None:
            return
        live_time = live.as_of if live.grid == order.grid else self._generations.latest(order.grid)
        # A time in the future is of a wrong clock, and no dump could be newer.
        if live_time is not None and as_of < live_time <= time.time():
            raise DumpNotNewer(found=iso(as_of), live=iso(live_time), grid=order.grid)

    def _without_encoding(self, path: Path, fetched: Fetched, location: Location) -> Path:
        """Remove the gzip codings around an archive, as many as were named; one around lines is read as a gz dump.

        Other names of codings are ignored: the content decides.
        """
        bare = path
        for _ in filter(None, fetched.encoding.split(",")):
            if bare != path:
                bare.replace(path)
            inner = self._unwrapped(path, location)
            if inner is None:
                return path
            bare = inner
        return bare

    def _unwrapped(self, path: Path, location: Location) -> Path | None:
        """Unpack the archive in the gzip file *path*; None if there is none. Raises DownloadTooLarge."""
        import gzip  # late: some Pythons lack zlib
        import zlib

        try:
            with gzip.open(path) as wrapped:
                block = wrapped.read(BLOCK)
                if kind_of(block) is Kind.PLAIN:
                    return None
                inner = self._new_file(DECODED)
                with inner.open("wb") as file:
                    while block:
                        file.write(block)
                        if file.tell() > self._limits.size:
                            raise DownloadTooLarge(url=location, limit=self._limits.size)
                        block = wrapped.read(BLOCK)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return None  # not encoded, or truncated: the import reports what is wrong
        except OSError as error:
            refuse_os_error(path, error)
        return inner

    def _new_file(self, name: str) -> Path:
        path = self._folder / name
        try:
            os.close(open_new(path, PRIVATE.file))
        except OSError as error:
            refuse_os_error(path, error)
        return path

    def _remembered(self, location: Location, order: Order) -> Remembered | None:
        """Return the last update of this grid if its order was the same and a generation is live.

        Not one from before an avatar was shown again: its rows were not imported, or were purged since.
        """
        entry = self._state().get(order.grid)
        if entry is None or self._forgotten.undone() >= entry.when or self._generations.live() is None:
            return None
        same = (entry.url, entry.replace, entry.as_of) == (location.url, order.replace, order.as_of)
        return entry if same else None

    def _remember(self, location: Location, order: Order, validators: Validators, *, digest: str, when: int) -> None:
        entry = Remembered(location.url, order.replace, order.as_of, *validators, sha256=digest, when=when)
        grids = {**self._state(), order.grid: entry}
        text = json.dumps({grid: known._asdict() for grid, known in grids.items()}, indent=1) + "\n"
        replace(self._folder / UPDATE_STATE, text.encode(), PRIVATE.file)

    def _state(self) -> dict[str, Remembered]:
        """Return what was remembered per grid; {} if it cannot be read: it only saves a download."""
        path = self._folder / UPDATE_STATE
        try:
            return {grid: Remembered(**entry) for grid, entry in json.loads(path.read_text("utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError, TypeError, AttributeError) as error:
            logs.warning(f"{path} cannot be read, the dump is fetched whole: {error}")
            return {}


def _said(outcome: Outcome) -> Outcome:
    logs.info(f"update from {outcome.source}: {outcome.result.value}")
    return outcome


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise DumpUnreadable(path=path, why=error.strerror) from None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _last_modified(fetched: Fetched) -> Clue | None:
    try:
        return Clue(Stated.LAST_MODIFIED, int(parsedate_to_datetime(fetched.validators.last_modified).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return None
