"""What ``n2k stats`` says of a directory."""

from typing import NamedTuple

from n2k_fcgi.store.base import CaptureStore, Manifest, TokenStore


class Statistics(NamedTuple):
    """Counts of one data directory."""

    generation: str
    avatars: int
    names: int
    former_names: int
    as_of: int
    captures: int
    tokens: int
    """Those not revoked."""


def gather(manifest: Manifest | None, captures: CaptureStore, tokens: TokenStore) -> Statistics:
    """Count; *manifest* is the live generation's, None before the first import."""
    active = sum(not token.revoked for token in tokens.tokens())
    seen = sum(1 for _ in captures.captures())
    if manifest is None:
        return Statistics("none", 0, 0, 0, 0, seen, active)
    return Statistics(manifest.name, manifest.rows, manifest.names, manifest.former, manifest.as_of, seen, active)
