"""The only place that turns settings into a store, services and the application."""

from __future__ import annotations

import contextlib
import os
import time
from functools import cache, partial

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.choices import Front
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.service.directory.lookup import Directory
from n2k_fcgi.store.counts import MERGED_ABOVE
from n2k_fcgi.store.datadir import LOG_FOLDER
from n2k_fcgi.store.lmdb import engine
from n2k_fcgi.store.options import StoreOptions
from n2k_fcgi.web.application import Application, Unavailable
from n2k_fcgi.web.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from n2k_fcgi.config import Settings
    from n2k_fcgi.files import Modes
    from n2k_fcgi.model.keeping import Keeping
    from n2k_fcgi.service.access.limits import Limits
    from n2k_fcgi.service.access.sessions import Sessions
    from n2k_fcgi.service.access.slots import Slots
    from n2k_fcgi.service.directory.about import About, Asked
    from n2k_fcgi.service.directory.forget import Forgetting
    from n2k_fcgi.service.directory.keeping import Dropped
    from n2k_fcgi.service.directory.mentions import Mentions
    from n2k_fcgi.service.directory.overview import Overview
    from n2k_fcgi.service.directory.pending import PendingKeys
    from n2k_fcgi.service.directory.purge import Purge
    from n2k_fcgi.service.directory.register import Registrar
    from n2k_fcgi.service.directory.remains import Inspection
    from n2k_fcgi.service.ingest.importer import Importer
    from n2k_fcgi.service.ingest.report import Progress
    from n2k_fcgi.service.keyvalue.namespaces import Namespaces
    from n2k_fcgi.service.keyvalue.space import KeyValueSpace
    from n2k_fcgi.service.statistics import StatisticsReader
    from n2k_fcgi.service.status.reading import StatusReader, Surroundings
    from n2k_fcgi.store.base import Store
    from n2k_fcgi.web.access import Access
    from n2k_fcgi.web.owner import Owner

# What lookups need is imported above; every other service in the function that makes it: one answer is most of what a CGI
# process does, and its imports are most of what that costs.

DEFAULT_LOG = f"{LOG_FOLDER}/n2k.log"


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name; its parts are opened at first use."""
    return engine.open_store(store_options(settings))


def store_options(settings: Settings) -> StoreOptions:
    """The settings that a store depends on: an edit of others leaves it open, so that a long answer goes on."""
    return StoreOptions(
        settings.data_dir,
        settings.share_with_group,
        settings.map_resident,
        settings.max_pending,
        settings.kv_sync,
        settings.kv_log,
    )


def modes_of(settings: Settings) -> Modes:
    """File modes of the data directory."""
    return store_options(settings).modes


def grids(settings: Settings) -> Grids:
    """The grids that are known."""
    return Grids(settings.grids, settings.default_grid, settings.max_grids)


def directory(store: Store, settings: Settings) -> Directory:
    """The lookups."""
    return Directory(store.generations, store.captures, store.forgotten, grids(settings))


def registrar(store: Store, settings: Settings) -> Registrar:
    """The registrations."""
    from n2k_fcgi.service.directory.register import Registrar

    return Registrar(
        directory(store, settings),
        store.pending,
        store.conflicts,
        on_conflict=settings.on_conflict,
        grids=grids(settings),
        places=settings.keep_places,
        count=store.counts.add,
    )


def forgetting(store: Store, settings: Settings) -> Forgetting:
    """Hiding avatars and showing them again."""
    from n2k_fcgi.service.directory.forget import Forgetting

    return Forgetting(directory(store, settings), store.pending, count=store.counts.add)


def pending_keys(store: Store, settings: Settings) -> PendingKeys:
    """The queue of keys without a name."""
    from n2k_fcgi.service.directory.pending import PendingKeys

    return PendingKeys(directory(store, settings), store.pending)


def keep_house(store: Store) -> None:
    """Do a bounded amount of work that can wait. What fails is logged, and done the next time: it must end no process."""
    with _outlived("housekeeping"):
        store.keep_house(time.time_ns() // 1_000_000)
    with _outlived("statistics"):
        counts = store.counts
        if counts.wrote:  # an idle process merges nothing: whoever writes next does
            counts.wrote = False
            if counts.waiting() > (MERGED_ABOVE if counts.front is Front.CGI else 0):  # a merge takes more than a lookup as CGI
                store.statistics.merge()


def note_counts(store: Store) -> None:
    """Write down what this process counted, so that it survives it. What fails is logged, as in ``keep_house``."""
    with _outlived("statistics"):
        if store.counts.note() > MERGED_ABOVE:
            store.statistics.merge()


@contextlib.contextmanager
def _outlived(what: str) -> Iterator[None]:
    try:
        yield
    except (N2KError, OSError, MemoryError) as problem:
        logs.warning(f"{what}: {problem or type(problem).__name__}")


class Notes:
    """Notes what is counted of *store*, for servers that have no ``LiveApplication``: see ``servers.protocol.Notes``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def has_counted(self) -> bool:
        """Whether something was counted that is not written down."""
        return bool(self._store.counts)

    def note_counts(self) -> None:
        """Write it down."""
        note_counts(self._store)


