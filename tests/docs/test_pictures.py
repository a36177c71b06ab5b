"""The pictures of the documentation: each SVG shows what its source says, each picture of a page is one that we take."""

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.pages import PAGES
from tests.support.processes import REPOSITORY
from tests.support.screenshots import SHOTS

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


def test_pictures_of_pages_are_those_that_we_take() -> None:
    """``make screenshots`` makes each, and a page or the README shows each, with words for those who do not see it."""
    assert sorted(path.stem for path in PICTURES.glob("*.png")) == sorted(SHOTS)
    text = "".join(PAGES.values())
    assert [name for name in SHOTS if not re.search(rf"!\[[^\]]{{10,}}\]\((docs/)?pictures/{name}\.png\)", text)] == []
    assert "](docs/pictures/page-" in PAGES["README.md"]


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_of_a_page_is_small(name: str) -> None:
    """It has the size of its window, and is below 150 KB."""
    content = (PICTURES / f"{name}.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", content[16:24]) == (
        SHOTS[name].look.width,
        SHOTS[name].height,
    )
    assert len(content) < 150_000
