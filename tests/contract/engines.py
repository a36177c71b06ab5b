"""The engines that must keep the contract of ``store.base``, and how a test opens one, here and in other processes.

A new engine adds one line to ENGINES.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from n2k_fcgi import wiring
from n2k_fcgi.config import Settings, load
from n2k_fcgi.service.dumps.reading import Dump
from n2k_fcgi.service.ingest.report import Order
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.lmdb import writer_queue

QUEUE = 6
"""Pending keys that a store of a test keeps."""

LOG = 10_000
"""Changes that a namespace of a test keeps."""

SECONDS = 60
"""For a child's answer: more is a hang."""


def _settings(folder: Path) -> Settings:
    flags = {"data_dir": str(folder), "max_pending": str(QUEUE), "kv_log": str(LOG)}
    return load(environment={}, flags=flags).settings


ENGINES: dict[str, Callable[[Path], Settings]] = {"lmdb": _settings}
"""Each with the settings that name its store of a folder."""


def open_store(engine: str, folder: Path) -> Store:
    """The store of that folder; an empty one is made the first time."""
    store = wiring.open_store(ENGINES[engine](folder))
    store.create()
    return store


class Place(NamedTuple):
    """Where one engine keeps the data of one test."""

    engine: str
    folder: Path

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store, in this process. An engine may allow one per process at a time."""
        store = open_store(self.engine, self.folder)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def peer(self) -> Iterator["Peer"]:
        """The same data, open in another process."""
        command = [sys.executable, "-c", "from tests.contract.engines import serve; serve()", self.engine, str(self.folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            try:
                yield Peer(child)
            finally:
                child.kill()

    def running(self, code: str, *arguments: object) -> "subprocess.Popen[str]":
        """A process of its own that runs *code* on its ``store``, with *arguments* in ``sys.argv[3:]``."""
        opening = (
            "import sys; from pathlib import Path; from tests.contract.engines import *; from tests.contract.values import *\n"
            "be_patient()\n"
        )
        opening += "store = open_store(sys.argv[1], Path(sys.argv[2]))\n"
        command = [sys.executable, "-c", opening + code, self.engine, str(self.folder), *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def publish(self, store: Store, *rows: tuple[bytes, str], grid: str = "OpenSim", as_of: int = 1) -> str:
        """Import (key, name) into a new live generation; return its name. The former generation's rows are kept."""
        path = self.folder.with_name(self.folder.name + ".dump")
        path.write_text("".join(f"{key.hex()},{name}\n" for key, name in rows))
        with Dump(path) as dump:
            importer = wiring.importer(store, ENGINES[self.engine](self.folder), jobs=1)
            return importer.run(dump, Order(grid, as_of, force=True)).manifest.name


class Peer:
    """A store in another process, which answers one question after the other."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child

    def __call__(self, expression: str, **names: object) -> Any:
        """Evaluate *expression* there, with ``place``, ``store`` and *names*; return the result."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(pickle.dumps((expression, names)).hex() + "\n")
        self._child.stdin.flush()
        return pickle.loads(bytes.fromhex(self._child.stdout.readline()))


def serve() -> None:
    """The other end of a ``Peer``."""
    place = Place(sys.argv[1], Path(sys.argv[2]))
    with place.opened() as store:
        for line in sys.stdin:
            expression, names = pickle.loads(bytes.fromhex(line))
            result = eval(expression, {"place": place, "store": store, **names})
            sys.stdout.write(pickle.dumps(result).hex() + "\n")
            sys.stdout.flush()


def be_patient(seconds: float = SECONDS) -> None:
    """Let writers of this process wait for their turn until a hang is certain.

    For several processes that write without a pause, on a busy machine: one of them may have no turn for longer than the
    patience of a request, and is told to try again, which is no fault.
    """
    writer_queue.WRITER_PATIENCE = seconds


def done(*children: "subprocess.Popen[str]") -> list[str]:
    """Wait until all have ended well; return what each printed."""
    printed = [child.communicate(timeout=SECONDS)[0] for child in children]
    assert [child.returncode for child in children] == [0] * len(children)
    return printed
