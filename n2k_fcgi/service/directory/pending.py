"""Keys that nobody knows yet: asked about by callers, named by a resolver in-world."""

import re
import time
from collections.abc import Callable, Iterable

from n2k_fcgi.model.grids import PRODUCTION
from n2k_fcgi.model.keys import DASHED, KEY_BYTES
from n2k_fcgi.model.observations import Asked
from n2k_fcgi.service.directory.lookup import Directory, View
from n2k_fcgi.store.base import PendingStore

MOST_A_REQUEST = 1000
"""Keys that are looked at of one request; the rest is passed over."""

_NULL = bytes(KEY_BYTES)
_KEYS = re.compile(rf"(?<![0-9a-fA-F-])(?:{DASHED.pattern})(?![0-9a-fA-F-])")


class PendingKeys:
    """The queue of keys without a name."""

    def __init__(self, directory: Directory, pending: PendingStore, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._pending = pending
        self._clock = clock

    def add(self, keys: Iterable[bytes], grid: str, asker: str = "", admit: Callable[[int], None] = lambda _: None) -> int:
        """Queue those of *keys* that nobody knows, for a resolver on *grid*; give how many are new to the queue.

        *asker*: whose share of the queue they take; where it is full, he gets some of whoever has most of it. *admit* is told
        how many are to be queued, and raises where that is too much.
        """
        view, forgotten, now = self._directory.view(), self._directory.forgotten, int(self._clock())
        with view.snapshot():
            asked = [key for key in dict.fromkeys(keys) if key != _NULL]
            view.read_keys(asked)
            asked = [key for key in asked if not _is_known(view, key, grid)]
            hidden = forgotten.hidden_keys(asked, grid)
        unknown = [key for key in asked if key not in hidden]
        new = self._pending.unqueued(unknown, grid, now) if unknown else []
        if not new:  # no write for what is asked again and again
            return 0
        admit(len(new))
        return self._pending.add(new, grid, now, asker)

    def waiting(self, grid: str | None = None) -> list[Asked]:
        """The keys to name (on *grid*), the one that waits longest first; not those that became known or hidden meanwhile."""
        view, hidden = self._directory.view(), self._directory.forgotten.hidden()
        asked = self._pending.waiting()
        with view.snapshot():
            view.read_keys([each.key for each in asked])
            settled = {each for each in asked if _is_known(view, each.key, each.grid) or hidden.hides_key(each.key, each.grid)}
        if settled:
            drop_named(self._pending, settled)
        return [each for each in asked if each not in settled and grid in (None, each.grid)]

    def mark_unknown(self, keys: Iterable[bytes], grid: str) -> int:
        """Note that no avatar of *grid* has these keys, so that they are not handed out there again for some days."""
        return self._pending.mark_unknown(keys, grid, int(self._clock()))


def drop_named(pending: PendingStore, known: Iterable[Asked]) -> None:
    """Take keys out of the queue that have a name now, *known* being where: as ``_is_known`` has it."""
    known = list(known)
    pending.drop([each.key for each in known if each.grid == PRODUCTION])
    pending.drop([each.key for each in known if each.grid != PRODUCTION], spare=PRODUCTION)


def _is_known(view: View, key: bytes, grid: str) -> bool:
    """Whether nobody need be sent to *grid* for the name. A visitor is known at home; nobody visits Second Life.

    What another grid says of a key of Second Life is no answer there: whoever may register on some grid could say it.
    """
    known = view.with_key(key)
    return bool(known) and (grid != PRODUCTION or any(avatar.grid == PRODUCTION for avatar in known))


def keys_in(text: str) -> list[bytes]:
    """Every UUID in *text*, whatever stands between them; W-Hat's rule, and upper case too. Each once."""
    found = dict.fromkeys(bytes.fromhex(match.group().replace("-", "")) for match in _KEYS.finditer(text))
    return list(found)[:MOST_A_REQUEST]
