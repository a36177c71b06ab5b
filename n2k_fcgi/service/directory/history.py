"""The names of an avatar: the current one on each grid, and the former ones."""

from typing import NamedTuple

from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.lookup import View


class Named(NamedTuple):
    """A name that an avatar has or had on a grid, and when."""

    avatar: Avatar
    """``seen``: when it last had this name, as far as is known."""
    capture: Capture | None
    """The capture under this name; None if only dumps have the name, or it is a former one."""


class History:
    """Reads the generation and the captures of *view*, and is valid as long as that is."""

    def __init__(self, view: View) -> None:
        self._view = view

    def keys_called(self, name: str) -> list[bytes]:
        """Return the keys that have or had the canonical name, the likeliest first."""
        return list(dict.fromkeys(avatar.key for avatar in self._view.named(name)))

    def names_of(self, key: bytes, most: int | None = None) -> list[Named]:
        """Return the current name on each grid, then former names, the latest first; one per canonical name and grid.

        *most*: only the latest former names, so many of dumps and of captures.
        """
        current = {_identity(avatar): avatar for avatar in self._view.with_key(key)}
        if not current:
            return []
        stored = self._view.captures.stored(key)
        captures = {_identity(_captured(each.capture)): each.capture for each in stored}
        names = dict(current)
        for avatar in sorted(self._earlier(key, stored, most), key=lambda avatar: -avatar.seen):
            names.setdefault(_identity(avatar), avatar._replace(former=True))
        return [Named(avatar, captures.get(_identity(avatar))) for avatar in self._view.shown(list(names.values()))]

    def _earlier(self, key: bytes, stored: list[StoredCapture], most: int | None) -> list[Avatar]:
        """Return all names of both sources, or the latest *most*; current ones may be among them."""
        found: list[Avatar] = []
        generation = self._view.generation
        if generation is not None:
            if stored:  # else they are the current ones
                found += generation.by_key(key)
            found += generation.history(key, most)
        for capture, former in stored:
            latest = former if most is None else former[-most:]
            found += [_captured(capture)._replace(name=name, seen=seen) for name, seen in latest]
            found.append(_captured(capture))
        return found


def _captured(capture: Capture) -> Avatar:
    return Avatar(capture.key, capture.name, capture.grid, capture.last_seen, Provenance.CAPTURE)


def _identity(avatar: Avatar) -> tuple[str, str]:
    return avatar.grid, canonical(avatar.name)
