"""docs/library.md: its examples run, and it names all that is public."""

import os
import subprocess
import sys
from pathlib import Path

import n2k_fcgi
from tests.support.pages import blocks
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def run(code: str, folder: Path) -> str:
    """What a program of its own prints, run in *folder*."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("N2K_")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=True, text=True
    ).stdout


def test_the_lookup_prints_what_the_page_says(tmp_path: Path) -> None:
    """In a process of its own, on a directory that lies where the page has it."""
    box = Sandbox(tmp_path / "n2k-data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    box.close()
    (expected,) = blocks("docs/library.md", "text")
    assert run(blocks("docs/library.md", "python")[0].text, tmp_path) == expected.text


def test_the_application_answers(tmp_path: Path) -> None:
    """The file of the page, asked by WSGI."""
    box = Sandbox(tmp_path / "n2k-data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    box.close()
    ask = (
        "environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', 'QUERY_STRING': 'name=masakazu.kojima'}\n"
        "print(application(environ, lambda status, headers: print(status))[0].decode())\n"
    )
    assert run(blocks("docs/library.md", "python")[1].text + ask, tmp_path) == f"200 OK\n{MASAKAZU}\n"


def test_all_that_is_public_is_on_the_page() -> None:
    """Each name has a row."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert [name for name in n2k_fcgi.__all__ if not any(f"`{name}" in row for row in rows)] == []
