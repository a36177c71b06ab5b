"""``n2k update`` against a real web server: its messages and exit codes; a failure changes nothing and leaves nothing."""

import bz2
import gzip
import json
import lzma
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.store.datadir import IMPORT_LOCK
from tests.support.commands import PEOPLE, Commands, on_terminal
from tests.support.golden import prepare
from tests.support.processes import eventually
from tests.support.sandbox import MASAKAZU, csv
from tests.support.standalone import serving
from tests.support.web_server import (
    MODIFIED,
    Answer,
    WebServer,
    cut,
    dripping,
    endless,
    file,
    gzipped,
    redirect,
    sent,
    stalled,
    web_server,
)

PACKED = bz2.compress(PEOPLE)
OTHERS = bz2.compress(
    csv(*[(f"{number:08x}-0000-0000-0000-000000000001", f"Some{number} One") for number in range(1, 500)]).encode()
)
ONCE = {"N2K_UPDATE_TRIES": "1"}

only_stored = pytest.mark.parametrize("is_streamed", ["stored"], indirect=True)
"""A test of what only a stored dump has; test_update_stream.py has those of streaming."""


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server with W-Hat's three well-known people at /dump.csv.bz2."""
    with web_server() as server:
        server.paths["/dump.csv.bz2"] = file(PACKED)
        yield server


@pytest.fixture(autouse=True, params=["stored", "streamed"])
def is_streamed(request: pytest.FixtureRequest, n2k: Commands) -> bool:
    """Each test runs twice: the dump is stored and then imported, or imported while it arrives. All else is as it was."""
    streamed = bool(request.param == "streamed")
    n2k.variables["N2K_UPDATE_STREAM"] = "yes" if streamed else "no"
    return streamed


@pytest.fixture
def url(web: WebServer) -> str:
    """The address of the dump."""
    return web.url("/dump.csv.bz2")


def left(n2k: Commands) -> list[str]:
    """Temporary files of an update or import."""
    return [name for name in n2k.contents() if "download" in name or ".new" in name or ".building" in name]


def refused(n2k: Commands, source: str, code: int, said: str, *options: str, **variables: str) -> None:
    """The update fails with one line even with -q; live generation, update.json and folder are as before."""
    before = n2k.contents()
    done = n2k("-q", "update", *options, source, **{**ONCE, **variables})
    assert (done.code, done.out) == (code, ""), done
    assert done.err.startswith("n2k: ") and done.err.count("\n") == 1 and said in done.err
    assert {**before, "update.lock": "", "import.lock": ""} == {**n2k.contents(), "update.lock": "", "import.lock": ""}
    assert left(n2k) == []


def test_the_csv_of_another_n2k(n2k: Commands, tmp_path: Path) -> None:
    """With a token of that service, by setting or by variable; no URL, log or file has it."""
    golden = prepare(tmp_path / "other")
    token = golden.placeholders["{CSV_TOKEN}"]
    with serving(golden.data_dir) as server:
        url = f"http://{server.host}:{server.port}/name2key.csv"
        assert "the server answers 401" in n2k("update", url, **ONCE).err
        assert "8 added" in n2k("update", url, N2K_UPDATE_TOKEN=token).out
        (n2k.data_dir / "n2k.ini").write_text(f"[n2k]\nupdate_token = {token}\n")
        assert "0 changed" in n2k("-v", "update", "--force", url).out
    files = [path for path in n2k.data_dir.rglob("*") if path.is_file() and path.name != "n2k.ini"]
    assert files and not any(token[:20].encode() in path.read_bytes() for path in files)


def test_an_update_fetches_imports_and_publishes(n2k: Commands, url: str) -> None:
    """The directory is created, the dump is published as of its Last-Modified, and one line says so."""
    done = n2k("update", url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"updated from {url}: 3 avatars (3 added, 0 changed, 0 removed, 0 lines refused) in ")
    assert done.out.count("\n") == 1 and done.out.endswith(f"generation {n2k.live()}\n")
    manifest = json.loads((n2k.data_dir / "generations" / n2k.live() / "manifest.json").read_text())
    assert (manifest["as_of"], manifest["source"]) == (MODIFIED, "dump.csv.bz2")
    assert left(n2k) == []


