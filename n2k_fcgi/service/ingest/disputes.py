"""Contested names: claimed by several avatars of Second Life. The one that had it first keeps it.

In Second Life a name never passes to another account, and scripts pay money by these answers. So a later dump with another
key is not believed, whether the holder still has the name or was renamed. ``--replace`` starts afresh.
"""

from typing import NamedTuple

from n2k_fcgi.model.builds import Claims

MOVES_SHOWN = 100
"""Refused claims that are reported one by one."""


class Move(NamedTuple):
    """A name that the dump has for another key than its holder; refused."""

    name: str
    """Canonical."""
    holder: bytes
    key: bytes


class Disputes:
    """Decides which keys keep contested names."""

    def __init__(self) -> None:
        self.moves: list[Move] = []
        """The first MOVES_SHOWN that were refused."""

    def holder(self, claims: Claims) -> bytes:
        """Return the key that keeps the name: the one that had it before, else the latest."""
        latest = claims.keys[0]
        holder = claims.holder if claims.holder in claims.keys else latest
        assert holder is not None
        if holder != latest and len(self.moves) < MOVES_SHOWN:
            move = Move(claims.name, holder, latest)
            if move not in self.moves:  # a name may be decided twice
                self.moves.append(move)
        return holder
