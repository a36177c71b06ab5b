"""Conflicts in the volatile file."""

from n2k_fcgi.model.avatar import Conflict
from n2k_fcgi.model.choices import Provenance
from n2k_fcgi.model.keys import parse_key
from n2k_fcgi.store.lmdb.conflicts import MOST
from tests.support.sandbox import MASAKAZU, Sandbox


def test_the_list_is_bounded(sandbox: Sandbox) -> None:
    """The oldest are dropped."""
    conflicts = [
        Conflict(f"Name{n}", "Production", parse_key(MASAKAZU), n.to_bytes(16, "big"), n, n, 1, Provenance.CAPTURE)
        for n in range(1, MOST + 21)
    ]
    sandbox.store.conflicts.note(conflicts)
    found = sandbox.store.conflicts.conflicts()
    assert [c.last_seen for c in found] == list(range(MOST + 20, 20, -1))