def test_the_second_time_nothing_is_fetched(n2k: Commands, web: WebServer, url: str) -> None:
    """Not modified is success: it is reported, and nothing is published; --force downloads and imports all the same."""
    n2k("update", url)
    live = n2k.live()
    done = n2k("update", url)
    assert (done.code, done.out) == (
        0,
        f"not modified: {url} is as it was at the last update of Production (--force fetches it again)\n",
    )
    assert web.headers()["If-None-Match"] == '"one"' and n2k.live() == live
    assert n2k("update", "--force", url).out.startswith("updated from")
    assert "If-None-Match" not in web.headers() and n2k.live() > live


def test_the_same_dump_under_another_tag_is_unchanged(n2k: Commands, web: WebServer, url: str) -> None:
    """Downloaded but not imported again; next time not even downloaded. Without validators it is always downloaded."""
    n2k("update", url)
    live = n2k.live()
    web.paths["/dump.csv.bz2"] = file(PACKED, '"two"')
    done = n2k("update", url)
    assert (done.code, done.out) == (
        0,
        f"unchanged: {url} is the dump that was imported last of Production (--force imports it again)\n",
    )
    assert n2k("update", url).out.startswith("not modified")
    web.paths["/dump.csv.bz2"] = sent(PACKED, Last_Modified="")
    assert [n2k("update", url).out.partition(":")[0] for _ in range(2)] == ["unchanged"] * 2
    assert n2k.live() == live and left(n2k) == []


def test_after_an_undo_the_same_dump_is_fetched_again(n2k: Commands, web: WebServer, url: str) -> None:
    """Neither the server's validators nor the checksum keep out the rows that a purge removed."""
    n2k("update", url)
    n2k("forget", MASAKAZU)
    n2k("purge")
    assert n2k("update", url).out.startswith("not modified")
    n2k("forget", "--undo", MASAKAZU)
    assert n2k("update", url).out.startswith("updated from") and "If-None-Match" not in web.headers()
    assert n2k("lookup", MASAKAZU).code == 0


def test_a_changed_dump_is_merged_and_old_generations_go(n2k: Commands, web: WebServer, url: str) -> None:
    """Each new dump is imported; 'keep' generations are kept."""
    n2k("update", url)
    for number, name in enumerate(("Ann Lee", "Bob Lee", "Cy Lee")):
        web.paths["/dump.csv.bz2"] = file(
            PEOPLE + csv((f"0000000{number}-0000-0000-0000-000000000001", name)).encode(), f'"{number}"'
        )
        done = n2k("update", url)
        assert "(1 added, " in done.out, done
    assert len(list((n2k.data_dir / "generations").iterdir())) == 2


def test_quiet_is_silent_when_all_is_well(n2k: Commands, url: str, tmp_path: Path) -> None:
    """Cron mails every output: there is none for updated, not modified, unchanged."""
    (tmp_path / "dump").write_bytes(PACKED)
    for source in (url, url, tmp_path / "dump"):
        done = n2k("-q", "update", source)
        assert (done.code, done.out, done.err) == (0, "", "")
    assert n2k.live()


@pytest.mark.measured
def test_json_says_the_same(n2k: Commands, url: str) -> None:
    """The result and the manifest, or the result alone."""
    done = json.loads(n2k("update", "--json", url).out)
    assert (done["result"], done["from"], done["rows"], done["name"], done["bad"]) == ("updated", url, 3, n2k.live(), {})
    assert json.loads(n2k("update", "--json", url).out) == {"result": "not modified", "from": url}


def test_a_file_is_taken_too(n2k: Commands, tmp_path: Path) -> None:
    """As of its own time; the second time it is unchanged, whatever its time is."""
    dump = tmp_path / "dump"
    dump.write_bytes(PACKED)
    assert n2k("update", dump).out.startswith(f"updated from {dump}: 3 avatars")
    os.utime(dump, (MODIFIED, MODIFIED))
    assert n2k("update", dump).out.startswith(f"unchanged: {dump}")
    refused(n2k, str(tmp_path), 60, "it is a directory")
    refused(n2k, str(tmp_path / "none"), 60, "No such file")


