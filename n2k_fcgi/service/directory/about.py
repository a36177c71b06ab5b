"""Everything that is held about one avatar, hidden or not, for a request of that person.

Each section yields records as values of JSON, in bounded memory. Records of others that mention the avatar are told without
their names and keys. ``store.fields`` and ``store.inventory`` are the tables of what can name an avatar.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.avatar import Avatar, Source
from n2k_fcgi.model.dates import iso
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.history import History
from n2k_fcgi.service.directory.lines_naming import lines_naming, opened, why_not_searched
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.service.directory.mentions import Mentions
from n2k_fcgi.service.directory.one_avatar import Finder, OneAvatar
from n2k_fcgi.service.directory.remains import begins_packed
from n2k_fcgi.store.avatars import GenerationView
from n2k_fcgi.store.base import Store
from n2k_fcgi.store.datadir import DATA_FILE
from n2k_fcgi.store.fields import cleaned, free_texts
from n2k_fcgi.store.inventory import OF_A_GENERATION, Reading, files
from n2k_fcgi.store.keyvalue import Spot

Record = dict[str, Any]
"""Times are ISO 8601, UTC: a person reads them."""


class Asked(NamedTuple):
    """Whom a request is about."""

    key: bytes | None
    """None: no avatar of that name is known."""
    names: list[tuple[str, str]]
    """(grid, canonical name) of every name that it has or had, and of the one in the request."""


class NotSearched(NamedTuple):
    """What could not be searched."""

    place: str
    why: str


def asked_by_key(store: Store, view: View, key: bytes) -> Asked:
    """Return the avatar with *key*, on every grid. *view*: a full one."""
    named = [each.avatar for each in History(view).names_of(key)]
    for generation in _generations(store):
        named += [*generation.by_key(key), *generation.history(key)]
    return Asked(key, list(dict.fromkeys((avatar.grid, canonical(avatar.name)) for avatar in named)))


def asked_by_name(store: Store, view: View, name: str, grid: str) -> Asked:
    """Return the avatar that has, or else had, the canonical *name* on *grid*; of an unknown one the name alone."""
    avatar = view.name2key(name, grid, strict=True)
    if avatar is None:  # perhaps a generation has it that is not live
        found = (avatar for generation in _generations(store) for avatar in generation.by_name(name) if avatar.grid == grid)
        avatar = next(found, None)
    if avatar is None:
        return Asked(None, [(grid, name)])
    asked = asked_by_key(store, view, avatar.key)
    return asked._replace(names=list(dict.fromkeys([*asked.names, (grid, name)])))


def _generations(store: Store) -> Iterator[GenerationView]:
    """Yield each generation that can be read, the latest first; valid until the next."""
    for manifest in reversed(store.generations.listed()[1]):
        with contextlib.suppress(N2KError), store.generations.opened(manifest.name) as generation:
            yield generation


class About:
    """Searches *store* and the files of *data_dir* for the avatar that was *asked* for, and its *logs*, wherever they are.

    *hidden* finds hidden avatars: those others are cut out of texts.
    """

    def __init__(self, store: Store, data_dir: Path, asked: Asked, *, hidden: Mentions, logs: Sequence[Path] = ()) -> None:
        self._store = store
        self._data_dir = data_dir
        self._logs = [log for log in logs if data_dir not in log.parents]
        self._asked = asked
        self._keys = [asked.key] if asked.key else []
        avatar = OneAvatar(self._keys, (name for _, name in asked.names))
        self._finder = Finder(avatar)
        self._without = hidden.but(avatar).without
        self.not_searched: list[NotSearched] = []
        """Complete when all sections were read."""

    def sections(self) -> Iterator[tuple[str, Iterator[Record]]]:
        """Yield each section with its records; read these before the next section."""
        sections: dict[str, Callable[[], Iterator[Record]]] = {
            "dump": self._in_generations,
            "captures": self._captures,
            "reported_by": self._sources,
            "pending": self._pending,
            "conflicts": self._conflicts,
            "forgotten": self._tombstones,
            "reserved": self._reserved,
            "tokens": self._tokens,
            "keyvalue": self._in_namespaces,
            "datasets": self._in_datasets,
            "files": self._in_files,
        }
        for name, records in sections.items():
            yield name, self._readable(name, records())

    def _readable(self, place: str, records: Iterator[Record]) -> Iterator[Record]:
        """Yield *records* as far as they can be read: one damaged file must not hide the others."""
        try:
            yield from records
        except N2KError as problem:
            self.not_searched.append(NotSearched(place, problem.told))
        except OSError as problem:
            self.not_searched.append(NotSearched(place, str(problem.strerror)))

    def _in_generations(self) -> Iterator[Record]:
        live, manifests = self._store.generations.listed()
        for name in (manifest.name for manifest in manifests):
            yield from self._readable(f"generation {name}", self._in_generation(name, is_live=name == live))
        known = {OF_A_GENERATION.replace("*", manifest.name) for manifest in manifests}
        for path, row in files(self._data_dir):
            folder = path.parent.relative_to(self._data_dir).as_posix()
            if row is not None and row.pattern == f"{OF_A_GENERATION}/{DATA_FILE}" and folder not in known:
                self.not_searched.append(NotSearched(folder, "its manifest cannot be read"))

    def _in_generation(self, name: str, *, is_live: bool) -> Iterator[Record]:
        with self._store.generations.opened(name) as generation:
            for key in self._keys:
                for avatar in (*generation.by_key(key), *generation.history(key)):
                    first = next((a.key for a in generation.by_name(canonical(avatar.name)) if a.grid == avatar.grid), None)
                    yield {"generation": name, "live": is_live, **_named(avatar), "answers_its_name": first == key}

    def _captures(self) -> Iterator[Record]:
        for key in self._keys:
            for capture, former in self._store.captures.stored(key):
                yield {
                    "grid": capture.grid,
                    "name": capture.name,
                    "first_seen": iso(capture.first_seen),
                    "last_seen": iso(capture.last_seen),
                    "times_seen": capture.times_seen,
                    "source": self._source(capture.source),
                    "former": [{"name": name, "seen": iso(seen)} for name, seen in former],
                }

    def _sources(self) -> Iterator[Record]:
        """Others who were seen by a prim of the avatar, or at a place that is called like it; without who they are."""
        for capture, _ in self._store.captures.all_stored():
            if capture.key not in self._keys:
                for field, text in free_texts(capture.source).items():
                    if self._finder.is_in(text):
                        own = self._source(capture.source) if field == "owner_key" else {field: self._without(text)}
                        yield {"field": field, "source": own, "last_seen": iso(capture.last_seen)}

    def _pending(self) -> Iterator[Record]:
        for key in self._keys:
            for queued in self._store.pending.queued(key):
                yield {
                    "grid": queued.grid,
                    "asked": iso(queued.asked),
                    "unknown": iso(queued.unknown) if queued.unknown else None,
                }

    def _conflicts(self) -> Iterator[Record]:
        for each in self._store.conflicts.conflicts():
            roles = {"holder": each.holder in self._keys, "refused": each.key in self._keys}
            if any(roles.values()) or (each.grid, canonical(each.name)) in self._asked.names:
                times = {"first_seen": iso(each.first_seen), "last_seen": iso(each.last_seen), "times_seen": each.times_seen}
                yield {"name": each.name, "grid": each.grid, **roles, **times, "origin": each.provenance}

    def _tombstones(self) -> Iterator[Record]:
        for found in self._store.forgotten.tombstones(self._keys, self._asked.names):
            grid, name = found.name or (None, None)
            what = {"key": format_key(found.key)} if found.key else {"name": name, "grid": grid}
            yield {**what, "hidden_since": iso(found.when), "on_grids": None if found.grids is None else list(found.grids)}

    def _reserved(self) -> Iterator[Record]:
        captures = self._store.captures
        for key in self._keys:
            count = captures.count_reserved(key)
            if count:
                yield {"key": format_key(key), "names": count}
        for grid, name in self._asked.names:
            is_reserved, is_own = captures.reserved_for(self._asked.key or b"", name)
            if is_reserved and grid == PRODUCTION:
                yield {"name": name, "grid": grid, "for_this_key": is_own}

    def _tokens(self) -> Iterator[Record]:
        for token in self._store.tokens.tokens():
            for field, text in free_texts(token).items():
                if self._finder.is_in(text):
                    yield {
                        "token": token.id,
                        field: self._without(text),
                        "scopes": list(token.scopes),
                        "made": iso(token.created),
                    }

    def _in_namespaces(self) -> Iterator[Record]:
        keyvalue = self._store.keyvalue
        for name in keyvalue.names():
            yield from self._readable(f"namespace {name}", self._in_namespace(name))

    def _in_namespace(self, name: str) -> Iterator[Record]:
        for spot, key, value in self._store.keyvalue.namespace(name).holdings():
            places = self._places_in(key, value)
            if places:
                yield {"namespace": name, "key": _text(key), "kind": spot, **({"in": places} if spot in _WITH_VALUES else {})}

    def _in_datasets(self) -> Iterator[Record]:
        keyvalue = self._store.keyvalue
        for name in keyvalue.dataset_names():
            yield from self._readable(f"dataset {name}", self._in_dataset(name))

    def _in_dataset(self, name: str) -> Iterator[Record]:
        for entry in self._store.keyvalue.entries_of(name):
            places = self._places_in(entry.key, entry.value)
            if places:
                yield {"dataset": name, "key": _text(entry.key), "in": places}

    def _places_in(self, key: bytes, value: bytes) -> list[str]:
        return [place for place, data in (("key", key), ("value", value)) if self._finder.is_in(data)]

    def _in_files(self) -> Iterator[Record]:
        """Every other file of the data directory, foreign ones too; and the names of all."""
        for path, row in files(self._data_dir):
            place = path.relative_to(self._data_dir).as_posix()
            if self._finder.is_in(place):
                yield {"file": self._without(place), "in": "its name"}
            if row is None or row.reading is Reading.LINES:
                yield from self._readable(place, self._in_file(path, place))
        for path in self._logs:
            yield from self._readable(str(path), self._in_file(path, str(path), owners=self._owners()))

    def _owners(self) -> set[int]:
        """Whose logs are ours. That folder may be open to others, who could have a file of somebody else handed out."""
        return {os.geteuid(), self._data_dir.stat().st_uid}

    def _in_file(self, path: Path, place: str, owners: set[int] | None = None) -> Iterator[Record]:
        """The lines of a file, of one of *owners* if they are given. What a link leads to is not ours: it is not read."""
        try:
            why = why_not_searched(path.lstat(), owners)
            if why is None:
                with opened(path) as file:
                    why = why_not_searched(os.fstat(file.fileno()), owners) or ("it is packed" if begins_packed(file) else None)
                    if why is None:
                        for byte, line in lines_naming(self._finder, file):
                            yield {"file": place, "byte": byte, **({} if line is None else {"line": self._without(line)})}
        except FileNotFoundError:  # there is no log yet, or it was removed meanwhile
            return
        if why is not None:
            self.not_searched.append(NotSearched(place, why))

    def _source(self, source: Source) -> Record:
        return cleaned(source, self._without)._asdict()


_WITH_VALUES = (Spot.ENTRY, Spot.LATER)


def _named(avatar: Avatar) -> Record:
    return {"grid": avatar.grid, "name": avatar.name, "former": avatar.former, "as_of": iso(avatar.seen)}


def _text(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")
