"""Where an export goes: a file that appears when it is complete, or standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from n2k_fcgi.service.dumps.packers import new_file

STDOUT = "-"


@contextmanager
def opened(file: str, mode: int) -> Iterator[BinaryIO]:
    """Open *file* for writing, '-' for standard output; *mode* of a new file. Raises StoreFull, StoreUnreadable."""
    if file == STDOUT:
        yield cast(BinaryIO, sys.stdout.buffer)
        return
    with new_file(Path(file), mode) as target:
        yield target