def test_the_setting_is_the_default_source(n2k: Commands, url: str) -> None:
    """Without an argument and without the setting the usage is shown."""
    assert n2k("update", N2K_UPDATE_SOURCE=url).out.startswith(f"updated from {url}")
    done = n2k("update")
    assert done.code == 2 and "update_source" in done.err


def test_a_password_is_shown_and_written_nowhere(n2k: Commands, web: WebServer) -> None:
    """Not in the output, the log, update.json, the manifest, nor in the message of a failure."""
    source = web.url("/dump.csv.bz2", "me:topsecret")
    outputs = [n2k("-v", "update", source), n2k("update", source)]
    web.paths["/dump.csv.bz2"] = sent(b"", 500)
    outputs.append(n2k("update", source))
    assert [done.code for done in outputs] == [0, 0, 70] and web.headers()["Authorization"].startswith("Basic ")
    texts = [done.out + done.err for done in outputs] + [str(p.read_bytes()) for p in n2k.data_dir.rglob("*") if p.is_file()]
    assert not [text for text in texts if "topsecret" in text]


@pytest.mark.parametrize(
    ("template", "code", "said"),
    [
        ("http://me:topsecret@127.0.0.1:{port}/redirected", 71, "it redirects to something else than http or https"),
        ("http://me:topsecret@127.0.0.1:{port}/page", 71, "it is a web page"),
        ("http://me:topsecret@a b/dump", 71, "its host is not a valid name"),
        ("http://me:1/topsecret@127.0.0.1/dump", 71, "there is an @ after its host"),
        ("https:/me:topsecret@127.0.0.1/dump", 71, "it names no host"),
        ("http://me:topsecret@127.0.0.1:1/dump", 70, "Connection refused"),
    ],
)
def test_a_password_is_in_no_message(n2k: Commands, web: WebServer, template: str, code: int, said: str) -> None:
    """Whatever is wrong with the URL or its server; nor does 'n2k import', which takes no URL, repeat it."""
    web.paths["/redirected"] = redirect("ftp://other:topsecret@127.0.0.1/")
    web.paths["/page"] = sent(b"<html>")
    source = template.format(port=web.port)
    done = [n2k("-v", "update", source, **ONCE), n2k("-v", "import", source)]
    assert [one.code for one in done] == [code, 2] and said in done[0].err and "'n2k update URL' fetches one" in done[1].err
    texts = [one.out + one.err for one in done] + [str(p.read_bytes()) for p in n2k.data_dir.rglob("*") if p.is_file()]
    assert not [text for text in texts if "topsecret" in text]


def test_the_memory_is_private(n2k: Commands, url: str) -> None:
    """URLs may hold secrets: only the owner can read update.json."""
    n2k("update", url)
    assert (n2k.data_dir / "update.json").stat().st_mode & 0o777 == 0o600


def test_the_same_dump_from_a_mirror_with_another_clock_is_unchanged(n2k: Commands, web: WebServer, url: str) -> None:
    """It states an older time for the same bytes: that it is the same counts, and there is no message about the time."""
    n2k("update", url)
    web.paths["/dump.csv.bz2"] = sent(PACKED, Last_Modified="Wed, 27 May 2026 20:26:40 GMT", ETag='"mirror"')
    done = n2k("update", url)
    assert (done.code, done.err) == (0, "") and done.out.startswith("unchanged")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Production": 7}', '{"Production": {"url": 1}}'])
def test_a_damaged_memory_costs_a_download_only(n2k: Commands, url: str, text: str) -> None:
    """An unreadable update.json is ignored and replaced."""
    n2k("update", url)
    n2k.put("update.json", text)
    assert n2k("update", url).out.startswith("unchanged")
    assert n2k("update", url).out.startswith("not modified")


