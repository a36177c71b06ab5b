"""Mutations of the files that setup.cfg lists, and those that no test notices: ``make mutate``.

mutmut changes one thing in a function at a time, and runs the tests that call the function. Survivors are printed, except
those that tests/equivalent_mutants.txt lists with the reason why no user can see them.
With arguments, patterns such as ``n2k_fcgi.model.names*``, only mutants with such a name are run.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

EQUIVALENT = Path(__file__).parents[1] / "equivalent_mutants.txt"
ENOUGH = 90
"""Percent of the mutants that must be noticed, equivalent ones not counted."""

SURVIVED = ("survived", "no tests")


class Mutant(NamedTuple):
    """A change of a function, as the removed and the added lines."""

    function: str
    """With its module."""
    lines: tuple[str, ...]
    """Each begins with - or +, and a space."""


def equivalent() -> set[Mutant]:
    """Return the listed ones: blocks of a function's name and lines, below a comment with the reason."""
    blocks = [
        [line for line in block.splitlines() if not line.startswith("#")] for block in EQUIVALENT.read_text().split("\n\n")
    ]
    return {Mutant(block[0], tuple(block[1:])) for block in blocks if block}


def described(name: str, path: Path) -> Mutant:
    """Return the mutant in *path* that mutmut calls *name*."""
    function, of_class = orig_function_and_class_names_from_key(name)
    module = ".".join(path.with_suffix("").parts)
    changed = [line for line in get_diff_for_mutant(name, path=path).splitlines()[2:] if line[:1] in "-+"]
    lines = tuple(f"{line[0]} {line[1:].strip()}" for line in changed)
    return Mutant(".".join([module, *([of_class] if of_class else []), function]), lines)


def main() -> int:
    """Run mutmut and print the survivors; return 1 if there are too many, or if a listed mutant did not survive."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1), *sys.argv[1:]]
    subprocess.run(command, env=environment, check=True)
    counts: Counter[str] = Counter()
    known = equivalent()
    seen: set[Mutant] = set()
    lines: list[str] = []
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            verdict = status_by_exit_code[code]
            if verdict in SURVIVED:
                mutant = described(name, path)
                if mutant in known:
                    seen.add(mutant)
                    verdict = "equivalent"
                else:
                    lines += ["", name, mutant.function, *mutant.lines]
            counts[verdict] += 1
    gone = sorted(known - seen) if not sys.argv[1:] else []
    lines += ["", *(f"{EQUIVALENT.name} lists what did not survive: {mutant.function}" for mutant in gone)]
    survived = sum(counts[verdict] for verdict in SURVIVED)
    noticed = sum(counts.values()) - survived - counts["equivalent"] - counts["not checked"]
    percent = 100 * noticed / max(1, noticed + survived)
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    lines.append(f"{percent:.1f} % of the mutants are noticed (at least {ENOUGH} % is asked for)")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(percent < ENOUGH or bool(gone))


if __name__ == "__main__":
    sys.exit(main())
