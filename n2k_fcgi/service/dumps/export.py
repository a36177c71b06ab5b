"""The directory as lines that an import reads: JSON lines with everything, or W-Hat's csv of one grid.

Lines are in the order of keys; memory is bounded. Names of several avatars come last, and of these the avatar that is the
answer at the very end: in an import the later line wins, so the answers there are the same as here.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.grids import Grids
from n2k_fcgi.model.keys import format_key
from n2k_fcgi.model.names import DEFAULT_LAST_NAME, canonical
from n2k_fcgi.service.directory.lookup import View
from n2k_fcgi.store.avatars import CaptureStore, GenerationView
from n2k_fcgi.store.base import HiddenSet
from n2k_fcgi.store.fields import cleaned

STRETCH = 1000
"""Keys or names that are read at a time: with more of them, their values leave the processor's caches."""

_SEPARATORS = re.compile(r"[\s.]+")
_UNQUOTED = re.compile(r'[^",\r\n]*')


Claim = tuple[bytes, str]
"""(key, grid): one avatar."""


class Known(NamedTuple):
    """All that is known of one key on one grid."""

    avatar: Avatar
    """With its current name; ``seen`` is the latest of that name."""
    former: list[tuple[str, int]]
    """(spelling, last seen with it), oldest first."""
    capture: Capture | None


class Export:
    """The avatars of *generation* (None: of captures only) and of *captures*, without the *hidden*.

    *generation* is read in many steps, so it must have a lease. *grid*: only this one. *without* removes hidden avatars from
    texts: the source of a capture may name any avatar.
    """

    def __init__(
        self,
        generation: GenerationView | None,
        captures: CaptureStore,
        hidden: HiddenSet,
        grid: str | None = None,
        *,
        without: Callable[[str], str] = str,
    ) -> None:
        self._generation = generation
        self._captures = captures
        self._hidden = hidden
        self._view = View(generation, captures, None, Grids())
        self._grid = grid
        self._without = without

    def known(self) -> Iterator[Known]:
        """Yield every avatar; those of contested names last, the one that is the answer at the very end.

        Hidden avatars and hidden former names are left out.
        """
        return filter(None, map(self._shown, self._known())) if self._hidden else self._known()

    def _shown(self, known: Known) -> Known | None:
        key, grid = known.avatar.key, known.avatar.grid
        if self._hidden.hides(key, grid, canonical(known.avatar.name)):
            return None
        capture = known.capture
        if capture is not None:
            capture = capture._replace(source=cleaned(capture.source, self._without))
        return known._replace(
            capture=capture, former=[n for n in known.former if not self._hidden.hides(key, grid, canonical(n[0]))]
        )

    def _known(self) -> Iterator[Known]:
        contested = self._contested()
        deferred = {claim for claims in contested.values() for claim in claims}
        held: dict[Claim, Known] = {}
        for key, imported, captured in self._keys():
            for known in self._merged(key, imported, captured):
                claim = (key, known.avatar.grid)
                if claim in deferred:
                    held[claim] = known
                else:
                    yield known
        for claims in contested.values():
            yield from _worst_first([held[claim] for claim in claims if claim in held])

    def _keys(self) -> Iterator[tuple[bytes, list[Avatar], list[StoredCapture]]]:
        """Yield in key order: the key, all its imported names (former ones marked), its captures."""
        imported = self._imported()
        captured = groupby(self._captures.all_stored(), key=lambda stored: stored.capture.key)
        both: Iterable[tuple[bytes, int, Any]] = merge(
            ((key, 0, avatars) for key, avatars in imported),
            ((key, 1, list(group)) for key, group in captured),
            key=itemgetter(0, 1),
        )
        for key, found in groupby(both, key=itemgetter(0)):
            parts: dict[int, Any] = {which: part for _, which, part in found}
            yield key, parts.get(0, []), parts.get(1, [])

    def _imported(self) -> Iterator[tuple[bytes, list[Avatar]]]:
        first = b""
        while self._generation and (keys := self._generation.keys_from(first, STRETCH)):
            yield from keys
            first = keys[-1][0] + b"\0"  # the smallest one above it

    def _merged(self, key: bytes, imported: list[Avatar], captured: list[StoredCapture]) -> Iterator[Known]:
        """Yield what is known of *key* on each grid; the current name is that of a lookup."""
        if not captured and len(imported) == 1:
            if self._grid in (None, imported[0].grid):
                yield Known(imported[0], [], None)
            return
        current = self._view.with_key(key) if captured else [avatar for avatar in imported if not avatar.former]
        for avatar in current:
            if self._grid in (None, avatar.grid):
                on_grid = [stored for stored in captured if stored.capture.grid == avatar.grid]
                names = [*(other for other in imported if other.grid == avatar.grid), *_names(on_grid)]
                yield _known(avatar, names, on_grid[0].capture if on_grid else None)

    def _contested(self) -> dict[str, list[Claim]]:
        """Return the names of several avatars, with these, the answer first. They are few, so they are kept in memory."""
        contested: dict[str, list[Claim]] = {}
        for name in self._imported_twice():
            contested[name] = self._claims(name)
        for stored in self._captures.all_stored():
            name = canonical(stored.capture.name)
            contested[name] = self._claims(name)
            if len(contested[name]) < 2:
                del contested[name]
        return contested

    def _imported_twice(self) -> Iterator[str]:
        first: bytes | None = b""
        while self._generation and first is not None:
            names, first = self._generation.ambiguous_names(first, STRETCH)
            yield from names

    def _claims(self, name: str) -> list[Claim]:
        """Return the avatars whose current name is *name*, the answer first."""
        named = [avatar for avatar in self._view.named(name) if self._grid in (None, avatar.grid)]
        claims = dict.fromkeys((avatar.key, avatar.grid) for avatar in named)
        return [claim for claim in claims if self._is_called(*claim, name)]

    def _is_called(self, key: bytes, grid: str, name: str) -> bool:
        return any(avatar.grid == grid and canonical(avatar.name) == name for avatar in self._view.with_key(key))