def test_each_grid_remembers_its_own(n2k: Commands, web: WebServer, url: str) -> None:
    """Two crontab lines for two grids do not make each other download."""
    web.paths["/other"] = file(OTHERS)
    for _ in range(2):
        done = [n2k("update", url), n2k("update", "--grid", "OpenSim", web.url("/other"))]
    assert [each.out.partition(":")[0] for each in done] == ["not modified"] * 2
    assert n2k("lookup", "--grid", "OpenSim", "some7 one").code == 0


TROUBLES: dict[str, tuple[Answer, int, str]] = {
    "404": (sent(b"", 404), 70, "the server answers 404"),
    "500": (sent(b"", 500), 70, "the server answers 500"),
    "304": (sent(b"", 304), 70, "the server answers 304"),
    "html": (sent(b"<!doctype html>", Content_Type="text/html"), 71, "it is a web page"),
    "stall": (stalled(OTHERS), 70, "no byte came for 1 s"),
    "too slow": (dripping, 73, "took longer than 2 s"),
    "cut": (cut(OTHERS), 70, "it breaks off after"),
    "longer than said": (sent(OTHERS, length=len(OTHERS) - 9), 61, "the dump is truncated or corrupt"),
    "shorter than said": (sent(OTHERS, length=len(OTHERS) + 9), 70, "it breaks off after"),
    "truncated": (sent(OTHERS[:-9]), 61, "the dump is truncated or corrupt"),
    "endless": (endless, 72, "is larger than 1048576 bytes"),
    "loop": (redirect("/dump.csv.bz2"), 71, "more than 5 redirects"),
    "file": (redirect("file:///etc/passwd"), 71, "something else than http or https"),
    "brotli": (sent(bytes.fromhex("8b0480757569642c6e616d650a03"), Content_Encoding="br"), 71, "encoded as br"),
    "a gz bomb around an archive": (gzipped(OTHERS + bytes(2**21)), 72, "is larger than 1048576 bytes"),
    "bad lines": (sent(b"nonsense\n" * 9 + PEOPLE), 63, "9 of 12 lines are bad"),
    "no rows": (sent(b""), 64, "holds no rows"),
    "nested": (sent(bz2.compress(OTHERS)), 62, "an archive in an archive"),
}


IMPATIENT = {"stall": {"N2K_UPDATE_STALL": "1"}, "too slow": {"N2K_UPDATE_TIME": "2"}}
"""The limits that these troubles are about; for all others a slow machine has time."""


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_told_and_changes_nothing(peopled: Commands, web: WebServer, url: str, trouble: str) -> None:
    """One line, its own exit code; no temporary file, and the live generation is as before."""
    web.paths["/dump.csv.bz2"], code, said = TROUBLES[trouble]
    refused(peopled, url, code, said, N2K_UPDATE_SIZE="1M", **IMPATIENT.get(trouble, {}))


def test_other_schemes_are_refused(peopled: Commands) -> None:
    """No file by URL, no ftp."""
    refused(peopled, "file:///etc/passwd", 71, "only http and https are fetched")
    refused(peopled, "ftp://me:secret@127.0.0.1/dump", 71, "will not fetch ftp://...: only http")


def test_a_broken_connection_is_resumed(n2k: Commands, web: WebServer, url: str) -> None:
    """Without a message for the owner of the crontab."""
    web.paths["/dump.csv.bz2"] = cut(OTHERS, file(OTHERS))
    assert n2k("update", url).out.startswith(f"updated from {url}: 499 avatars")
    assert web.headers()["Range"] == f"bytes={len(OTHERS) // 2}-"


