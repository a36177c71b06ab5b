"""What the owner does with whole namespaces: make one, list them, open and close, compact, drop."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from n2k_fcgi.errors import N2KError, NoSuchDataset, NoSuchNamespace
from n2k_fcgi.model.keyvalue.entry import parse_dataset, parse_namespace
from n2k_fcgi.service.keyvalue.space import Clock, milliseconds
from n2k_fcgi.store.keyvalue import Dataset, KeyValueStore, Terms

DEFAULTS = Terms(quota=8 * 1024 * 1024, most_keys=100_000)
"""Of a new namespace."""
MOST_QUOTA = 1 << 40
"""Bytes."""
MOST_KEYS = 1_000_000_000


class Summary(NamedTuple):
    """One namespace in a list."""

    namespace: str
    bytes: int
    """Of keys and values, what has expired left out."""
    quota: int
    keys: int
    most_keys: int
    is_open: bool


class Listed(NamedTuple):
    """One dataset in a list."""

    name: str
    dataset: Dataset | None
    """None: it cannot be used."""
    namespaces: list[str]
    """Those that show it."""
    problem: N2KError | None = None
    """Why it cannot be used. What only a reading of the whole file finds is not among it: see ``KeyValueStore.problems``."""


class Namespaces:
    """All namespaces of a store. Every method raises BadNamespace and, unless it makes one, NoSuchNamespace."""

    def __init__(self, store: KeyValueStore, clock: Clock = milliseconds) -> None:
        self._store = store
        self._clock = clock

    def make(self, name: str, *, quota: int | None = None, most_keys: int | None = None) -> Terms:
        """Make a namespace, or set the terms of an existing one; return its terms.

        What is None is kept, also from one of that name that was dropped, or the default. A dropped one is closed.
        """
        try:
            before = self._store.namespace(parse_namespace(name)).terms()
        except NoSuchNamespace:
            before = None
        terms = before or (self._store.dropped_terms(name) or DEFAULTS)._replace(is_open=False)
        if quota is not None:
            terms = terms._replace(quota=quota)
        if most_keys is not None:
            terms = terms._replace(most_keys=most_keys)
        if terms != before:
            self._store.create(name, terms)
        return terms

    def names(self) -> list[str]:
        """Return the names of all, sorted."""
        return self._store.names()

    def listed(self) -> Iterator[Summary]:
        """Yield all namespaces, sorted by name."""
        for name in self.names():
            yield self.summary(name)

    def summary(self, name: str) -> Summary:
        """Return how full a namespace is, and whether it is open; also if its live dataset cannot be read."""
        found = self._store.namespace(parse_namespace(name))
        space = found.space(self._clock())
        return Summary(name, space.used, space.quota, space.keys, space.most_keys, found.terms().is_open)

    def datasets(self) -> Iterator[Listed]:
        """Yield the datasets, sorted by name: those in the folder, and those that are shown though their files are gone.

        A namespace that cannot be read is left out of those that show one: ``summary`` raises its error.
        """
        live: dict[str, list[str]] = {}
        for name in self.names():
            with contextlib.suppress(N2KError):
                live.setdefault(self._store.namespace(name).dataset(), []).append(name)
        live.pop("", None)
        for name in sorted(live.keys() | self._store.dataset_names()):
            try:
                yield Listed(name, self._store.dataset(name), live.get(name, []))
            except N2KError as error:
                if name in live or not isinstance(error, NoSuchDataset):  # else it was removed just now
                    yield Listed(name, None, live.get(name, []), error)

    def remove_dataset(self, dataset: str, *, later: bool = False) -> list[str]:
        """Remove a dataset that no namespace shows; return the namespaces that have later writes of it.

        They are kept, for another dataset of this name; *later*: they are removed. Raises BadDatasetName, NoSuchDataset,
        DatasetInUse.
        """
        return self._store.remove_dataset(parse_dataset(dataset), later=later)

    def set_open(self, name: str, is_open: bool) -> bool:
        """Let anyone read a namespace without a token, or no longer; return False if that was so already."""
        found = self._store.namespace(parse_namespace(name))
        terms = found.terms()
        if terms.is_open == is_open:
            return False
        found.set_terms(terms._replace(is_open=is_open))
        return True

    def compact(self, name: str, *, keep_log: bool = True) -> tuple[int, int]:
        """Make the file of a namespace as small as its content; return its bytes before and after. Raises StoreFull.

        *keep_log*: with the log of changes, which has the keys of deleted entries.
        """
        return self._store.namespace(parse_namespace(name)).compact(keep_log=keep_log)

    def drop(self, name: str) -> None:
        """Remove a namespace with all that it holds."""
        if not self._store.drop(parse_namespace(name)):
            raise NoSuchNamespace(namespace=name)
