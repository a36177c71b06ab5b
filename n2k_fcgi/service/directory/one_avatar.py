"""Finding one avatar in texts, by key and by whole names: the tombstones of ``mentions``, without tombstones."""

from collections.abc import Iterable, Iterator

from n2k_fcgi.model.mention import Form, Mention
from n2k_fcgi.model.names import canonical
from n2k_fcgi.service.directory.mentions import Mentions


class OneAvatar:
    """Implements ``mentions.Tombstones`` for the avatar of *keys* and canonical *names*, whatever grid a text means."""

    def __init__(self, keys: Iterable[bytes], names: Iterable[str]) -> None:
        self.keys = frozenset(keys)
        self.names = frozenset(names)

    def __bool__(self) -> bool:
        return bool(self.keys or self.names)

    def hides_key(self, key: bytes) -> bool:
        """Whether it is this avatar's."""
        return key in self.keys

    def hides_name(self, grid: str, canonical: str) -> bool:
        """Whether it is or was this avatar's."""
        return canonical in self.names


class Finder:
    """Finds an avatar in texts and bytes."""

    def __init__(self, avatar: OneAvatar) -> None:
        self.avatar = avatar
        self._mentions = Mentions(avatar)

    def is_in(self, text: str | bytes) -> bool:
        """Whether *text* names the avatar."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        return any(True for _ in self._mentions.among(data))

    def in_bytes(self, data: bytes) -> Iterator[Mention]:
        """Yield where *data* names it, in order, in words or as a key of 16 bytes."""
        found = list(self._mentions.among(data))
        for key in self.avatar.keys:
            at = data.find(key)
            while at >= 0:
                found.append(Mention(at, at + len(key), Form.KEY))
                at = data.find(key, at + 1)
        yield from sorted(found, key=lambda mention: mention.start)

    def is_called(self, name: str) -> bool:
        """Whether *name*, in any spelling, is or was the avatar's."""
        return canonical(name) in self.avatar.names
