"""The engine beside a plain dict, with a clock that jumps."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from n2k_fcgi.errors import ChangesGone, N2KError
from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.model.keyvalue.operations import Operation
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.keyvalue import Change, Kind, Page, Range, Result
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.support.keyvalue_model import KINDS, MAX_VALUE, TERMS, NamespaceMachine, Subject, entry_of

pytestmark = pytest.mark.unmeasured

EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
"""Runs of at most forty steps; ``make test-long`` sets more."""


class EmbeddedMachine(NamespaceMachine):
    """The engine in this process, with what HTTP does not have."""

    @contextmanager
    def opened(self) -> Iterator[Subject]:
        """A namespace in a folder of its own."""
        times: list[int] = []
        with tempfile.TemporaryDirectory() as folder:
            store = Namespaces(Path(folder), PRIVATE, sync=Sync.OFF, most_changes=1_000_000)
            store.create("shop", TERMS)
            self.store = store.namespace("shop")
            self.handle = KeyValueSpace(self.store, max_value=MAX_VALUE, clock=lambda: times[-1])
            try:
                yield Subject(self.handle, times.append, self.store.set_terms, store.close)
                assert list(store.problems()) == []
            finally:
                store.close()

    @rule(data=st.data(), kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    def each(self, data: st.DataObject, kinds: list[str]) -> None:
        """Several operations in one write, each done or refused as if it were alone."""
        operations = [self.operation(kind, data) for kind in kinds]
        self.follow()
        done: list[tuple[Operation, Result]] = []
        for operation, outcome in zip(operations, self.handle.apply_each(operations), strict=True):
            (wanted,) = self.model.apply([operation], self.now)
            assert (type(outcome) if isinstance(outcome, N2KError) else None) is wanted, (operation, outcome, wanted)
            if isinstance(outcome, Result):
                done.append((operation, outcome))
                kept = self.model.entries.get(operation.key)
                if kept is not None:
                    self.model.entries[operation.key] = replace(kept, version=outcome.version)
        self.accept(*(zip(*done, strict=True) if done else ((), ())))
        self.follow()

    @rule()
    def compact(self) -> None:
        """Nothing that can be seen changes."""
        self.store.compact()

    @rule(limit=st.integers(1, 2))
    def sweep(self, limit: int) -> None:
        """Up to so many of what has expired are removed, those that expired first."""
        expired = self.expired()
        assert self.store.sweep(self.now, limit) == min(limit, len(expired))
        self.follow()
        assert self.expired() == expired[limit:]

    def expired(self) -> list[int]:
        """When what is to be swept has expired."""
        stored = self.model.counted(self.model.entries).values()
        return sorted(kept.expires for kept in stored if kept.expires and kept.expires <= self.now)

    @rule()
    def flush(self) -> None:
        """Everything is gone; who reads the log lists anew, and a new reader sees the flush first."""
        before = self.store.version()
        assert self.handle.flush() == len(self.model.live(self.now))
        self.model.entries = {}
        if before:
            with pytest.raises(ChangesGone):
                self.handle.changes(before)
        self.last = self.handle.version()
        assert self.last > before and self.handle.changes(0) == ([Change(self.last, Kind.FLUSH, b"")], self.last, False)

    @rule(data=st.data())
    def snapshot(self, data: st.DataObject) -> None:
        """It stays as it was, whatever is written and removed meanwhile."""
        live = self.model.live(self.now)
        with self.handle.snapshot() as state:
            for kind in ("put", "delete", "put"):
                self.write(self.operation(kind, data), again=False)
            self.compact()
            found = state.page(Range(), values=True)
        assert found == Page([entry_of(key, kept) for key, kept in live.items()], None)


TestEmbedded = EmbeddedMachine.TestCase
TestEmbedded.settings = settings(deadline=None, max_examples=EXAMPLES, stateful_step_count=40)
