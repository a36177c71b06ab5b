"""CONTRIBUTING.md names places that exist, and the package describes itself."""

import configparser
import re
from pathlib import Path

from n2k_fcgi.config import TABLE
from tests.support.places import is_there
from tests.support.processes import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")


def test_every_folder_of_tests_is_explained() -> None:
    """The page explains every folder of the tests that is not a layer of the package."""
    folders = {path.name for path in (REPOSITORY / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    layers = {path.name for path in (REPOSITORY / "n2k_fcgi").iterdir() if path.is_dir()}
    assert [name for name in sorted(folders - layers - {"support", "bench"}) if f"`tests/{name}`" not in PAGE] == []


def test_what_a_setting_takes_is_what_settings_take() -> None:
    """The steps name the places that every setting has."""
    steps = PAGE.partition("### A new setting\n")[2].partition("\n## ")[0]
    for name in (
        "config/table.py",
        "config/values.py",
        "wiring.py",
        "web/services.py",
        "docs/settings.md",
        "tests/test_config.py",
    ):
        assert f"`{name}`" in steps and is_there(name)
    for name in re.findall(r"`(\w+)`", steps):
        assert any(re.search(rf"\b{name}\b", (REPOSITORY / file).read_text("utf-8")) for file in (
            "n2k_fcgi/config/table.py", "n2k_fcgi/wiring.py", "n2k_fcgi/cli/context.py"
        )), name  # fmt: skip
    assert TABLE


def test_packages_that_make_installs_are_named() -> None:
    """The page names what ``make test`` needs of the system, no more and no less."""
    (line,) = re.findall(r"(?m)^test: .*\n\tsh \.ci/packages (.*)$", (REPOSITORY / "Makefile").read_text("utf-8"))
    named = re.search(r"names them: ([\w, \n-]+?)\.", PAGE)
    assert named and re.split(r",\s+", " ".join(named[1].split())) == line.split()


def metadata() -> configparser.SectionProxy:
    """The metadata of the package in setup.cfg."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "setup.cfg", "utf-8")
    return parser["metadata"]


def test_the_package_says_what_it_is() -> None:
    """Words to find it by, the Pythons that the gate tests and no others, and the licence as it is written today."""
    said = metadata()
    words = {word.strip().lower() for word in said["keywords"].split(",")}
    assert {"name2key", "key2name", "second life", "opensimulator", "lsl"} <= words
    classifiers = said["classifiers"].split("\n")
    versions = [
        line.rpartition(" ")[2] for line in classifiers if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    ]
    gate = re.search(r"sh \.ci/test-all (.*)", (REPOSITORY / "Makefile").read_text("utf-8"))
    assert gate and versions == gate[1].split()
    assert said["license"] == "MIT" and "License ::" not in said["classifiers"]
    assert (REPOSITORY / said["license_files"]).is_file() and Path(
        said["long_description"].removeprefix("file: ")
    ).suffix == ".md"