def _names(captured: list[StoredCapture]) -> Iterator[Avatar]:
    for capture, former in captured:
        for name, seen in [*former, (capture.name, capture.last_seen)]:
            yield Avatar(capture.key, name, capture.grid, seen, Provenance.CAPTURE)


def _known(current: Avatar, names: list[Avatar], capture: Capture | None) -> Known:
    """*current* with the other *names* as former ones, each canonical form once; none is later than the current one."""
    form = canonical(current.name)
    seen = max((other.seen for other in names if canonical(other.name) == form), default=current.seen)
    former: dict[str, tuple[str, int]] = {}
    for other in sorted(names, key=lambda other: other.seen):
        if canonical(other.name) != form:
            former[canonical(other.name)] = (other.name, min(other.seen, seen))
    return Known(current._replace(seen=seen), sorted(former.values(), key=itemgetter(1)), capture)


def _worst_first(ranked: list[Known]) -> list[Known]:
    """Return the best claim last, and none with a later time than a better one on its grid."""
    limits: dict[str, int] = {}
    found = []
    for avatar, former, capture in ranked:
        seen = limits[avatar.grid] = min(avatar.seen, limits.get(avatar.grid, avatar.seen))
        found.append(Known(avatar._replace(seen=seen), [(name, min(at, seen)) for name, at in former], capture))
    return found[::-1]


def json_lines(knowns: Iterable[Known]) -> Iterator[bytes]:
    """Yield one object per line: key, name, grid, seen; former names and the capture if there are any."""
    for avatar, former, capture in knowns:
        fields: dict[str, Any] = {
            "key": format_key(avatar.key),
            "name": avatar.name,
            "grid": avatar.grid,
            "seen": avatar.seen,
        }
        if former:
            fields["former"] = [{"name": name, "seen": seen} for name, seen in former]
        if capture is not None:
            fields["capture"] = {
                "first": capture.first_seen,
                "last": capture.last_seen,
                "count": capture.times_seen,
                "source": capture.source._asdict(),
            }
        yield json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def csv_lines(knowns: Iterable[Known]) -> Iterator[bytes]:
    """Yield W-Hat's ``uuid,First Last``."""
    return (csv_line(known.avatar.key, _as_what_writes(known.avatar.name)) for known in knowns)


def csv_line(key: bytes, name: str) -> bytes:
    """Return one line; a name is quoted where it needs to be (RFC 4180)."""
    if _UNQUOTED.fullmatch(name):
        return f"{format_key(key)},{name}\n".encode()
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow((format_key(key), name))
    return line.getvalue().encode()


def _as_what_writes(name: str) -> str:
    """``foo`` and ``foo.resident`` are ``foo Resident`` there, ``first.last`` is ``first last``."""
    parts = [part for part in _SEPARATORS.split(name) if part]
    if len(parts) == 1 or (len(parts) == 2 and parts[1].lower() == DEFAULT_LAST_NAME):
        return f"{parts[0]} {DEFAULT_LAST_NAME.capitalize()}"
    return " ".join(parts) if len(parts) == 2 else name
