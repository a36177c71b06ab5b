"""The description of a generation: the fields of its ``manifest.json``."""

from __future__ import annotations

from n2k_fcgi.named import NamedTuple


class Manifest(NamedTuple):
    """Source, time, counts and size of a generation."""

    name: str
    format: int
    created: int
    """Unix seconds, as all times."""
    source: str
    """The dump's file name, '-' for standard input."""
    sha256: str
    """Of the dump as it was read, still packed."""
    as_of: int
    grid: str
    """The grid of the dump's rows that name no grid."""
    dump_rows: int
    """Good rows of the dump."""
    rows: int
    """Avatars: current names of keys on grids."""
    names: int
    """Distinct canonical names among them."""
    keys: int
    """Distinct keys among them."""
    former: int
    """Former names that still answer."""
    added: int
    changed: int
    removed: int
    unchanged: int
    refused: int
    """Bad lines."""
    conflicts: int
    """Names that came with more than one key on one grid."""
    bytes: int
    """What it takes where it is stored, as the engine measured it at publication."""
    seconds: float
    base: str = ""
    """The name of the generation that it is the differences against; '' for a whole one."""