CODED = {
    "gzip over lines": (gzip.compress(PEOPLE), "gzip"),
    "gzip over bz2": (gzip.compress(PACKED), "x-gzip"),
    "gzip over bz2, both named": (gzip.compress(PACKED), "x-bzip2, gzip"),
    "gzip over gz": (gzip.compress(gzip.compress(PEOPLE)), "gzip"),
    "gzip twice over xz": (gzip.compress(gzip.compress(lzma.compress(PEOPLE))), "gzip, gzip"),
    "gzip thrice over lines": (gzip.compress(gzip.compress(gzip.compress(PEOPLE))), "gzip, gzip, gzip"),
    "bz2 called so": (PACKED, "x-bzip2"),
    "bz2 called gzip": (PACKED, "gzip"),
    "bz2 called brotli": (PACKED, "br"),
    "xz called zstd": (lzma.compress(PEOPLE), "zstd"),
    "lines called gzip": (PEOPLE, "gzip"),
    "lines in UTF-16 called identity": (PEOPLE.decode().encode("utf-16"), "identity"),
}


@pytest.mark.parametrize(("content", "coding"), CODED.values(), ids=CODED)
def test_what_the_bytes_are_counts(n2k: Commands, web: WebServer, url: str, content: bytes, coding: str) -> None:
    """The content decides, not the header: compressed twice, it is decompressed twice, and no temporary file is left."""
    web.paths["/dump.csv.bz2"] = sent(content, Content_Encoding=coding)
    assert n2k("update", url).out.startswith(f"updated from {url}: 3 avatars")
    assert left(n2k) == []


@pytest.mark.measured
def test_what_was_packed_more_often_than_named_is_refused(peopled: Commands, web: WebServer, url: str) -> None:
    """Each named coding is removed; an archive in an archive is not."""
    web.paths["/dump.csv.bz2"] = sent(gzip.compress(gzip.compress(OTHERS)), Content_Encoding="gzip")
    refused(peopled, url, 62, "it is an archive in an archive")


def test_a_redirect_to_another_server_is_followed(n2k: Commands, web: WebServer, url: str) -> None:
    """As mirrors send it."""
    with web_server(dump=file(PACKED)) as mirror:
        web.paths["/dump.csv.bz2"] = redirect(mirror.url("/dump"), 308)
        assert n2k("update", url).out.startswith(f"updated from {url}: 3 avatars")


def test_a_dump_that_is_not_newer_is_refused(n2k: Commands, web: WebServer, url: str) -> None:
    """Older than the live one of its grid, as from a lagging mirror. --force imports it; another grid is not affected."""
    n2k("import", "--as-of", "2026-06-01", "-", stdin=csv((MASAKAZU, "Masakazu Kojima")).encode())
    said = "the dump is as of 2026-05-28T20:26:40Z, the live generation of Production is as of 2026-06-01T00:00:00Z"
    refused(n2k, url, 74, said)
    assert n2k("update", "--grid", "OpenSim", url).out.startswith("updated")
    refused(n2k, web.url("/dump.csv.bz2"), 74, "the live generation of Production is as of 2026-06-01")
    assert n2k("update", "--force", url).out.startswith("updated")


def test_a_shrunken_dump_is_refused(n2k: Commands, web: WebServer, url: str) -> None:
    """Far fewer rows than last time; --force imports it, and update.json is written then."""
    web.paths["/dump.csv.bz2"] = file(OTHERS)
    n2k("update", url)
    web.paths["/dump.csv.bz2"] = file(PACKED, '"two"')
    refused(n2k, url, 69, "the dump has 3 rows, the previous one had 499")
    assert n2k("update", "--force", url).out.startswith("updated")
    assert n2k("update", url).out.startswith("not modified")


