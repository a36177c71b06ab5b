"""One layout on all pages, so that the commands of all pages fit together; and links with existing targets."""

import re

import pytest

from tests.support.pages import PAGES, anchors, blocks, links
from tests.support.processes import REPOSITORY

LAID_OUT = [page for page in PAGES if page != "docs/deploy.md" and not page.startswith("docs/hosting/")]
"""The pages of the web servers have folders without ``~``, since their files know none; the tests of deployment hold them."""

AT_HOME = {"n2k", "n2k-data", "n2k_fcgi", "example.com"}
"""What pages put into the home directory: environment, data, code, the site."""

OTHERS_AT_HOME = {
    "docs/memcached.md": {".config"},
    "docs/install.md": {
        ".bashrc",
        ".zshrc",
        ".profile",
        ".config",
        ".local",
        "n2k-tools",
        "n2k_fcgi-*.whl",
        "pip-26.3-py3-none-any.whl",
    },
}
"""Files of the shell, and what one way to install needs."""

every_page = pytest.mark.parametrize("page", LAID_OUT)


@every_page
def test_paths_are_those_of_the_layout(page: str) -> None:
    """In commands and in prose: the home directory has no other entries, and is never named."""
    found = {path.split("/")[1] for path in re.findall(r"~/[\w.*-]+", PAGES[page])}
    assert found - AT_HOME - OTHERS_AT_HOME.get(page, set()) == set()
    assert "/home/" not in PAGES[page]


@every_page
def test_the_web_folder_is_one_of_its_own(page: str) -> None:
    """Never the site's own folder, which may have other pages: that is named in prose only."""
    assert re.findall(r"(?:deploy|mkdir -p|mkdir) ~/example\.com(?!/n2k\b)", PAGES[page]) == []
    for block in blocks(page, "sh", "crontab", "text"):
        assert re.findall(r"~/example\.com(?!/n2k\b)", block.text) == []


@every_page
def test_the_address_is_one(page: str) -> None:
    """That of the folder, with its slash."""
    assert [
        url
        for url in re.findall(r"https?://example\.com[^\s'`)]*", PAGES[page])
        if not re.match(r"https://example\.com/n2k/", url)
    ] == []


@every_page
def test_commands_are_typed_in_full(page: str) -> None:
    """With the folder of the environment, and without ``--dir``, but where another directory is what it is about."""
    languages = ("sh", "crontab") if page == "docs/commands.md" else ("sh", "crontab", "text")
    for block in blocks(page, *languages):
        for command in block.commands:
            assert re.findall(r"(?:^|[|&;] *)(?:n2k|pip|\.venv/bin/n2k)\b", command) == [], command
            assert "--dir" not in command
    assert set(re.findall(r"--dir (\S+?)[`.,]? ", PAGES[page])) <= {"/some/where", "DATA", "<path>"}
    assert "pip install ." not in PAGES[page] and "pip install '." not in PAGES[page]


def test_examples_of_commands_keep_to_it() -> None:
    """Those that ``--help`` gives, which the page of commands repeats: the default directory, the folder, the address."""
    examples = re.findall(r"(?m)^ *Example: (.*)$", PAGES["docs/commands.md"])
    assert len(examples) > 20
    for example in examples:
        assert "--dir" not in example
        assert (
            re.findall(r"https://example\.com(?!/n2k/)|~/example\.com(?!/n2k\b)|~/(?!n2k-data/|example\.com/n2k)", example)
            == []
        )


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To a file that is there, and to a heading that it has."""
    folder = (REPOSITORY / page).parent
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (folder / target).resolve() if target else REPOSITORY / page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(str(path.relative_to(REPOSITORY))), link


def test_every_page_can_be_reached() -> None:
    """From the README, by links."""
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in links(page):
            found = ((REPOSITORY / page).parent / link.partition("#")[0]).resolve()
            name = str(found.relative_to(REPOSITORY)) if found.is_file() else ""
            if name in PAGES and name not in reached:
                waiting.append(name)
    assert set(PAGES) - reached == set()
