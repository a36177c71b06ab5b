"""Namespaces of the key-value service, and every way in which a program reaches them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

from n2k_fcgi import open_keyvalue
from n2k_fcgi.keyvalue import KeyValue
from n2k_fcgi.store.keyvalue import Terms
from tests.support.sandbox import Sandbox

LARGE = Terms(64 << 20, 100_000)
SMALL = Terms(100, 3)
"""Bytes and keys."""


class Place:
    """A data directory. *reach*: opens a namespace of it by (name, read_only)."""

    def __init__(self, data_dir: Path, reach: Callable[[str, bool], KeyValue]) -> None:
        self._data_dir = data_dir
        self._reach = reach
        self._numbers = count()

    def new(self, terms: Terms = LARGE) -> str:
        """Make a namespace; return its name."""
        name = f"space-{next(self._numbers)}"
        made_namespace(self._data_dir, name, terms)
        return name

    def opened(self, name: str, *, read_only: bool = False) -> KeyValue:
        """Open a namespace."""
        return self._reach(name, read_only)


def made_namespace(data_dir: Path, name: str, terms: Terms = LARGE) -> None:
    """Make a namespace, and the data directory if it is missing. No handle of this process may have it open."""
    box = Sandbox(data_dir)
    try:
        box.store.keyvalue.create(name, terms)
    finally:
        box.close()


@contextmanager
def embedded(folder: Path) -> Iterator[Place]:
    """In this process."""
    data_dir = folder / "data"
    yield Place(data_dir, lambda name, read_only: open_keyvalue(data_dir, name, read_only=read_only))


places: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {"embedded": embedded}
