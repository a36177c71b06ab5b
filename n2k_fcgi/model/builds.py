"""What an import and a generation under construction tell each other, whatever the engine."""

from collections.abc import Callable
from typing import NamedTuple


class Claims(NamedTuple):
    """Several avatars of Second Life with one name, current or former."""

    name: str
    """Canonical."""
    keys: list[bytes]
    """The latest first, current ones before former ones."""
    holder: bytes | None
    """The key that had the name in the generation before; None if no avatar had it, or those avatars are replaced."""


class Merge(NamedTuple):
    """How rows are merged with the live generation: what the import decides."""

    holder: Callable[[Claims], bytes]
    """Which of the keys keeps a contested name. Called once or more for each such name; the last result counts."""
    replaced_grid: str | None = None
    """The avatars of this grid that were not added are removed; None: those of no grid."""
    skip_damaged: bool = False
    """Ignore a live generation that is damaged, with a warning in the log, instead of raising StoreDamaged."""


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
    """Those that it has by another name."""
    unchanged: int
    """Those that it has by the same name."""
    removed: int
    """Avatars of the replaced grid that were not added."""
    conflicts: int
    """Names of more than one key on one grid."""


class Step(NamedTuple):
    """How far the writing of a generation is."""

    phase: str
    """``keys``, then ``names``."""
    done: int
    """Rows written, of both indexes together: up to twice the rows that were added."""


Watch = Callable[[Step], None]
