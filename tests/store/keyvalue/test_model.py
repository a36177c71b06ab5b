"""The engine beside a plain dict, with a clock that jumps."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import settings

from n2k_fcgi.files import PRIVATE
from n2k_fcgi.model.choices import Sync
from n2k_fcgi.service.keyvalue.space import KeyValueSpace
from n2k_fcgi.store.lmdb.keyvalue.namespaces import Namespaces
from tests.support.keyvalue_model import MAX_VALUE, TERMS, NamespaceMachine, Subject

EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
"""Runs of at most forty steps; ``make test-long`` sets more."""


class EmbeddedMachine(NamespaceMachine):
    """The engine in this process."""

    @contextmanager
    def opened(self) -> Iterator[Subject]:
        """A namespace in a folder of its own."""
        times: list[int] = []
        with tempfile.TemporaryDirectory() as folder:
            store = Namespaces(Path(folder), PRIVATE, sync=Sync.OFF, most_changes=1_000_000)
            store.create("shop", TERMS)
            space = KeyValueSpace(store.namespace("shop"), max_value=MAX_VALUE, clock=lambda: times[-1])
            try:
                yield Subject(space, times.append, store.namespace("shop").set_terms, store.close)
            finally:
                store.close()


TestEmbedded = EmbeddedMachine.TestCase
TestEmbedded.settings = settings(deadline=None, max_examples=EXAMPLES, stateful_step_count=40)
