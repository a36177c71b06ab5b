"""Everything that is known of an avatar: its name on each grid, and the names it had before."""

from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.lookup import View
from n2k_fcgi.store.lmdb.captures import ORIGIN, Captures
from n2k_fcgi.store.lmdb.codec import unpack_names
from n2k_fcgi.store.lmdb.generation import Generation
from n2k_fcgi.store.lmdb.layout import FORMER


class History:
    """Asks one generation and the captures; valid as long as the generation is open."""

    def __init__(self, generation: Generation | None, captures: Captures, default_grid: str) -> None:
        self._generation = generation
        self._captures = captures
        self._view = View(generation, captures, default_grid)

    def keys_called(self, name: str) -> list[bytes]:
        """The keys that are or were called so (canonical), the likeliest first."""
        keys = [avatar.key for avatar in self._view.named(name)]
        former = self._generation.get(FORMER, name.encode()) if self._generation else None
        keys += [key for _, key in unpack_names(former or b"")]
        return list(dict.fromkeys(keys))

    def names_of(self, key: bytes) -> list[Avatar]:
        """The current name on each grid, then the former ones, the latest first; one of each form and grid."""
        names = {_identity(avatar): avatar for avatar in self._view.with_key(key)}
        for avatar in sorted(self._earlier(key), key=lambda avatar: -avatar.seen):
            names.setdefault(_identity(avatar), avatar._replace(former=True))
        return list(names.values())

    def _earlier(self, key: bytes) -> list[Avatar]:
        """Every name there ever was; the current ones may be among them."""
        found: list[Avatar] = []
        if self._generation is not None:
            found += self._generation.by_key(key) + self._generation.history(key)
        for other, (capture, former) in self._captures.stored():
            if other == key:
                names = [*former, (capture.name, capture.last_seen)]
                found += [Avatar(key, name, capture.grid, seen, ORIGIN) for name, seen in names]
        return found


def _identity(avatar: Avatar) -> tuple[str, str]:
    return avatar.grid, canonical(avatar.name)
