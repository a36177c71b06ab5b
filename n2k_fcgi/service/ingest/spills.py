"""The files of one import that are not the generation."""

import contextlib
from pathlib import Path

from n2k_fcgi import logs
from n2k_fcgi.service.ingest.beside import SortingBeside
from n2k_fcgi.service.ingest.records import KEY_CUT, NAME_CUT
from n2k_fcgi.service.ingest.runs import Runs
from n2k_fcgi.service.ingest.sorting import Sorting


class Spills:
    """The files of one import that are not the generation: removed with it, whatever happens."""

    def __init__(self, folder: Path, jobs: int, stack: contextlib.ExitStack) -> None:
        def runs(name: str, cut: int) -> Runs:
            made = Runs(folder / f"{name}.spill", cut)
            stack.callback(made.close)
            return made

        self.dump = _sorting(folder, jobs)
        stack.callback(self.dump.close)
        self.outdated = runs("outdated", KEY_CUT)
        self.outdated_names = runs("outdated-names", NAME_CUT)
        self.former = runs("former", NAME_CUT)
        self.disputed = runs("disputed", NAME_CUT)


def _sorting(folder: Path, jobs: int) -> Sorting | SortingBeside:
    if jobs > 1:
        try:
            return SortingBeside(folder)
        except OSError as error:  # no process to be had
            logs.info(f"the import sorts in its own process: {error.strerror}")
    return Sorting(folder)
