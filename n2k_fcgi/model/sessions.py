"""Sessions of the owner in a browser, as they are stored."""

from __future__ import annotations

from n2k_fcgi.named import NamedTuple


class Session(NamedTuple):
    """A session without its id, which only the browser has."""

    token_id: str
    """Of the token that it was begun with; '': it was begun with a code of ``n2k pages code``."""
    begun: float
    """Unix seconds."""
    end: float
    """Unix seconds: from then on it permits nothing."""
