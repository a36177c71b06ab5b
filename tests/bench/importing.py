"""One import under measurement, the floor beside it, and the data file that it leaves."""

import os
import sys
from datetime import date
from pathlib import Path

from n2k_fcgi.store.datadir import CURRENT, DATA_FILE, GENERATIONS
from tests.bench.measure import Taken, run

N2K = [sys.executable, "-m", "n2k_fcgi", "-q"]
WITHOUT_PACKAGE = [
    sys.executable,
    "-c",
    "import sys; sys.modules['indexed_bzip2'] = None; from n2k_fcgi.cli import main; main()",
    "-q",
]
"""What a host without the extra runs."""
FLOOR = "import bz2,sys\nf=bz2.open(sys.argv[1])\nwhile f.read(1 << 20): pass"


class Importing:
    """Runs imports, with files in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bare = {**os.environ, "PATH": str(folder / "empty")}
        (folder / "empty").mkdir(parents=True)

    def floor(self, dump: Path) -> Taken:
        """Decompression of a bz2 alone, by Python's own module."""
        return run([sys.executable, "-c", FLOOR, str(dump)])

    def run(self, data: Path, dump: Path, as_of: date, *options: str, programs: bool = False, package: bool = False) -> Taken:
        """Import into the data directory *data*, with the unpacking programs, or the package, if wanted."""
        command = [*(N2K if package else WITHOUT_PACKAGE), "--dir", str(data), "import", "--as-of", as_of.isoformat()]
        return run([*command, *options, str(dump)], data.parent, None if programs else self._bare)


def live_bytes(data: Path) -> int:
    """Bytes of the live generation's data file."""
    return (data / GENERATIONS / (data / CURRENT).read_text().strip() / DATA_FILE).stat().st_size
