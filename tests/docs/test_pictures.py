"""The pictures of the documentation are made from text: each SVG shows what its source says, and a page shows it."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.processes import REPOSITORY

PICTURES = REPOSITORY / "docs" / "pictures"
SOURCES = sorted(PICTURES.glob("*.dot"))
TEXT = "{http://www.w3.org/2000/svg}text"


def test_every_picture_has_a_source() -> None:
    """One SVG for each text and the other way round."""
    assert SOURCES
    assert [source.with_suffix(".svg") for source in SOURCES] == sorted(PICTURES.glob("*.svg"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_picture_shows_what_its_source_says(source: Path) -> None:
    """Every line of every label, as often as in the source: else it is time for ``make pictures``."""
    labels = re.findall(r'label="([^"]*)"', source.read_text("utf-8"))
    drawn = ElementTree.parse(source.with_suffix(".svg")).iter(TEXT)
    assert sorted(text.text or "" for text in drawn) == sorted(line for label in labels for line in label.split(r"\n"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_picture_is_shown_somewhere(source: Path) -> None:
    """Some page of the documentation has it, with words for those who do not see it."""
    pages = "".join(page.read_text("utf-8") for page in (REPOSITORY / "docs").rglob("*.md"))
    assert re.search(rf"!\[[^\]]{{10,}}\]\(pictures/{source.stem}\.svg\)", pages)
