"""The one who leaves, and every file in which something of him is left."""

import gzip
from pathlib import Path

from n2k_fcgi.model.keys import parse_key

MARKS = ("Quillon", "Vexworth", "Zyphara")
"""Words that stand in the names of the one who leaves, and nowhere else."""

KEY = "deadbeef-1234-5678-9abc-def012345678"


def traces(folder: Path) -> list[str]:
    """Every file that has the key, in whatever form, or one of the names, in whatever case; archives are looked into."""
    needles = [parse_key(KEY), KEY.encode(), KEY.replace("-", "").encode(), *(mark.lower().encode() for mark in MARKS)]
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            if any(needle in data or needle in data.lower() for needle in needles):
                found.append(str(path.relative_to(folder)))
    return found
