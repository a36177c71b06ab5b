"""The dumps that imports are measured with: a sample in W-Hat's format, and the same with some rows renamed and some left out.

A renamed row is where its new name belongs, which may be anywhere in the dump, as in a dump that a server sorts.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from random import Random

from n2k_fcgi.service.dumps.sample import WELL_KNOWN, csv_lines

SAMPLE = (sys.executable, "-m", "n2k_fcgi", "-q", "sample", "--seed", "1")
PACKERS = {".bz2": ("lbzip2", "-zc"), ".gz": ("pigz", "-c")}

_NAME = itemgetter(slice(37, None))
"""Of a line: what follows its key and the comma."""
_KEPT = frozenset(csv_lines(WELL_KNOWN))
"""Lines that readers ask for."""

Chosen = Callable[[int], bool]
"""Whether the row with a number is one of them."""


def sample(rows: int, target: Path, *options: str) -> None:
    """Write the sample, packed as the name of *target* says."""
    subprocess.run([*SAMPLE, "--rows", str(rows), *options, "-o", str(target)], check=True)


def packed(source: Path, target: Path) -> None:
    """Pack *source* as the name of *target* says."""
    with source.open("rb") as read, target.open("wb") as write:
        subprocess.run(PACKERS[target.suffix], stdin=read, stdout=write, check=True)


def change(source: Path, target: Path, is_renamed: Chosen, is_absent: Chosen) -> None:
    """Write *source*, which is in the order of names, with some rows renamed and some left out."""
    with source.open("rb") as read, target.open("wb") as write:
        new = sorted((line for line, is_new in _changed(read, is_renamed, is_absent) if is_new), key=_NAME, reverse=True)
        read.seek(0)
        for line, is_new in _changed(read, is_renamed, is_absent):
            if is_new:
                continue
            while new and _NAME(new[-1]) < _NAME(line):
                write.write(new.pop())
            write.write(line)
        write.writelines(reversed(new))


def change_in_place(source: Path, target: Path, is_renamed: Chosen, is_absent: Chosen) -> None:
    """The same for a dump in no order."""
    with source.open("rb") as read, target.open("wb") as write:
        write.writelines(line for line, _ in _changed(read, is_renamed, is_absent))


def _changed(lines: Iterable[bytes], is_renamed: Chosen, is_absent: Chosen) -> Iterator[tuple[bytes, bool]]:
    """Yield each line that is left, and whether its name is new; those of the well-known stay."""
    for number, line in enumerate(lines):
        if is_renamed(number) and line not in _KEPT:
            yield _renamed(line), True
        elif not is_absent(number) or line in _KEPT:
            yield line, False


def _renamed(line: bytes) -> bytes:
    """Another name, anywhere in the order; no name of the sample has a q."""
    word, blank, rest = line[37:-1].partition(b" ")
    return b"%b%bq%b%b\n" % (line[:37], (word[4:] + word[:4]).lower().capitalize(), blank, rest)


def draw(dump: Path, rows: int, count: int) -> list[tuple[str, str]]:
    """Return key and name of about *count* rows of a plain dump that has *rows*, by chance, in no order."""
    chance = Random(1)
    share = count / rows
    with dump.open("rb") as read:
        drawn = [line[:-1].decode() for line in read if chance.random() < share]
    chance.shuffle(drawn)
    return [(line[:36], line[37:]) for line in drawn]
