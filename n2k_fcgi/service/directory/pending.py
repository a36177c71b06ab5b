"""Pending keys: unknown keys that callers asked for, until a resolver in-world registers their names."""

from __future__ import annotations

import time

from n2k_fcgi import TYPE_CHECKING
from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import DASHED, KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from n2k_fcgi.model.observations import Asked
    from n2k_fcgi.service.directory.lookup import Directory, View
    from n2k_fcgi.store.base import PendingStore

MOST_A_REQUEST = 1000
"""The limit on keys per request; further ones are ignored."""

_NULL = bytes(KEY_BYTES)
_KEYS = rf"(?<![0-9a-fA-F-])(?:{DASHED})(?![0-9a-fA-F-])"


class PendingKeys:
    """The queue of pending keys."""

    def __init__(self, directory: Directory, pending: PendingStore, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._pending = pending
        self._clock = clock

    def add(self, keys: Iterable[bytes], grid: str, asker: str = "", admit: Callable[[int], None] = lambda _: None) -> int:
        """Queue those of *keys* that are unknown, for a resolver on *grid*; return how many are new to the queue.

        *asker*: who asks, by address: askers share a full queue evenly. *admit* is called with the number of new keys, and
        raises if that is too many.
        """
        view, forgotten, now = self._directory.view(), self._directory.forgotten, int(self._clock())
        with view.snapshot():
            asked = [key for key in dict.fromkeys(keys) if key != _NULL]
            view.read_keys(asked)
            asked = [key for key in asked if not _is_known(view, key, grid)]
            hidden = forgotten.hidden_keys(asked, grid)
        unknown = [key for key in asked if key not in hidden]
        new = self._pending.unqueued(unknown, grid, now) if unknown else []
        if not new:  # the common case; no write for it
            return 0
        admit(len(new))
        return self._pending.add(new, grid, now, asker)

    def waiting(self, grid: str | None = None) -> list[Asked]:
        """Return the pending keys (of *grid*) that are neither known nor hidden by now, the one that waits longest first."""
        view, hidden = self._directory.view(), self._directory.forgotten.hidden()
        asked = self._pending.waiting()
        with view.snapshot():
            view.read_keys([each.key for each in asked])
            settled = {each for each in asked if _is_known(view, each.key, each.grid) or hidden.hides_key(each.key, each.grid)}
        if settled:
            drop_named(self._pending, settled)
        return [each for each in asked if each not in settled and grid in (None, each.grid)]

    def mark_unknown(self, keys: Iterable[bytes], grid: str) -> int:
        """Note that no avatar of *grid* has these keys: not pending there for some days. Return how many were pending."""
        return self._pending.mark_unknown(keys, grid, int(self._clock()))


def drop_named(pending: PendingStore, known: Iterable[Asked]) -> None:
    """Remove keys that have a name now from the queue; *known*: on which grids, see ``_is_known``."""
    known = list(known)
    pending.drop([each.key for each in known if each.grid == PRODUCTION])
    pending.drop([each.key for each in known if each.grid != PRODUCTION], spare=PRODUCTION)


def _is_known(view: View, key: bytes, grid: str) -> bool:
    """Whether a resolver on *grid* need not look for the name: another grid has it, which may be a visitor's home.

    In Second Life a name of another grid does not count: a caller that may register there could have given it to any key.
    """
    known = view.with_key(key)
    return bool(known) and (grid != PRODUCTION or any(avatar.grid == PRODUCTION for avatar in known))


def keys_in(text: str) -> list[bytes]:
    """Return every UUID in *text*, whatever is between them, each once: W-Hat's rule, and upper case too."""
    import re  # late: a registration needs none

    found = dict.fromkeys(bytes.fromhex(match.group().replace("-", "")) for match in re.finditer(_KEYS, text))
    return list(found)[:MOST_A_REQUEST]
