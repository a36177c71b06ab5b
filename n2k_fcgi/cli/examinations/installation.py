"""The interpreter and the packages that a worker runs."""

import os
import struct
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import MAGIC_NUMBER, cache_from_source, find_spec
from pathlib import Path

from n2k_fcgi import __version__
from n2k_fcgi.deploy.installation import DISTRIBUTIONS, PACKAGES, refuse_bad_installation
from n2k_fcgi.errors import DeployRefused, PythonLacks
from n2k_fcgi.interpreter import PARTS, needed
from n2k_fcgi.model.findings import Finding, ok, problem, warning

OLDEST_PYTHON = (3, 10)

_PYC = struct.Struct("<4sIII")
"""The beginning of a .pyc file: version, flags, time and size of the source."""


def examine() -> Iterator[Finding]:
    """Examine interpreter, modules, packages and their place."""
    yield interpreter()
    yield from modules()
    yield packages()
    yield place()
    yield compiled()


def interpreter() -> Finding:
    """Its version, and whether it is a virtual environment's own."""
    what = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}, {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return problem("interpreter", what, "use Python 3.10 or later")
    if sys.prefix == sys.base_prefix:
        return warning(
            "interpreter", f"{what}, not in a virtual environment", "an update of the host may break it: python3 -m venv"
        )
    return ok("interpreter", f"{what}, in a virtual environment")


def modules() -> Iterator[Finding]:
    """The modules that this Python was built without: a line per module."""
    lacking = []
    for name, part in PARTS.items():
        try:
            needed(name)
        except PythonLacks:
            lacking.append(warning("modules", f"this Python lacks {name}, needed for {part.needed_for}", part.instead))
    yield from lacking or [ok("modules", "this Python has all that n2k uses")]


def packages() -> Finding:
    """The versions of our dependencies."""
    found = [f"n2k_fcgi {__version__}"]
    for name in DISTRIBUTIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return problem("packages", f"{name} is missing", "pip install n2k_fcgi")
    return ok("packages", ", ".join(found))


def place() -> Finding:
    """Whether a process of the web server can import the code, and no other user can change it."""
    try:
        refuse_bad_installation()
    except DeployRefused as refusal:
        return problem("place", str(refusal).partition(": ")[2], "'n2k deploy' refuses this")
    return ok("place", "importable without environment variables, writable by its owner only")


def compiled() -> Finding:
    """Whether the .pyc files exist and are of these sources: else a worker compiles them at each start."""
    sources = [file for name in PACKAGES for file in _sources(name)]
    missing = [file for file in sources if not is_compiled(file)]
    if missing:
        advice = "'n2k deploy' writes them; without them a worker starts 4 times as slowly"
        have = "has" if len(missing) == 1 else "have"
        return warning(
            "compiled code", f"{len(missing)} of {len(sources)} modules {have} no .pyc file of the present source", advice
        )
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        advice = "unset it, or run 'n2k deploy' after each update"
        return warning("compiled code", "PYTHONDONTWRITEBYTECODE is set: no .pyc file will be written", advice)
    return ok("compiled code", f"{len(sources)} modules have their .pyc files")


def is_compiled(source: Path) -> bool:
    """Whether the .pyc file of *source* is there and Python would use it: its first 16 bytes say so (PEP 552)."""
    try:
        with Path(cache_from_source(str(source))).open("rb") as file:
            magic, flags, seconds, size = _PYC.unpack(file.read(_PYC.size))
        status = source.stat()
    except (OSError, struct.error):
        return False
    is_by_content = flags != 0
    same = seconds == int(status.st_mtime) & 0xFFFFFFFF and size == status.st_size & 0xFFFFFFFF
    return bool(magic == MAGIC_NUMBER and (same or is_by_content))


def _sources(package: str) -> Iterator[Path]:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from Path(folder).rglob("*.py")
