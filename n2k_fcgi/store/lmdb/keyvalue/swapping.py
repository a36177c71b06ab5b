"""The swap: another dataset, with an overlay of its own, in one transaction.

The overlay of each dataset has its number, which is in the db_keys of its rows. So no row is moved: a swap changes which number
is live, and parks the counters of the other one.
"""

from collections.abc import Iterator

from n2k_fcgi.errors import BadRequest
from n2k_fcgi.store.keyvalue import Later
from n2k_fcgi.store.lmdb.keyvalue.dataset import DatasetFile
from n2k_fcgi.store.lmdb.keyvalue.rows import (
    MOST_OVERLAYS,
    PARKED,
    Live,
    Parked,
    pack_parked,
    prefixes_of,
    unpack_parked,
)
from n2k_fcgi.store.lmdb.keyvalue.writing import Writing
from n2k_fcgi.store.lmdb.writable import with_prefix

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
            _remove(writing, _unparked(writing, name))
        found = Parked(before.overlay, counters.keys, counters.bytes, before.emptied and is_same)
    else:
        if is_same:
            writing.remove_overlay(writing.state.prefixes)
        else:
            _park(writing, before)
        parked = _unparked(writing, name)
        if later is Later.FRESH:
            _remove(writing, parked)
            parked = None
        found = parked or Parked(_free_number(writing), 0, 0, False)
    counters.keys, counters.bytes = found.keys, found.bytes
    if dataset:
        counters.last_id = max(counters.last_id, dataset.rows.counters().last_id)
    writing.empty_log()  # who follows it lists the keys anew, as after a flush
    counters.floor = version = writing.next_version()
    writing.set_live(Live(version, digest, found.overlay, found.emptied, name))
    return version


def parked_overlays(writing: Writing) -> Iterator[tuple[str, Parked]]:
    """Yield the name of each dataset that is not live and has an overlay, with it."""
    for name, row in with_prefix(writing.transaction, PARKED):
        yield name.decode(), unpack_parked(row)


def _park(writing: Writing, live: Live) -> None:
    """Keep the live overlay for the time when its dataset is live again; one without rows needs no place."""
    cursor = writing.transaction.cursor()
    prefix = prefixes_of(live.overlay).values
    has_rows = cursor.set_range(prefix) and cursor.key()[: len(prefix)] == prefix
    if has_rows or live.emptied:
        parked = Parked(live.overlay, writing.counters.keys, writing.counters.bytes, live.emptied)
        writing.transaction.put(PARKED + live.name.encode(), pack_parked(parked))


def _unparked(writing: Writing, name: str) -> Parked | None:
    row = writing.transaction.pop(PARKED + name.encode())
    return None if row is None else unpack_parked(row)


def _remove(writing: Writing, parked: Parked | None) -> None:
    if parked is not None:
        writing.remove_overlay(prefixes_of(parked.overlay))


def _free_number(writing: Writing) -> int:
    """Return the least number that no parked overlay has; the live one is parked or empty. Raises BadRequest."""
    used = {parked.overlay for _, parked in parked_overlays(writing)}
    number = next(number for number in range(MOST_OVERLAYS + 1) if number not in used)
    if number == MOST_OVERLAYS:
        raise BadRequest(why=f"a namespace keeps the later writes of {MOST_OVERLAYS} datasets at most: drop some with --fresh")
    return number
