"""The state machine of the key-value service over HTTP: the application in this process, and a real FastCGI worker."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings

from n2k_fcgi.config import load
from n2k_fcgi.service.keyvalue import space
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.store.lmdb.engine import LmdbStore
from n2k_fcgi.wiring import application, store_options
from tests.support.asking import over_fastcgi, wsgi
from tests.support.keyvalue_http import HttpSpace
from tests.support.keyvalue_model import MAX_VALUE, START, TERMS, NamespaceMachine, Subject
from tests.support.processes import listening
from tests.support.sandbox import Sandbox
from tests.support.shop import prepare_shop
from tests.support.with_clock import FileClock
from tests.support.worker import worker_on

pytestmark = pytest.mark.unmeasured

FLAGS = {"kv_max_value": str(MAX_VALUE), "kv_log": "1000000", "write_limit": "1000000"}


class Clock(FileClock):
    """One that is set."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "clock"
        super().__init__(self.path)
        self.set(START)

    def set(self, now: int) -> None:
        """Set it, in Unix milliseconds."""
        self.path.write_text(str(now))

    def now(self) -> int:
        """What it says."""
        return self.time_ns() // 1_000_000


class WsgiMachine(NamespaceMachine):
    """The application in this process."""

    @contextmanager
    def opened(self) -> Iterator[Subject]:
        """A data directory of its own."""
        with tempfile.TemporaryDirectory() as folder:
            data_dir, clock = Path(folder) / "data", Clock(folder)
            token = prepare_shop(data_dir, TERMS)
            given = load(environment={}, flags={"data_dir": str(data_dir), "kv_sync": "off", **FLAGS}).settings
            store = LmdbStore(store_options(given))
            shop = HttpSpace(wsgi(application(store, given)), token, clock.now)

            def set_terms(terms: Terms) -> None:
                store.keyvalue.namespace("shop").set_terms(terms)

            with patch.object(space, "time", clock):
                try:
                    yield Subject(shop, clock.set, set_terms, store.close)
                finally:
                    store.close()


class WorkerMachine(NamespaceMachine):
    """A worker as mod_fcgid starts it; a restart kills it, and what it acknowledged is there."""

    @contextmanager
    def opened(self) -> Iterator[Subject]:
        """A data directory and a worker of its own."""
        with tempfile.TemporaryDirectory() as folder, listening(Path(folder)) as bound:
            data_dir, clock = Path(folder) / "data", Clock(folder)
            token = prepare_shop(data_dir, TERMS)
            through = [sys.executable, "-m", "tests.support.with_clock", str(clock.path)]
            variables = {f"N2K_{name.upper()}": value for name, value in FLAGS.items()}
            with ExitStack() as running:

                def start() -> None:
                    running.close()
                    running.enter_context(worker_on(bound, data_dir, through=through, **variables))

                start()
                shop = HttpSpace(over_fastcgi(bound.getsockname()), token, clock.now)
                yield Subject(shop, clock.set, partial(set_terms, data_dir), start)


def set_terms(data_dir: Path, terms: Terms) -> None:
    """Set them by another process than the worker's."""
    box = Sandbox(data_dir)
    box.store.keyvalue.namespace("shop").set_terms(terms)
    box.close()


TestWsgi = WsgiMachine.TestCase
TestWsgi.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)
TestWorker = WorkerMachine.TestCase
TestWorker.settings = settings(deadline=None, max_examples=6, stateful_step_count=40)
