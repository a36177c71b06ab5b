"""Where hidden avatars still are, in the store and in every other file of the data directory. Changes nothing.

The store searches what is its own; files beside it are read as text, in pieces, so that memory is bounded.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from n2k_fcgi.files import pieces, refuse_os_error
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.service.directory.mentions import Mentions
from n2k_fcgi.store.base import Remnant, Store
from n2k_fcgi.store.inventory import File, Purging, files

_PACKED = (b"BZh", b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\0")


class Remains(NamedTuple):
    """What one file still has of them."""

    path: str
    """Below the data directory; a hidden name in it is cut out."""
    what: str
    first: str
    """Where: a row's number, a field, a byte. Never the name or key itself."""
    times: int

    def __str__(self) -> str:
        more = f", and {self.times - 1} more" if self.times > 1 else ""
        return f"{self.path}: {self.what}, {self.first}{more}"


class Inspection:
    """Searches *store* and the files of *data_dir*. *grids*: those of the settings."""

    def __init__(self, store: Store, data_dir: Path, grids: Grids) -> None:
        self._store = store
        self._data_dir = data_dir
        self._hidden = store.forgotten.hidden()
        self._mentions = Mentions(self._hidden, grids_of(store, grids) if self._hidden else ())
        self.packed: list[str] = []
        """Archives, which are not searched."""

    def remains(self) -> Iterator[Remains]:
        """All there are, a line per file and kind. Raises the errors of a store that cannot be read."""
        if not self._hidden:
            return
        searched = set()
        for place, found in self._store.remains(self._hidden, self._mentions.among):
            searched.add(place)
            yield from self._summed(place, found)
        for path, row in files(self._data_dir):
            place = path.relative_to(self._data_dir).as_posix()
            shown = self._mentions.without(place)
            if shown != place:
                yield Remains(shown, "a mention", "in the name of the file", 1)
            if place not in searched:
                yield from self._summed(place, self._in_file(path, row))

    def _in_file(self, path: Path, row: File | None) -> Iterator[Remnant]:
        if not path.is_file():  # a link to nowhere, or to a folder
            return
        if row is not None and row.purging in (Purging.CUT, Purging.REMOVED_IF_NAMING):
            for text in texts_of_json(path.read_bytes()):
                if self._mentions.names_anybody(text):
                    yield Remnant("a mention", "in a field")
        elif is_packed(path):
            self.packed.append(self._mentions.without(path.relative_to(self._data_dir).as_posix()))
        else:
            for offset, data, begin, end in pieces(path):
                for mention in self._mentions.among(data):
                    if begin <= mention.start < end:
                        yield Remnant(mention.form.value, f"byte {offset + mention.start}")

    def _summed(self, place: str, remnants: Iterable[Remnant]) -> Iterator[Remains]:
        """A line per kind."""
        shown = self._mentions.without(place)
        found: dict[str, Remains] = {}
        try:
            for what, where in remnants:
                before = found.get(what)
                found[what] = before._replace(times=before.times + 1) if before else Remains(shown, what, where, 1)
        except FileNotFoundError:  # it was removed meanwhile
            return
        except OSError as error:
            refuse_os_error(self._data_dir / place, error)
        yield from found.values()


def is_packed(path: Path) -> bool:
    """Whether a file is an archive, which is not searched."""
    with path.open("rb") as file:
        return begins_packed(file)


def begins_packed(file: BinaryIO) -> bool:
    """The same, of a file that was just opened."""
    return file.read(6).startswith(_PACKED)


def texts_of_json(data: bytes) -> Iterator[str]:
    """Every string in it; all of it as it is when it is not JSON."""
    try:
        texts = list(_texts(json.loads(data)))
    except (ValueError, RecursionError):  # what is nested too deeply
        texts = [data.decode("utf-8", "surrogateescape")]
    yield from texts


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def grids_of(store: Store, grids: Grids) -> set[str]:
    """Every grid that a hidden name can be of: a tombstone of a name holds for one grid."""
    captures = store.captures
    captured = (stored.capture.grid for stored in captures.all_stored())
    return {*grids.labels, *captures.created_grids(), *captured, *store.generations.grids()}
