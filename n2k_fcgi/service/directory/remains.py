"""Where somebody who left still stands: every file of the data directory, held against the digests. Changes nothing.

Rows of generations and fields of captures are read as what they are, all other bytes as text; in LMDB's files that includes
pages that are free. Memory is bounded: files are read in pieces, rows in stretches.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from n2k_fcgi.files import refuse_os_error
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.mentions import A_KEY, A_WORD, Mention, Mentions
from n2k_fcgi.store.base import HiddenSet, TokenStore
from n2k_fcgi.store.datadir import UPDATE_STATE, files
from n2k_fcgi.store.fields import free_texts
from n2k_fcgi.store.lmdb.captures import Captures
from n2k_fcgi.store.lmdb.codec import unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import CAPTURES, DATA_FILE, FORMER, GENERATIONS, HELD, HISTORY, KEYS, MANIFEST, NAMES

PIECE = 1 << 20
"""Bytes of a file that are looked at at once."""

_AROUND = 512
"""Bytes before and behind a piece that are looked at with it: more than a name or a key has."""

ROWS = 10_000

Place = tuple[str, str]
"""What stands there, and where: a field, a row's number, a byte. Never the name or key itself."""


class Remains(NamedTuple):
    """What a file still has of them."""

    path: str
    """Below the data directory, without a name that may be in it."""
    what: str
    first: str
    times: int

    def __str__(self) -> str:
        more = f", and {self.times - 1} more" if self.times > 1 else ""
        return f"{self.path}: {self.what}, {self.first}{more}"


class Inspection:
    """Reads everything. *known_grids*: those of the settings."""

    def __init__(
        self,
        generations: Generations,
        captures: Captures,
        tokens: TokenStore,
        hidden: HiddenSet,
        known_grids: Iterable[str] = (),
    ) -> None:
        self._generations = generations
        self._captures = captures
        self._tokens = tokens
        self._hidden = hidden
        self._mentions = Mentions(hidden, grids_of(generations, captures, known_grids) if hidden else ())
        self.packed: list[str] = []
        """Files that are archives: nobody looked into them."""

    def remains(self) -> Iterator[Remains]:
        """All there are, a line for each kind and file. Raises the errors of a store that cannot be read."""
        if not self._hidden:
            return
        data_dir = self._generations.data_dir
        for path, _ in files(data_dir):
            name = path.relative_to(data_dir).as_posix()
            shown = self._mentions.without(name)
            if shown != name:
                yield Remains(shown, "a mention", "in the name of the file", 1)
            try:
                yield from _summed(shown, self._places(path, name))
            except FileNotFoundError:  # it went meanwhile
                continue
            except OSError as error:
                refuse_os_error(path, error)

    def _places(self, path: Path, name: str) -> Iterator[Place]:
        if not path.is_file():  # a link to nowhere, or to a folder
            return
        if path.name == DATA_FILE and path.parent.parent.name == GENERATIONS:
            yield from self._of_generation(path.parent.name)
        elif path.name in (MANIFEST, UPDATE_STATE):
            for text in texts_of_json(path.read_bytes()):
                if self._mentions.names_anybody(text):
                    yield "a mention", "in a field"
        elif name == CAPTURES:
            found = False
            for place in self._of_captures():
                found = True
                yield place
            if not found:
                yield from self._of_bytes(path, is_pages=True)
        elif _is_packed(path):
            self.packed.append(self._mentions.without(name))
        else:
            yield from self._of_bytes(path, is_pages=path.suffix == ".mdb")

    def _of_generation(self, name: str) -> Iterator[Place]:
        """Its rows. It was appended to and nothing else, so its free pages hold nothing that its rows do not."""
        self._generations.close()  # one environment a file and process
        if name not in self._generations.names():
            return
        with contextlib.closing(self._generations.open(name)) as generation:
            for database in (KEYS, NAMES, HISTORY, FORMER, HELD):
                for number, is_hidden in enumerate(self._rows(generation, database), 1):
                    if is_hidden:
                        yield f"an avatar in {database.decode()}", f"row {number}"

    def _rows(self, generation: Generation, database: bytes) -> Iterator[bool]:
        hides, grids = self._hidden.hides, [origin.grid for origin in generation.origins]
        start = b""
        while generation.has(database) and (rows := generation.chunk(database, start, None, ROWS)):
            start = rows[-1][0] + b"\0"
            for db_key, value in rows:
                if database in (KEYS, HISTORY):
                    yield any(hides(db_key, grids[o], canonical(text.decode())) for o, text in unpack_spellings(value))
                elif database == HELD:
                    yield self._hidden.hides_key(value, PRODUCTION)
                else:
                    yield any(hides(key, grids[o], db_key.decode()) for o, key in unpack_names(value))
            generation.trim()

    def _of_captures(self) -> Iterator[Place]:
        hides = self._hidden.hides
        for number, (capture, former) in enumerate(self._captures.all_stored(), 1):
            key, row = capture.key, f"capture {number}"
            if hides(key, capture.grid, canonical(capture.name)):
                yield "an avatar", row
            elif any(hides(key, capture.grid, canonical(name)) for name, _ in former):
                yield "a former name", row
            for field, text in free_texts(capture.source).items():
                if self._mentions.names_anybody(text):
                    yield f"a mention in source.{field}", row
        for token in self._tokens.tokens():
            for field, text in free_texts(token).items():
                if self._mentions.names_anybody(text):
                    yield f"a mention in {field}", f"token {token.id}"

    def _of_bytes(self, path: Path, *, is_pages: bool) -> Iterator[Place]:
        look = self._in_pages if is_pages else self._mentions.among
        for offset, data, begin, end in _pieces(path):
            for mention in look(data):
                if begin <= mention.start < end:
                    yield mention.what, f"byte {offset + mention.start}"

    def _in_pages(self, data: bytes) -> Iterator[Mention]:
        """In LMDB's pages: keys of 16 bytes, too, and names behind the letter that tells what a db_key is."""
        for match in _NODE.finditer(data):
            key = next(filter(None, match.groups()))
            if self._hidden.hides_everywhere(key):  # of another grid it may be there
                yield Mention(match.start(), match.start() + KEY_BYTES, A_KEY)
        for mention in {*self._mentions.among(data), *self._mentions.among(_NAME_KEY.sub(b"\0", data))}:
            if not (mention.what == A_WORD and _is_ours(data, mention)):
                yield mention


