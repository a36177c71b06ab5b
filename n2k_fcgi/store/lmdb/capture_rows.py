"""The rows of captures in one transaction: each key's is unpacked once, however many names lead to it.

One key may have many names, and one name many keys. Whoever may register makes both as he likes, so both are bounded where
they are written (``captures``), and here where they are read: files from before that bound hold more.
"""

from collections.abc import Callable, Iterable

import lmdb

from n2k_fcgi.model.avatar import Avatar, Capture, StoredCapture
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical as canonical_form
from n2k_fcgi.store.lmdb.codec import pack_captures, unpack_captures
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_NAME

MOST_LOOKED_AT = 4096
"""Keys of one name that are looked at: the oldest half, whose it is in Second Life, and the latest. No file written under the
bounds of ``store.base`` has more, but with more than sixty grids."""


class CaptureRows:
    """What is known of keys and names; valid inside the transaction. *count* hears how many names were unpacked."""

    def __init__(self, transaction: lmdb.Transaction, count: Callable[[int], None] = lambda names: None) -> None:
        self._transaction = transaction
        self._count = count
        self._stored: dict[bytes, list[StoredCapture]] = {}
        self._called: dict[bytes, dict[str, list[Avatar]]] = {}

    def of(self, key: bytes) -> list[StoredCapture]:
        """What is known of one key, an entry a grid."""
        known = self._stored.get(key)
        if known is None:
            value = self._transaction.get(CAPTURE_KEY + key)
            known = self._stored[key] = unpack_captures(key, bytes(value)) if value else []
            self._count(sum(1 + len(stored.former) for stored in known))
        return known

    def keys_called(self, canonical: str) -> list[bytes]:
        """The keys that are or were called so on any grid, in the order in which they came; of too many those at both ends."""
        value = self._transaction.get(CAPTURE_NAME + canonical.encode())
        if value is None:  # the common case
            return []
        keys = split_keys(bytes(value))
        return keys if len(keys) <= MOST_LOOKED_AT else keys[: MOST_LOOKED_AT // 2] + keys[-MOST_LOOKED_AT // 2 :]

    def called(self, key: bytes, canonical: str) -> list[Avatar]:
        """On which grids the key is or was called so."""
        forms = self._called.get(key)
        if forms is None:
            forms = self._called[key] = {}
            for capture, former in self.of(key):
                current = canonical_form(capture.name)
                forms.setdefault(current, []).append(current_avatar(capture))
                for name, seen in former:
                    if (form := canonical_form(name)) != current:
                        forms.setdefault(form, []).append(
                            Avatar(key, name, capture.grid, seen, Provenance.CAPTURE, former=True)
                        )
        return forms.get(canonical, [])

    def put(self, key: bytes, captures: list[StoredCapture]) -> None:
        """Write all that is known of a key, in both directions; names that it has no more do not lead to it."""
        before, after = _forms(self.of(key)), _forms(captures)
        if captures:
            self._transaction.put(CAPTURE_KEY + key, pack_captures(captures))
        else:
            self._transaction.delete(CAPTURE_KEY + key)
        for form in after - before:
            self._write_keys(form, lambda keys: keys if key in keys else [*keys, key])
        for form in before - after:
            self._write_keys(form, lambda keys: [other for other in keys if other != key])
        self._stored[key] = captures
        self._called.pop(key, None)

    def _write_keys(self, form: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
        name_key = CAPTURE_NAME + form.encode()
        keys = change(split_keys(bytes(self._transaction.get(name_key) or b"")))
        if keys:
            self._transaction.put(name_key, b"".join(keys))
        else:
            self._transaction.delete(name_key)

    def without(self, key: bytes, grid: str, canonical: str) -> int:
        """Take a name of a key on a grid out; with the current one all of the capture. Give how many names are gone."""
        kept, gone = [], 0
        for stored in self.of(key):
            if stored.capture.grid != grid:
                kept.append(stored)
            elif canonical_form(stored.capture.name) == canonical:
                gone += 1 + len(stored.former)
            else:
                former = [named for named in stored.former if canonical_form(named[0]) != canonical]
                gone += len(stored.former) - len(former)
                kept.append(stored._replace(former=former))
        self.put(key, kept)
        return gone


def split_keys(keys: bytes) -> list[bytes]:
    """The keys that lie behind each other in the value of a name."""
    return [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]


def current_avatar(capture: Capture) -> Avatar:
    """Under the name that it has now."""
    return Avatar(capture.key, capture.name, capture.grid, capture.last_seen, Provenance.CAPTURE)


def _forms(captures: Iterable[StoredCapture]) -> set[str]:
    return {canonical_form(name) for c in captures for name in (c.capture.name, *(former for former, _ in c.former))}
