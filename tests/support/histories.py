"""One history in two data directories: in one each import writes a whole generation, in the other the differences."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.batch import Batch, joined, separate
from n2k_fcgi.model.builds import Merge
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.store.lmdb.building.build import Build
from n2k_fcgi.store.lmdb.building.sizes import Sizes
from n2k_fcgi.store.lmdb.differences.build import DifferencesBuild
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMER, HISTORY, KEYS, NAMES
from n2k_fcgi.wiring import purge
from tests.support.old_formats import as_format
from tests.support.sandbox import Sandbox

SMALL = Sizes(run_rows=16, range_rows=8, sample_every=2, block_rows=4, window=6)
"""So that few rows make many runs and ranges, and pass through the window."""

PADDING = [
    (f"00000000-0000-4000-8000-{number:012x}", f"{letter}ad{number} Row") for number, letter in enumerate("abgmprtz" * 5)
]
"""Avatars that no history changes: beside them, what changes is few."""


ROWS = 3
"""Rows that are added at a time."""


def key_of(number: int) -> str:
    """The key of one of the avatars that histories change."""
    return f"f{number:07x}-1111-4111-8111-111111111111"


class Row(NamedTuple):
    """A line of a dump; *grid* and *seen* None: those of the dump."""

    key: str
    name: str
    grid: str | None = None
    seen: int | None = None


def dump_of(rows: list[Row]) -> str:
    """Rows as csv; as JSON lines where they have a grid or a time."""
    if not any(row.grid or row.seen for row in rows):
        return "".join(f"{row.key},{row.name}\n" for row in rows)
    fields = ({name: value for name, value in row._asdict().items() if value is not None} for row in rows)
    return "".join(json.dumps(line) + "\n" for line in fields)


class InParts(DifferencesBuild):
    """Takes rows a few at a time, so that a short dump comes as a long one does."""

    def add(self, batch: Batch) -> None:
        """See ``store.avatars.GenerationBuild``."""
        names, spellings = separate(batch.canonicals), separate(batch.spellings)
        for at in range(0, batch.rows, ROWS):
            end = at + ROWS
            keys, origins = batch.keys[at * KEY_BYTES : end * KEY_BYTES], batch.origins[at:end]
            super().add(Batch(keys, joined(spellings[at:end]), joined(names[at:end]), origins))


class Pair:
    """Both directories."""

    def __init__(self, folder: Path) -> None:
        self.whole = Sandbox(folder / "whole", rebuild="0")
        self.layered = Sandbox(folder / "layered", rebuild="100")
        self.boxes = (self.whole, self.layered)
        for box in self.boxes:
            box.store.generations.sizes = SMALL
        self.layered.store.generations.build = partial(_differences_build, self.layered.store.generations)  # type: ignore[method-assign,assignment]
        self.whole.store.generations.build = partial(_whole_build, self.whole.store.generations)  # type: ignore[method-assign,assignment]
        self.names: list[list[str]] = [[], []]
        """Of each directory, the generations in order."""

    def each(self, act: Callable[[Sandbox], Any]) -> list[Any]:
        """Do the same in both."""
        return [act(box) for box in self.boxes]

    def import_rows(self, rows: list[Row], *, grid: str, as_of: int, replace: bool = False) -> None:
        """Import into both; counts and refused claims must be equal."""
        text = dump_of(rows)
        done = self.each(lambda box: box.import_text(text, grid=grid, as_of=as_of, replace=replace))
        for names, report in zip(self.names, done, strict=True):
            names.append(report.manifest.name)

    def manifests(self) -> list[dict[str, Any]]:
        """What both say of the live generation, without what may differ."""
        found = []
        for box in self.boxes:
            manifest = box.store.generations.live()
            assert manifest is not None
            fields = manifest._asdict()
            for field in ("name", "created", "bytes", "seconds", "base", "source", "sha256"):
                del fields[field]
            found.append(fields)
        return found

    def back(self, steps: int) -> None:
        """Make an earlier generation live, if both still have it."""
        for names, box in zip(self.names, self.boxes, strict=True):
            box.store.generations.use(names[-1 - steps])
            del names[len(names) - steps :]

    def convert(self, number: int) -> None:
        """Make the live generations, which are whole, files of an earlier format."""
        for box in self.boxes:
            as_format(box.data_dir, box.store, box.store.generations.current_name(), number)

    def purge(self) -> None:
        """Purge both."""
        for box, names in zip(self.boxes, self.names, strict=True):
            with box.store.generations.locked():
                purge(box.store, box.settings).run()
            names[:] = [box.store.generations.current_name()]

    def contents(self) -> list[list[object]]:
        """All rows of both live generations, in the order of lookups, without hidden avatars."""
        return [rows_of(box) for box in self.boxes]

    def problems(self) -> list[str]:
        """What the consistency check finds in both."""
        return [problem for box in self.boxes for problem in box.problems()]

    def close(self) -> None:
        """Close both."""
        for box in self.boxes:
            box.close()


def rows_of(box: Sandbox) -> list[object]:
    """All rows of the live generation."""
    generation = box.store.generations.current()
    assert generation is not None
    hidden = box.store.forgotten.hidden()

    def shown(avatars: list[Avatar], name: str = "") -> list[Avatar]:
        return [a for a in avatars if not hidden.hides(a.key, a.grid, name or canonical(a.name)) and is_there(a)]

    def is_there(avatar: Avatar) -> bool:
        """Whether it has a current name: one that a purge has taken away, as another's, leaves its former ones for a while."""
        return not avatar.former or any(a.grid == avatar.grid for a in generation.by_key(avatar.key))

    found: list[object] = []
    if not hidden:  # only avatars that can be seen keep a grid
        found.append(sorted(generation.grids))
        found += [(grid, box.store.generations.latest(grid)) for grid in sorted(generation.grids)]
        found += [generation.names_between(b"", b"\xff", 5, reverse=backwards) for backwards in (False, True)]
        found.append(_ambiguous(generation))
        found.append([key for page in _pages(lambda first: generation.keys_from(first, 3)) for key, _ in page])
        found.append([name for page in _pages(lambda first: generation.bindings(first, 3)) for name, _ in page])
    for name in sorted({name for database in (NAMES, FORMER) for name, _ in generation.rows(database)}):
        found.append((name, shown(generation.by_name(name.decode()), name.decode())))
    for key in sorted({key for database in (KEYS, HISTORY) for key, _ in generation.rows(database)}):
        found.append((key, shown(generation.by_key(key)), shown(generation.history(key))))
    for name, avatars in generation.bindings(b"", 1 << 30):
        found.append((name, shown(avatars, name.decode())))
    for key, avatars in generation.keys_from(b"", 1 << 30):
        found.append((key, shown(avatars)))
    return [row for row in found if not (isinstance(row, tuple) and all(not part for part in row[1:]))]


