"""docs/architecture.md: its modules and places exist, and its picture shows the layers as they import each other."""

import re

import pytest

from tests.support.places import is_there, places
from tests.support.processes import REPOSITORY
from tests.test_layers import MAY_IMPORT, PACKAGE, imported_modules

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
PICTURE = (REPOSITORY / "docs" / "pictures" / "architecture.dot").read_text("utf-8")
ARROWS = re.findall(r"(?m)^ +(\w+) -> (\w+)\b", PICTURE)
ROWS = re.findall(r"(?m)^\| (.*?) \| (.*) \|$", PAGE.partition("| Change | Place |\n|---|---|\n")[2].partition("\n\n")[0])
DATA = {"lsl"}
"""Folders without Python modules: no import shows their use."""


def section(heading: str) -> str:
    """The part of the page under *heading*."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("heading", ["One request", "One dump line", "One value"])
def test_every_module_on_the_way_exists(heading: str) -> None:
    """Each step names modules, and each of them exists."""
    steps = re.split(r"\n(?=\d\. )", section(heading))[1:]
    assert len(steps) >= 5
    for step in steps:
        assert places(step) and [place for place in places(step) if not is_there(place)] == []


def test_there_are_ten_decisions() -> None:
    """Numbered, each with a reason after its title."""
    decisions = re.findall(r"(?m)^(\d+)\. \*\*[^*]+\*\*.{40}", section("Ten decisions"))
    assert decisions == [str(number) for number in range(1, 11)]


def test_the_picture_shows_every_layer() -> None:
    """Every folder and module at the top of the package is in it."""
    names = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    shown = set(re.findall(r"\w+", PICTURE))
    assert names - shown - {"__init__", "__main__", "__pycache__", "py"} == set()


def test_no_arrow_of_the_picture_goes_up() -> None:
    """Each arrow is an import that the layers permit in this direction only, and that the code has."""
    imports = {
        (path.relative_to(PACKAGE).parts[0].removesuffix(".py"), name[0])
        for path in PACKAGE.rglob("*.py")
        for _, name in imported_modules(path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix())
    }
    assert len(ARROWS) > 10
    for above, below in ARROWS:
        if below not in DATA:
            assert below in MAY_IMPORT[above] and above not in MAY_IMPORT[below], (above, below)
            assert (above, below) in imports, (above, below)


def test_the_table_is_long() -> None:
    """It has many rows, and most of them name a file."""
    assert len(ROWS) > 30 and sum(bool(places(place)) for _, place in ROWS) > len(ROWS) * 3 / 4


@pytest.mark.parametrize(("change", "place"), ROWS, ids=[change[:40] for change, _ in ROWS])
def test_every_place_exists(change: str, place: str) -> None:
    """Whatever was moved or renamed since."""
    assert [name for name in places(place) if not is_there(name)] == []


def test_other_places_of_the_page_exist() -> None:
    """Those in the text about the layers, too."""
    text = PAGE.partition("\n## ")[0] + section("Ten decisions")
    assert [name for name in places(text.replace("`tests/contract`", "")) if not is_there(name)] == []
