"""Finding hidden avatars in texts that may name any avatar: regions, notes, file names, logs, whole files.

A mention is a key, with dashes or without, or one or two words that are a whole name on any grid, in any spelling: "Anna's
gate" mentions an avatar named Anna. Tombstones are digests, so the digest of each such word is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from n2k_fcgi.model.grids import PRODUCTION, TESTING
from n2k_fcgi.model.keys import DASHED, KEY_BYTES
from n2k_fcgi.model.mention import Form, Mention
from n2k_fcgi.model.names import NAME_BYTES, canonical
from n2k_fcgi.store.base import ForgottenStore

CUT = "…"
"""Replaces a mention."""

LONGEST = 3 * NAME_BYTES
"""Bytes: longer words are not names."""

_REMEMBERED = 100_000
"""Names whose result is cached, since words are repeated."""

_GAP = 3
"""Most bytes between the two words of a name: a space, a dot, an escaped space, quotes and a comma."""

_WORD = rb"[0-9A-Za-z_\x80-\xff]+"
_MARK = rb"['`!*~^$#-]"
"""Names of other grids may contain these."""

_KEY = DASHED.encode() + rb"|(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])"
_KEYS = re.compile(_KEY)
_MARKS = re.compile(_MARK)
_PLAIN = re.compile(rb"(" + _KEY + rb")|%20|%2[Bb]|(" + _WORD + rb")")
_JOINED = re.compile(rb"(" + _KEY + rb")|%20|%2[Bb]|(" + _WORD + rb"(?:" + _MARK + _WORD + rb")*)")
"""Group 1: a key, which contains no name; group 2: a word. Neither: an escaped space."""

_NULL = bytes(KEY_BYTES)

_EDGES = re.compile(r"^\W+|\W+$")


class Tombstones(Protocol):
    """What of ``store.base.HiddenSet`` is needed here."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        ...

    def hides_key(self, key: bytes) -> bool:
        """Whether the key is hidden on any grid."""
        ...

    def hides_name(self, grid: str, canonical: str) -> bool:
        """Whether this name is hidden."""
        ...


class StoredTombstones:
    """``Tombstones`` that are read each time: for a few texts, where a copy of all would take longer."""

    def __init__(self, forgotten: ForgottenStore) -> None:
        self._forgotten = forgotten

    def __bool__(self) -> bool:
        return bool(self._forgotten.secret())

    def hides_key(self, key: bytes) -> bool:
        """See the protocol."""
        return bool(self._forgotten.hidden_keys([key], None))

    def hides_name(self, grid: str, canonical: str) -> bool:
        """See the protocol."""
        return bool(self._forgotten.hidden_among([(_NULL, grid, canonical)]))


class _AllBut:
    """``Tombstones`` without those of one avatar."""

    def __init__(self, hidden: Tombstones, avatar: Tombstones) -> None:
        self._hidden = hidden
        self._avatar = avatar

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def hides_key(self, key: bytes) -> bool:
        """See the protocol."""
        return not self._avatar.hides_key(key) and self._hidden.hides_key(key)

    def hides_name(self, grid: str, canonical: str) -> bool:
        """See the protocol."""
        return not self._avatar.hides_name(grid, canonical) and self._hidden.hides_name(grid, canonical)


class Mentions:
    """Finds avatars that are *hidden* on any of *grids* or in Second Life."""

    def __init__(self, hidden: Tombstones, grids: Iterable[str] = ()) -> None:
        self.hidden = hidden
        self._grids = tuple({PRODUCTION, TESTING, *grids})
        self._known: dict[str, bool] = {}

    def but(self, avatar: Tombstones) -> Mentions:
        """Return what finds the same, but not *avatar*, which is hidden or not."""
        return Mentions(_AllBut(self.hidden, avatar), self._grids)

    def without(self, text: str) -> str:
        """Return *text* with CUT for every mention; '' if nothing else is in it."""
        data = text.encode("utf-8", "surrogateescape")
        for mention in reversed(list(self.among(data))) if self.hidden else ():
            data = data[: mention.start] + CUT.encode() + data[mention.end :]
        left = data.decode("utf-8", "surrogateescape")
        return "" if left and not left.strip(CUT + " ") else left

    def names_anybody(self, text: str) -> bool:
        """Whether *text* has a mention."""
        return bool(self.hidden) and any(True for _ in self.among(text.encode("utf-8", "surrogateescape")))

    def among(self, data: bytes) -> Iterator[Mention]:
        """Yield all in *data*, which need not be UTF-8 as a whole, in order; none within another."""
        end = -1
        for mention in sorted(self._all(data), key=lambda mention: (mention.start, -mention.end)):
            if mention.start >= end:
                end = mention.end
                yield mention

    def _all(self, data: bytes) -> Iterator[Mention]:
        yield from self._keys(data)
        yield from self._names(_PLAIN, data, lambda word: True)
        if _MARKS.search(data):  # words without a mark were searched above
            yield from self._names(_JOINED, data, lambda word: _MARKS.search(word) is not None)

    def _keys(self, data: bytes) -> Iterator[Mention]:
        for match in _KEYS.finditer(data):
            if self.hidden.hides_key(bytes.fromhex(match[0].replace(b"-", b"").decode())):
                yield Mention(*match.span(), Form.KEY)

    def _names(self, pattern: re.Pattern[bytes], data: bytes, is_new: Callable[[bytes], bool]) -> Iterator[Mention]:
        """Yield names with a word that *is_new*."""
        last, last_end, last_start, was_new = "", -_GAP, 0, False
        for match in pattern.finditer(data):
            if not match[1] and not match[2]:
                continue
            word = _text(match[2] or b"")
            if not word:
                last = ""
                continue
            (start, end), new = match.span(), is_new(match[2])
            if last and start - last_end <= _GAP and (new or was_new) and self._is_name(f"{last} {word}"):
                yield Mention(last_start, end, Form.NAME)
            if new and self._is_name(word):
                yield Mention(start, end, Form.WORD)
            last, last_start, last_end, was_new = word, start, end, new

    def _is_name(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            form = canonical(name)
            known = self._known[name] = any(self.hidden.hides_name(grid, form) for grid in self._grids)
        return known


def _text(word: bytes) -> str:
    """Return a word as text, without quotes and dots of other scripts around it; '' if it is not a word."""
    if len(word) > LONGEST:
        return ""
    if word.isascii():
        return word.decode()
    try:
        return _EDGES.sub("", word.decode())
    except UnicodeDecodeError:
        return ""