def _whole_build(
    generations: Generations, origins: OriginTable, merge: Merge, *, text_bytes: int = 0, jobs: int = 1, rebuild: float = 0
) -> Build:
    """The build of a fresh import, on any live generation: an implementation of its own, row by row."""
    generations.close()
    live: Generation | None = generations._open_live(merge)
    return Build(generations, live, origins, merge, text_bytes=text_bytes, jobs=jobs)


def _differences_build(
    generations: Generations, origins: OriginTable, merge: Merge, *, text_bytes: int = 0, jobs: int = 1, rebuild: float = 0
) -> Build | DifferencesBuild:
    """The build of this version, in parts."""
    with patch("n2k_fcgi.store.lmdb.differences.build.DifferencesBuild", InParts):
        return Generations.build(generations, origins, merge, text_bytes=text_bytes, jobs=jobs, rebuild=rebuild)


def _pages(read: Callable[[bytes], list[tuple[bytes, list[Avatar]]]]) -> Iterator[list[tuple[bytes, list[Avatar]]]]:
    first = b""
    while page := read(first):
        yield page
        first = page[-1][0] + b"\0"


def _ambiguous(generation: Generation) -> list[str]:
    """The ambiguous names, a few at a time."""
    found: list[str] = []
    first: bytes | None = b""
    while first is not None:
        names, first = generation.ambiguous_names(first, 3)
        found += names
    return found
