"""Modules that a Python may lack, as on hosts that compile their own: what needs them, and what to do instead."""

from importlib import import_module
from typing import Any, NamedTuple

from n2k_fcgi.errors import PythonLacks


class Part(NamedTuple):
    """A module of the standard library that some Pythons lack."""

    needed_for: str
    instead: str
    """What to do without it."""


PARTS = {
    "bz2": Part("dumps packed as bz2", "unpack first (bzip2 -dc FILE | n2k import -), or use gz"),
    "lzma": Part("dumps packed as xz", "unpack first (xz -dc FILE | n2k import -), or use gz"),
    "ssl": Part("https", "fetch by another program (curl -fsS URL | n2k import -)"),
    "readline": Part("completion and a history in 'n2k shell'", "type without them"),
    "_multiprocessing": Part("the server granian before Python 3.13", "serve by FastCGI"),
    "ctypes": Part("nothing of n2k", "leave it so"),
}
"""Those that are used here, and the one that hosts leave out most often."""


def needed(name: str) -> Any:
    """Import the module *name*, one of PARTS. Raises PythonLacks."""
    try:
        return import_module(name)
    except ImportError as error:  # also raised if the library that it is linked to is missing
        part = PARTS[name]
        raise PythonLacks(module=name, why=error, what=part.needed_for, instead=part.instead) from None
