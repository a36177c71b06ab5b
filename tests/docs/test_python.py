"""docs/python.md: its examples run, and it names all that is public."""

import inspect
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import n2k_fcgi
from n2k_fcgi.embedded.datasets import OpenDatasets
from n2k_fcgi.keyvalue.namespace import KeyValue
from n2k_fcgi.model.choices import Scope
from tests.support.keyvalue import made_namespace, made_token
from tests.support.pages import PAGES, blocks
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv
from tests.support.standalone import serving

PAGE = PAGES["docs/python.md"]
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the data directory lies as the page has it."""
    box = Sandbox(tmp_path / "n2k-data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima"), (GOVERNOR, "Governor Linden")))
    box.close()
    made_namespace(box.data_dir, "shop")
    return tmp_path


def run(code: str, folder: Path) -> str:
    """What a program of its own prints, run in *folder*."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("N2K_")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=True, text=True
    ).stdout


def test_the_examples_print_what_the_page_says(folder: Path) -> None:
    """Each in a process of its own; one that has no output on the page prints nothing here."""
    found = [*blocks("docs/python.md", "python", "text"), blocks("docs/python.md", "python")[0]]
    examples = [
        (code.text, after.text if after.language == "text" else "")
        for code, after in pairwise(found)
        if code.language == "python"
    ]
    assert len(examples) == 7
    data_dir, client = folder / "n2k-data", examples.pop(-2)
    for code, expected in examples:
        assert run(code, folder) == expected
    made_namespace(data_dir, "other")
    token = made_token(data_dir, Scope.KEYVALUE, namespace="other")
    with serving(data_dir, "--prefix", "/n2k") as server:
        here = client[0].replace("https://example.com", f"http://{server.host}:{server.port}").replace("n2k_…", token)
        assert here.count(token) == 1 and run(here, folder) == client[1]


def test_the_application_answers(folder: Path) -> None:
    """The file of the page, asked by WSGI."""
    ask = (
        "environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', 'QUERY_STRING': 'name=masakazu.kojima'}\n"
        "print(application(environ, lambda status, headers: print(status))[0].decode())\n"
    )
    assert run(blocks("docs/python.md", "python")[-1].text + ask, folder) == f"200 OK\n{MASAKAZU}\n"


def test_all_that_is_public_is_on_the_page() -> None:
    """Each name has a row, and each method of a namespace."""
    methods = [
        name
        for each in (KeyValue, OpenDatasets)
        for name, _ in inspect.getmembers(each, inspect.isfunction)
        if not name.startswith("_") and name != "close"
    ]
    assert len(methods) > 15
    names = [*n2k_fcgi.__all__, *(f"{method}(" for method in methods)]
    assert [name for name in names if not any(f"`{name}" in row for row in ROWS)] == []