def namespace(store: Store, settings: Settings, name: str, *, read_only: bool = False) -> KeyValueSpace:
    """A namespace of the key-value service. Raises BadNamespace, NoSuchNamespace."""
    from n2k_fcgi.model.keyvalue.entry import parse_namespace
    from n2k_fcgi.service.keyvalue.space import KeyValueSpace

    found = store.keyvalue.namespace(parse_namespace(name))
    return KeyValueSpace(found, max_value=settings.kv_max_value, read_only=read_only)


def namespace_access(store: Store, name: str) -> Callable[[str], bool]:
    """What says whether a token may only read the namespace *name*. It raises TokenNeeded, TokenNotEnough."""
    from n2k_fcgi.service.access.tokens import verify_for_namespace

    return lambda text: verify_for_namespace(store.tokens, text, name).read_only


def namespaces(store: Store) -> Namespaces:
    """All namespaces of the key-value service, as their owner sees them."""
    from n2k_fcgi.service.keyvalue.namespaces import Namespaces

    return Namespaces(store.keyvalue)


def use_generation(store: Store, name: str) -> None:
    """Make a generation live."""
    from n2k_fcgi.service.directory.switching import use_generation

    use_generation(store.generations, name)


def overview(store: Store) -> Overview:
    """Generations, counts and conflicts."""
    from n2k_fcgi.service.directory.overview import Overview

    return Overview(store)


def statistics(store: Store) -> StatisticsReader:
    """What was counted."""
    from n2k_fcgi.service.statistics import StatisticsReader

    return StatisticsReader(store)


def purge(store: Store, settings: Settings, tell: Callable[[str], None] = lambda _: None) -> Purge:
    """Removing the bytes of hidden avatars."""
    from n2k_fcgi.service.directory.purge import Purge

    now, modes, count = int(time.time()), modes_of(settings), store.counts.add
    kept = keeping(settings, now)
    return Purge(store, settings.folder, modes, grids=grids(settings), now=now, keeping=kept, tell=tell, count=count)


def keeping(settings: Settings, now: int) -> Keeping:
    """What the owner keeps of captures at *now*."""
    from n2k_fcgi.model.keeping import Keeping

    since = now - settings.keep_days * 86_400 if settings.keep_days else 0
    return Keeping(max(since, 0), settings.keep_places)


def drop_outdated(store: Store, settings: Settings, tell: Callable[[str], None]) -> Dropped | None:
    """Drop what the owner does not keep of captures; None: all of it is kept. *tell*: see ``believed``."""
    now = int(time.time())
    kept = keeping(settings, now)
    if kept.is_all:
        return None
    from n2k_fcgi.service.directory.keeping import drop_outdated

    return drop_outdated(store, kept, now, tell)


def inspection(store: Store, settings: Settings) -> Inspection:
    """Searching for what is left of hidden avatars."""
    from n2k_fcgi.service.directory.remains import Inspection

    return Inspection(store, settings.folder, grids(settings))


def about(store: Store, settings: Settings, asked: Asked) -> About:
    """Searching for everything that is held about one avatar."""
    from pathlib import Path

    from n2k_fcgi.service.directory.about import About

    log = log_path(settings)
    own_logs = [] if log is None else logs.files_of(Path(log))
    return About(store, settings.folder, asked, hidden=mentions(store, settings), logs=own_logs)


def mentions(store: Store, settings: Settings) -> Mentions:
    """Finding hidden avatars in texts, before the owner sees them."""
    from n2k_fcgi.service.directory.mentions import Mentions

    hidden = store.forgotten.hidden()
    if not hidden:
        return Mentions(hidden)
    return Mentions(hidden, {*grids(settings).labels, *store.captures.created_grids(), *store.generations.grids()})


