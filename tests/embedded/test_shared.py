"""Handles on a data directory: one store per directory and process, before and after a fork, beside other programs."""

import os
import threading
from pathlib import Path

import pytest

from n2k_fcgi import N2KError, open_directory, open_keyvalue
from n2k_fcgi.embedded import shared
from n2k_fcgi.errors import BadNamespace, HandleClosed, NoSuchNamespace
from tests.support.asking import over_http
from tests.support.keyvalue import made_namespace
from tests.support.processes import forked, talking
from tests.support.sandbox import GOVERNOR, MASAKAZU, Sandbox, csv
from tests.support.standalone import serving


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with one avatar and two namespaces."""
    box = Sandbox(tmp_path / "data")
    box.import_text(csv((MASAKAZU, "Masakazu Kojima")))
    box.close()
    for name in ("shop", "game"):
        made_namespace(box.data_dir, name)
    return box.data_dir


def files_open(data_dir: Path) -> list[str]:
    """The files of *data_dir* that this process has mapped, in the order of their names."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted({line.split()[-1].removeprefix(f"{data_dir}/") for line in lines if str(data_dir) in line})


def test_handles_of_one_directory_share_its_store(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever path they name it; the files are closed with the last handle."""
    (data_dir.parent / "link").symlink_to(data_dir)
    monkeypatch.chdir(data_dir.parent)
    first = open_keyvalue(data_dir, "shop")
    with open_keyvalue("data", "shop", read_only=True) as second, open_directory(data_dir.parent / "link") as directory:
        first.put("k", "1")
        assert second.get("k") and directory.find(MASAKAZU)
        first.close()
        assert second.get("k") and directory.find("masakazu kojima")
        with open_keyvalue(data_dir, "game") as third:
            assert third.get("k") is None
    assert files_open(data_dir) == []
    with open_keyvalue(data_dir, "shop") as again:
        assert again.get("k")


def test_what_cannot_be_opened_is_an_error_and_leaves_nothing_open(data_dir: Path, tmp_path: Path) -> None:
    """A name that none has, an unknown namespace, a missing directory."""
    with pytest.raises(BadNamespace):
        open_keyvalue(data_dir, "../shop")
    with pytest.raises(NoSuchNamespace):
        open_keyvalue(data_dir, "unknown")
    with pytest.raises(N2KError):
        open_keyvalue(tmp_path / "nowhere", "shop")
    assert files_open(data_dir) == [] and not (tmp_path / "nowhere").exists()


def test_a_closed_directory_says_so(data_dir: Path) -> None:
    """Instead of opening the files again."""
    directory = open_directory(data_dir)
    directory.close()
    directory.close()
    with pytest.raises(HandleClosed, match="this directory is closed"):
        directory.find(MASAKAZU)


def test_a_fork_leaves_no_environment_open(data_dir: Path) -> None:
    """In the parent and in the child nothing is mapped after a fork; both open the files again, and close them."""
    with open_keyvalue(data_dir, "shop") as kv, open_directory(data_dir) as directory:
        kv.put("n", "1")
        assert directory.find(MASAKAZU) and files_open(data_dir) != []

        def child() -> None:
            assert files_open(data_dir) == []
            assert kv.incr("n") == 2
            assert directory.find(MASAKAZU)
            grandchild = forked(lambda: kv.incr("n"))
            assert os.waitpid(grandchild, 0)[1] == 0
            kv.close()
            directory.close()
            assert files_open(data_dir) == []

        assert os.waitpid(forked(child), 0)[1] == 0
        assert files_open(data_dir) == []
        assert kv.incr("n") == 4 and directory.find(MASAKAZU)


def test_a_fork_waits_for_the_calls_of_other_threads(data_dir: Path) -> None:
    """It happens between two calls: the child would inherit a lock that nobody releases."""
    entered, may_end, order = threading.Event(), threading.Event(), []
    with open_keyvalue(data_dir, "shop") as kv:
        store = next(iter(shared._stores.values()))

        def call() -> None:
            entered.set()
            may_end.wait()
            order.append("the call ended")

        caller = threading.Thread(target=lambda: store.call(lambda _: call()))
        caller.start()
        entered.wait()
        threading.Timer(0.05, may_end.set).start()
        child = forked(lambda: kv.put("k", str(order)))
        order.append("forked")
        caller.join()
        assert os.waitpid(child, 0)[1] == 0 and order == ["the call ended", "forked"]
        found = kv.get("k")
        assert found is not None and found.text == "['the call ended']"


def test_a_snapshot_is_of_its_process(data_dir: Path) -> None:
    """A child cannot read it, and takes none away from its parent."""
    with open_keyvalue(data_dir, "shop") as kv:
        kv.put("k", "1")
        with kv.snapshot() as snapshot:

            def child() -> None:
                with pytest.raises(HandleClosed):
                    snapshot.get("k")
                kv.put("k", "2")

            assert os.waitpid(forked(child), 0)[1] == 0
            found = snapshot.get("k")
            assert found is not None and found.text == "1"


def test_a_snapshot_leaves_no_file(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one in the data directory while it is read; an exception in the block is passed on."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with open_keyvalue(data_dir, "shop") as kv:
        before = sorted(data_dir.rglob("*"))
        with pytest.raises(ZeroDivisionError), kv.snapshot():
            assert len(list(temporary.iterdir())) == 1 and sorted(data_dir.rglob("*")) == before
            raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_a_second_program_runs_beside_a_server(data_dir: Path) -> None:
    """What one registers or writes the other reads, and both increment one number."""
    code = """
import sys
from n2k_fcgi import open_directory, open_keyvalue
with open_directory(sys.argv[1], read_only=False) as directory, open_keyvalue(sys.argv[1], "shop") as kv:
    input()
    directory.register("Governor Linden", sys.argv[2])
    print(kv.incr("n", initial=1), flush=True)
    input()
    print(directory.find("Masakazu Kojima").name, [kv.incr("n") for _ in range(100)][-1], flush=True)
"""
    with serving(data_dir) as server, talking(code, data_dir, GOVERNOR) as go_on, open_keyvalue(data_dir, "shop") as kv:
        assert go_on() == "1\n"
        assert kv.incr("n") == 2
        with open_directory(data_dir) as directory:
            found = directory.find(GOVERNOR)
        assert found is not None and found.name == "Governor Linden"
        ask = over_http(server.host, server.port)
        assert ask("GET", "/?name=governor+linden", {}, b"").body.decode() == GOVERNOR
        assert go_on() == "Masakazu Kojima 102\n"
        assert kv.incr("n") == 103
