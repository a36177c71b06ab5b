"""W-Hat's name2key.csv of one grid, from the name index: in the order of names, a few hundred rows at a time.

As W-Hat does, names are written from their canonical form, each part with a capital: ``governor.linden`` is
``Governor Linden``, ``username`` is ``Username Resident``. The spelling that was imported is in ``n2k export``. Each key has
one line; where several keys claim a name, the one that answers comes last, since an import lets the later line win.
"""

from collections.abc import Iterator

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.names import DEFAULT_LAST_NAME, canonical
from n2k_fcgi.service.access.slots import Slot
from n2k_fcgi.service.directory.lookup import Directory
from n2k_fcgi.service.dumps.export import csv_line

STRETCH = 500
"""Avatars per block, about 25 KB of text and a millisecond: other requests are answered between two blocks."""

_BEHIND_ALL = b"\xff"
"""This byte does not occur in UTF-8."""

Row = tuple[bytes, list[Avatar]]
"""A canonical name and the avatars that the generation has for it."""


class NameList:
    """The lines of *grid*, as blocks of bytes. Holds the live generation and *slot* until it is closed."""

    def __init__(self, directory: Directory, grid: str, slot: Slot | None = None) -> None:
        self._grid = grid
        self._forgotten = directory.forgotten
        # The tombstones are read once per block, as a copy: per row they would take as long as all else.
        self._hidden = self._forgotten.hidden()
        self._view = directory.held_view()
        self._slot = slot
        self.generation_name = self._view.generation_name

    def __iter__(self) -> Iterator[bytes]:
        first: bytes | None = b""
        while first is not None:
            block, first = self._block(first)
            if block:
                yield block
        self.close()

    def close(self) -> None:
        """Release generation and slot. Servers always call this (PEP 3333)."""
        self._view.release()
        if self._slot is not None:
            self._slot.close()

    def _block(self, first: bytes) -> tuple[bytes, bytes | None]:
        """Return the lines of one block, and where the next block begins. Nothing else is kept while it is sent."""
        with self._view.snapshot():
            self._hidden = self._forgotten.hidden(self._hidden)
            rows, captured, following = self._stretch(first)
            return b"".join(self._lines(rows, captured)), following

    def _stretch(self, first: bytes) -> tuple[list[Row], set[bytes], bytes | None]:
        """Return rows of the generation from *first* on, the names that captures have, and where the next block begins."""
        generation = self._view.generation
        rows = generation.bindings(first, STRETCH) if generation else []
        end = rows[-1][0] + b"\0" if rows else None
        captured = self._view.captures.names_between(first, end or _BEHIND_ALL, STRETCH, reverse=False)
        if len(captured) == STRETCH:
            end = captured[-1] + b"\0"
            rows = [row for row in rows if row[0] < end]
        return rows, set(captured), end

    def _lines(self, rows: list[Row], captured_names: set[bytes]) -> Iterator[bytes]:
        captured = self._view.captures.known_among([avatar.key for _, avatars in rows for avatar in avatars])
        nowhere_else: list[Row] = [(name, []) for name in captured_names - {name for name, _ in rows}]
        for name, avatars in sorted([*rows, *nowhere_else]) if nowhere_else else rows:
            form = name.decode()
            if len(avatars) > 1 or name in captured_names or any(avatar.key in captured for avatar in avatars):
                avatars = self._view.current(form)  # the winner of a name first
            for avatar in reversed([a for a in avatars if a.grid == self._grid]):
                if not (self._hidden and self._hidden.hides(avatar.key, self._grid, form)):
                    yield csv_line(avatar.key, written(form))


def written(form: str) -> str:
    """Return a canonical name as W-Hat writes it."""
    parts = form.split(".")
    if len(parts) == 1:
        parts.append(DEFAULT_LAST_NAME)
    name = " ".join(map(str.capitalize, parts))
    return name if canonical(name) == form else form.replace(".", " ")
