"""docs/lsl.md: every script, every line that a script says, and no line that none says."""

import re

import pytest

from n2k_fcgi.service.scripts.catalogue import SCRIPTS
from tests.support.processes import REPOSITORY

PAGE = (REPOSITORY / "docs" / "lsl.md").read_text("utf-8")
TEXTS = {name: " ".join(script.text.replace('"\n        + "', "").split()) for name, script in SCRIPTS.items()}


def section(heading: str) -> str:
    """The part of the page under *heading*."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the tables in *text*, without their heads."""
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if row != "Line" and not row.startswith("---")]


def test_every_script_is_explained() -> None:
    """In the order of ``n2k lsl --list``."""
    assert re.findall(r"(?m)^\| \[(\w+)\]\(\.\./lsl/\1\.lsl\)", PAGE) == list(SCRIPTS)


def pieces(line: str) -> list[str]:
    """The texts between the dots of a line, and between alternatives."""
    parts = [part.strip(" :") for text in line.split("…") for part in re.split(r", |stopped: ", text)]
    return [part for part in parts if part]


SAID = first_cells(section("What they say when something is wrong"))


@pytest.mark.parametrize("line", SAID)
def test_a_line_of_the_page_is_said(line: str) -> None:
    """Each piece of it is in a script; the dots are for variable parts."""
    assert pieces(line)
    assert [piece for piece in pieces(line) if not any(piece in text for text in TEXTS.values())] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_said_is_on_the_page(name: str) -> None:
    """Each statement by which a script tells its owner of trouble has a line there."""
    told = re.findall(r"\b(?:later|stop|fail|tell_owner|tell_owner_anywhere)\((?!string )(.*?)\);", TEXTS[name])
    known = [piece for line in SAID for piece in pieces(line) if len(piece) > 5]
    assert [text for text in told if '"' in text and not any(piece in text for piece in known)] == []
