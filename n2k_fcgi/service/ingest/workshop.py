"""A data directory for one import: a generation is built there, on a copied one, and moved out when it is whole."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.errors import ImportRunning, NoSuchGeneration
from n2k_fcgi.files import Modes, refuse_os_error, sync_folder, try_lock
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import BUILDING, GENERATIONS, MANIFEST

_NAME = f".n2k{BUILDING}"
"""Of the data directory, in the folder for the result."""


@contextlib.contextmanager
def workshop(to: Path, modes: Modes) -> Iterator[Path]:
    """A new folder in *to*, removed at the end; that of a killed import is removed first.

    Raises ImportRunning if another import uses *to*, StoreUnreadable, StoreFull.
    """
    try:
        to.mkdir(mode=modes.directory, exist_ok=True)
        lock = os.open(to, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        refuse_os_error(to, error)
    folder = to / _NAME
    try:
        if not try_lock(lock):
            raise ImportRunning(path=to)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def begin_with(store: Store, folder: Path, base: Path) -> None:
    """Make the generation in the folder *base* the live one of the empty *store* in *folder*; nothing is copied.

    If it is the differences against another generation, the folder of that one is expected beside it.

    Raises NoSuchGeneration, and the errors of a generation that is damaged.
    """
    name = base.resolve().name
    if not (base / MANIFEST).is_file():
        raise NoSuchGeneration(name=base)
    _link(folder, base.resolve())
    below = store.generations.manifest(name).base
    if below and (base.resolve().parent / below).is_dir():
        _link(folder, base.resolve().parent / below)
    with store.generations.locked():
        store.generations.use(name)


def _link(folder: Path, generation: Path) -> None:
    try:
        (folder / GENERATIONS / generation.name).symlink_to(generation)
    except OSError as error:
        refuse_os_error(folder, error)


def deliver(folder: Path, name: str, to: Path) -> Path:
    """Move the generation *name* from *folder* to *to*, durably, by one rename; return its folder there."""
    made = to / name
    try:
        (folder / GENERATIONS / name).rename(made)
    except OSError as error:
        refuse_os_error(made, error)
    sync_folder(to)
    return made
