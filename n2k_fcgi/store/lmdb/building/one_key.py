"""The names of one key: which is current on each grid, and which are former ones."""

from typing import NamedTuple

from n2k_fcgi.model.names import canonical
from n2k_fcgi.model.origins import OriginTable
from n2k_fcgi.model.renderings import form_of
from n2k_fcgi.store.lmdb.codec import pack_name


class Spelled(NamedTuple):
    """One name of a key: origin number and spelling."""

    origin: int
    spelling: bytes


class KeyCounts:
    """What became of the avatars (a key on a grid) of the dump and of the previous generation."""

    def __init__(self) -> None:
        self.keys = 0
        self.records = 0
        self.added = 0
        self.changed = 0
        self.unchanged = 0
        self.removed = 0


class NameRules:
    """Decides by times. *replaced_grid*: its names go unless the dump has the key."""

    def __init__(self, origins: OriginTable, replaced_grid: str | None, counts: KeyCounts) -> None:
        self._origins = origins
        self._replaced_grid = replaced_grid
        self._counts = counts

    def current(self, stored: list[Spelled], dumped: list[Spelled]) -> tuple[list[Spelled], list[Spelled]]:
        """Return the current name on each grid, of the stored ones and those of the dump, in its order; and the others."""
        by_grid: dict[str, list[Spelled]] = {self._origins.grid(spelled.origin): [spelled] for spelled in stored}
        known = set(by_grid)
        for spelled in dumped:
            by_grid.setdefault(self._origins.grid(spelled.origin), []).append(spelled)
        current: list[Spelled] = []
        outdated: list[Spelled] = []
        for grid, names in by_grid.items():
            if grid not in known or len(names) > 1:
                latest, others = self._latest(names, grid in known)
                current.append(latest)
                outdated += others
            elif grid == self._replaced_grid:
                self._counts.removed += 1
            else:
                current.append(names[0])
        return current, outdated

    def _latest(self, names: list[Spelled], is_known: bool) -> tuple[Spelled, list[Spelled]]:
        """Return the latest of *names*, of equal times the last one, and the others that are other names."""
        first = names[0]
        if len(names) == 1:
            self._counts.added += 1
            return first, []
        replaced = is_known and self._origins.grid(first.origin) == self._replaced_grid
        rivals = names[1:] if replaced else names  # a replaced name is never current, whatever its time
        latest = max(reversed(rivals), key=lambda spelled: self._origins.as_of(spelled.origin))
        form = canonical_of(latest)
        others = [spelled for spelled in names if spelled is not latest and canonical_of(spelled) != form]
        if not is_known:
            self._counts.added += 1
        elif latest is not first and canonical_of(first) != form:
            self._counts.changed += 1
        else:
            self._counts.unchanged += 1
        return latest, others

    def former(self, names: list[Spelled], current: list[Spelled]) -> list[Spelled]:
        """Return the latest of *names* per canonical name and grid, without the current ones, oldest first.

        An avatar that was removed has none.
        """
        if not names:
            return names
        origins = self._origins
        forms = {origins.grid(spelled.origin): canonical_of(spelled) for spelled in current}
        latest: dict[tuple[str, str], Spelled] = {}
        for spelled in names:
            grid, form = origins.grid(spelled.origin), canonical_of(spelled)
            if forms.get(grid, form) == form:
                continue
            rival = latest.get((grid, form))
            if rival is None or origins.as_of(rival.origin) <= origins.as_of(spelled.origin):
                latest[grid, form] = spelled
        return sorted(latest.values(), key=lambda spelled: origins.as_of(spelled.origin))


def canonical_of(spelled: Spelled) -> str:
    """Return the canonical name."""
    return canonical(spelled.spelling.decode())


def name_line(key: bytes, spelled: Spelled) -> bytes:
    """Return the line of the name index for a name of a key."""
    name = canonical_of(spelled).encode()
    return name + pack_name(spelled.origin, key, form_of(spelled.spelling, name))
