"""Where hidden avatars still are in LMDB's files: in rows, and in pages that are free.

LMDB leaves what was deleted in free pages until they are used again. Memory is bounded: rows are read in chunks, files in
pieces.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from n2k_fcgi.files import pieces
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.mention import Form, Mention
from n2k_fcgi.model.names import canonical
from n2k_fcgi.store.base import HiddenSet, Mentioned, Remnant
from n2k_fcgi.store.datadir import CAPTURES, DATA_FILE, GENERATIONS
from n2k_fcgi.store.fields import free_texts
from n2k_fcgi.store.inventory import files
from n2k_fcgi.store.lmdb.captures import Captures
from n2k_fcgi.store.lmdb.codec import unpack_names, unpack_spellings
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.generations import Generations
from n2k_fcgi.store.lmdb.layout import FORMER, HELD, HISTORY, KEYS, NAMES
from n2k_fcgi.store.lmdb.tokens import Tokens

SUFFIX = ".mdb"

ROWS = 10_000
"""Rows of one step."""

_NODE = re.compile(rb"(?s)(?=\x10\0(.{16})|\x11\0k(.{16})|[\x11-\x50]\0p(.{16})|\0(.{16})\{\"name\":)")
"""A key of 16 bytes as (a part of) a db_key: LMDB writes the length before it."""

_NAME_KEY = re.compile(rb"(?<=\0)n")
_VALUES = frozenset(
    (b"register", b"forget", b"admin", b"capture", b"dump", b"production", b"testing", b"true", b"false", b"null")
)
"""Words in our rows that name no avatar."""


class Search:
    """Searches generations, captures and tokens of *data_dir* for avatars that are *hidden*, and texts by *mentioned*."""

    def __init__(
        self,
        data_dir: Path,
        generations: Generations,
        captures: Captures,
        tokens: Tokens,
        *,
        hidden: HiddenSet,
        mentioned: Mentioned,
    ) -> None:
        self._data_dir = data_dir
        self._generations = generations
        self._captures = captures
        self._tokens = tokens
        self._hidden = hidden
        self._mentioned = mentioned

    def files(self) -> Iterator[tuple[str, Iterator[Remnant]]]:
        """Yield the path of each LMDB file, copies by the owner too, below the data directory, and what is found in it."""
        for path, _ in files(self._data_dir):
            if path.suffix == SUFFIX:
                yield path.relative_to(self._data_dir).as_posix(), self._in_file(path)

    def _in_file(self, path: Path) -> Iterator[Remnant]:
        name = path.relative_to(self._data_dir).as_posix()
        if name == f"{GENERATIONS}/{path.parent.name}/{DATA_FILE}" and path.parent.name in self._generations.names():
            yield from self._in_generation(path.parent.name)
            return
        found = False
        for remnant in self._in_captures() if name == CAPTURES else ():
            found = True
            yield remnant
        if not found and path.is_file():  # else a link to nowhere, or to a folder
            yield from self._in_pages(path)

    def _in_generation(self, name: str) -> Iterator[Remnant]:
        """Search its rows. The file was only appended to, so its free pages hold nothing else."""
        with self._generations.opened(name) as generation:
            for database in (KEYS, NAMES, HISTORY, FORMER, HELD):
                for number, is_hidden in enumerate(self._rows(generation, database), 1):
                    if is_hidden:
                        yield Remnant(f"an avatar in {database.decode()}", f"row {number}")

    def _rows(self, generation: Generation, database: bytes) -> Iterator[bool]:
        hides, grids = self._hidden.hides, [origin.grid for origin in generation.origins]
        for rows in generation.own_chunks(database, ROWS):
            for db_key, value in rows:
                if database in (KEYS, HISTORY):
                    yield any(hides(db_key, grids[o], canonical(text.decode())) for o, text in unpack_spellings(value))
                elif database == HELD:
                    yield bool(value) and self._hidden.hides_key(value, PRODUCTION)
                else:
                    form = db_key.decode()
                    yield any(hides(key, grids[o], form) for o, key in unpack_names(value, generation.record))

    def _in_captures(self) -> Iterator[Remnant]:
        hides = self._hidden.hides
        for number, (capture, former) in enumerate(self._captures.all_stored(), 1):
            key, row = capture.key, f"capture {number}"
            if hides(key, capture.grid, canonical(capture.name)):
                yield Remnant("an avatar", row)
            elif any(hides(key, capture.grid, canonical(name)) for name, _ in former):
                yield Remnant("a former name", row)
            for field, text in free_texts(capture.source).items():
                if self._is_mentioned(text):
                    yield Remnant(f"a mention in source.{field}", row)
        for token in self._tokens.tokens():
            for field, text in free_texts(token).items():
                if self._is_mentioned(text):
                    yield Remnant(f"a mention in {field}", f"token {token.id}")

    def _is_mentioned(self, text: str) -> bool:
        return any(True for _ in self._mentioned(text.encode("utf-8", "surrogateescape")))

    def _in_pages(self, path: Path) -> Iterator[Remnant]:
        for offset, data, begin, end in pieces(path):
            for mention in self._in_bytes_of_pages(data):
                if begin <= mention.start < end:
                    yield Remnant(mention.form.value, f"byte {offset + mention.start}")

    def _in_bytes_of_pages(self, data: bytes) -> Iterator[Mention]:
        """Yield mentions in text, keys of 16 bytes, and names after the letter that begins a db_key."""
        for match in _NODE.finditer(data):
            key = next(filter(None, match.groups()))
            if self._hidden.hides_everywhere(key):  # one that is hidden on some grids may be there for another
                yield Mention(match.start(), match.start() + KEY_BYTES, Form.KEY)
        for mention in {*self._mentioned(data), *self._mentioned(_NAME_KEY.sub(b"\0", data))}:
            if not (mention.form is Form.WORD and _is_ours(data, mention)):
                yield mention


def _is_ours(data: bytes, mention: Mention) -> bool:
    """Whether it is a word of our formats: the name of a field, or one of the few values that a field has."""
    is_field = data[mention.start - 1 : mention.start] == b'"' and data[mention.end : mention.end + 2] == b'":'
    return is_field or data[mention.start : mention.end].lower() in _VALUES
