"""name2key and key2name: the live generation with the captures as an overlay.

A hidden avatar appears in no answer, in either direction.
"""

from __future__ import annotations

import contextlib
from itertools import takewhile

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.keys import is_key_shaped, parse_key
from n2k_fcgi.model.names import canonical, parse_name
from n2k_fcgi.service.directory.choice import choose, overlaid, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from n2k_fcgi.model.avatar import Avatar
    from n2k_fcgi.model.grids import Grids, Wanted
    from n2k_fcgi.model.names import ParsedName
    from n2k_fcgi.store.avatars import CaptureStore, GenerationStore, GenerationView, Lease
    from n2k_fcgi.store.base import Binding, ForgottenStore

    Asked = TypeVar("Asked", str, bytes)


MOST_ROWS = 20_000
"""Names that an answer to many questions reads, some twenty for each of a thousand; then it ends early and says so.

Registrations and dumps decide how many names lead to one key, and how many keys to one name.
"""

NO_GENERATION = "none"
"""The value of X-N2K-Generation before the first import."""


class Directory:
    """Answers lookups. Take one view per answer: all of it, including history, then comes from one generation.

    A view is the only way to the live generation, and each view has its own.
    """

    def __init__(self, generations: GenerationStore, captures: CaptureStore, forgotten: ForgottenStore, grids: Grids) -> None:
        self._generations = generations
        self.captures = captures
        self.forgotten = forgotten
        self.grids = grids

    def view(self) -> View:
        """Return what is live now; valid until the next view is taken. Raises the errors of a store that cannot be read."""
        return View(self._generations.current(), self.captures, self.forgotten, self.grids)

    def find(self, text: str, grid: str | None = None) -> Avatar | None:
        """Return what ``View.find`` does, as of now; *grid*: only an avatar of this grid. Raises BadGrid, too."""
        return self.view().find(text, self.grids.wanted(grid))

    def full_view(self) -> View:
        """Return a view that includes hidden avatars: for deciding what to hide, never for an answer."""
        return View(self._generations.current(), self.captures, None, self.grids)

    def held_view(self) -> HeldView:
        """Return a ``full_view`` for an answer of many steps: valid until released, also when a generation is published."""
        return HeldView(self._generations.hold(), self.captures, self.grids)


