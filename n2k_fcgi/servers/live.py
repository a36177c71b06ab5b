"""The application as the settings file says it now: an edit takes effect without a restart."""

from __future__ import annotations

import time
from _thread import allocate_lock  # of threading nothing else is needed
from contextlib import suppress

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.config import file_stamp, load
from n2k_fcgi.errors import N2KError, NoMemory
from n2k_fcgi.model.choices import Front
from n2k_fcgi.wiring import application, keep_house, note_counts, open_store, set_up_logs, store_options, unavailable

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Iterable, Iterator, Mapping

    from n2k_fcgi.config import Loaded, Settings
    from n2k_fcgi.examinations.brief import Brief
    from n2k_fcgi.servers.wsgi import Direct, Environ, StartResponse
    from n2k_fcgi.store.base import Store
    from n2k_fcgi.web.responses import Answer

LOOK_EVERY = 0.5
"""Seconds between two looks at the settings file: an edit takes effect within a second, at no cost to a lookup."""

HOUSEKEEPING = 60.0
"""Seconds between two removals of expired entries where no loop of ours keeps the time."""

NOTED_EVERY = 5.0
"""Seconds between two notes of what was counted, likewise."""

DEFAULT_MAX_BODY = 128 * 1024
"""Bytes, while the settings cannot be read: a POST then gets the reason, and not that it is too large."""

NO_SETTINGS = frozenset({"config", "code"})
"""Flags of a server that are no settings: the settings file, and the digest of the code it was started with."""


class LiveApplication:
    """A WSGI application that follows its settings file: an edit takes effect within a second, an invalid one is logged.

    Made in the process that serves. It starts whatever the settings are: with a broken file it answers 503 and one line
    until the file is repaired, because mod_fcgid throttles the site of a worker that dies at its start.

    *flags* are settings given on a command line, and those in NO_SETTINGS. *front*: as what this process is counted.
    *buffered_logs*: the server calls ``logs.flush`` while ``logs.pending`` says so. *look_every*: seconds between two looks at
    the settings file.

    A store is not thread-safe: one thread at a time runs the application, whatever ``wsgi.multithread`` says (wsgiref with
    threads says False). A block is sent without the lock, so that a slow reader holds up no other caller.
    """

    def __init__(
        self,
        flags: Mapping[str, str],
        *,
        front: Front = Front.HOSTED,
        buffered_logs: bool = False,
        look_every: float = LOOK_EVERY,
    ) -> None:
        self._flags = dict(flags)
        self._front = front
        self._buffered_logs = buffered_logs
        self._store: Store | None = None
        self._application: Direct | None = None
        self._problem: N2KError | None = None
        self._settings: Settings | None = None
        self._file: str | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._look_every = look_every
        self._next_look = self._next_house = self._next_note = 0.0
        self._lock = allocate_lock()
        self._load()

    @property
    def max_body(self) -> int:
        """The largest request body in bytes, as set now."""
        return self._settings.max_body if self._settings else DEFAULT_MAX_BODY

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        with self._lock:
            blocks = self._now()(environ, start_response)
        return blocks if isinstance(blocks, list) else _OneThread(blocks, self._lock)

    def lookup(self, environ: Environ) -> Answer | None:
        """See ``Direct``."""
        with self._lock:
            return self._now().lookup(environ)

    def answer(self, environ: Environ) -> Answer:
        """See ``Direct``. Blocks of a stream are made without the lock: for servers without threads."""
        with self._lock:
            return self._now().answer(environ)

    def _now(self) -> Direct:
        if time.monotonic() >= self._next_look:
            self._look()
        if self._application is None:
            assert self._problem is not None
            return unavailable(self._problem)
        return self._application

    def keep_house(self) -> None:
        """See ``Served``: expired entries of namespaces are removed."""
        with self._lock, suppress(MemoryError):
            if self._store is not None:
                keep_house(self._store)

    @property
    def has_counted(self) -> bool:
        """See ``Served``."""
        return self._store is not None and bool(self._store.counts)

    def note_counts(self) -> None:
        """See ``Served``."""
        with self._lock, suppress(MemoryError):
            self._note()

    def note_at_exit(self) -> None:
        """``note_counts``, unless an answer that a thread makes does not end."""
        if self._lock.acquire(timeout=1):
            try:
                self._note()
            finally:
                self._lock.release()

    def _note(self) -> None:
        self._next_note = time.monotonic() + NOTED_EVERY
        if self._store is not None:
            note_counts(self._store)

    def rest(self) -> None:
        """Do at the end of an answer what a loop of ours does between requests: for servers that have their own.

        The settings file is looked at, expired entries are removed (once a minute), the log is written, and what was counted
        is noted (once in NOTED_EVERY).
        """
        now = time.monotonic()
        with self._lock, suppress(MemoryError):
            if now >= self._next_look:
                self._look()
            if now >= self._next_house and self._store is not None:
                self._next_house = now + HOUSEKEEPING
                keep_house(self._store)
            if now >= self._next_note:
                self._note()
            logs.flush()

    def close(self) -> None:
        """Note what was counted; close the store and the log."""
        with self._lock:
            with suppress(MemoryError):
                self._note()
            if self._store is not None:
                self._store.close()
            logs.shut_down()

    def hold(self) -> None:
        """Release files but those of streams, and answer nothing until ``let_go``: a fork comes."""
        self._lock.acquire()
        self._note()
        logs.flush()
        if self._store is not None:
            self._store.close()

    def let_go(self) -> None:
        """End ``hold``; the next request opens the files again."""
        self._lock.release()

    def abandon(self) -> None:
        """End ``hold`` in the child of a fork: release the files of streams too, for good. They go on in the parent."""
        if self._store is not None:
            self._store.retire()
            self._store = None
        self._lock.release()  # a stream may be closed here too

    def _look(self) -> None:
        self._next_look = time.monotonic() + self._look_every
        if self._application is None or file_stamp(self._file) != self._stamp:
            self._load()

    def _load(self) -> None:
        self._next_look = time.monotonic() + self._look_every
        try:
            self._take(load(self._flags.get("config") or None, flags=self._settings_flags()))
        except N2KError as problem:
            self._keep_old(problem)
        except MemoryError:
            self._keep_old(NoMemory())
            self._stamp = None  # tried again at the next look

    def _settings_flags(self) -> dict[str, str]:
        return {name: text for name, text in self._flags.items() if name not in NO_SETTINGS}

    def _keep_old(self, problem: N2KError) -> None:
        if str(problem) != str(self._problem):
            logs.error(f"settings rejected; keeping the previous ones: {problem}")
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
        if self._store is None or self._settings is None or store_options(settings) != store_options(self._settings):
            before = self._store
            if before is not None:
                self._note()
                before.retire()
            self._store = open_store(settings)
            self._store.counts.begin(self._front, before.counts if before else None)
        self._application = application(self._store, settings, self._flags.get("code", ""), _surroundings)
        self._settings = settings
        if is_reload:
            logs.info(f"settings reloaded from {loaded.file}")


def _surroundings(settings: Settings, store: Store) -> Brief:
    from n2k_fcgi.examinations.brief import Brief  # late: for the owner's page alone

    return Brief(settings, store)


class _OneThread:
    """The blocks of an answer, each made while *lock* is held."""

    def __init__(self, blocks: Iterable[bytes], lock: LockType) -> None:
        self._blocks = blocks
        self._rest = iter(blocks)
        self._lock = lock

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._lock:
            return next(self._rest)

    def close(self) -> None:
        """PEP 3333's."""
        with self._lock:
            getattr(self._blocks, "close", lambda: None)()
