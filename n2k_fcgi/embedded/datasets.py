"""The datasets of a data directory, for other programs beside the servers."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from n2k_fcgi.embedded.shared import Handle
from n2k_fcgi.errors import BadRequest, StoreMissing
from n2k_fcgi.keyvalue.values import Item
from n2k_fcgi.keyvalue.writing import encoded
from n2k_fcgi.model.choices import Later
from n2k_fcgi.model.keyvalue.entry import Entry, parse_dataset, parse_entry_key
from n2k_fcgi.service.keyvalue.namespaces import Listed
from n2k_fcgi.service.keyvalue.space import MOST_TTL, check_value, milliseconds
from n2k_fcgi.store.datadir import is_data_directory
from n2k_fcgi.store.keyvalue import Dataset
from n2k_fcgi.wiring import namespace, namespaces


def open_datasets(data_dir: Path | str) -> "OpenDatasets":
    """Open the datasets of a data directory, beside the servers that use it.

    Settings are those of ``n2k.ini`` in the directory and of the environment. Raises StoreMissing, and the errors of settings.
    """
    return OpenDatasets(data_dir)


class OpenDatasets(Handle):
    """See ``open_datasets``. A context manager; thread-safe; after ``fork()`` each process has files of its own."""

    def __init__(self, data_dir: Path | str) -> None:
        if not is_data_directory(Path(data_dir)):  # a build would make its folder anywhere
            raise StoreMissing(path=data_dir)
        super().__init__(data_dir, "handle of datasets")

    def build(self, name: str, items: Iterable[Item | tuple[str, bytes | str]]) -> Dataset:
        """Make the dataset *name* of keys and values, in any order, on the disk when this returns; of one key the last counts.

        An ``Item``, as ``scan`` yields it, keeps flags, type and when it expires. Memory does not grow with them; other threads
        may use the data directory meanwhile. After an error, also one of *items*, there is no dataset.
        Raises BadDatasetName, DatasetExists, BadEntryKey, BadRequest, ValueTooLarge, StoreFull.
        """
        parse_dataset(name)
        store, max_value = self._call(lambda store, settings: (store.keyvalue, settings.kv_max_value))
        return store.build(name, _entries(items, max_value))

    def listed(self) -> list[Listed]:
        """Return what there is, sorted by name: each with the namespaces that show it, and why it cannot be used."""
        return self._call(lambda store, settings: list(namespaces(store).datasets()))

    def use(self, space: str, dataset: str, later: Later = Later.KEPT) -> int:
        """Show *dataset* in a namespace, 'none' for none, and do with later writes what *later* says; return its version.

        Every request that begins after this sees it, in every process. Raises BadDatasetName, NoSuchDataset, DatasetDamaged,
        StoreTooNew, BadNamespace, NoSuchNamespace: the one that was shown is still shown.
        """
        return self._call(lambda store, settings: namespace(store, settings, space).use(dataset, later))

    def remove(self, dataset: str, *, later: bool = False) -> list[str]:
        """Remove a dataset, damaged or not, that no namespace shows; return the namespaces that have later writes of it.

        They are kept, for another dataset of this name; *later*: they are removed, also if the file is gone already. Raises
        BadDatasetName, NoSuchDataset, DatasetInUse, StoreBusy.
        """
        return self._call(lambda store, settings: namespaces(store).remove_dataset(dataset, later=later))


def _entries(items: Iterable[Item | tuple[str, bytes | str]], max_value: int) -> Iterator[Entry]:
    for item in items:
        if isinstance(item, Item):
            if item.ttl_ms is not None and not 0 <= item.ttl_ms <= MOST_TTL:
                raise BadRequest(why=f"a time to live is 0 to {MOST_TTL} milliseconds")
            expires = 0 if item.ttl_ms is None else milliseconds() + item.ttl_ms
            entry = Entry(parse_entry_key(item.key), item.value, expires=expires, flags=item.flags, type=item.type)
        else:
            key, given = item
            value, type = encoded(given)
            entry = Entry(parse_entry_key(key), value, type=type)
        check_value(entry, max_value)
        yield entry
