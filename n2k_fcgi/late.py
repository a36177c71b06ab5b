"""Imports at first use: where a host limits the address space of a process (``ulimit -v``), and of parts of a large package."""

from __future__ import annotations

import contextlib
import gc
import sys

from n2k_fcgi import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

ROOM = 20 * 1024 * 1024
"""Bytes of address space: loguru and Werkzeug take 14 MB each (measured), and an answer needs some, too."""

ROOM_OF_OURS = 8 * 1024 * 1024
"""Bytes of address space: the largest of our views, the search, takes 6 MB with what it imports (measured)."""


def refuse_without_room(size: int = ROOM) -> None:
    """Raise MemoryError unless a large import fits into the address space.

    An import that fails half way keeps what it took, which leaves the worker too little to go on.
    """
    bytes(size)  # allocated and freed; never touched, so it costs no memory


def module(name: str) -> ModuleType:
    """Return the module *name* of this package, imported at its first use. Raises MemoryError if there is no room for that."""
    whole = f"{__package__}.{name}"
    if whole not in sys.modules:
        refuse_without_room(ROOM_OF_OURS)
        __import__(whole)
    return sys.modules[whole]


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Run what is inside without the garbage collector: for what makes many objects and none that only it could free."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parts_of(package: str) -> None:
    """Let the modules of *package* be imported without its ``__init__``, which runs when something of its own is asked for.

    Werkzeug's imports its development server and its test client, and with them ``http.server`` and ``ssl``: a third of a cold
    start for which a page needs its routing alone.
    """
    if package in sys.modules:
        return
    from importlib.util import find_spec, module_from_spec

    spec = find_spec(package)
    if spec is None or spec.loader is None:  # the import that follows says what is missing
        return
    module: ModuleType = module_from_spec(spec)
    run = spec.loader.exec_module

    def __getattr__(name: str) -> Any:
        if find_spec(f"{package}.{name}") is not None:  # ``from package import part``: the import goes on with the part
            raise AttributeError(name)
        del vars(module)["__getattr__"]
        run(module)
        return getattr(module, name)

    vars(module)["__getattr__"] = __getattr__  # PEP 562
    sys.modules[package] = module
