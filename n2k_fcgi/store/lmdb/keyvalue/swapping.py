"""The swap: another dataset, with an overlay of its own, in one transaction.

A swap changes which number of an overlay is live, and parks the counters of the other one: see ``overlays``.
"""

from n2k_fcgi.model.choices import Later
from n2k_fcgi.store.lmdb.keyvalue import overlays
from n2k_fcgi.store.lmdb.keyvalue.dataset import DatasetFile
from n2k_fcgi.store.lmdb.keyvalue.rows import PARKED, Live, Parked, pack_parked, unpack_parked
from n2k_fcgi.store.lmdb.keyvalue.writing import Writing

NOTHING = bytes(16)
"""The digest of no dataset."""


def swap(writing: Writing, dataset: DatasetFile | None, later: Later) -> int:
    """Make *dataset* live (None: none), and what *later* says of later writes; return the version of the swap.

    If it is live already, and its later writes stay, nothing is changed. Raises BadRequest.
    """
    before, counters = writing.state.live, writing.counters
    name, digest = (dataset.path.stem, dataset.digest) if dataset else ("", NOTHING)
    is_same = name == before.name
    if is_same and digest == (before.digest or NOTHING) and later is not Later.FRESH:
        return before.version
    if later is Later.CARRY or (is_same and later is Later.KEPT):
        if not is_same:
            drop_parked(writing, name)
        found = Parked(before.overlay, before.digest, counters.keys, counters.bytes, before.emptied and is_same)
    else:
        if is_same:
            overlays.drop(writing.transaction, before.overlay)
        else:
            _park(writing, before)
        if later is Later.FRESH:
            drop_parked(writing, name)
        found = _unparked(writing, name) or Parked(overlays.free_number(writing.transaction))
    counters.keys, counters.bytes = found.keys, found.bytes
    if dataset:
        counters.last_id = max(counters.last_id, dataset.rows.counters().last_id)
    counters.floor = version = writing.next_version()  # who follows the log lists the keys anew, as after a flush
    emptied = found.emptied and found.digest == digest
    writing.set_live(Live(version, digest, found.overlay, emptied, before.flush_at, name))
    return version


def drop_parked(writing: Writing, name: str) -> bool:
    """Remove the later writes of a dataset that is not live; return whether there were any."""
    parked = _unparked(writing, name)
    if parked is not None:
        overlays.drop(writing.transaction, parked.overlay)
    return parked is not None


def _park(writing: Writing, live: Live) -> None:
    """Keep the live overlay for the time when its dataset is live again; one without rows needs no place."""
    if overlays.has_rows(writing.transaction, live.overlay) or live.emptied:
        parked = Parked(live.overlay, live.digest, writing.counters.keys, writing.counters.bytes, live.emptied)
        writing.transaction.put(PARKED + live.name.encode(), pack_parked(parked))


def _unparked(writing: Writing, name: str) -> Parked | None:
    row = writing.transaction.pop(PARKED + name.encode())
    return None if row is None else unpack_parked(row)
