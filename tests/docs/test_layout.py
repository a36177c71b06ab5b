"""One layout in the pages: a folder of its own in the site, the address of that folder with its slash."""

import re
from pathlib import Path

import pytest

from tests.support.hosting import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "lsl" / "README.md"]
DEPLOY = (REPOSITORY / "docs" / "deploy.md").read_text("utf-8")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@each_page
def test_the_service_has_a_folder_of_its_own(page: Path) -> None:
    """Who follows a page by the letter deploys beside his site and not over it, and asks at the address of that folder."""
    text = page.read_text("utf-8")
    assert re.findall(r"https?://example\.com(?!/n2k/)\S*", text) == []
    folders = re.findall(r"n2k deploy(?: --\w+)* (\S*/\S+)", text)
    assert [folder for folder in folders if not folder.strip("'`").endswith("example.com/n2k")] == []


@each_page
def test_the_pages_agree_on_where_things_are(page: Path) -> None:
    """The environment is ~/n2k, the data ~/n2k-data: no page has a venv of another name, nor a --dir that says the default."""
    text = page.read_text("utf-8")
    assert "/venv/" not in text
    assert page.name == "commands.md" or not re.search(r"--dir \S*n2k-data", text)


def test_an_update_begins_with_a_fresh_folder() -> None:
    """An older version's build/ in the folder would be installed again; what cannot be fetched again is saved before."""
    steps = DEPLOY.partition("### Upgrade")[2].partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [re.findall(r"^mv|export --captures|pip install|deploy|doctor", step)[0] for step in steps] == [
        *("mv", "export --captures", "pip install", "deploy", "doctor"),
    ]


def test_the_way_back_is_told() -> None:
    """How to take it away again, and how out of the 404 of a script that was deleted by hand."""
    section = DEPLOY.partition("### Take it away again")[2].partition("\n### ")[0]
    assert "n2k deploy --remove ~/example.com/n2k" in section and "by hand" in section and "404" in section
