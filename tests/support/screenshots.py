"""``make screenshots``: the pictures of the pages in docs/pictures, of a service with the small directory of made-up people."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support.apache import apache
from tests.support.chromium import PHONE, Look, Person, chromium, person
from tests.support.commands import Commands
from tests.support.processes import REPOSITORY
from tests.support.townspeople import RENAMED, be_busy, settle

PICTURES = REPOSITORY / "docs" / "pictures"
DESK = 1000
"""Width of a window in the pictures: wide enough for the table, small enough for a page of documentation."""

SETTINGS = "[n2k]\nsearch = open\ncsv = open\nurl = https://example.org/n2k/\n"


class Shot(NamedTuple):
    """One picture: where, how, and how high."""

    path: str
    look: Look = Look(DESK)
    height: int = 640
    of_owner: bool = False
    """Whether one must be logged in."""


SHOTS = {
    "page-search": Shot("?q=star", height=560),
    "page-avatar": Shot(f"avatar/{RENAMED}", height=640),
    "page-phone": Shot("?q=star&lang=de", Look(PHONE, is_dark=True), 760),
    "page-status": Shot("status", height=1025, of_owner=True),
}
"""Name of the file -> what it shows."""


def take(who: Person, shot: Shot, code: str, file: Path) -> None:
    """Make one picture; *code* logs in."""
    who.page.set_viewport_size({"width": shot.look.width, "height": shot.height})
    if shot.of_owner:
        who.go("login")
        who.page.get_by_label("One-time code").fill(code)
        with who.page.expect_navigation():
            who.page.get_by_role("button", name="Log in with the code").click()
    assert who.go(shot.path) == 200, shot.path
    who.page.evaluate("document.activeElement.blur()")
    who.page.screenshot(path=file, animations="disabled", caret="hide")


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory(prefix="n2k-pictures-") as name:
        n2k = Commands(Path(name) / "n2k-data")
        settle(n2k.data_dir)
        be_busy(n2k.data_dir)
        n2k.put("n2k.ini", SETTINGS)
        folder = Path(name) / "example.com" / "n2k"
        folder.mkdir(parents=True)
        done = n2k("deploy", folder)
        assert done.code == 0, done
        with apache(folder.parent) as server, chromium() as browser:
            for file, shot in SHOTS.items():
                with person(browser, f"{server.url}/n2k/", shot.look) as who:
                    take(who, shot, n2k("pages", "code").out.split()[-1], PICTURES / f"{file}.png")


if __name__ == "__main__":
    main()
