"""Swaps of datasets beside a plain dict: the machine of ``test_model``, with datasets below what it writes."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from n2k_fcgi.errors import ChangesGone
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Later, Sync
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.keyvalue.operations import Operation
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.keyvalue import Result
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.store.keyvalue.test_model import EXAMPLES, EmbeddedMachine
from tests.support.keyvalue_model import MAX_VALUE, START, TERMS, Kept, Model, Subject

pytestmark = pytest.mark.unmeasured

DATASETS = {
    "one": [
        Entry(b"a", b"7", type=ValueType.TEXT),
        Entry(b"a/b", b"text", expires=START + 30, flags=7, type=ValueType.TEXT),
        Entry("ä".encode(), b"\0\xff", id=3),
        Entry(b"z", b"x" * 100),
    ],
    "two": [Entry(b"..", b"{}", type=ValueType.JSON), Entry(b"a", b"-3", type=ValueType.TEXT, id=9)],
    "empty": [],
}


class LayeredModel(Model):
    """``entries`` is what is seen: what was written since the swap, and of the dataset what that does not hide."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.swapped = 0
        """The version of the swap."""
        self.emptied = False
        self.hidden: set[bytes] = set()
        """Keys whose deletion was carried here from a dataset that had them."""
        self.parked: dict[str, tuple[dict[bytes, Kept], set[bytes], bool]] = {}
        """Of each other dataset: what was written, which of its keys are deleted, and whether all are."""

    def counted(self, entries: dict[bytes, Kept]) -> dict[bytes, Kept]:
        """The dataset's entries are not counted."""
        return {key: kept for key, kept in entries.items() if not self.swapped or kept.version != self.swapped}

    def overlay(self) -> tuple[dict[bytes, Kept], set[bytes], bool]:
        """What was written since the dataset was live, in the form of ``parked``."""
        deleted = set() if self.emptied else {entry.key for entry in _entries(self.name)} - self.entries.keys()
        return self.counted(self.entries), deleted | self.hidden, self.emptied

    def swap(self, name: str, later: Later, version: int) -> None:
        """Another dataset, or the same without its later writes."""
        nothing: tuple[dict[bytes, Kept], set[bytes], bool] = ({}, set(), False)
        if later is Later.CARRY:
            written, deleted, _ = self.overlay()
            found = written, deleted, False
            self.parked.pop(name, None)
        else:
            self.parked[self.name] = self.overlay()
            parked = self.parked.pop(name, nothing)
            found = nothing if later is Later.FRESH else parked
        written, self.hidden, self.emptied = found
        self.name, self.swapped = name, version
        below = {} if self.emptied else {entry.key: _kept(entry, version) for entry in _entries(name)}
        self.entries = {key: kept for key, kept in below.items() if key not in self.hidden} | written
        self.hidden = self.hidden - below.keys()
        self.last_id = max([self.last_id, *(entry.id for entry in _entries(name))])


def _entries(name: str) -> list[Entry]:
    return DATASETS.get(name, [])


def _kept(entry: Entry, version: int) -> Kept:
    return Kept(entry.value, entry.type, entry.flags, entry.expires, entry.id, version)


class SwappingMachine(EmbeddedMachine):
    """Every answer is that of the live dataset below the writes that belong to it."""

    model: LayeredModel

    def __init__(self) -> None:
        super().__init__()
        self.model = LayeredModel()

    @contextmanager
    def opened(self) -> Iterator[Subject]:
        """A namespace, and the datasets."""
        times: list[int] = []
        with tempfile.TemporaryDirectory() as folder:
            store = Namespaces(Path(folder), PRIVATE, sync=Sync.OFF, most_changes=1_000_000)
            store.create("shop", TERMS)
            for name, entries in DATASETS.items():
                store.build(name, entries)
            self.store = store.namespace("shop")
            self.handle = KeyValueSpace(self.store, max_value=MAX_VALUE, clock=lambda: times[-1])
            try:
                yield Subject(self.handle, times.append, self.store.set_terms, store.close)
                assert list(store.problems()) == []
            finally:
                store.close()

    @rule(name=st.sampled_from(["", "one", "one", "two", "two", "empty"]), later=st.sampled_from([Later.KEPT, *Later]))
    def swap(self, name: str, later: Later) -> None:
        """Later writes stay with their dataset, or are carried along, or dropped; who reads the log lists anew."""
        before = self.store.version()
        version = self.store.use(name, self.now, later)
        if name == self.model.name and later is not Later.FRESH:
            assert (version, self.store.version()) == (self.model.swapped, before)
            return
        assert version == self.store.version() > before
        for since in (0, before):
            with pytest.raises(ChangesGone):
                self.handle.changes(since)
        self.model.swap(name, later, version)
        self.last = version
        assert self.store.dataset() == name

    @rule()
    def flush(self) -> None:
        """Everything is gone, the dataset's values, too."""
        super().flush()
        self.model.hidden = set()
        self.model.emptied = bool(self.model.name)

    def accept(self, operations: Sequence[Operation], results: Sequence[Result]) -> None:
        """A key that was written is not hidden any more."""
        super().accept(operations, results)
        self.model.hidden -= {operation.key for operation in operations}


TestSwapping = SwappingMachine.TestCase
TestSwapping.settings = settings(deadline=None, max_examples=EXAMPLES, stateful_step_count=40)
