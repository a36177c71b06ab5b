"""Keys that nobody knows yet: asked about by callers, named by a resolver in-world."""

import re
import time
from collections.abc import Callable, Iterable

from n2k_fcgi.model.keys import DASHED, KEY_BYTES
from n2k_fcgi.service.lookup import Directory
from n2k_fcgi.store.base import PendingStore

MOST_A_REQUEST = 1000
"""Keys that are looked at of one request; the rest is passed over."""

_NULL = bytes(KEY_BYTES)
_KEYS = re.compile(rf"(?<![0-9a-fA-F-])(?:{DASHED.pattern})(?![0-9a-fA-F-])")


class Unknown:
    """The queue of keys without a name."""

    def __init__(self, directory: Directory, pending: PendingStore, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._pending = pending
        self._clock = clock

    def ask(self, keys: Iterable[bytes]) -> int:
        """Queue those of *keys* that nobody knows; give how many are new to the queue."""
        view, forgotten = self._directory.view(), self._directory.forgotten
        wanted = [key for key in keys if key != _NULL and not view.with_key(key) and not forgotten.is_key_hidden(key)]
        return self._pending.add(wanted, int(self._clock())) if wanted else 0

    def waiting(self) -> list[bytes]:
        """The keys to name, the one that waits longest first; what has become known meanwhile is no more among them."""
        view = self._directory.view()
        keys = self._pending.waiting()
        known = [key for key in keys if view.with_key(key)]
        if known:
            self._pending.drop(known)
        return [key for key in keys if key not in set(known)]

    def nobody(self, keys: Iterable[bytes]) -> int:
        """Note that no avatar has these keys, so that they are not handed out again for some days."""
        return self._pending.nobody(keys, int(self._clock()))


def keys_in(text: str) -> list[bytes]:
    """Every UUID in *text*, whatever stands between them; W-Hat's rule, and upper case too. Each once."""
    found = dict.fromkeys(bytes.fromhex(match.group().replace("-", "")) for match in _KEYS.finditer(text))
    return list(found)[:MOST_A_REQUEST]