@only_stored
def test_the_time_of_an_archive_comes_first(n2k: Commands, web: WebServer, tmp_path: Path) -> None:
    """A zip has the time of its file; --as-of overrides all."""
    with zipfile.ZipFile(tmp_path / "dump.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("name2key.csv", (2026, 3, 1, 12, 0, 0)), PEOPLE)
    web.paths["/dump.zip"] = file((tmp_path / "dump.zip").read_bytes())
    assert json.loads(n2k("update", "--json", web.url("/dump.zip"), TZ="UTC").out)["as_of"] == 1772366400
    assert json.loads(n2k("update", "--json", "--as-of", "1790000000", web.url("/dump.zip")).out)["as_of"] == 1790000000


@pytest.mark.measured
def test_a_date_in_the_future_is_now(n2k: Commands, web: WebServer, url: str) -> None:
    """A wrong clock of the server would make every later dump look older."""
    web.paths["/dump.csv.bz2"] = sent(PACKED, Last_Modified="Fri, 01 Jan 2100 00:00:00 GMT")
    assert json.loads(n2k("update", "--json", url).out)["as_of"] <= time.time()


def test_options_reach_the_import(n2k: Commands, web: WebServer, url: str) -> None:
    """--replace, --max-bad, --max-bytes and --jobs work as with import."""
    n2k("import", "--as-of", "2026-01-01", "-", stdin=csv((MASAKAZU.replace("a", "b"), "Gone Tomorrow")).encode())
    refused(n2k, url, 66, "unpacks to more than 20 bytes", "--max-bytes", "20")
    web.paths["/dump.csv.bz2"] = file(b"nonsense\nnonsense\n" + PEOPLE)
    refused(n2k, url, 63, "more than 30 %", "--max-bad", "30")
    done = json.loads(n2k("update", "--json", "--replace", "--force", "--max-bad", "50", "--jobs", "1", url).out)
    assert (done["rows"], done["removed"], done["refused"]) == (3, 1, 2)


def test_a_second_update_leaves(n2k: Commands, web: WebServer, url: str) -> None:
    """While an update or an import runs, another update reports that and ends."""
    n2k.has_people()
    with hold(n2k.data_dir / "update.lock", PRIVATE, 0):
        refused(n2k, url, 65, "another import is running")
    assert web.requests == []
    with hold(n2k.data_dir / IMPORT_LOCK, PRIVATE, 0):
        web.paths["/dump.csv.bz2"] = file(OTHERS)
        refused(n2k, url, 65, "another import is running")


@only_stored
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.measured
def test_a_stopped_download_is_swept(peopled: Commands, web: WebServer, url: str, number: int) -> None:
    """kill -9 leaves the part, not the lock: the next update removes the part and takes the lock. Ctrl-C leaves nothing."""
    web.paths["/dump.csv.bz2"] = stalled(OTHERS)
    part = peopled.data_dir / "download.part"
    command = peopled.command("-q", "update", url)
    with subprocess.Popen(command, env=peopled.environment(), stderr=subprocess.DEVNULL) as child:
        begun = eventually(lambda: part.exists() and part.stat().st_size > 0)
        child.send_signal(number)
        assert begun and child.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert part.exists() == (number == signal.SIGKILL)
    assert not part.exists() or part.stat().st_mode & 0o777 == 0o600
    web.paths["/dump.csv.bz2"] = file(OTHERS)
    done = peopled("-q", "update", url)
    assert done.code == 0
    assert ("an update before this one was killed" in done.err and "download.part" in done.err) == (number == signal.SIGKILL)
    assert done.err.count("\n") == (number == signal.SIGKILL) and peopled.live()
    assert left(peopled) == []


@only_stored
@pytest.mark.measured
def test_a_full_disk_is_told(peopled: Commands, web: WebServer, url: str) -> None:
    """The part is removed, and the line says that the disk is full."""
    web.paths["/dump.csv.bz2"] = file(b"BZh9" + os.urandom(3_000_000))  # else by chance the first byte is that of a web page
    script = 'trap "" XFSZ; ulimit -f 1000; exec "$@"'
    command = ["sh", "-c", script, "sh", *peopled.command("-q", "update", url)]
    done = subprocess.run(command, env=peopled.environment(), capture_output=True, timeout=60)
    assert done.returncode in (41, 45) and done.stderr.count(b"\n") == 1
    assert left(peopled) == []


@only_stored
@pytest.mark.measured
def test_progress_shows_on_a_terminal_only(n2k: Commands, url: str) -> None:
    """Bytes received of the total, in one line; the result follows."""
    with on_terminal(n2k.command("update", url), n2k.environment()) as terminal:
        seen = terminal.rest()
    assert "download: 0.0 of 0.0 MB" in seen and "updated from" in seen
