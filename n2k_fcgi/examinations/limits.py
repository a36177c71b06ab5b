"""The resource limits of this process. Those of a web server's process may be lower: ask the host."""

import resource
from collections.abc import Iterator

from n2k_fcgi.config import MIB
from n2k_fcgi.model.findings import Finding, ok, problem, warning

WORKER_ADDRESSES = 64 * MIB
"""Address space of a worker without its maps; with one thread (measured: 31 to 38 MB)."""

FEW_FILES = 64
"""Open files below which a busy FastCGI worker pauses accepting."""


def examine(store_bytes: int) -> Iterator[Finding]:
    """Examine the limits of this process; *store_bytes*: what a worker maps of the store."""
    yield address_space(store_bytes)
    yield open_files()
    yield processes()


def address_space(store_bytes: int) -> Finding:
    """Whether the maps fit: a map takes address space for the whole file, not memory."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return ok("address space", "no limit")
    needed = WORKER_ADDRESSES + store_bytes
    what = f"limited to {limit // MIB} MiB, a worker needs {needed // MIB} MiB"
    if limit < needed:
        return problem("address space", what, "ask the host to raise 'ulimit -v', or import a smaller dump")
    return ok("address space", what)


def open_files() -> Finding:
    """Whether a worker may open enough connections."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and limit < FEW_FILES:
        return warning("open files", f"limited to {limit}", "ask the host to raise 'ulimit -n'")
    return ok("open files", "no limit" if limit == resource.RLIM_INFINITY else f"limited to {limit}")


def processes() -> Finding:
    """For information: a worker starts neither threads nor processes, so any limit suffices."""
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    what = "no limit" if limit == resource.RLIM_INFINITY else f"limited to {limit}"
    return ok("processes", f"{what} (a worker is one, with one thread)")
