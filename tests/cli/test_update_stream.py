"""``n2k update --stream``: the dump is imported while it arrives. test_update.py runs all of its tests in this way, too."""

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest

from tests.support.commands import PEOPLE, Commands, Done, on_terminal
from tests.support.processes import SECONDS, eventually
from tests.support.sandbox import csv
from tests.support.web_server import Answer, Handler, WebServer, cut, file, stalled, web_server

MB = 1_000_000


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server without any file."""
    with web_server() as server:
        yield server


@pytest.fixture
def url(web: WebServer) -> str:
    """The address of the dump."""
    return web.url("/dump")


def rows(first: int, count: int, last_name: str) -> bytes:
    """A csv dump."""
    numbers = range(first, first + count)
    return csv(*[(f"{number:08x}-0000-0000-0000-000000000001", f"Some{number} {last_name}") for number in numbers]).encode()


MANY = rows(1, 60_000, "Old")
"""Some megabytes: the import has begun long before the end."""


def left(n2k: Commands) -> list[str]:
    """Temporary files of an update or import."""
    return [name for name in n2k.contents() if "download" in name or ".new" in name or ".building" in name]


def is_importing(n2k: Commands) -> bool:
    """Whether a generation is being built."""
    return any(".building" in path.name for path in (n2k.data_dir / "generations").iterdir())


def watched(content: bytes, look: Callable[[], None]) -> Answer:
    """The whole file by the megabyte; before each *look* is called."""

    def answer(handler: Handler) -> None:
        handler.head(200, len(content))
        for at in range(0, len(content), MB):
            look()
            handler.wfile.write(content[at : at + MB])
            handler.wfile.flush()

    return answer


@pytest.mark.parametrize("option", ["--stream", "--no-stream"])
@pytest.mark.measured
def test_the_dump_is_stored_nowhere(peopled: Commands, web: WebServer, url: str, option: str) -> None:
    """The same look at the data directory sees 24 MB of a stored dump arrive; it sees no file of a streamed one.

    The noise is refused as bad lines, so that the import stores nothing of it.
    """
    noise = b"".join(b"noise %b\n" % os.urandom(15_000).hex().encode() for _ in range(800))
    names: set[str] = set()
    sizes: list[int] = []

    def look() -> None:
        paths = [path for path in peopled.data_dir.rglob("*") if path.is_file()]
        names.update(path.name for path in paths)
        sizes.append(sum(path.stat().st_blocks * 512 for path in paths if path.exists()))

    web.paths["/dump"] = watched(PEOPLE + noise, look)
    done = peopled("update", option, "--max-bad", "100", url)
    assert "3 avatars (0 added, 0 changed, 0 removed, 800 lines refused)" in done.out, done
    is_stored = option == "--no-stream"
    assert ("download.part" in names, max(sizes) - sizes[0] > 10 * MB) == (is_stored, is_stored)
    assert is_stored or max(sizes) - sizes[0] < 2 * MB


@pytest.mark.parametrize(("option", "is_refused"), [("--stream", False), ("--no-stream", True)])
def test_no_file_is_as_large_as_the_dump(peopled: Commands, web: WebServer, url: str, option: str, is_refused: bool) -> None:
    """Where the system allows no file of the dump's size, in any directory, only streaming imports it."""
    web.paths["/dump"] = file(PEOPLE + b"".join(b"noise %b\n" % os.urandom(15_000).hex().encode() for _ in range(300)))
    done = limited(peopled, 8000, "update", option, "--max-bad", "100", url)
    assert (done.code in (41, 45)) == is_refused and (done.code == 0) != is_refused, done
    assert left(peopled) == []


def test_a_full_disk_is_told(peopled: Commands, web: WebServer, url: str) -> None:
    """The import finds no space: its message and exit code, and nothing is left."""
    web.paths["/dump"] = file(bz2.compress(MANY))
    live = peopled.live()
    done = limited(peopled, 1000, "-q", "update", "--stream", url)
    assert done.code in (41, 45) and done.err.count("\n") == 1, done
    assert left(peopled) == [] and peopled.live() == live


def limited(n2k: Commands, blocks: int, *arguments: str) -> Done:
    """Run a command that may write no file of more than *blocks* of 512 bytes."""
    command = ["sh", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "sh", *n2k.command(*arguments)]
    done = subprocess.run(command, env=n2k.environment(), capture_output=True, timeout=SECONDS)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.measured
def test_a_dump_that_changes_meanwhile_is_imported_from_its_beginning(
    n2k: Commands, web: WebServer, url: str, jobs: str
) -> None:
    """Half of one version was read when the connection broke: none of its rows is in what is published."""
    web.paths["/dump"] = cut(MANY, file(rows(900_000, 100, "New"), '"two"'))
    done = n2k("update", "--stream", "--jobs", jobs, url)
    assert (done.code, done.err) == (0, "") and ": 100 avatars (100 added, " in done.out, done
    assert [headers.get("If-Range") for _, headers in web.requests] == [None, '"one"']
    assert (n2k("lookup", "some5 old").code, n2k("lookup", "some900005 new").code) == (17, 0)
    assert left(n2k) == []
    assert n2k("update", "--stream", url).out.startswith("not modified") and web.headers()["If-None-Match"] == '"two"'


