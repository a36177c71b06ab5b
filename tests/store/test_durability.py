"""An acknowledged write is on disk: the system calls of the real commands, in the order that survives a power cut.

Each file is synced before the rename that shows it, and the folder after it (see fsync(2) and rename(2)).
"""

import re
import subprocess
from pathlib import Path

from tests.support.commands import N2K
from tests.support.sandbox import GOVERNOR, MASAKAZU

CALL = re.compile(r"(?:\d+ +)?(fsync|fdatasync|rename\w*)\((.*?)\) += 0")


def calls(data_dir: Path, *arguments: str, stdin: bytes = b"") -> list[str]:
    """Return what a command synced and renamed below *data_dir*: ``sync FILE``, ``rename OLD NEW``; stamps as ``STAMP``."""
    log = data_dir.with_name("strace.log")
    strace = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]
    done = subprocess.run(
        [*strace, str(N2K), "--dir", str(data_dir), *arguments], input=stdin, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done
    found = []
    for name, arguments_of in CALL.findall(log.read_text("utf-8", "replace")):
        paths = [
            path.removeprefix(str(data_dir)).lstrip("/") or "."
            for path in re.findall(r'[<"](/[^>"]*)[>"]', arguments_of)
            if path.startswith(str(data_dir))
        ]
        if paths and not paths[0].startswith("log"):
            kind = "rename" if name.startswith("rename") else "sync"
            found.append(" ".join([kind, *(re.sub(r"\d{8}T\d{6}\.\d{3}Z", "STAMP", path) for path in paths)]))
    return found


def in_order(wanted: list[str], found: list[str]) -> bool:
    """Whether *wanted* happened in this order, with anything between."""
    rest = iter(found)
    return all(each in rest for each in wanted)


IMPORTED = [
    "sync generations/STAMP.building/data.mdb",
    "sync generations/STAMP.building/manifest.json",
    "sync generations/STAMP.building",
    "rename generations/STAMP.building generations/STAMP",
    "sync generations",
    "sync CURRENT.new",
    "rename CURRENT.new CURRENT",
    "sync .",
]


def test_an_import_is_on_the_disk_before_it_is_live(tmp_path: Path) -> None:
    """Data, manifest, their folder; then its name; then the pointer, and the folder of the pointer."""
    data = tmp_path / "data"
    calls(data, "init")
    found = calls(data, "import", "--jobs", "1", "-", stdin=f"{GOVERNOR},Governor Linden\n".encode())
    assert in_order(IMPORTED, found), found


def test_going_back_is_on_the_disk(tmp_path: Path) -> None:
    """CURRENT and its folder are synced likewise."""
    data = tmp_path / "data"
    for name in ("Governor Linden", "Governor Newname"):
        calls(data, "import", "--force", "-", stdin=f"{GOVERNOR},{name}\n".encode())
    older = min(path.name for path in (data / "generations").iterdir())
    assert in_order(["sync CURRENT.new", "rename CURRENT.new CURRENT", "sync ."], calls(data, "generations", "use", older))


def test_a_registration_is_on_the_disk_when_it_is_acknowledged(tmp_path: Path) -> None:
    """So are a token and a request to be forgotten; the volatile file is not synced."""
    data = tmp_path / "data"
    calls(data, "init")
    for arguments in (
        ("register", "Masakazu Kojima", MASAKAZU),
        ("token", "create", "--scope", "register"),
        ("forget", MASAKAZU),
    ):
        found = calls(data, *arguments)
        assert "sync captures.mdb" in found, (arguments, found)
        assert "sync volatile.mdb" not in found


def test_a_purge_is_on_the_disk(tmp_path: Path) -> None:
    """The fresh files are synced before they replace the old ones, and the folder after."""
    data = tmp_path / "data"
    calls(data, "import", "-", stdin=f"{GOVERNOR},Governor Linden\n{MASAKAZU},Masakazu Kojima\n".encode())
    calls(data, "register", "Masakazu Seen", MASAKAZU)
    calls(data, "forget", MASAKAZU)
    found = calls(data, "purge")
    assert in_order([each.replace("STAMP", "STAMPp") for each in IMPORTED], found), found
    assert in_order(["sync captures.fresh", "rename captures.fresh captures.mdb", "sync ."], found), found
