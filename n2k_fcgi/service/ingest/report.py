"""What an import is told, what it reports while it runs, and what it did."""

from typing import NamedTuple

from n2k_fcgi.model.choices import Phase
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.service.dumps.as_of import AsOf
from n2k_fcgi.service.dumps.tally import Tally
from n2k_fcgi.service.ingest.disputes import Move


class Order(NamedTuple):
    """How a dump is to be imported."""

    grid: str
    """Of rows that name none."""
    as_of: int | None = None
    """The time that the dump describes, unix seconds; None: ``as_of.settle`` decides."""
    replace: bool = False
    """Remove the avatars of *grid* that the dump does not have."""
    force: bool = False
    """Import also what is live already, is older, or has far fewer rows; ignore a damaged live generation."""
    whole: bool = False
    """Build a whole generation, however few rows differ."""


class Progress(NamedTuple):
    """How far an import is."""

    phase: Phase
    done: int
    """Packed bytes read, or rows written."""
    total: int | None
    """Of the same; None if unknown (a pipe)."""
    rows: int
    """Good rows so far."""


class ImportReport(NamedTuple):
    """What an import did."""

    manifest: Manifest
    tally: Tally
    published: bool
    """False: the very same dump is already live."""
    pruned: list[str]
    moves: list[Move]
    """Names of Second Life that the dump has for other keys, which was refused (the first of them)."""
    as_of: AsOf
    """The time that the dump was taken to describe, and why."""
    member: str
    """The file in a zip that was read; '' for all else."""
    warnings: list[str]
    """What was odd about the archive."""