@pytest.mark.measured
def test_a_secret_is_in_no_file_when_it_begins_anew(n2k: Commands, web: WebServer) -> None:
    """The log says that it begins anew, without password and query."""
    web.paths["/dump"] = cut(MANY, file(MANY, ranges=False))
    done = n2k("-v", "update", "--stream", web.url("/dump?key=topsecret", "me:topsecret"))
    assert done.code == 0
    texts = [done.out + done.err, *[path.read_bytes().decode("latin-1") for path in n2k.data_dir.rglob("log/*")]]
    assert any("/dump cannot be resumed" in text for text in texts) and not any("topsecret" in text for text in texts)


@pytest.mark.measured
def test_a_server_without_ranges_costs_a_second_reading(n2k: Commands, web: WebServer, url: str) -> None:
    """The response to the second request is the whole dump, and is imported."""
    web.paths["/dump"] = cut(MANY, file(MANY, ranges=False))
    assert ": 60000 avatars (60000 added, " in n2k("update", "--stream", url).out
    assert len(web.requests) == 2 and left(n2k) == []


KINDS: dict[str, Callable[[bytes], bytes]] = {"csv": bytes, "bz2": bz2.compress, "gz": gzip.compress, "xz": lzma.compress}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_published_before_the_last_byte(peopled: Commands, web: WebServer, url: str, kind: str) -> None:
    """All but one byte, in every form: the connection's error, and what was live is live. Then the byte comes."""
    content = KINDS[kind](rows(1, 500, "One"))
    web.paths["/dump"] = cut(content, at=len(content) - 1)
    live = peopled.live()
    done = peopled("update", "--stream", url, N2K_UPDATE_TRIES="1")
    assert (done.code, peopled.live(), left(peopled)) == (70, live, [])
    assert f"it breaks off after {len(content) - 1} of {len(content)} bytes" in done.err
    web.paths["/dump"] = cut(content, file(content), at=len(content) - 1)
    assert "(500 added, " in peopled("update", "--stream", url).out and web.headers()["Range"] == f"bytes={len(content) - 1}-"


@pytest.mark.measured
def test_json_lines_are_streamed(n2k: Commands, web: WebServer, url: str) -> None:
    """With their grids, times and former names."""
    line = {"key": "a27b84f0-2757-4176-9579-43a181d4a5a0", "name": "New Name", "grid": "OpenSim", "seen": 1700000000}
    web.paths["/dump"] = file(bz2.compress(json.dumps({**line, "former": [{"name": "Old Name"}]}).encode()))
    assert n2k("update", "--stream", url).code == 0
    found = [json.loads(row) for row in n2k("lookup", "--json", "--history", "--grid", "OpenSim", "new name").out.splitlines()]
    assert [(row["name"], row["seen"], row["former"]) for row in found] == [
        ("New Name", 1700000000, False),
        ("Old Name", 1, True),
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.measured
def test_a_stopped_import_is_swept(peopled: Commands, web: WebServer, url: str, number: int) -> None:
    """Stopped while it waits for the server, it ends at once, not after ``update_stall``. After kill -9 the next update removes
    what was built, and says so."""
    web.paths["/dump"] = stalled(MANY)
    live = peopled.live()
    command = peopled.command("-q", "update", "--stream", url)
    environment = peopled.environment(N2K_UPDATE_STALL="3600")
    codes = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as child:
        try:
            assert eventually(lambda: is_importing(peopled) and len(os.listdir(f"/proc/{child.pid}/task")) > 1)
            child.send_signal(number)
            assert child.wait(SECONDS) == codes[signal.Signals(number)]
        finally:
            child.kill()
    assert is_importing(peopled) == (number == signal.SIGKILL) and peopled.live() == live
    assert not [name for name in peopled.contents() if "download" in name]
    web.paths["/dump"] = file(MANY)
    done = peopled("-q", "update", "--stream", url)
    assert done.code == 0 and peopled.live() > live and left(peopled) == []
    assert done.err.count("\n") == (number == signal.SIGKILL)
    assert ("an import or purge before this one was killed" in done.err) == (number == signal.SIGKILL)


@pytest.mark.measured
def test_a_refusal_does_not_wait_for_the_server(peopled: Commands, web: WebServer, url: str) -> None:
    """The first megabyte shows that it is no dump while another thread waits for the next one: it ends, and nothing is left."""
    web.paths["/dump"] = stalled(b"[" + MANY)
    done = peopled("-q", "update", "--stream", "--jobs", "2", url, N2K_UPDATE_STALL="3600")
    assert done.code == 62 and "it is a JSON array" in done.err and left(peopled) == []


@pytest.mark.measured
def test_a_zip_is_refused_with_what_to_do(peopled: Commands, web: WebServer, url: str) -> None:
    """It is not stored behind the owner's back; --no-stream imports it in spite of the setting."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("name2key.csv", rows(1, 500, "One"))
    web.paths["/dump"] = file(packed.getvalue())
    done = peopled("-q", "update", url, N2K_UPDATE_STREAM="yes")
    assert done.code == 62 and "cannot be read while it is downloaded: update with --no-stream" in done.err
    assert left(peopled) == []
    assert "(500 added, " in peopled("update", "--no-stream", url, N2K_UPDATE_STREAM="yes").out


@pytest.mark.measured
def test_a_terminal_shows_the_import_alone(n2k: Commands, web: WebServer, url: str) -> None:
    """The bar of the import counts the bytes that arrive; there is no line of a download beside it."""
    web.paths["/dump"] = file(MANY)
    with on_terminal(n2k.command("update", "--stream", url), n2k.environment()) as terminal:
        seen = terminal.rest()
    assert "import  [#" in seen and "rows/s" in seen and "updated from" in seen and "download:" not in seen