_NODE = re.compile(rb"(?s)(?=\x10\0(.{16})|\x11\0k(.{16})|[\x11-\x50]\0p(.{16})|\0(.{16})\{\"name\":)")
"""A key of 16 bytes as (a part of) a db_key: LMDB says before it how long that is."""

_NAME_KEY = re.compile(rb"(?<=\0)n")
_VALUES = frozenset(
    (b"register", b"forget", b"admin", b"capture", b"dump", b"production", b"testing", b"true", b"false", b"null")
)
"""Words that stand in our rows and mean nobody."""


def _is_ours(data: bytes, mention: Mention) -> bool:
    """Whether it is a word of our formats: the name of a field, a value of few."""
    is_field = data[mention.start - 1 : mention.start] == b'"' and data[mention.end : mention.end + 2] == b'":'
    return is_field or data[mention.start : mention.end].lower() in _VALUES


def _summed(path: str, places: Iterable[Place]) -> Iterator[Remains]:
    found: dict[str, Remains] = {}
    for what, where in places:
        before = found.get(what)
        found[what] = before._replace(times=before.times + 1) if before else Remains(path, what, where, 1)
    yield from found.values()


def _pieces(path: Path) -> Iterator[tuple[int, bytes, int, int]]:
    """(offset, bytes, begin, end): what begins there between *begin* and *end* is to be found; the rest is for looking on."""
    with path.open("rb") as file:
        offset, data, begin = 0, file.read(PIECE), 0
        while data:
            more = file.read(PIECE)
            yield offset, data, begin, len(data) - _AROUND if more else len(data)
            if not more:
                return
            kept = min(len(data), 2 * _AROUND)
            offset += len(data) - kept
            data, begin = data[-kept:] + more, kept - _AROUND


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(6)
    return start.startswith((b"BZh", b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\0"))


def texts_of_json(data: bytes) -> Iterator[str]:
    """Every value in it that is a text; all of it as it is when it is no JSON."""
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


def grids_of(generations: Generations, captures: Captures, known: Iterable[str]) -> set[str]:
    """All grids that a name of the forgotten can be of: a digest tells a name of one grid only."""
    found = {*known, *captures.created_grids(), *(stored.capture.grid for stored in captures.all_stored())}
    generations.close()  # one environment a file and process
    for name in generations.names():
        with contextlib.closing(generations.open(name)) as generation:
            found |= generation.grids
    return found
