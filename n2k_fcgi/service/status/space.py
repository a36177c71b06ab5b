"""What takes the space of a data directory: each file once, by what it is."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from n2k_fcgi.model.choices import Choice
from n2k_fcgi.model.manifests import Manifest
from n2k_fcgi.store.datadir import CAPTURES, DATASETS, GENERATIONS, KEYVALUE, LOG_FOLDER


class Part(Choice):
    """What files are."""

    GENERATIONS = "generations"
    """Whole ones."""
    DIFFERENCES = "differences"
    CAPTURES = "captures"
    NAMESPACES = "namespaces"
    DATASETS = "datasets"
    LOGS = "logs"
    OTHERS = "others"


class Space(NamedTuple):
    """Bytes of a data directory and of its disk."""

    parts: dict[Part, int]
    """As the disk counts them: LMDB's files have holes."""
    free: int
    """Of the disk, for this user."""
    disk: int
    """All of the disk that this user may have or that is taken."""
    quota: int | None
    """Bytes that the account's quota leaves; None: not known."""

    @property
    def used(self) -> int:
        """Bytes of the data directory."""
        return sum(self.parts.values())


_FOLDERS = {KEYVALUE: Part.NAMESPACES, DATASETS: Part.DATASETS, LOG_FOLDER: Part.LOGS}


def space_of(data_dir: Path, manifests: Iterable[Manifest], quota: int | None) -> Space:
    """Return what each part takes. A file that vanishes meanwhile takes nothing."""
    differences = {manifest.name for manifest in manifests if manifest.base}
    parts = dict.fromkeys(Part, 0)
    for folder, _, names in os.walk(data_dir):
        below = Path(folder).relative_to(data_dir).parts
        for name in names:
            try:
                taken = os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
            parts[_part(below, name, differences)] += taken
    disk = os.statvfs(data_dir)
    free = disk.f_bavail * disk.f_frsize
    return Space(parts, free, free + (disk.f_blocks - disk.f_bfree) * disk.f_frsize, quota)


def _part(below: tuple[str, ...], name: str, differences: set[str]) -> Part:
    if not below:
        return Part.CAPTURES if name == CAPTURES else Part.OTHERS
    if below[0] == GENERATIONS:
        return Part.DIFFERENCES if len(below) > 1 and below[1] in differences else Part.GENERATIONS
    return _FOLDERS.get(below[0], Part.OTHERS)
