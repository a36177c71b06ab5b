"""Updates that are good to have: an answer that is already on the disk does not depend on them."""

from __future__ import annotations

import contextlib

from n2k_fcgi import TYPE_CHECKING, logs
from n2k_fcgi.errors import N2KError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log a warning that *what* was not updated where the block fails."""
    try:
        yield
    except N2KError as problem:
        logs.warning(f"{what} was not updated: {problem}")
