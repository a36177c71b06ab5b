"""The directory as keys of memcached: ``PREFIXavatar:NAME`` is a key, ``PREFIXkey:KEY`` a name; read-only."""

from collections.abc import Sequence

from n2k_fcgi.errors import BadGrid, BadKey, BadName
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.keys import format_key, parse_key
from n2k_fcgi.model.keyvalue.entry import Entry, ValueType
from n2k_fcgi.model.names import parse_name
from n2k_fcgi.service.directory.lookup import Directory, View
from n2k_fcgi.store.counts import Counts

MOST_NAMES = 1000
"""Of one command: all are looked up in one view of the directory."""
AVATAR, KEY = b"avatar:", b"key:"


class Names:
    """Answers keys that begin with *prefix*, and counts the lookups."""

    def __init__(self, directory: Directory, prefix: bytes, counts: Counts) -> None:
        self._directory = directory
        self.prefix = prefix
        self._counts = counts

    def covers(self, key: bytes) -> bool:
        """Whether *key* belongs to the directory, and not to the namespace."""
        return key.startswith(self.prefix)

    def entries(self, keys: Sequence[bytes]) -> dict[bytes, Entry | None]:
        """Look *keys* up, all in one view. An unknown, hidden or malformed one is None. Raises the errors of the store."""
        view = self._directory.view()
        with view.snapshot():
            return {key: self._entry(view, key) for key in keys}

    def _entry(self, view: View, key: bytes) -> Entry | None:
        asked = key.removeprefix(self.prefix)
        try:
            if asked.startswith(AVATAR):
                avatar = self._called(view, asked.removeprefix(AVATAR).decode())
                value = avatar and format_key(avatar.key)
            elif asked.startswith(KEY):
                avatar = self._with_key(view, asked.removeprefix(KEY).decode())
                value = avatar and avatar.name
            else:
                return None
            self._counts.looked_up(avatar.grid if avatar else "")
        except (BadGrid, BadKey, BadName):
            return None
        return Entry(key, value.encode(), type=ValueType.TEXT) if value else None

    def _called(self, view: View, text: str) -> Avatar | None:
        grids = self._directory.grids
        return view.called(parse_name(text, grids), grids.wanted(None))

    def _with_key(self, view: View, text: str) -> Avatar | None:
        name, _, grid = text.partition("@")
        wanted = self._directory.grids.wanted(grid or None)
        return view.key2name(parse_key(name), wanted.grid, strict=wanted.strict)
