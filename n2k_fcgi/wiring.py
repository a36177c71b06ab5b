"""The only place that turns settings into a store, services and the application."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from n2k_fcgi import logs
from n2k_fcgi.config import Loaded, Settings, file_stamp, load
from n2k_fcgi.errors import N2KError, NoMemory
from n2k_fcgi.service.access.limits import Limits
from n2k_fcgi.service.access.slots import Slots
from n2k_fcgi.service.directory.lookup import Directory
from n2k_fcgi.service.directory.pending import Unknown
from n2k_fcgi.service.directory.register import Registrar
from n2k_fcgi.store.datadir import LOG_FOLDER
from n2k_fcgi.store.lmdb.captures import Captures, captures_file
from n2k_fcgi.store.lmdb.conflicts import Conflicts
from n2k_fcgi.store.lmdb.forgotten import Forgotten
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import PRIVATE, SHARED, Modes
from n2k_fcgi.store.lmdb.meters import Meters
from n2k_fcgi.store.lmdb.pending import Pending
from n2k_fcgi.store.lmdb.tokens import Tokens
from n2k_fcgi.store.lmdb.volatile import VolatileFile
from n2k_fcgi.web.access import Access
from n2k_fcgi.web.application import Application, StartResponse, error_answer, respond
from n2k_fcgi.web.decoding import Environ
from n2k_fcgi.web.requests import Request
from n2k_fcgi.web.services import Services

if TYPE_CHECKING:
    from n2k_fcgi.service.directory.about import About
    from n2k_fcgi.service.directory.forget import Forgetting
    from n2k_fcgi.service.directory.mentions import Mentions
    from n2k_fcgi.service.directory.purge import Purge
    from n2k_fcgi.service.directory.remains import Inspection
    from n2k_fcgi.service.ingest.importer import Importer, Progress

LOOK_EVERY = 0.5
"""Seconds between two looks at the settings file: an edit takes effect within a second, at no cost to a lookup."""

DEFAULT_MAX_BODY = 128 * 1024
"""Bytes, while the settings cannot be read: a POST is told why, and not that it is too large."""

DEFAULT_LOG = f"{LOG_FOLDER}/n2k.log"

NO_SETTINGS = frozenset({"config", "code"})
"""Flags of a server that are no settings: the settings file, and the digest of the code it was started with."""


class Store:
    """The store of one data directory, opened file by file at first use. Not for use across ``fork()``."""

    def __init__(self, settings: Settings) -> None:
        modes = modes_of(settings)
        self.generations = Generations(settings.data_dir, modes, resident_limit=settings.map_resident)
        self._file = captures_file(settings.data_dir, modes)
        self.captures = Captures(self._file)
        self.tokens = Tokens(self._file)
        self.forgotten = Forgotten(self._file)
        self.volatile = VolatileFile(settings.data_dir, modes)
        self.pending = Pending(self.volatile, settings.max_pending)
        self.conflicts = Conflicts(self.volatile)
        self.meters = Meters(self.volatile)

    def close(self) -> None:
        """Give maps and files back."""
        self.generations.close()
        self._file.close()
        self.volatile.close()

    def retire(self) -> None:
        """Close for good, under an answer that is still being made, too: another store takes over these files."""
        self.generations.close_all()
        self._file.retire()
        self.volatile.file.retire()


def modes_of(settings: Settings) -> Modes:
    """File modes of the data directory."""
    return SHARED if settings.share_with_group else PRIVATE


def directory(store: Store, settings: Settings) -> Directory:
    """The lookups."""
    return Directory(store.generations, store.captures, store.forgotten, settings.default_grid)


def registrar(store: Store, settings: Settings) -> Registrar:
    """The registrations."""
    return Registrar(
        directory(store, settings),
        store.pending,
        store.conflicts,
        newest_wins=settings.on_conflict == "newest",
        known_grids=settings.labels,
        max_grids=settings.max_grids,
    )


def forgetting(store: Store, settings: Settings) -> "Forgetting":
    """The right to leave."""
    from n2k_fcgi.service.directory.forget import Forgetting

    return Forgetting(directory(store, settings), store.pending)


def unknown(store: Store, settings: Settings) -> Unknown:
    """The queue of keys without a name."""
    return Unknown(directory(store, settings), store.pending)


def about(store: Store) -> "About":
    """What may be told of the directory."""
    from n2k_fcgi.service.directory.about import About

    return About(store.generations, store.captures, store.tokens, store.forgotten, store.pending, store.conflicts)


def purge(store: Store, settings: Settings, tell: Callable[[str], None] = lambda _: None) -> "Purge":
    """Taking the forgotten out of the files; imported late, as imports are."""
    from n2k_fcgi.service.directory.purge import Purge

    return Purge(store.generations, store.captures, store.volatile, store.forgotten, settings.labels, tell)


def inspection(store: Store, settings: Settings) -> "Inspection":
    """Looking where the forgotten still stand."""
    from n2k_fcgi.service.directory.remains import Inspection

    return Inspection(store.generations, store.captures, store.tokens, store.forgotten.hidden(), settings.labels)


def mentions(store: Store, settings: Settings, imported: Iterable[str] = ()) -> "Mentions":
    """Finding the forgotten in texts that are about to be shown to the owner. *imported*: grids of the generation at hand."""
    from n2k_fcgi.service.directory.mentions import Mentions

    hidden = store.forgotten.hidden()
    if not hidden:
        return Mentions(hidden)
    return Mentions(hidden, {*settings.labels, *store.captures.created_grids(), *_grids_of_dumps(store), *imported})


def _grids_of_dumps(store: Store) -> Iterator[str]:
    for name in store.generations.names():
        with contextlib.suppress(N2KError):  # pruned meanwhile, or damaged: others say so
            yield store.generations.manifest(name).grid


def application(store: Store, settings: Settings, code: str = "") -> Application:
    """The WSGI application over an open store; *code*: what ``/health`` says is running."""
    limits = Limits(store.meters, writes=settings.write_limit, per_token=settings.token_limit, failures=settings.failure_limit)
    services = Services(
        directory=directory(store, settings),
        registrar=registrar(store, settings),
        forgetting=lambda: forgetting(store, settings),
        unknown=unknown(store, settings),
        access=Access(store.tokens, limits, settings.register, settings.trusted_proxies),
        about=lru_cache(lambda: about(store)),
        default_grid=settings.default_grid,
        known_grids=settings.labels,
        grids=settings.grids,
        csv=settings.csv,
        list_slots=Slots(settings.data_dir, modes_of(settings), settings.csv_streams),
        code=code,
    )
    return Application(services, settings.max_body)


def log_path(settings: Settings) -> Path | None:
    """The log file; None: standard error."""
    return None if settings.log_file == "-" else settings.data_dir / (settings.log_file or DEFAULT_LOG)


def set_up_logs(settings: Settings, *, buffered: bool = False) -> None:
    """Log as the settings say."""
    logs.set_up(
        log_path(settings),
        settings.log_level,
        rotate_bytes=settings.log_rotate,
        keep=settings.log_keep,
        mode=modes_of(settings).file,
        buffered=buffered,
    )


class LiveApplication:
    """A WSGI application that follows its settings file: an edit takes effect within a second, a broken one is logged.

    Built in the process that serves. It starts whatever the settings are: a broken file is answered with 503 and one
    line until it is mended, because a worker that dies at start makes mod_fcgid throttle the site.
    """

    def __init__(self, flags: Mapping[str, str], *, buffered_logs: bool = False) -> None:
        self._flags = dict(flags)
        self._buffered_logs = buffered_logs
        self._store: Store | None = None
        self._application: Application | None = None
        self._problem: N2KError | None = None
        self._settings: Settings | None = None
        self._file: Path | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._load()

    @property
    def max_body(self) -> int:
        """The largest request body in bytes, as set now."""
        return self._settings.max_body if self._settings else DEFAULT_MAX_BODY

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        if time.monotonic() >= self._next_look:
            self._look()
        if self._application is None:
            assert self._problem is not None
            answer = error_answer(self._problem, Request(environ, DEFAULT_MAX_BODY))
            return respond(answer, environ, start_response)
        return self._application(environ, start_response)

    def close(self) -> None:
        """Close the store and the log."""
        if self._store is not None:
            self._store.close()
        logs.shut_down()

    def _look(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY
        if self._application is None or file_stamp(self._file) != self._stamp:
            self._load()

    def _load(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY
        try:
            self._take(load(self._config_file(), flags=self._settings_flags()))
        except N2KError as problem:
            self._keep_old(problem)
        except MemoryError:
            self._keep_old(NoMemory())
            self._stamp = None  # tried again at the next look

    def _config_file(self) -> Path | None:
        named = self._flags.get("config")
        return Path(named) if named else None

    def _settings_flags(self) -> dict[str, str]:
        return {name: text for name, text in self._flags.items() if name not in NO_SETTINGS}

    def _keep_old(self, problem: N2KError) -> None:
        if str(problem) != str(self._problem):
            logs.error(f"settings not taken, the old ones stay: {problem}")
        self._problem = problem
        if self._file is not None:
            self._stamp = file_stamp(self._file)

    def _take(self, loaded: Loaded) -> None:
        settings = loaded.settings
        is_reload = self._application is not None
        self._problem, self._file, self._stamp = None, loaded.file, loaded.stamp
        if settings == self._settings:
            return
        set_up_logs(settings, buffered=self._buffered_logs)
        if self._store is None or _of_store(settings) != _of_store(self._settings):
            if self._store is not None:
                self._store.retire()
            self._store = Store(settings)
        self._application = application(self._store, settings, self._flags.get("code", ""))
        self._settings = settings
        if is_reload:
            logs.info(f"settings reloaded from {loaded.file}")


def _of_store(settings: Settings | None) -> object:
    """What a store is made from: an edit of other settings leaves it open, and a long answer under way whole."""
    s = settings
    return s and (s.data_dir, s.map_resident, s.share_with_group, s.max_pending)


def live_application(flags: Mapping[str, str], *, buffered_logs: bool = False) -> LiveApplication:
    """The application for a server. *flags* are settings given on a command line, and those in NO_SETTINGS.

    *buffered_logs*: the server calls ``logs.flush`` while ``logs.pending`` says so.
    """
    return LiveApplication(flags, buffered_logs=buffered_logs)


def importer(
    store: Store,
    settings: Settings,
    *,
    max_bad: float | None = None,
    jobs: int = 2,
    progress: "Callable[[Progress], None]" = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> "Importer":
    """The imports; imported late, because no server needs decompressors."""
    from n2k_fcgi.service.ingest.importer import Importer

    return Importer(
        store.generations,
        store.forgotten,
        store.conflicts,
        known_grids=settings.labels,
        max_bad=settings.max_bad if max_bad is None else max_bad,
        max_shrink=settings.max_shrink,
        keep=settings.keep,
        jobs=jobs,
        progress=progress,
        tell=tell,
    )
