"""``make screenshots``: the pictures of the pages in docs/pictures, of a service with the small directory of made-up people."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.support.apache import apache
from tests.support.chromium import PHONE, Look, Person, chromium, person
from tests.support.commands import Commands
from tests.support.processes import REPOSITORY
from tests.support.townspeople import RENAMED, settle

PICTURES = REPOSITORY / "docs" / "pictures"
DESK = 1000
"""Width of a window in the pictures: wide enough for the table, small enough for a page of documentation."""

SETTINGS = "[n2k]\nsearch = open\ncsv = open\nurl = https://example.org/n2k/\n"


class Shot(NamedTuple):
    """One picture: where, how, and how high."""

    path: str
    look: Look = Look(DESK)
    height: int = 640


SHOTS = {
    "page-search": Shot("?q=star"),
    "page-avatar": Shot(f"?q={RENAMED}"),
    "page-phone": Shot("?q=wandering+star", Look(PHONE, is_dark=True), 700),
}
"""Name of the file -> what it shows."""


def take(who: Person, shot: Shot, file: Path) -> None:
    """Make one picture."""
    who.page.set_viewport_size({"width": shot.look.width, "height": shot.height})
    assert who.go(shot.path) == 200, shot.path
    who.page.evaluate("document.activeElement.blur()")
    who.page.screenshot(path=file, animations="disabled", caret="hide")


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory(prefix="n2k-pictures-") as name:
        n2k = Commands(Path(name) / "n2k-data")
        settle(n2k.data_dir)
        n2k.put("n2k.ini", SETTINGS)
        folder = Path(name) / "example.com" / "n2k"
        folder.mkdir(parents=True)
        done = n2k("deploy", folder)
        assert done.code == 0, done
        with apache(folder.parent) as server, chromium() as browser:
            for file, shot in SHOTS.items():
                with person(browser, f"{server.url}/n2k/", shot.look) as who:
                    take(who, shot, PICTURES / f"{file}.png")


if __name__ == "__main__":
    main()
