"""A Python without bz2, lzma, ssl, ctypes and similar modules: only what needs one of them is refused, by its name."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from n2k_fcgi.cli import COMMANDS
from tests.support.bare_python import LEFT_OUT, LIBRARY_GONE, NOT_BUILT, lacking
from tests.support.commands import PEOPLE, Commands, Done, on_terminal
from tests.support.sandbox import MASAKAZU
from tests.support.standalone import serving
from tests.support.web_server import file, redirect, web_server
from tests.support.worker import FIND, FOUND, worker

LACKING = 90

IMPORTED = """
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
        print(name)
"""
"""Prints which of the modules named can be imported."""


def _zip(method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("name2key.csv", PEOPLE)
    return packed.getvalue()


PACKED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "bz2": ("bz2", lambda: bz2.compress(PEOPLE)),
    "xz": ("lzma", lambda: lzma.compress(PEOPLE)),
    "zip with bz2": ("bz2", lambda: _zip(zipfile.ZIP_BZIP2)),
    "zip with lzma": ("lzma", lambda: _zip(zipfile.ZIP_LZMA)),
}
"""Kind of dump -> the module that reads it, and such a dump."""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that lacks all of these modules; no program of the system unpacks for it."""
    variables = {**lacking(tmp_path / "bare"), "PATH": "/nowhere"}
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED, *LEFT_OUT], env={**os.environ, **variables}, capture_output=True, check=True
    )
    assert found.stdout == b"", "modules that are there all the same"
    return variables


def refused(done: Done, *words: str) -> bool:
    """Whether it is one line that names the module and an alternative."""
    line = done.err.splitlines()[-1]
    return done.code == LACKING and "Traceback" not in done.err and all(word in line for word in words) and ": " in line


@pytest.mark.parametrize("command", ["", *sorted(COMMANDS)])
def test_help_of_every_command(n2k: Commands, bare: dict[str, str], command: str) -> None:
    """The help of the group, which imports all commands, and of each command."""
    done = n2k.bare(*command.split(), "--help", **bare)
    assert (done.code, done.err) == (0, "") and done.out.startswith("Usage: n2k")


def test_a_directory_from_its_beginning_to_its_end(n2k: Commands, bare: dict[str, str], tmp_path: Path) -> None:
    """Init, import of csv, gz and zip, lookup, register, forget, purge, export, check."""
    csv, packed, archive = tmp_path / "a.csv", tmp_path / "a.gz", tmp_path / "a.zip"
    csv.write_bytes(PEOPLE)
    packed.write_bytes(gzip.compress(PEOPLE))
    archive.write_bytes(_zip(zipfile.ZIP_DEFLATED))
    commands = (
        *(
            ("init",),
            ("import", "--as-of", "2026-01-02", csv),
            ("import", "--as-of", "2026-01-03", packed),
            ("update", archive),
        ),
        *(("lookup", "masakazu kojima"), ("search", "mas"), ("register", "New One", "00000001-1111-4111-8111-111111111111")),
        *(("lookup", "--history", "new.one"), ("stats",), ("pending",), ("generations",), ("token", "list"), ("config",)),
        *(("lsl", "--url", "https://example.com/n2k/", "touch"), ("export", tmp_path / "out.jsonl.gz"), ("forget", MASAKAZU)),
        *(("purge",), ("sample", "--rows", "5", "-o", tmp_path / "s.csv.gz")),
        *(("token", "create", "--scope", "keyvalue", "--namespace", "shop"), ("kv", "put", "shop", "k", "--value", "v")),
        *(("kv", "get", "shop", "k"), ("kv", "list", "shop", "--values"), ("kv", "export", "shop", "-"), ("check",)),
    )
    for command in commands:
        done = n2k(*command, **bare)
        assert done.code == 0, (command, done)
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).count(b"\n") == 4


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("command", ["import", "update"])
def test_a_dump_that_needs_what_is_not_there(
    n2k: Commands, bare: dict[str, str], tmp_path: Path, kind: str, command: str
) -> None:
    """One line names the module and an alternative; nothing is imported, and the previous answers are kept."""
    n2k.has_people()
    before = n2k.live()
    module, make = PACKED[kind]
    dump = tmp_path / "dump"
    dump.write_bytes(make())
    assert refused(n2k("-q", command, "--jobs", "1", dump, **bare), f"lacks the module '{module}'", "n2k import -")
    assert n2k.live() == before


