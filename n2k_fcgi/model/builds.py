"""Values that an import and the build of a generation exchange, in every engine."""

from collections.abc import Callable
from typing import NamedTuple

from n2k_fcgi.model.choices import Phase


class Claims(NamedTuple):
    """Several keys of Second Life with one name, current or former."""

    name: str
    """Canonical."""
    keys: list[bytes]
    """Latest first; keys that have the name now before those that had it."""
    holder: bytes | None
    """The key that had the name in the previous generation; None if no key had it, or its grid is replaced."""


class Merge(NamedTuple):
    """How to merge rows with the live generation: the decisions of the import."""

    holder: Callable[[Claims], bytes]
    """Return the key that keeps a contested name. Called once or more for each such name; the last result counts."""
    replaced_grid: str | None = None
    """Remove the avatars of this grid that the dump does not have; None: remove no avatars."""
    skip_damaged: bool = False
    """Ignore a damaged live generation, with a warning in the log, instead of raising StoreDamaged."""
    tell: Callable[[str], None] = lambda _: None
    """Is called with the warning about a damaged generation."""
    hides: Callable[[bytes, str, str], bool] | None = None
    """Whether the avatar of a key, a grid and a canonical name is hidden; its rows are not added. None: none is."""


class Built(NamedTuple):
    """A finished generation. An avatar is a key on a grid; *new* ones are those that were added to the build."""

    name: str
    format: int
    bytes: int
    """Its size; 0 if the engine does not know it."""
    rows: int
    """Avatars: current names of keys on grids."""
    names: int
    """Distinct canonical names among them."""
    keys: int
    """Distinct keys among them."""
    former: int
    """Former names that still answer."""
    added: int
    """New avatars that the live generation does not have."""
    changed: int
    """New avatars that it has by another name."""
    unchanged: int
    """New avatars that it has by the same name."""
    removed: int
    """Avatars of the replaced grid that were not added."""
    conflicts: int
    """Names of more than one key on one grid."""
    base: str
    """The name of the generation that it is the differences against; '' if it is whole."""


class Step(NamedTuple):
    """The progress of writing a generation."""

    phase: Phase
    """KEYS, then NAMES."""
    done: int
    """Rows written, of both indexes together: up to twice the rows that were added."""


Watch = Callable[[Step], None]
