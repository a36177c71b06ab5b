"""The rows of captures in one transaction: each key's row is unpacked once, however many names lead to it.

One key may have many names, and one name many keys. Callers who may register decide how many, so both are bounded where they
are written (``recording``), and here where they are read: files of earlier versions hold more.
"""

from __future__ import annotations

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.avatar import Avatar
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.keys import KEY_BYTES
from n2k_fcgi.model.names import canonical as canonical_form
from n2k_fcgi.store.lmdb.codec import pack_captures, unpack_captures
from n2k_fcgi.store.lmdb.layout import CAPTURE_KEY, CAPTURE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import lmdb

    from n2k_fcgi.model.avatar import Capture, StoredCapture

MOST_LOOKED_AT = 4096
"""Keys of one name that are read: half of them the oldest, which keep a name in Second Life, half the latest. A file that was
written within ``store.bounds`` has more only with more than sixty grids."""


class CaptureRows:
    """Captures by key and by name; valid inside the transaction. *count* is called with how many names were unpacked."""

    def __init__(self, transaction: lmdb.Transaction, count: Callable[[int], None] = lambda names: None) -> None:
        self._transaction = transaction
        self._count = count
        self._stored: dict[bytes, list[StoredCapture]] = {}
        self._called: dict[bytes, dict[str, list[Avatar]]] = {}

    def of(self, key: bytes) -> list[StoredCapture]:
        """The captures of one key, one per grid."""
        known = self._stored.get(key)
        if known is None:
            value = self._transaction.get(CAPTURE_KEY + key)
            known = self._stored[key] = unpack_captures(key, bytes(value)) if value else []
            self._count(sum(1 + len(stored.former) for stored in known))
        return known

    def keys_called(self, canonical: str) -> list[bytes]:
        """The keys that have or had the name on any grid, the oldest first; if there are too many, those at both ends."""
        value = self._transaction.get(CAPTURE_NAME + canonical.encode())
        if value is None:  # the common case
            return []
        keys = split_keys(bytes(value))
        return keys if len(keys) <= MOST_LOOKED_AT else keys[: MOST_LOOKED_AT // 2] + keys[-MOST_LOOKED_AT // 2 :]

    def called(self, key: bytes, canonical: str) -> list[Avatar]:
        """The key once for each grid on which it has or had the name."""
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
        """Replace the captures of a key, in both directions: names that it no longer has do not lead to it."""
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

    def remove_name(self, key: bytes, grid: str, canonical: str) -> int:
        """Remove a name of a key on a grid, and with a current name the whole capture; return how many names were removed."""
        kept, removed = [], 0
        for stored in self.of(key):
            if stored.capture.grid != grid:
                kept.append(stored)
            elif canonical_form(stored.capture.name) == canonical:
                removed += 1 + len(stored.former)
            else:
                former = [named for named in stored.former if canonical_form(named[0]) != canonical]
                removed += len(stored.former) - len(former)
                kept.append(stored._replace(former=former))
        self.put(key, kept)
        return removed


def split_keys(keys: bytes) -> list[bytes]:
    """The keys in the value of a name."""
    return [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]


def current_avatar(capture: Capture) -> Avatar:
    """The avatar under its current name."""
    return Avatar(capture.key, capture.name, capture.grid, capture.last_seen, Provenance.CAPTURE)


def _forms(captures: Iterable[StoredCapture]) -> set[str]:
    return {canonical_form(name) for c in captures for name in (c.capture.name, *(former for former, _ in c.former))}