@pytest.mark.parametrize("form, module", [("bz2", "bz2"), ("xz", "lzma")])
def test_a_dump_that_cannot_be_written(n2k: Commands, bare: dict[str, str], tmp_path: Path, form: str, module: str) -> None:
    """By export and sample; no incomplete file is left."""
    n2k.has_people()
    target = tmp_path / f"out.csv.{form}"
    for command in (("export", target), ("sample", "--rows", "5", "-o", target)):
        assert refused(n2k(*command, **bare), f"lacks the module '{module}'")
    assert [path.name for path in tmp_path.glob("*out*")] == []


def test_https(n2k: Commands, bare: dict[str, str]) -> None:
    """For a URL and for a redirect: the message names ssl and an alternative; http works."""
    with web_server(dump=file(PEOPLE), moved=redirect("https://127.0.0.1:1/dump")) as web:
        assert refused(n2k("-q", "update", "https://127.0.0.1:1/dump", **bare), "lacks the module 'ssl'", "curl")
        assert refused(n2k("-q", "update", web.url("/moved"), **bare), "lacks the module 'ssl'", "curl")
        done = n2k("-q", "update", web.url("/dump"), **bare)
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("error", [NOT_BUILT, LIBRARY_GONE])
def test_the_reason_is_told(n2k: Commands, tmp_path: Path, error: str) -> None:
    """The message distinguishes a module that was never built from one whose library is missing."""
    variables = lacking(tmp_path / "bare", "_ssl", error=error)
    reason = "No module named '_ssl'" if error == NOT_BUILT else "libssl.so.1.1: cannot open shared object file"
    assert refused(n2k("-q", "update", "https://127.0.0.1:1/dump", **variables), f"module 'ssl' ({reason}")


def test_the_doctor_says_so(n2k: Commands, bare: dict[str, str], tmp_path: Path) -> None:
    """A warning for each module says what needs it; no https address is examined, and the reason is reported."""
    n2k.has_people()
    done = n2k("doctor", "https://127.0.0.1:1/n2k/", **bare)
    for module, what in (("bz2", "packed as bz2"), ("lzma", "packed as xz"), ("ssl", "https"), ("ctypes", "nothing of n2k")):
        line = f"warning  modules: this Python lacks {module}, needed for "
        assert sum(found.startswith(line) and what in found for found in done.out.splitlines()) == 1, done
    assert "address: not requested: this Python lacks the module 'ssl'" in done.out
    whole = n2k("doctor", **lacking(tmp_path / "whole", "nothing_at_all"))
    assert "ok       modules: " in whole.out


def test_a_program_unpacks_where_the_module_is_missing(n2k: Commands, tmp_path: Path) -> None:
    """lbzip2 is tried before the module."""
    dump = tmp_path / "dump.bz2"
    dump.write_bytes(bz2.compress(PEOPLE))
    done = n2k("-q", "import", dump, **lacking(tmp_path / "bare", "_bz2"))
    assert (done.code, done.err) == (0, "")


def test_the_worker(n2k: Commands, bare: dict[str, str]) -> None:
    """FastCGI returns the usual answers, in all parts of the service."""
    n2k.has_people()
    with worker(n2k.data_dir, **bare) as child:
        assert child.ask(FIND) == FOUND and child.ask("/health") == (200, "alive\n")
        assert child.ask(f"/api/v1/avatars/{MASAKAZU}")[0] == 200
        assert child.ask("/api/v1/openapi.json")[0] == 200


@pytest.mark.parametrize("module", ["_ssl", "_multiprocessing"])
def test_standalone_without_granian(n2k: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """granian wants modules that are not there: Werkzeug's server takes its place, and the warning says why.

    On Python 3.13 it starts its workers without the second of them.
    """
    n2k.has_people()
    for name, value in lacking(tmp_path / "bare", module).items():
        monkeypatch.setenv(name, value)
    with serving(n2k.data_dir, said=tmp_path / "said"):
        pass
    said = (tmp_path / "said").read_text()
    if module == "_ssl" or sys.version_info < (3, 13):
        assert f"granian does not run on this Python (No module named '{module}')" in said
    else:
        assert said == ""


def test_the_shell_on_a_terminal(n2k: Commands, bare: dict[str, str]) -> None:
    """Without readline there is no completion and no history, but answers."""
    n2k.has_people()
    with on_terminal(n2k.command("shell"), n2k.environment(**bare)) as terminal:
        terminal.wait_for("> ")
        terminal.type("masakazu kojima\n")
        terminal.wait_for(MASAKAZU)
        terminal.type("\x04")
        terminal.rest()