class View:
    """The directory as one answer sees it. *forgotten* None: hidden avatars are included."""

    __slots__ = (
        "_forgotten",
        "_remembered",
        "captures",
        "generation",
        "generation_name",
        "grids",
    )

    def __init__(
        self,
        generation: GenerationView | None,
        captures: CaptureStore,
        forgotten: ForgottenStore | None,
        grids: Grids,
    ) -> None:
        self.generation = generation
        self.captures = captures
        self._forgotten = forgotten
        self.grids = grids
        self.generation_name = NO_GENERATION if generation is None else generation.name
        self._remembered: _Remembered | None = None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Answer everything inside from one snapshot of both sources, in one read transaction each.

        Each name and key is looked up once, however often it is asked for.
        """
        imported = contextlib.nullcontext() if self.generation is None else self.generation.snapshot()
        with self.captures.snapshot(), imported:
            self._remembered = _Remembered(self._rows_read())
            try:
                yield
            finally:
                self._remembered = None

    def is_enough(self) -> bool:
        """Whether so much was read in the ``snapshot`` that the answer should end here."""
        return self._remembered is not None and self._rows_read() - self._remembered.read_before >= MOST_ROWS

    def read_names(self, names: Sequence[str]) -> int:
        """Read many canonical names by few calls of the store, for ``named`` inside this ``snapshot``.

        Return how many of the first ones were read: fewer than all when the answer should end there, one at least.
        """
        assert self._remembered is not None
        known, forgotten = self._remembered.by_name, self._forgotten
        new = [name for name in dict.fromkeys(names) if name not in known]
        found = self.captures.by_names(new, self._rows_left())
        if self.generation is not None:
            imported = self.generation.by_names(new[: len(found)], self._rows_left())
            found = [ranked(*each) for each in zip(imported, found, strict=False)]
        if forgotten is not None:
            hidden = forgotten.hidden_among((a.key, a.grid, n) for n, each in zip(new, found, strict=False) for a in each)
            if hidden:
                found = [[a for a in each if (a.key, a.grid, n) not in hidden] for n, each in zip(new, found, strict=False)]
        known.update(zip(new, found, strict=False))
        return _count_first(names, known)

    def read_keys(self, keys: Sequence[bytes]) -> int:
        """Read many keys for ``with_key``, as ``read_names`` reads names."""
        assert self._remembered is not None
        known = self._remembered.by_key
        new = [key for key in dict.fromkeys(keys) if key not in known]
        found = self.captures.by_keys(new, self._rows_left())
        if self.generation is not None:
            imported = self.generation.by_keys(new[: len(found)], self._rows_left())
            found = [overlaid(*each) for each in zip(imported, found, strict=False)]
        if self._forgotten is not None:
            hidden = self._forgotten.hidden_among(binding(avatar) for each in found for avatar in each)
            if hidden:
                found = [[avatar for avatar in each if binding(avatar) not in hidden] for each in found]
        known.update(zip(new, found, strict=False))
        return _count_first(keys, known)

    def _rows_left(self) -> int:
        assert self._remembered is not None
        return MOST_ROWS - (self._rows_read() - self._remembered.read_before)

    def _rows_read(self) -> int:
        return self.captures.rows_read + (0 if self.generation is None else self.generation.rows_read)

    def name2key(self, name: str, grid: str | None = None, *, strict: bool = False) -> Avatar | None:
        """Return the avatar with the canonical name *name*. *strict*: only one of *grid*, else *grid* is preferred."""
        found = self.named(name)
        if not found:
            return None
        return choose(found, grid, self.grids.default, strict=strict)

    def key2name(self, key: bytes, grid: str | None = None, *, strict: bool = False) -> Avatar | None:
        """Return the avatar with *key*, under its current name; *grid* and *strict* as in ``name2key``."""
        found = self.with_key(key)
        if not found:
            return None
        return choose(found, grid, self.grids.default, strict=strict)

    def called(self, name: ParsedName, wanted: Wanted) -> Avatar | None:
        """Return the avatar that has or had *name*, under its current name, with its spelling."""
        wanted = name.on(wanted)
        avatar = self.name2key(name.canonical, wanted.grid, strict=wanted.strict)
        return avatar and (self.key2name(avatar.key, avatar.grid, strict=True) or avatar)

    def all_called(self, name: ParsedName, wanted: Wanted) -> list[Avatar]:
        """Return all avatars that have or had *name*, under their current names, the likeliest first, inside a ``snapshot``.

        ``former`` says that *name* is an earlier one. The first ones only, if there are too many to read.
        """
        wanted = name.on(wanted)
        named = self.named(name.canonical)
        if len(named) > 1:
            first = self.name2key(name.canonical, wanted.grid, strict=wanted.strict)
            named = sorted(named, key=lambda avatar: avatar != first)
        found = []
        for avatar in named:
            if not wanted.strict or avatar.grid == wanted.grid:
                now = self.key2name(avatar.key, avatar.grid, strict=True)
                found.append(now._replace(former=avatar.former) if now and avatar.former else now or avatar)
            if self.is_enough():
                break
        return list({(avatar.key, avatar.grid): avatar for avatar in reversed(found)}.values())[::-1]

    def each_called(self, names: Sequence[ParsedName], wanted: Wanted) -> list[Avatar | None]:
        """``called`` of each inside a ``snapshot``; of the first ones only, one at least, when they take too much reading."""
        read = names[: self.read_names([name.canonical for name in names])]
        on = [name.on(wanted) for name in read]
        chosen = [self.name2key(n.canonical, w.grid, strict=w.strict) for n, w in zip(read, on, strict=True)]
        keys = [avatar.key for avatar in chosen if avatar is not None]
        known = set(keys[: self.read_keys(keys)])
        of_known = takewhile(lambda avatar: avatar is None or avatar.key in known, chosen)
        return [avatar and (self.key2name(avatar.key, avatar.grid, strict=True) or avatar) for avatar in of_known]

    def each_with_key(self, keys: Sequence[bytes], wanted: Wanted) -> list[Avatar | None]:
        """``key2name`` of each inside a ``snapshot``, as ``each_called`` does it."""
        return [self.key2name(key, wanted.grid, strict=wanted.strict) for key in keys[: self.read_keys(keys)]]

    def find(self, text: str, wanted: Wanted) -> Avatar | None:
        """Return the avatar of *text*, a key or a name in any spelling, under its current name. Raises BadName, BadKey."""
        if is_key_shaped(text.strip()):
            return self.key2name(parse_key(text), wanted.grid, strict=wanted.strict)
        return self.called(parse_name(text, self.grids), wanted)

    def named(self, name: str) -> list[Avatar]:
        """Return the avatars that have or had the canonical name, the winner of each grid first; of too many the first ones."""
        if self._remembered is not None:
            return _once(self._remembered.by_name, name, self._named)
        return self._named(name)

    def _named(self, name: str) -> list[Avatar]:
        found = self.captures.by_name(name)
        if self.generation is not None:
            found = ranked(self.generation.by_name(name), found)
        if not found or self._forgotten is None:
            return found
        hidden = self._forgotten.hidden_among((a.key, a.grid, name) for a in found)
        return [a for a in found if (a.key, a.grid, name) not in hidden] if hidden else found

    def with_key(self, key: bytes) -> list[Avatar]:
        """Return the current name of *key* on each grid that has it."""
        if self._remembered is not None:
            return _once(self._remembered.by_key, key, self._with_key)
        return self._with_key(key)

    def _with_key(self, key: bytes) -> list[Avatar]:
        found = self.captures.by_key(key)
        if self.generation is not None:
            found = overlaid(self.generation.by_key(key), found)
        return self.shown(found) if found else found

    def shown(self, avatars: list[Avatar]) -> list[Avatar]:
        """Return those of *avatars* that are not hidden; all must have spellings."""
        if self._forgotten is None:
            return avatars
        hidden = self._forgotten.hidden_among(map(binding, avatars))
        return [avatar for avatar in avatars if binding(avatar) not in hidden] if hidden else avatars

    def secret(self) -> bytes:
        """Return random bytes that only this store has; b'' before the first avatar was hidden."""
        return b"" if self._forgotten is None else self._forgotten.secret()

    def current(self, name: str) -> list[Avatar]:
        """Return the avatars whose current name is canonical *name*, with spellings; one per key and grid."""
        return self.current_among(self.named(name), name)

    def current_among(self, named: Iterable[Avatar], name: str) -> list[Avatar]:
        """Return what ``current`` does, out of *named*, the result of ``named``."""
        found: dict[tuple[bytes, str], Avatar] = {}
        for avatar in named:
            if not avatar.former and (avatar.key, avatar.grid) not in found:
                spelled = self.spelled(avatar)
                if canonical(spelled.name) == name:
                    found[avatar.key, avatar.grid] = spelled
        return list(found.values())

    def names_between(self, first: bytes, end: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """Return canonical names of both sources, as ``store.avatars.AvatarIndex`` does; some may be former names."""
        captured = self.captures.names_between(first, end, limit, reverse=reverse)
        if self.generation is None:
            return captured
        imported = self.generation.names_between(first, end, limit, reverse=reverse)
        return sorted({*imported, *captured}, reverse=reverse)[:limit] if captured else imported

    def spelled(self, avatar: Avatar) -> Avatar:
        """Return *avatar* with its spelling, which the name index of a generation does not hold."""
        if avatar.name:
            return avatar
        return next((known for known in self.with_key(avatar.key) if known.grid == avatar.grid), avatar)


class HeldView(View):
    """A view that stays valid until it is released."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Lease | None, captures: CaptureStore, grids: Grids) -> None:
        super().__init__(lease.view if lease else None, captures, None, grids)
        self._lease = lease

    def release(self) -> None:
        """End the answer. Idempotent."""
        self.generation = None
        if self._lease is not None:
            self._lease.release()


def binding(avatar: Avatar) -> Binding:
    """Return key, grid and canonical name of an avatar that has a spelling."""
    return avatar.key, avatar.grid, canonical(avatar.name)


class _Remembered:
    """The results inside a ``snapshot``, and how many rows had been read before it."""

    __slots__ = ("by_key", "by_name", "read_before")

    def __init__(self, read_before: int) -> None:
        self.by_name: dict[str, list[Avatar]] = {}
        self.by_key: dict[bytes, list[Avatar]] = {}
        self.read_before = read_before


def _once(known: dict[Asked, list[Avatar]], asked: Asked, find: Callable[[Asked], list[Avatar]]) -> list[Avatar]:
    found = known.get(asked)
    if found is None:
        found = known[asked] = find(asked)
    return found


def _count_first(asked: Sequence[Asked], known: Mapping[Asked, object]) -> int:
    """How many of *asked* are known before the first that is not."""
    return next((number for number, one in enumerate(asked) if one not in known), len(asked))
