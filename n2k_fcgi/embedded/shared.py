"""One store per data directory and process: LMDB allows one environment per file and process, and none across ``fork()``.

Handles of one directory share it, one call at a time. Before a fork all stores are closed, once the calls of other threads
have ended; afterwards parent and child each open their own at the next use. So a child inherits no environment, and no
descriptor of a lock that another thread held.
"""

import os
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TypeVar

from n2k_fcgi.config import Settings, load
from n2k_fcgi.errors import HandleClosed
from n2k_fcgi.store.base import Store
from n2k_fcgi.wiring import open_store

T = TypeVar("T")
Self = TypeVar("Self", bound="Handle")


class SharedStore:
    """The store of one data directory, and the settings as they were when the first handle was opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.handles = 0
        self._lock = RLock()
        self._store = open_store(settings)

    def call(self, work: Callable[[Store], T]) -> T:
        """Return what *work* does with the store, while no other thread uses it."""
        with self._lock:
            return work(self._store)

    def close(self) -> None:
        """Release files; the next call opens them again."""
        self.call(lambda store: store.close())

    def hold(self) -> None:
        """Let no other thread call until ``let_go``."""
        self._lock.acquire()

    def let_go(self) -> None:
        """End ``hold``, in the parent or in the child of a fork."""
        self._lock.release()


class Handle:
    """A use of the shared store of *data_dir*, until ``close``. *what*: its name in messages."""

    def __init__(self, data_dir: Path | str, what: str) -> None:
        self._what = what
        self._path = os.path.realpath(data_dir)
        self._shared: SharedStore | None = _shared_by(self._path)

    def close(self) -> None:
        """Release files, unless another handle uses them. Idempotent; other methods raise HandleClosed from then on."""
        with _opening:
            shared, self._shared = self._shared, None
            if shared is not None:
                _let_go_of(self._path, shared)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _call(self, work: Callable[[Store, Settings], T]) -> T:
        """Return what *work* does with the store, while no other thread uses it. Raises HandleClosed."""
        shared = self._shared
        if shared is None:
            raise HandleClosed(what=self._what)
        return shared.call(lambda store: work(store, shared.settings))


_opening = RLock()
"""Held to read and change ``_stores``; taken before the lock of a store, never after it."""
_stores: dict[str, SharedStore] = {}
"""By the real path of the data directory."""
_held: list[SharedStore] = []
"""During a fork."""


def _shared_by(path: str) -> SharedStore:
    with _opening:
        shared = _stores.get(path)
        if shared is None:
            shared = _stores[path] = SharedStore(load(flags={"data_dir": path}).settings)
        shared.handles += 1
        return shared


def _let_go_of(path: str, shared: SharedStore) -> None:
    shared.handles -= 1
    if not shared.handles:
        del _stores[path]
        shared.close()


def _before_fork() -> None:
    _opening.acquire()
    for shared in _stores.values():
        shared.hold()
        _held.append(shared)
        shared.close()


def _after_fork() -> None:
    while _held:
        _held.pop().let_go()
    _opening.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
