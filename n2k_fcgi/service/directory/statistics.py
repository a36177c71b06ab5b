"""What ``n2k stats`` says of a directory."""

from typing import NamedTuple

from n2k_fcgi.errors import N2KError
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.service.directory.lookup import NO_GENERATION
from n2k_fcgi.store.base import CaptureStore, ForgottenStore, PendingStore, TokenStore


class Statistics(NamedTuple):
    """Counts of one data directory."""

    generation: str
    avatars: int
    names: int
    former_names: int
    as_of: int
    captures: int
    evicted: int
    """Names that registrations on other grids than Second Life's pushed out: a key or a name had too many."""
    tokens: int
    """Those not revoked."""
    forgotten: int
    """Requests to be forgotten that are in force."""
    pending: int
    """Keys that wait for a name."""


def gather(
    manifest: Manifest | None, captures: CaptureStore, tokens: TokenStore, forgotten: ForgottenStore, pending: PendingStore
) -> Statistics:
    """Count; *manifest* is the live generation's, None before the first import."""
    active = sum(not token.revoked for token in tokens.tokens())
    seen, evicted = captures.count(), captures.evicted()
    leavers, hidden = forgotten.count(), forgotten.hidden()
    try:
        waiting = sum(not hidden.hides_key(asked.key, asked.grid) for asked in pending.waiting())
    except N2KError:  # a directory that is only to be read, and has no such list yet
        waiting = 0
    if manifest is None:
        return Statistics(NO_GENERATION, 0, 0, 0, 0, seen, evicted, active, leavers, waiting)
    m = manifest
    return Statistics(m.name, m.rows, m.names, m.former, m.as_of, seen, evicted, active, leavers, waiting)
