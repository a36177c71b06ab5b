"""The datasets of a data directory, and which of them this process has open."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakValueDictionary

from n2k_fcgi.errors import DatasetDamaged, DatasetGone, N2KError, NoSuchDataset
from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.model.keyvalue.entry import is_dataset
from n2k_fcgi.store.datadir import DATASET_SUFFIX, DATASETS
from n2k_fcgi.store.lmdb.keyvalue.dataset import DatasetFile, held, sealed_digest, status_of
from n2k_fcgi.store.lmdb.keyvalue.rows import Live


class Datasets:
    """The folder of the datasets. A file is open once, as long as a reader has it: LMDB allows no more."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / DATASETS
        self._open: WeakValueDictionary[bytes, DatasetFile] = WeakValueDictionary()

    def path(self, name: str) -> Path:
        """Return where the dataset *name* is or would be."""
        return self.folder / f"{name}{DATASET_SUFFIX}"

    def names(self) -> list[str]:
        """Return the names of all, sorted, whether they are whole or not."""
        try:
            return sorted(path.stem for path in self.folder.glob(f"*{DATASET_SUFFIX}") if is_dataset(path.stem))
        except OSError as error:
            refuse_os_error(self.folder, error)

    def verified(self, name: str) -> DatasetFile:
        """Return the dataset *name*, every byte of which was read and is as it was sealed.

        Raises NoSuchDataset, DatasetDamaged, StoreTooNew, StoreUnreadable.
        """
        digest = sealed_digest(self.path(name), verify=True)
        found = self.opened_by_name(name)
        if found.digest != digest:
            raise _replaced(self.path(name))
        return found

    @contextlib.contextmanager
    def kept(self, name: str) -> Iterator[DatasetFile]:
        """``verified``, and nobody removes it in the block. Raises StoreBusy while it is being removed."""
        with held(self.path(name)):
            yield self.verified(name)

    def opened(self, live: Live) -> DatasetFile:
        """Return the dataset that is live. Raises as ``verified``, but DatasetGone, and DatasetDamaged for another file."""
        found = self._open.get(live.digest)
        if found is not None:
            return found
        path = self.path(live.name)
        try:
            if sealed_digest(path) != live.digest:
                raise _replaced(path)
            return self.opened_by_name(live.name)
        except NoSuchDataset:
            raise DatasetGone(dataset=live.name) from None

    def problem(self, name: str) -> str | None:
        """Return why the dataset *name* cannot be used; None: it is whole, or was removed since it was listed."""
        try:
            self.verified(name)
        except NoSuchDataset:
            return None
        except N2KError as error:
            return str(error)
        return None

    def sizes(self) -> list[int]:
        """Return the bytes of each file."""
        found = []
        for name in self.names():
            with contextlib.suppress(NoSuchDataset):  # removed since it was listed
                found.append(status_of(self.path(name)).st_size)
        return found

    def opened_by_name(self, name: str) -> DatasetFile:
        """Return the dataset that has the name *name* now. Raises as ``verified``, but not every byte is read."""
        path = self.path(name)
        digest = sealed_digest(path)
        found = self._open.get(digest)
        if found is None:
            found = DatasetFile(path)
            self._open[found.digest] = found
        return found


class LiveDataset:
    """The dataset that a namespace shows in this process: kept open from one request to the next."""

    def __init__(self, datasets: Datasets) -> None:
        self.all = datasets
        self._held: DatasetFile | None = None

    def of(self, live: Live) -> DatasetFile | None:
        """Return the dataset that is live; None: there is none. The one before it is given back once nobody reads it."""
        held = self._held
        if held is None or held.digest != live.digest or live.emptied or not live.name:
            self._held = held = None  # before another one is opened: it may be the same file
            if live.name and not live.emptied:
                self._held = held = self.all.opened(live)
        return held

    def release(self) -> None:
        """Give it back; the next use opens it again."""
        self._held = None


def _replaced(path: Path) -> DatasetDamaged:
    return DatasetDamaged(path=path, why="it is not the file that was made live: run 'n2k kv use' again")
