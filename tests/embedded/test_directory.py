"""``open_directory``: lookups and registrations from another program."""

import threading
from pathlib import Path

import pytest

from n2k_fcgi import format_key, open_directory
from n2k_fcgi.errors import AskedToBeForgotten, BadGrid, BadKey, BadName, NameTaken, ReadOnly
from tests.support.sandbox import GOVERNOR, MASAKAZU, USERNAME, Sandbox, csv


@pytest.fixture
def data_dir(sandbox: Sandbox) -> Path:
    """A data directory that knows one avatar."""
    sandbox.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    sandbox.close()
    return sandbox.data_dir


def test_lookups(data_dir: Path) -> None:
    """By key and by name in any spelling, on a grid or any; what is invalid is an error."""
    with open_directory(data_dir) as directory:
        found = directory.find(" MASAKAZU.kojima ")
        assert found is not None and (format_key(found.key), found.name, found.grid) == (
            MASAKAZU,
            "Masakazu Kojima",
            "Production",
        )
        assert directory.find(MASAKAZU.upper(), "production") == found
        assert directory.find(MASAKAZU, "OpenSim") is None and directory.find(GOVERNOR) is None
        for text, grid, error in (("", None, BadName), ("x" * 64, None, BadName), ("a b", "", BadGrid)):
            with pytest.raises(error):
                directory.find(text, grid)


def test_registrations(data_dir: Path) -> None:
    """By the rules of every registration; another handle finds them at once, and nothing can be registered read-only."""
    with open_directory(data_dir) as reader, open_directory(data_dir, read_only=False) as directory:
        done = directory.register("governor linden", GOVERNOR)
        assert (format_key(done.key), done.name, done.grid) == (GOVERNOR, "governor linden", "Production")
        assert reader.find("Governor Linden") == done
        assert directory.register("Some Body", USERNAME, "OpenSim").grid == "OpenSim"
        with pytest.raises(NameTaken):
            directory.register("Masakazu Kojima", USERNAME)
        for name, key, grid, error in (
            ("", USERNAME, None, BadName),
            ("a b", "x", None, BadKey),
            ("a b", USERNAME, " ", BadGrid),
        ):
            with pytest.raises(error):
                directory.register(name, key, grid)
        for refused in (lambda: reader.register("New Name", USERNAME), lambda: reader.forget(MASAKAZU)):
            with pytest.raises(ReadOnly):
                refused()
        assert reader.find("New Name") is None and reader.find(MASAKAZU)


def test_forgetting(data_dir: Path) -> None:
    """By key: gone from every answer; an unknown key is hidden when it appears."""
    with open_directory(data_dir, read_only=False) as directory:
        assert directory.forget(MASAKAZU) and not directory.forget(GOVERNOR)
        assert directory.find(MASAKAZU) is None and directory.find("Masakazu Kojima") is None
        with pytest.raises(AskedToBeForgotten):
            directory.register("Governor Linden", GOVERNOR)
        with pytest.raises(BadKey):
            directory.forget("Masakazu Kojima")


def test_threads_share_a_directory(data_dir: Path) -> None:
    """All lookups succeed while another thread registers."""
    with open_directory(data_dir, read_only=False) as directory:
        found = []

        def look_up() -> None:
            found.extend(directory.find(MASAKAZU) is not None for _ in range(200))

        threads = [threading.Thread(target=look_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(30):
            directory.register(f"name{number}", f"{number:08x}-0000-4000-8000-000000000000")
        for thread in threads:
            thread.join()
        assert found == [True] * 800
        assert all(directory.find(f"name{number} resident") for number in range(30))
