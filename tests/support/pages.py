"""The pages of the documentation: their fenced blocks, their commands, their links."""

import re
from typing import NamedTuple

from tests.support.processes import REPOSITORY

PAGES = {
    str(path.relative_to(REPOSITORY)): path.read_text("utf-8")
    for path in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
}
"""Path -> text."""


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str
    """Without the indentation of its list."""

    @property
    def commands(self) -> list[str]:
        """Its lines, those joined that a backslash continues, without comments and times of a crontab."""
        joined = self.text.replace("\\\n", " ")
        lines = [re.sub(r"(^|\s)# .*", "", line).strip() for line in joined.splitlines()]
        if self.language == "crontab":
            lines = [line.split(maxsplit=5)[5] for line in lines]
        return [line for line in lines if line]


def blocks(page: str, *languages: str) -> list[Block]:
    """The blocks of *page* in these languages, in its order."""
    found = re.findall(r"(?ms)^( *)```(\w+)\n(.*?)^ *```$", PAGES[page])
    unindented = [Block(language, re.sub(f"(?m)^{indent}", "", text)) for indent, language, text in found]
    return [block for block in unindented if block.language in languages]


def anchors(page: str) -> set[str]:
    """What a link may name behind ``#``: the headings, as web pages of repositories spell them."""
    headings = re.findall(r"(?m)^#+ (.*)$", PAGES[page])
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: str) -> list[str]:
    """Where the links and pictures of *page* lead within the repository."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]) if "://" not in target]
