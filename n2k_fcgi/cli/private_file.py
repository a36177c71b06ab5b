"""A file for its owner's eyes that never replaces another one."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from n2k_fcgi.errors import WouldOverwrite
from n2k_fcgi.files import PRIVATE, open_new, refuse_os_error, sync_folder
from n2k_fcgi.store.datadir import PART_SUFFIX


@contextlib.contextmanager
def new_private_file(path: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that appears as *path* when the block ends well, and is on the disk then; else it is removed.

    Raises WouldOverwrite if there is one by then, StoreFull, StoreUnreadable.
    """
    if os.path.lexists(path):  # before the work
        raise WouldOverwrite(path=path)
    unfinished = path.with_name(f".{path.name}{PART_SUFFIX}")
    try:
        unfinished.unlink(missing_ok=True)  # of a killed run, whose content is as private
        with os.fdopen(open_new(unfinished, PRIVATE.file), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _publish(unfinished, path)
    except OSError as error:
        refuse_os_error(path, error)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)


def _publish(unfinished: Path, path: Path) -> None:
    """Give it its name, which a link never takes from another file. Raises WouldOverwrite, OSError."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise WouldOverwrite(path=path) from None
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise WouldOverwrite(path=path) from None
        unfinished.rename(path)
