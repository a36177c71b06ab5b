"""The page of the web servers: a separate folder of the site, one layout, upgrading, and removal."""

import re

from tests.support.hosting import REPOSITORY

DEPLOY = (REPOSITORY / "docs" / "deploy.md").read_text("utf-8")


def test_the_service_has_a_folder_of_its_own() -> None:
    """The commands of the page deploy beside the site and not over it, and use the address of that folder."""
    assert re.findall(r"https?://example\.com(?!/n2k/)\S*", DEPLOY) == []
    folders = re.findall(r"n2k deploy(?: --\w+)* (\S*/\S+)", DEPLOY)
    assert [folder for folder in folders if not folder.strip("'`").endswith("example.com/n2k")] == []


def test_the_pages_agree_on_where_things_are() -> None:
    """The environment is ~/n2k, the data ~/n2k-data: no venv of another name, nor a --dir that says the default."""
    assert "/venv/" not in DEPLOY and not re.search(r"--dir \S*n2k-data", DEPLOY)


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
