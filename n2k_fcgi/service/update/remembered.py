"""What the last successful update of each grid was, in update.json: it saves a download, and nothing else depends on it."""

import json
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi import logs
from n2k_fcgi.files import NEW_SUFFIX, PRIVATE, replace
from n2k_fcgi.store.datadir import UPDATE_STATE

UNFINISHED = UPDATE_STATE + NEW_SUFFIX
"""What a kill may leave of writing it."""


class Remembered(NamedTuple):
    """The last successful update of a grid."""

    url: str
    replace: bool
    as_of: int | None
    etag: str
    last_modified: str
    sha256: str
    when: int
    """The time when it began, in unix seconds."""


def last_updates(folder: Path) -> dict[str, Remembered]:
    """Return what is remembered per grid; {} if it cannot be read."""
    path = folder / UPDATE_STATE
    try:
        return {grid: Remembered(**entry) for grid, entry in json.loads(path.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, TypeError, AttributeError) as error:
        logs.warning(f"{path} cannot be read, the dump is fetched whole: {error}")
        return {}


def remember(folder: Path, grid: str, update: Remembered) -> None:
    """Replace what is remembered of *grid*."""
    grids = {**last_updates(folder), grid: update}
    text = json.dumps({grid: known._asdict() for grid, known in grids.items()}, indent=1) + "\n"
    replace(folder / UPDATE_STATE, text.encode(), PRIVATE.file)
