"""Purge knows every file of a data directory: remains of killed commands, old logs, the history of a shell."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from n2k_fcgi.files import PRIVATE, hold
from n2k_fcgi.store.datadir import UPDATE_LOCK
from n2k_fcgi.store.inventory import TABLE, Purging, files
from tests.support.commands import PEOPLE, Commands, on_terminal
from tests.support.processes import eventually
from tests.support.sandbox import MASAKAZU, csv
from tests.support.traces import KEY, traces
from tests.support.web_server import Handler, web_server

ROW = csv((KEY, "Quillon Ash"))
REMOVED = [row.pattern for row in TABLE if row.purging is Purging.REMOVED]


def half(handler: Handler) -> None:
    """The row of the avatar that is forgotten later, and then no more data."""
    handler.head(200, 1 << 20)
    handler.wfile.write(ROW.encode())
    handler.web.closing.wait()


def start(n2k: Commands, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a command without waiting for it."""
    command = n2k.command(*arguments)
    return subprocess.Popen(command, env=n2k.environment(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)


def kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill a process by SIGKILL."""
    with child:
        child.kill()
    assert child.returncode == -signal.SIGKILL


def kill_an_update(n2k: Commands) -> None:
    """Kill an update during its download."""
    with web_server(dump=half) as web:
        child = start(n2k, "update", web.url("/dump"))
        part = n2k.data_dir / "download.part"
        assert eventually(lambda: part.exists() and part.stat().st_size == len(ROW))
        kill(child)


def kill_an_import(n2k: Commands) -> None:
    """Kill an import after it spilled rows, that of the avatar who is forgotten later among them: it is in the last block."""
    child = start(n2k, "import", "--jobs", "1", "-")
    assert child.stdin
    rows = [(f"{n:08x}-0000-0000-0000-000000000001", f"Name{n} Last") for n in range(1, 70_000)]
    child.stdin.write(ROW.encode() + csv(*rows).encode())
    child.stdin.flush()
    assert eventually(lambda: any(name.endswith(".spill") for name in traces(n2k.data_dir)))
    kill(child)


def kill_a_shell(n2k: Commands) -> None:
    """Leave a temporary file of readline, as before its rename."""
    (n2k.data_dir / f"history-{os.getpid()}.tmp").write_text("quillon ash\n")
    (n2k.data_dir / "history").write_text("quillon ash\n")


def kill_a_purge_and_an_export(n2k: Commands) -> None:
    """A copy of the captures, with an avatar that is forgotten later; an incomplete export in the data directory."""
    (n2k.data_dir / "captures.fresh").write_text(ROW)
    (n2k.data_dir / ".all.jsonl.4711.part").write_text(ROW)


def log_elsewhere(n2k: Commands) -> None:
    """Logs from before 'log_file' and 'log_keep' were changed, and the current one."""
    (n2k.data_dir / "log").mkdir(exist_ok=True)
    for name in ("log/old.log", "log/old.log.3", "log/n2k.log.77", "now.log", "now.log.2"):
        (n2k.data_dir / name).write_text("key2name quillon ash\n")
    (n2k.data_dir / "n2k.ini").write_text("[n2k]\nlog_file = now.log\n")


@pytest.mark.parametrize("leave", [kill_an_update, kill_an_import, kill_a_shell, kill_a_purge_and_an_export, log_elsewhere])
@pytest.mark.parametrize("options", [(), ("-v",)])
def test_nothing_is_left_of_what_lay_about(peopled: Commands, leave: object, options: tuple[str, ...]) -> None:
    """Each file has the name: after forget and purge none has it, and every remaining file is in the table."""
    assert callable(leave)
    leave(peopled)
    assert traces(peopled.data_dir) != []
    peopled("forget", KEY)
    done = peopled(*options, "purge")
    assert done.code == 0 and done.out.startswith("purged: 0 names in 0 generations, 0 captures"), done
    assert "not n2k's own" not in done.err
    assert traces(peopled.data_dir) == []


@pytest.mark.parametrize("pattern", REMOVED)
def test_purge_reaches_what_the_table_says(peopled: Commands, pattern: str) -> None:
    """A file of each kind that the table says to remove is removed."""
    path = peopled.data_dir / pattern.replace("*", "x")
    for folder in (*reversed(path.parent.parents), path.parent):
        if not folder.exists():
            folder.mkdir(mode=0o700)
    path.write_text(ROW)
    peopled("purge")
    assert not path.exists() and traces(peopled.data_dir) == []


def test_every_file_is_in_the_table(n2k: Commands) -> None:
    """Every file that commands write is in the table, and those that the table says name no avatar do not."""
    n2k("init")
    (n2k.data_dir / "n2k.ini").write_text("[n2k]\nlog_level = DEBUG\nlog_rotate = 4K\n")
    n2k("import", "-", stdin=(ROW.encode() + PEOPLE))
    with web_server(dump=lambda handler: (handler.head(200, len(PEOPLE)), handler.wfile.write(PEOPLE))) as web:
        n2k("update", web.url("/dump"))
    n2k("register", "Quillon Ash", KEY)
    n2k("register", "Quillon Ash", MASAKAZU)
    for _ in range(30):
        n2k("lookup", "quillon ash")
    with on_terminal(n2k.command("shell"), n2k.environment()) as terminal:
        terminal.wait_for("n2k> ")
        terminal.type("quillon ash\nquit\n")
        terminal.rest()
    kill_an_import(n2k)
    known = dict(files(n2k.data_dir))
    assert [path for path, row in known.items() if row is None] == []
    named = [known[n2k.data_dir / name] for name in traces(n2k.data_dir)]
    assert len(named) >= 6 and not [row for row in named if row and not row.names_avatars]


@pytest.mark.parametrize("name", ["backup.mdb", "generations/notes.txt", "old dump.csv"])
def test_what_is_not_ours_is_named_and_left_alone(peopled: Commands, name: str) -> None:
    """A file that does not belong to n2k is reported to the owner."""
    (peopled.data_dir / name).write_text(ROW)
    done = peopled("purge")
    assert (done.code, done.err) == (0, f"  kept, not n2k's own; check whether they name a forgotten avatar: {name}\n")
    assert (peopled.data_dir / name).read_text() == ROW


@pytest.mark.measured
def test_an_update_and_a_purge_do_not_meet(peopled: Commands) -> None:
    """A running download may contain the name and needs its file: the purge ends with the exit code of a running import."""
    part = peopled.data_dir / "download.part"
    part.write_text(ROW)
    with hold(peopled.data_dir / UPDATE_LOCK, PRIVATE, 0) as held:
        assert held and peopled("purge").code == 65
    assert part.exists() and peopled("purge").code == 0 and not part.exists()


@pytest.mark.parametrize("purged", [True, False])
def test_a_shell_does_not_bring_back_what_a_purge_took(peopled: Commands, purged: bool) -> None:
    """A shell that read its history before a purge does not write it at its end; without a purge it does."""
    history: Path = peopled.data_dir / "history"
    history.write_text("quillon ash\n")
    with on_terminal(peopled.command("shell"), peopled.environment()) as terminal:
        terminal.wait_for("n2k> ")
        if purged:
            assert peopled("purge").code == 0 and not history.exists()
        terminal.type("quit\n")
        terminal.rest()
    assert history.exists() is not purged
    assert ("quillon ash" in history.read_text()) if not purged else traces(peopled.data_dir) == []


@pytest.mark.measured
def test_namespaces_are_left_to_their_owner(peopled: Commands) -> None:
    """A purge does not change what scripts stored; its check names the file, until the owner has deleted and compacted."""
    peopled("token", "create", "--scope", "keyvalue", "--namespace", "shop")
    for key, value in ((f"visits/{KEY}", "7"), ("last", "Quillon Ash"), ("other", "kept")):
        assert peopled("kv", "put", "shop", key, "--value", value).code == 0
    (peopled.data_dir / "keyvalue" / "shop" / "left.copy").write_text(ROW)
    peopled("forget", KEY)
    done = peopled("purge")
    assert done.code == 0 and "not n2k's own" not in done.err
    assert traces(peopled.data_dir) == ["keyvalue/shop/data.mdb"]
    assert peopled("kv", "get", "shop", "last").out == "Quillon Ash"
    found = peopled("purge", "--check")
    assert (
        found.code == 51 and found.out and all(line.startswith("keyvalue/shop/data.mdb: ") for line in found.out.splitlines())
    )
    for key in (f"visits/{KEY}", "last"):
        assert peopled("kv", "delete", "shop", key).code == 0
    assert peopled("purge", "--check").code == 51
    peopled("kv", "compact", "shop")
    assert "visits/" not in peopled("kv", "list", "shop").out
    assert peopled("purge", "--check").out.startswith("keyvalue/shop/data.mdb: a key")  # in the log of changes
    peopled("kv", "compact", "--empty-log", "shop")
    assert peopled("purge", "--check").code == 0 and traces(peopled.data_dir) == []
    assert peopled("kv", "get", "shop", "other").out == "kept"
