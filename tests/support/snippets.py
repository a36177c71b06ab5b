"""The fenced snippets of docs/deploy.md and docs/hosting: what the pages print is what the tests run."""

import configparser
import re
from pathlib import Path

from tests.support.hosting import REPOSITORY

_DOCS = REPOSITORY / "docs"
PAGE = "\n".join(path.read_text("utf-8") for path in (_DOCS / "deploy.md", *sorted((_DOCS / "hosting").glob("*.md"))))
"""All of them."""


def snippets(language: str) -> list[str]:
    """The blocks of that language, in the page's order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def changed(snippet: str, *changes: tuple[str, str]) -> str:
    """*snippet* with each (old, new) exchanged: a change that the page describes, in these very words."""
    for old, new in changes:
        assert old in snippet, f"{old} is not in the snippet"
        assert f"`{new}`" in PAGE, f"the page does not say {new}"
        snippet = snippet.replace(old, new)
    return snippet


def units() -> list[tuple[str, str]]:
    """systemd's unit files as (file name, text); the first line of each is a comment with its path."""
    return [(Path(text.splitlines()[0].removeprefix("# ")).name, text) for text in snippets("ini")]


def parsed(unit: str) -> configparser.ConfigParser:
    """A unit file's sections and settings; a setting that comes twice is refused."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names are case sensitive
    parser.read_string(unit)
    return parser
