"""docs/privacy.md: its settings are valid, its commands do what it says, and its table has every kind of record."""

import json
import re
import shlex
from pathlib import Path

import pytest

from n2k_fcgi.config import load
from n2k_fcgi.model.choices import Permission
from tests.support.commands import Commands
from tests.support.sandbox import MASAKAZU

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text("utf-8")


def test_its_settings_are_valid(tmp_path: Path) -> None:
    """The block as it is, in a settings file."""
    block = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "n2k.ini").write_text(block)
    settings = load(tmp_path / "n2k.ini", environment={}).settings
    assert (settings.keep_days, settings.keep_places) == (365, False)
    assert (settings.search, settings.csv) == (Permission.TOKEN, Permission.OFF)


def test_its_commands_write_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By key into a file of that name, by name into the file that is named; then there is one answer each."""
    monkeypatch.chdir(tmp_path)
    n2k = Commands(tmp_path / "data")
    n2k.has_people()
    lines = [line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert n2k(*shlex.split(line)[1:]).code == 0, line
    answers = [json.loads((tmp_path / name).read_text()) for name in (f"about-{MASAKAZU}.json", "answer.json")]
    assert [answer["dump"][0]["name"] for answer in answers] == ["Masakazu Kojima"] * 2


@pytest.mark.parametrize("what", ["names and keys of a dump", "a capture", "where it was seen", "the owner of that object"])
def test_the_table_says_why_and_how_long(what: str) -> None:
    """A row of three cells, none empty."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {what}")]
    assert len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 3


def test_every_section_of_an_answer_is_in_the_table() -> None:
    """What ``n2k about`` can list is what the page says is kept."""
    table = PAGE[: PAGE.index("**Digests")]
    for words in (
        "dump",
        "capture",
        "pending keys",
        "conflicts",
        "tombstones",
        "reserved names",
        "the log",
        "values of scripts",
    ):
        assert words in table, words
