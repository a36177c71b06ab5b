"""A data directory in which every look at CURRENT finds another generation live, and the one before it pruned.

The answers must stay the same: each generation is a copy of the one before, under another name.
"""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from n2k_fcgi.store.datadir import CURRENT, GENERATIONS, MANIFEST
from n2k_fcgi.store.lmdb.generations import Generations

LOOKS = ("current", "current_name", "live", "listed", "hold")
"""The methods that look at CURRENT. One that calls another is one look."""


def turn(data_dir: Path) -> str:
    """Publish a copy of the live generation and prune that; give the copy's name. As another process does it: by files."""
    pointer, folder = data_dir / CURRENT, data_dir / GENERATIONS
    old = pointer.read_text().strip()
    stem, _, number = old.partition("-")
    new = f"{stem}-{int(number or 0) + 1:06}"
    shutil.copytree(folder / old, folder / new)
    manifest = folder / new / MANIFEST
    manifest.write_text(manifest.read_text().replace(f'"{old}"', f'"{new}"'))
    fresh = pointer.with_name(CURRENT + ".new")
    fresh.write_text(new + "\n")
    fresh.chmod(pointer.stat().st_mode)
    fresh.rename(pointer)
    shutil.rmtree(folder / old)
    return new


class Looks:
    """How many looks there were, and whether one is under way."""

    def __init__(self) -> None:
        self.count = 0
        self.under_way = False


@contextlib.contextmanager
def restless(data_dir: Path) -> Iterator[Looks]:
    """Turn before each look at the CURRENT of *data_dir* in this process; count the looks."""
    looks = Looks()
    originals = {name: getattr(Generations, name) for name in LOOKS}

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def look(self: Generations, *arguments: Any, **options: Any) -> Any:
            if looks.under_way or self.data_dir != data_dir:
                return original(self, *arguments, **options)
            looks.count += 1
            looks.under_way = True
            try:
                turn(data_dir)
                return original(self, *arguments, **options)
            finally:
                looks.under_way = False

        return look

    for name, original in originals.items():
        setattr(Generations, name, watched(original))
    try:
        yield looks
    finally:
        for name, original in originals.items():
            setattr(Generations, name, original)


def main() -> None:
    """``n2k`` with a restless data directory (N2K_DIR); the number of looks is written to the file N2K_LOOKS names."""
    from n2k_fcgi.cli import main as n2k

    report = Path(os.environ.pop("N2K_LOOKS"))
    with restless(Path(os.environ["N2K_DIR"])) as looks:
        try:
            n2k()
        finally:
            report.write_text(str(looks.count))


if __name__ == "__main__":
    main()
