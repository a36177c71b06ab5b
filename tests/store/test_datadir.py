"""The table of files: it has every file that the commands make, its columns are consistent, and the page shows it."""

import gzip
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from n2k_fcgi.store.inventory import FOLDERS, TABLE, Access, Backup, Check, File, Purging, files, row_of
from tests.support.commands import N2K, PEOPLE, on_terminal
from tests.support.file_table import file_table
from tests.support.pages import PAGES
from tests.support.sandbox import GOVERNOR, csv
from tests.support.traces import KEY
from tests.support.web_server import Handler, web_server

MADE = re.compile(r"(?:open(?:at)?\([^\n]*?\"([^\"]*)\", [^\n]*O_CREAT|rename\w*\([^\n]*\"([^\"]*)\"[^\n]*\) = 0)")

CSV = """
import sys
from fnmatch import fnmatchcase
from n2k_fcgi.servers.live import LiveApplication
application = LiveApplication({"data_dir": sys.argv[1], "csv": "open"})
environ = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/name2key.csv", "SERVER_PROTOCOL": "HTTP/1.1", "QUERY_STRING": ""}
answer = application(environ, lambda status, headers: print(status))
list(answer)
answer.close()
for _ in range(2):  # the second removes the lines that the first has merged
    application.note_counts()
    application.keep_house()
application.close()
"""

KEYVALUE = """
import sys
from n2k_fcgi.config import load
from n2k_fcgi.store.keyvalue import Terms
from n2k_fcgi.wiring import open_store
store = open_store(load(environment={}, flags={"data_dir": sys.argv[1]}).settings)
shop = store.keyvalue.create("shop", Terms(1000, 10))
shop.compact()
store.keyvalue.build("red", [])
with shop.copy():
    pass
store.keyvalue.drop("shop")
store.close()
"""


class _Traced:
    """Runs commands under strace and collects every name that they create below *data_dir*."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.made: set[str] = set()
        self._log = data_dir.with_name("strace.log")

    def words(self, *command: object) -> list[str]:
        calls = "trace=open,openat,rename,renameat,renameat2"
        return ["strace", "-f", "-qq", "-o", str(self._log), "-e", calls, *map(str, command)]

    def n2k(self, *arguments: object) -> list[str]:
        return self.words(N2K, "--dir", self.data_dir, *arguments)

    def run(self, command: list[str], stdin: bytes = b"") -> None:
        done = subprocess.run(command, cwd=self.data_dir.parent, input=stdin, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done
        self.collect()

    def collect(self) -> None:
        found = (a or b for a, b in MADE.findall(self._log.read_text("utf-8", "replace")))
        below = (path for path in found if path.startswith(f"{self.data_dir}/"))
        self.made |= {path.removeprefix(f"{self.data_dir}/") for path in below}
        self.made |= {path.relative_to(self.data_dir).as_posix() for path, _ in files(self.data_dir)}  # in renamed folders


def _wrapped(handler: Handler) -> None:
    """An archive with a content coding around it, which an update removes."""
    body = gzip.compress(gzip.compress(PEOPLE))
    handler.head(200, len(body), Content_Encoding="gzip")
    handler.wfile.write(body)


def test_a_run_of_every_kind_of_file(tmp_path: Path) -> None:
    """The table has every name that any command makes in the directory, and nearly every row of it is made."""
    traced = _Traced(tmp_path / "data")
    dump = tmp_path / "quillon.ash.csv"
    dump.write_bytes(PEOPLE)
    traced.run(traced.n2k("init"))
    settings = traced.data_dir / "n2k.ini"
    settings.write_text("[n2k]\nlog_level = DEBUG\nlog_rotate = 4K\n")
    traced.run(traced.n2k("import", "--jobs", "1", "-"), PEOPLE + csv((KEY, "Quillon Ash")).encode())
    with web_server(dump=_wrapped) as web:
        traced.run(traced.n2k("update", "--force", web.url("/dump")))
    traced.run(traced.n2k("forget", KEY))
    traced.run(traced.n2k("import", "--force", "--replace", dump))
    traced.run(traced.n2k("register", "New Comer", "11111111-1111-4111-8111-111111111111"))
    with (traced.data_dir / "log" / "n2k.log").open("a") as log:
        log.write("a line that fills it\n" * 250)
    traced.run(traced.n2k("lookup", GOVERNOR))
    traced.run(traced.n2k("purge"))
    traced.run(traced.n2k("import", "--force", dump))  # only its file name names the forgotten
    traced.run(traced.n2k("purge"))
    traced.run(traced.n2k("export", traced.data_dir / "all.jsonl"))
    (traced.data_dir / "all.jsonl").unlink()
    for code in (CSV, KEYVALUE):
        traced.run(traced.words(sys.executable, "-c", code, traced.data_dir))
    with on_terminal(traced.n2k("shell"), {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("n2k> ")
        terminal.type("quillon ash\nquit\n")
        terminal.rest()
    traced.collect()
    folders = {name for name in traced.made if any(fnmatchcase(name, folder) for folder in FOLDERS) and not row_of(name)}
    made = {name: row_of(name) for name in traced.made - folders}
    assert [name for name, row in made.items() if row is None] == ["all.jsonl"]
    seen = {row.pattern for row in made.values() if row}
    assert {row.pattern for row in TABLE} - seen <= {"history-*"}, "readline is another library on some systems"


def test_the_columns_agree() -> None:
    """A file that can name avatars is not kept by a purge unless it is the owner's; files that are copied are durable."""
    for row in TABLE:
        if row.names_avatars:
            assert row.purging is not Purging.KEPT, row
        else:
            assert row.purging is Purging.KEPT, row
        if row.is_exported:
            assert row.backup is Backup.COPIED and row.check in (Check.CONTENT, Check.NEEDED), row
        if row.purging is Purging.REMOVED:
            assert row.backup is Backup.LEFT_OUT, row
        if row.access in (Access.ANY, Access.OWNERS_CHOICE):
            assert row.check is Check.NOTHING, row
    assert len({row.pattern for row in TABLE}) == len(TABLE)


def test_the_first_fitting_row_counts() -> None:
    """A name in a folder does not match the row of one above it, nor vice versa."""

    def pattern(name: str) -> str | None:
        row: File | None = row_of(name)
        return row.pattern if row else None

    assert pattern("log/n2k.log.lock") == "log/*.lock"
    assert pattern("log/n2k.log.1") == "log/*"
    assert pattern("generations/20260101T000000.000Z.building/data.mdb") == "generations/*.building/*"
    assert pattern("generations/20260101T000000.000Z/data.mdb") == "generations/*/data.mdb"
    assert [pattern(name) for name in ("log/a/b", "generations/data.mdb", "x/.a.1.part", "backup.mdb")] == [None] * 4


def test_the_page_has_the_table() -> None:
    """docs/storage.md shows what the code does: ``python -m tests.support.file_table`` writes it."""
    assert file_table() in PAGES["docs/storage.md"]
