"""The page of the web servers: a separate folder of the site, one layout, upgrading, and removal."""

import re

from n2k_fcgi.deploy.kinds import WAYS
from tests.support.hosting import REPOSITORY

DEPLOY = (REPOSITORY / "docs" / "deploy.md").read_text("utf-8")
HOSTING = {path.name: path.read_text("utf-8") for path in (REPOSITORY / "docs" / "hosting").glob("*.md")}
ALL = "\n".join([DEPLOY, *HOSTING.values()])


def test_it_begins_with_the_question_which_host() -> None:
    """The first section is a table that leads to every page of a kind of host, and says whether it was tried."""
    table = DEPLOY.partition("## Which host do you have?")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"\| \[[^]]+\]\(hosting/(\w+\.md)\)(.*) \|$", table, re.MULTILINE))
    assert set(rows) == set(HOSTING)
    assert all("*tried*" in said or "*not tried*" in said for said in rows.values())


def test_each_page_says_what_was_tried() -> None:
    """In its first paragraph, and it is short."""
    for name, text in HOSTING.items():
        assert text.split("\n\n")[1].startswith(("*Tried*", "*Not tried*")), name
        assert len(text.split()) < 1000, name


def test_each_kind_has_its_page() -> None:
    """The one that its module names, with its command."""
    for kind, way in WAYS.items():
        assert f"n2k deploy ~/example.com/n2k --as {kind.value}\n" in (REPOSITORY / "docs" / way.PAGE).read_text("utf-8")


def test_the_service_has_a_folder_of_its_own() -> None:
    """The commands of the page deploy beside the site and not over it, and use the address of that folder."""
    assert re.findall(r"https?://example\.com(?!/n2k/)\S*", ALL) == []
    folders = re.findall(r"n2k deploy(?: --\w+(?: \d+)?)* (\S*/\S+)", ALL)
    assert [folder for folder in folders if not folder.strip("'`").endswith("example.com/n2k")] == []


def test_the_pages_agree_on_where_things_are() -> None:
    """The environment is ~/n2k, the data ~/n2k-data: no venv of another name, nor a --dir that says the default."""
    assert "/venv/" not in ALL and not re.search(r"--dir \S*n2k-data", ALL)


def test_an_update_begins_with_a_fresh_folder() -> None:
    """An older version's build/ in the folder would be installed again; what cannot be fetched again is saved before."""
    steps = DEPLOY.partition("### Upgrade")[2].partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [re.findall(r"^rm -rf|^mv|export --captures|pip install|deploy|doctor", step)[0] for step in steps] == [
        *("rm -rf", "mv", "export --captures", "pip install", "deploy", "doctor"),
    ]


def test_the_way_back_is_told() -> None:
    """How to remove it, and how to fix the 404 of a script that was deleted by hand."""
    section = DEPLOY.partition("### Take it away again")[2].partition("\n### ")[0]
    assert "n2k deploy --remove ~/example.com/n2k" in section and "by hand" in section and "404" in section
    assert all(word in section for word in ("n2k_fcgi.old", "completion.bash", "~/.local/bin/n2k"))
