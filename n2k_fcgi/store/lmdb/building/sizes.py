"""How much of a build is in memory at a time."""

from typing import NamedTuple

from n2k_fcgi.files import RESERVE


class Sizes(NamedTuple):
    """Measured for speed in little memory; tests take smaller ones to have many parts of few rows."""

    run_rows: int = 32_768
    """Rows of a run. More take memory and leave the cache while a run is sorted, fewer while all runs are read together."""
    range_rows: int = 8_192
    """Rows of a range, about; at the worst twice as many, unless db_keys repeat. Their objects fit into a processor's second
    cache (1 MB): with four times as many, sorting and merging took half as long again."""
    sample_every: int = 256
    """Rows between two db_keys that are remembered to cut ranges by."""
    part_rows: int = 131_072
    """Rows of a part of the keys that is read as a whole, 12 MB: 256 of them are 33 million evenly spread keys. A larger
    part is dealt on the disk once more."""
    block_rows: int = 256
    """Rows read of a run at a time: times the number of runs, this is memory."""
    window: int = 8_192
    """Rows that are held back to put a nearly sorted dump in order; a dump with more late rows than this is sorted on disk."""
    first_map: int = 8 * 1024 * 1024
    """Bytes of address space to begin with, doubled when full: a small dump fits where a host limits addresses."""
    reserve: int = RESERVE
    """Bytes of the disk that a build leaves free for others."""
