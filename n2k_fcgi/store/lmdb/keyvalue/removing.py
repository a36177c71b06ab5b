"""Removing the file of a dataset that no namespace shows, while other processes read it and swap.

Whoever makes it live holds a lock of the file until that is done (``dataset.held``). The remover's lock excludes that, so what
it finds in the namespaces stays so.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from n2k_fcgi.errors import DatasetInUse, NoSuchDataset, NoSuchNamespace
from n2k_fcgi.files import refuse_os_error, sync_folder
from n2k_fcgi.store.lmdb.keyvalue.dataset import held
from n2k_fcgi.store.lmdb.keyvalue.namespace import Namespace


def remove(path: Path, namespaces: Mapping[str, Namespace], *, later: bool) -> list[str]:
    """Remove the dataset *path*; see ``store.keyvalue.KeyValueStore.remove_dataset``. *namespaces*: all, by name."""
    with contextlib.ExitStack() as stack:
        missing = None
        try:
            stack.enter_context(held(path, to_remove=True))
        except NoSuchDataset as error:
            missing = error
        found = _with_later_writes(path.stem, namespaces)
        if missing and not (later and found):
            raise missing
        if later:  # before the file: a kill in between leaves what the same command removes
            for name in found:
                with contextlib.suppress(NoSuchNamespace):  # dropped meanwhile
                    namespaces[name].forget_later(path.stem)
        if not missing:
            _unlink(path)
    return found


def _with_later_writes(dataset: str, namespaces: Mapping[str, Namespace]) -> list[str]:
    """Return the names of the namespaces that have later writes of *dataset*. Raises DatasetInUse if it is live in one."""
    shown, found = [], []
    for name, namespace in namespaces.items():
        with contextlib.suppress(NoSuchNamespace):  # dropped meanwhile
            if namespace.dataset() == dataset:
                shown.append(name)
            elif dataset in namespace.later_writes():
                found.append(name)
    if shown:
        raise DatasetInUse(dataset=dataset, namespaces=", ".join(shown))
    return found


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        refuse_os_error(path, error)
    sync_folder(path.parent)