def access(store: Store, settings: Settings) -> Access:
    """Who may write, and how often."""
    from n2k_fcgi.web.access import Access

    return Access(store.tokens, limits(store, settings), settings.register, settings.trusted_proxies)


def limits(store: Store, settings: Settings) -> Limits:
    """The limits per minute."""
    from n2k_fcgi.service.access.limits import Limits

    return Limits(store.meters, writes=settings.write_limit, per_token=settings.token_limit, failures=settings.failure_limit)


def sessions(store: Store, settings: Settings) -> Sessions:
    """The owner's sessions in browsers."""
    from n2k_fcgi.service.access.sessions import Sessions

    return Sessions(store.sessions, store.tokens, seconds=settings.session_hours * 3600)


def list_slots(settings: Settings) -> Slots:
    """The simultaneous downloads of the csv."""
    from n2k_fcgi.service.access.slots import Slots

    return Slots(settings.folder, modes_of(settings), settings.csv_streams)


def owner(store: Store, settings: Settings) -> Owner:
    """The owner in a browser."""
    from n2k_fcgi.web.owner import Owner

    return Owner(sessions(store, settings), limits(store, settings), settings.trusted_proxies, settings.url)


def status(store: Store, settings: Settings, surroundings: Surroundings | None = None) -> StatusReader:
    """How the service is doing."""
    from n2k_fcgi.service.status.reading import Nowhere, StatusReader

    return StatusReader(
        store,
        overview(store),
        folder=settings.folder,
        surroundings=surroundings or Nowhere(),
        without=lambda: mentions(store, settings).without,
    )


def application(
    store: Store,
    settings: Settings,
    code: str = "",
    surroundings: Callable[[Settings, Store], Surroundings] | None = None,
) -> Application:
    """The WSGI application over an open store.

    *code*: the running code's digest, for ``/health``. *surroundings*: of the service, for its owner; None: not known.
    """
    services = Services(
        directory=directory(store, settings),
        grids=grids(settings),
        counts=store.counts,
        csv=settings.csv,
        search=settings.search,
        register=settings.register,
        keep_days=settings.keep_days,
        keep_places=settings.keep_places,
        url=settings.url,
        contact=settings.contact,
        metrics=settings.metrics,
        code=code,
        access=cache(partial(access, store, settings)),
        registrar=partial(registrar, store, settings),
        pending=partial(pending_keys, store, settings),
        forgetting=partial(forgetting, store, settings),
        overview=cache(partial(overview, store)),
        statistics=partial(statistics, store),
        list_slots=cache(partial(list_slots, settings)),
        keyvalue=partial(namespace, store, settings),
        use_generation=partial(use_generation, store),
        owner=cache(partial(owner, store, settings)),
        status=lambda: status(store, settings, surroundings and surroundings(settings, store)),
        namespaces=partial(namespaces, store),
        tokens=lambda: store.tokens,
    )
    return Application(services, settings.max_body)


def unavailable(problem: N2KError) -> Unavailable:
    """What answers every request with *problem*."""
    return Unavailable(problem)


def log_path(settings: Settings) -> str | None:
    """The log file; None: standard error."""
    return None if settings.log_file == "-" else os.path.join(settings.data_dir, settings.log_file or DEFAULT_LOG)


def set_up_logs(settings: Settings, *, buffered: bool = False) -> None:
    """Log as the settings say."""
    logs.set_up(
        log_path(settings),
        settings.log_level,
        rotate_bytes=settings.log_rotate,
        keep=settings.log_keep,
        modes=modes_of(settings),
        buffered=buffered,
    )


def importer(
    store: Store,
    settings: Settings,
    *,
    max_bad: float | None = None,
    jobs: int = 2,
    progress: Callable[[Progress], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Importer:
    """The imports."""
    from n2k_fcgi.service.ingest.importer import Importer

    return Importer(
        store.generations,
        store.forgotten,
        store.conflicts,
        grids=grids(settings),
        max_bad=settings.max_bad if max_bad is None else max_bad,
        max_shrink=settings.max_shrink,
        keep=settings.keep,
        rebuild=settings.rebuild,
        jobs=jobs,
        progress=progress,
        tell=tell,
        count=store.counts.add,
    )
